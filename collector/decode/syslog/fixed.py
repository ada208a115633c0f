"""Senders whose format the settings fix: what their lines look like says nothing then."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping

from collector.decode.syslog.formats import FORMATS
from collector.decode.syslog.reading import Format

NONE = Format(name="none", read=lambda _: None)
"""Takes nothing apart: the line is kept with its header alone."""
_BY_NAME: Mapping[str, Format] = {one.name: one for one in (*FORMATS, NONE)}
NAMES = frozenset(_BY_NAME)
_REMEMBERED = 4096

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Fixed:
    """The format of each sender that has a fixed one; the longest network that holds it counts."""

    def __init__(self, given: Iterable[tuple[str, str]] = ()) -> None:
        """Make it.

        Args:
            given: Networks, or addresses, and names of formats, of `NAMES` each; an empty name
                leaves a network to its contents.
        """
        networks = [(ipaddress.ip_network(text, strict=False), name) for text, name in given]
        self._networks = sorted(networks, key=lambda pair: -pair[0].prefixlen)
        self._known: dict[str, Format | None] = {}

    def __bool__(self) -> bool:
        """Tell whether any sender has one."""
        return any(name for _, name in self._networks)

    def of(self, address: str) -> Format | None:
        """Return the format of a sender's lines; None where they tell by themselves."""
        if address not in self._known:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[address] = self._find(address)
        return self._known[address]

    def _find(self, address: str) -> Format | None:
        try:
            sender = ipaddress.ip_address(address)
        except ValueError:
            return None
        name = next((name for network, name in self._networks if sender in network), "")
        return _BY_NAME.get(name)


NOBODYS = Fixed()
