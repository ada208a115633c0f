"""Which addresses are inside a site."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

REMEMBERED = 1 << 17
"""So many IPv6 addresses are remembered as inside or outside; then it starts afresh."""


class Networks:
    """The inside networks of one site."""

    def __init__(self, networks: Iterable[str]) -> None:
        parsed = [ipaddress.ip_network(network) for network in networks]
        self._v4 = [(int(n.network_address), int(n.netmask)) for n in parsed if n.version == 4]
        self._v6 = [n for n in parsed if n.version == 6]
        self._known: dict[str, bool] = {}

    def inside(self, addresses: pa.Array[Any]) -> npt.NDArray[np.bool_]:
        """Return for each of `addresses` (distinct canonical texts) whether it is inside."""
        found = np.zeros(len(addresses), bool)
        colon: Any = pc.match_substring(addresses, ":")
        longer = np.asarray(colon.fill_null(True), bool)
        long_texts = addresses.filter(pa.array(longer)).to_pylist()
        found[longer] = [self._is_inside(text) for text in long_texts]
        found[~longer] = self._v4_inside(addresses.filter(pa.array(~longer)))
        return found

    def _v4_inside(self, addresses: pa.Array[Any]) -> npt.NDArray[np.bool_]:
        """Return the same for IPv4, a column at a time: exporters send tens of thousands."""
        try:
            numbers = pc.list_flatten(pc.split_pattern(addresses, ".")).cast(pa.int64())
            octets = np.asarray(numbers).reshape(len(addresses), 4)
        except (ValueError, pa.ArrowInvalid):
            return np.array([self._is_inside(text) for text in addresses.to_pylist()], bool)
        values = octets @ np.array([1 << 24, 1 << 16, 1 << 8, 1])
        inside = np.zeros(len(values), bool)
        for network, mask in self._v4:
            inside |= (values & mask) == network
        return inside

    def _is_inside(self, text: str | None) -> bool:
        if text is None:
            return False
        known = self._known.get(text)
        if known is None:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            known = self._known[text] = self._look(text)
        return known

    def _look(self, text: str) -> bool:
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            return False
        if address.version == 4:
            return any(int(address) & mask == network for network, mask in self._v4)
        return any(address in network for network in self._v6)
