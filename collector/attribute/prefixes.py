"""IPv6 prefixes that sessions hold: accounting names a delegated prefix, flows its addresses.

A prefix is the text `2001:db8:1::/64`, in canonical form, in the place of an address. Who holds a
prefix holds every address in it.
"""

from __future__ import annotations

import ipaddress
from bisect import bisect_left, insort
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Places = npt.NDArray[np.int32]
_BITS = 128
_HALF = 64
_OCTETS = 16
_BEFORE_ALL = -1


class Prefixes:
    """The IPv6 addresses and prefixes that are held at one site."""

    def __init__(self) -> None:
        self._networks: dict[int, dict[int, str]] = {}
        """Length, first address: the text of each prefix held."""
        self._held: list[tuple[int, int, str]] = []
        """First address, length and text of all that is held, in order."""

    def add(self, text: str) -> None:
        """Take in an address or prefix that somebody holds from now on."""
        parsed = parse(text)
        if parsed is None:
            return
        first, length = parsed
        insort(self._held, (first, length, text))
        if length < _BITS:
            self._networks.setdefault(length, {})[first] = text

    def discard(self, text: str) -> None:
        """Let go of an address or prefix that nobody holds any more."""
        parsed = parse(text)
        if parsed is None:
            return
        first, length = parsed
        at = bisect_left(self._held, (first, length, text))
        if self._held[at : at + 1] == [(first, length, text)]:
            del self._held[at]
        of_length = self._networks.get(length, {})
        of_length.pop(first, None)
        if not of_length:
            self._networks.pop(length, None)

    def around(self, text: str) -> list[str]:
        """Return the prefixes held that hold `text` and more, the widest first."""
        parsed = parse(text) if self._networks else None
        if parsed is None:
            return []
        first, length = parsed
        wider = sorted(bits for bits in self._networks if bits < length)
        found = (self._networks[bits].get(_masked(first, bits)) for bits in wider)
        return [text for text in found if text is not None]

    def within(self, text: str) -> list[str]:
        """Return what is held inside the prefix `text`, itself left out."""
        parsed = parse(text) if "/" in text else None
        if parsed is None:
            return []
        first, length = parsed
        low = bisect_left(self._held, (first, _BEFORE_ALL, ""))
        high = bisect_left(self._held, (first + (1 << (_BITS - length)), _BEFORE_ALL, ""))
        return [held for _, bits, held in self._held[low:high] if bits > length]

    def find(self, texts: pa.Array[Any]) -> tuple[Places, list[str]]:
        """Return for each address the narrowest prefix around it: place in the list, or -1."""
        found = np.full(len(texts), -1, np.int32)
        names: list[str] = []
        if not self._networks:
            return found, names
        colon: Any = pc.match_substring(texts, ":")
        rows = np.flatnonzero(np.asarray(colon.fill_null(False), bool))
        places: Any = pa.array(rows)
        high, low = _halves(texts.take(places).to_pylist())
        for length in sorted(self._networks, reverse=True):
            open_rows = np.flatnonzero(found[rows] < 0)
            held = self._networks[length]
            place = _match(high[open_rows], low[open_rows], length, sorted(held))
            hit = place >= 0
            found[rows[open_rows[hit]]] = place[hit] + len(names)
            names += [held[first] for first in sorted(held)]
        return found, names


def parse(text: str) -> tuple[int, int] | None:
    """Return first address and length of an IPv6 address or prefix; None for anything else."""
    address, slash, bits = text.partition("/")
    try:
        number = int(ipaddress.IPv6Address(address))
        length = int(bits) if slash else _BITS
    except ValueError:
        return None
    return (_masked(number, length), length) if 0 <= length <= _BITS else None


def _masked(number: int, length: int) -> int:
    return number >> (_BITS - length) << (_BITS - length)


def _halves(
    texts: list[str | None],
) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
    octets = b"".join(_packed(text or "") for text in texts)
    words = np.frombuffer(octets, ">u8").reshape(-1, 2).astype(np.uint64)
    return words[:, 0], words[:, 1]


@lru_cache(maxsize=1 << 16)
def _packed(text: str) -> bytes:
    try:
        return ipaddress.IPv6Address(text).packed
    except ValueError:
        return bytes(_OCTETS)


def _match(
    high: npt.NDArray[np.uint64], low: npt.NDArray[np.uint64], length: int, firsts: list[int]
) -> npt.NDArray[np.int64]:
    """Return for each address the place in `firsts` of the network around it, -1 for none."""
    masks = [_masked((1 << _BITS) - 1, length) >> _HALF, _masked((1 << _BITS) - 1, length)]
    masked_high = high & np.uint64(masks[0])
    masked_low = low & np.uint64(masks[1] & ((1 << _HALF) - 1))
    if length <= _HALF:
        wanted = np.array([first >> _HALF for first in firsts], np.uint64)
        return _exact(wanted, masked_high)
    # Wider than a word: the halves of networks and addresses get common numbers first.
    parts = np.array([first >> _HALF for first in firsts], np.uint64)
    kinds = np.unique(parts)
    of_high = _exact(kinds, masked_high)
    of_low_kinds = np.unique(np.array([f & ((1 << _HALF) - 1) for f in firsts], np.uint64))
    of_low = _exact(of_low_kinds, masked_low)
    lows = np.array([f & ((1 << _HALF) - 1) for f in firsts], np.uint64)
    keys = _exact(kinds, parts) * len(of_low_kinds) + _exact(of_low_kinds, lows)
    there = (of_high >= 0) & (of_low >= 0)
    return np.where(there, _exact(keys, of_high * len(of_low_kinds) + of_low), -1)


def _exact(ordered: npt.NDArray[Any], wanted: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Return where each value stands in an ascending array without repeats, -1 where not."""
    if not len(ordered):
        return np.full(len(wanted), -1, np.int64)
    at = np.minimum(np.searchsorted(ordered, wanted), len(ordered) - 1)
    return np.where(ordered[at] == wanted, at, -1)
