"""Which addresses are inside a site, and which of them many people share."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from collector.attribute.grown import widened
from collector.attribute.interned import Interned

REMEMBERED = 1 << 17
"""So many IPv6 addresses are remembered as inside or outside; then it starts afresh."""
_FOUR_DIGITS = 0x1000
_MOST_STARTS = 16
_NIBBLE, _OCTET, _GROUP = 4, 8, 16
INSIDE, SHARED = 1, 2
_UNSEEN, _SEEN = np.int8(0), np.int8(4)


class Networks:
    """The inside networks of one site."""

    def __init__(self, networks: Iterable[str], shared: Iterable[str] = ()) -> None:
        shared = tuple(shared)
        self._shared = Networks(shared) if shared else None
        parsed = [ipaddress.ip_network(network) for network in networks]
        self._v6 = [n for n in parsed if isinstance(n, ipaddress.IPv6Network)]
        four = [n for n in parsed if isinstance(n, ipaddress.IPv4Network)]
        v4 = [_v4_pattern(n) for n in four]
        v6 = [start for n in self._v6 for start in _v6_starts(n)]
        self._pattern = "|".join([*(f"^{p}$" for p in v4), *(f"^{s}.*:" for s in v6)])
        """Matches all that is inside, and of IPv6 more than that."""
        starts = {*(_v4_start(n) for n in four), *v6}
        self._starts = starts if len(starts) <= _MOST_STARTS else {""}
        """All that is inside begins with one of these, which is told ten times as fast."""
        self._known: dict[str, bool] = {}
        self._interned: Interned | None = None
        self._generation = 0
        self._of_number = np.zeros(0, np.int8)

    def inside(self, addresses: pa.Array[Any]) -> npt.NDArray[np.bool_]:
        """Return for each of `addresses` (canonical texts) whether it is inside.

        Texts are compared, because exporters send tens of thousands of addresses outside, and the
        text of the few others tells nearly all.
        """
        if not self._pattern:
            return np.zeros(len(addresses), bool)
        found = np.zeros(len(addresses), bool)
        for start in self._starts:
            begun: Any = pc.starts_with(addresses, start)
            found |= np.asarray(begun.fill_null(False))
        rows = np.flatnonzero(found)
        places: Any = pa.array(rows)
        few: Any = addresses.take(places)
        matched: Any = pc.match_substring_regex(few, self._pattern)
        found[rows] = rightly = np.array(matched)
        if self._v6:
            texts: list[Any] = few.filter(matched).to_pylist()
            found[rows[rightly]] = [":" not in text or self._is_inside(text) for text in texts]
        return found

    def holds(self, address: str) -> bool:
        """Return whether one address, in canonical text, is inside."""
        return bool(self.inside(pa.array([address]))[0])

    def of_numbers(
        self, interned: Interned, numbers: npt.NDArray[np.int32], texts: pa.Array[Any]
    ) -> npt.NDArray[np.int8]:
        """Return INSIDE and SHARED, added, of each of `texts`, which `interned` has numbered."""
        if self._interned is not interned or self._generation != interned.generation:
            self._interned, self._generation = interned, interned.generation
            self._of_number = np.zeros(0, np.int8)
        self._of_number = widened(self._of_number, len(interned))
        fresh = np.flatnonzero(self._of_number[numbers] == _UNSEEN)
        if len(fresh):
            places: Any = pa.array(fresh)
            written = texts.take(places)
            known = _SEEN + self.inside(written) * INSIDE
            if self._shared is not None:
                known += self._shared.inside(written) * SHARED
            self._of_number[numbers[fresh]] = known
        found: npt.NDArray[np.int8] = self._of_number[numbers] & np.int8(INSIDE | SHARED)
        return found

    def _is_inside(self, text: str) -> bool:
        known = self._known.get(text)
        if known is None:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            known = self._known[text] = self._look(text)
        return known

    def _look(self, text: str) -> bool:
        try:
            address = ipaddress.IPv6Address(text)
        except ValueError:
            return False
        return any(address in network for network in self._v6)


def _v4_start(network: ipaddress.IPv4Network) -> str:
    """Return what the texts of a network's addresses begin with."""
    full = network.prefixlen // _OCTET
    octets = [str(octet) for octet in network.network_address.packed]
    return ".".join(octets) if full == len(octets) else "".join(f"{o}." for o in octets[:full])


def _v4_pattern(network: ipaddress.IPv4Network) -> str:
    """Return the pattern of exactly the addresses of a network."""
    octets = list(network.network_address.packed)
    full, rest = divmod(network.prefixlen, _OCTET)
    parts = [str(octet) for octet in octets[:full]]
    if rest:
        first = octets[full]
        parts.append(f"({'|'.join(str(first + i) for i in range(1 << _OCTET - rest))})")
    parts += [r"\d+"] * (len(octets) - len(parts))
    return r"\.".join(parts)


def _v6_starts(network: ipaddress.IPv6Network) -> list[str]:
    """Return what the texts of a network's addresses begin with.

    Groups of zeros are left out of texts, so only what comes before them is sure.
    """
    groups = [int(group, 16) for group in network.network_address.exploded.split(":")]
    start = ""
    for place, group in enumerate(groups):
        if not group or network.prefixlen < _GROUP * (place + 1):
            break
        start += f"{group:x}:"
    if start:
        return [start]
    full, rest = divmod(network.prefixlen, _NIBBLE)
    if groups[0] < _FOUR_DIGITS or not full:
        return [""]
    digits = f"{groups[0]:x}"[: full + 1]
    if not rest:
        return [digits[:full]]
    last = int(digits[full], 16)
    return [f"{digits[:full]}{last + i:x}" for i in range(1 << _NIBBLE - rest)]
