"""The packet filter of this machine: the one table `inet prathu`, and connections."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from appliance.privileged.netlink import Counted, Netlink
from appliance.privileged.run import Failed, run
from captive_portal.gate.book import Cut
from captive_portal.gate.classes import Classes
from captive_portal.gate.elements import MAPS, Come, Element, Key, Order
from captive_portal.gate.ruleset import TABLE
from captive_portal.gate.wire import no_collecting

FIXED = (
    "free_mac", "block_mac", "doh4", "doh6", "manage4", "manage6", "sender4", "sender6",
    "sender_udp", "sender_tcp", "page_port", "client_if", "open_if", "up_class", "down_class",
)  # fmt: skip
VISITORS = "at_provider"
"""The set of devices that reach providers of OpenID Connect."""
_ALL_SERIALS = 0xFFFFFF00
_FREE = 0xFF
_FEW = 32
"""Up to so many addresses or sessions, the kernel looks for each; past that, we go through all."""


class Found(NamedTuple):
    """What is in the maps."""

    elements: dict[Key, Element]
    counts: dict[Key, Counted]


class Kernel:
    """What the gate does to the kernel. Not for more than one thread at a time."""

    def __init__(self, netlink: Netlink) -> None:
        self._netlink = netlink

    def load(self, ruleset: str) -> None:
        """Make a ruleset that of the table, in one step. Raises Failed: it stays as it was."""
        run(["nft", "-f", "-"], stdin=ruleset)

    def transact(self, orders: Sequence[Order]) -> None:
        """Do all of these or none. Raises Failed: none."""
        try:
            self._netlink.change(TABLE, orders)
        except OSError as error:
            raise Failed(f"the kernel does not change its maps: {error}") from error

    def read(self, now: datetime) -> Found | None:
        """Return what is in the maps, or None: there is no such table. Raises Failed."""
        elements: dict[Key, Element] = {}
        counts: dict[Key, Counted] = {}
        try:
            with no_collecting():
                for name in MAPS:
                    for raw, each in self._netlink.elements(TABLE, name).items():
                        key = Key(name, raw)
                        elements[key] = Element(each.mark, _until(now, each))
                        counts[key] = each
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Failed(f"cannot read the kernel's maps: {error}") from error
        return Found(elements, counts)

    def stands(self) -> bool:
        """Return whether there is such a table. Raises Failed."""
        try:
            return self._netlink.has_table(TABLE)
        except OSError as error:
            raise Failed(f"cannot ask the kernel for its tables: {error}") from error

    def count(self, key: Key) -> Counted | None:
        """Return one element, or None: it is not there. Raises Failed."""
        try:
            return self._netlink.element(TABLE, key.map, key.raw)
        except OSError as error:
            raise Failed(f"cannot read the kernel's maps: {error}") from error

    def cut(self, cut: Cut) -> None:
        """End connections, of both families and in both directions. Raises Failed."""
        try:
            if len(cut.serials) + len(cut.addresses) > _FEW:
                self._netlink.end_many(cut.addresses, cut.serials)
                return
            for serial in cut.serials:
                self._netlink.end_marked(serial << 8, _ALL_SERIALS)
            for raw in cut.addresses:
                if len(raw) == 4:
                    self._netlink.end_from4(raw)
            if any(len(raw) == 16 for raw in cut.addresses):
                self._netlink.end_from6(cut.addresses)
        except OSError as error:
            raise Failed(f"cannot end connections: {error}") from error

    def cut_free(self) -> None:
        """End connections of what passed without sign-in: it may have to from now on."""
        try:
            self._netlink.end_marked(_FREE, 0xFFFFFFFF)
        except OSError as error:
            raise Failed(f"cannot end connections: {error}") from error

    def renew(self, name: str, *, least_ms: int) -> int:
        """Begin anew the time of a set's elements that end soon and have been used.

        dnsmasq puts addresses there once, and to put what is there already does not prolong it: an
        address in use would be gone for as long as devices remember the name.

        Args:
            name: The set, of addresses.
            least_ms: Elements with less left than this.

        Raises:
            Failed: the set stays as it was.
        """
        try:
            held = self._netlink.elements(TABLE, name)
        except OSError as error:
            raise Failed(f"cannot read the kernel's sets: {error}") from error
        fading: list[Come] = [
            (raw, None, None)
            for raw, each in held.items()
            if each.expires_ms is not None and each.expires_ms < least_ms and each.packets
        ]
        comes = Order(name, True, fading)
        self.transact([comes, Order(name, False, fading), comes] if fading else [])
        return len(fading)

    def let_visit(self, mac: str) -> None:
        """Let a device reach providers, from now on for the time of that set. Raises Failed."""
        one: list[Come] = [(bytes.fromhex(mac.replace(":", "")), None, None)]
        comes = Order(VISITORS, True, one)
        # What is there already keeps its end: it must go to begin anew.
        self.transact([comes, Order(VISITORS, False, one), comes])

    def classes(self) -> Classes:
        """Return the speeds that the kernel knows. Raises Failed: there is no table."""
        limits: dict[int, dict[str, int]] = {}
        for way in ("up", "down"):
            said = run(["nft", "-j", "list", "map", "inet", TABLE, f"{way}_class"])
            for number, target in _verdicts(json.loads(said)):
                limits.setdefault(number, {})[way] = int(target.rpartition("_")[2])
        return Classes({n: (each.get("up"), each.get("down")) for n, each in limits.items()})

    def fingerprint(self) -> str:
        """Return the rules as nft lists them, and what the fixed sets hold. Raises Failed."""
        rules = run(["nft", "-s", "-t", "list", "table", "inet", TABLE])
        try:
            held = [sorted(self._netlink.elements(TABLE, name)) for name in FIXED]
        except OSError as error:
            raise Failed(f"cannot read the kernel's sets: {error}") from error
        return rules + repr(held)

    def dropped(self) -> dict[str, tuple[int, int]]:
        """Return packets and bytes of each reason for which something was not let through."""
        said = json.loads(run(["nft", "-j", "list", "counters", "table", "inet", TABLE]))
        counters = [each["counter"] for each in said["nftables"] if "counter" in each]
        return {each["name"]: (each["packets"], each["bytes"]) for each in counters}


def _until(now: datetime, each: Counted) -> datetime | None:
    return None if each.expires_ms is None else now + timedelta(milliseconds=each.expires_ms)


def _verdicts(said: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
    for each in said["nftables"]:
        for number, verdict in each.get("map", {}).get("elem", ()):
            yield int(number), str(verdict["jump"]["target"])
