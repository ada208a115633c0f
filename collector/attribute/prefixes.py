"""IPv6 prefixes that sessions hold: accounting names a delegated prefix, flows its addresses.

A prefix is the text `2001:db8:1::/64`, in canonical form, in the place of an address. Who holds a
prefix holds every address in it.
"""

from __future__ import annotations

import ipaddress
from bisect import bisect_left, insort
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from collector.attribute.grown import widened
from collector.attribute.interned import Interned

Places = npt.NDArray[np.int32]
Rows = npt.NDArray[np.int64]
Half = npt.NDArray[np.uint64]
Halves = tuple[Half, Half]
_BITS = 128
_HALF = 64
_BEFORE_ALL = -1
_UNREAD, _SIX, _OTHER = range(3)


class Prefixes:
    """The IPv6 addresses and prefixes that are held at one site."""

    def __init__(self) -> None:
        self._networks: dict[int, dict[int, str]] = {}
        """Length, first address: the text of each prefix held."""
        self._held: list[tuple[int, int, str]] = []
        """First address, length and text of all that is held, in order."""
        self._ordered: dict[int, Halves] = {}
        """Length: the first addresses of all its prefixes, if none changed since; …"""
        self._names: dict[int, list[str]] = {}
        """… and their texts."""
        self._parsed = _Parsed()

    @property
    def any(self) -> bool:
        """Whether any is held that is more than one address."""
        return bool(self._networks)

    def add(self, text: str) -> None:
        """Take in an address or prefix that somebody holds from now on."""
        parsed = parse(text)
        if parsed is None:
            return
        first, length = parsed
        insort(self._held, (first, length, text))
        if length < _BITS:
            self._networks.setdefault(length, {})[first] = text
            self._ordered.pop(length, None)

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
        self._ordered.pop(length, None)
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

    def find(
        self, interned: Interned, numbers: Places, texts: pa.Array[Any], rows: Rows
    ) -> tuple[Places, list[str]]:
        """Return for each address the narrowest prefix around it: place in the list, or -1.

        Args:
            interned: What numbered the addresses.
            numbers: Of the addresses.
            texts: Among them the addresses, …
            rows: … at these places.
        """
        found, names = np.full(len(numbers), -1, np.int32), list[str]()
        high, low, is_six = self._parsed.halves(interned, numbers, texts, rows)
        six = np.flatnonzero(is_six)
        for length in sorted(self._networks, reverse=True):
            open_rows = six[found[six] < 0]
            firsts = self._firsts(length)
            place = _match(high[open_rows], low[open_rows], length, firsts)
            hit = place >= 0
            found[open_rows[hit]] = place[hit] + len(names)
            names += self._names[length]
        return found, names

    def _firsts(self, length: int) -> Halves:
        """Return the first addresses of all prefixes of one length, ascending."""
        if length not in self._ordered:
            held = self._networks[length]
            firsts = sorted(held)
            self._names[length] = [held[first] for first in firsts]
            self._ordered[length] = _split(firsts)
        return self._ordered[length]


class _Parsed:
    """Addresses by number, once more as numbers."""

    def __init__(self) -> None:
        self._generation = -1
        self._kind = np.zeros(0, np.int8)
        self._high, self._low = np.zeros(0, np.uint64), np.zeros(0, np.uint64)

    def halves(
        self, interned: Interned, numbers: Places, texts: pa.Array[Any], rows: Rows
    ) -> tuple[Half, Half, npt.NDArray[np.bool_]]:
        """Return the upper and the lower half of each address, and whether it is IPv6."""
        if self._generation != interned.generation:
            self._generation = interned.generation
            self._kind = self._kind[:0]
        self._kind = widened(self._kind, len(interned))
        self._high = widened(self._high, len(interned))
        self._low = widened(self._low, len(interned))
        fresh = np.flatnonzero(self._kind[numbers] == _UNREAD)
        if len(fresh):
            places: Any = pa.array(rows[fresh])
            parsed = [parse(text or "") for text in texts.take(places).to_pylist()]
            self._kind[numbers[fresh]] = [_OTHER if each is None else _SIX for each in parsed]
            firsts = [0 if each is None else each[0] for each in parsed]
            self._high[numbers[fresh]], self._low[numbers[fresh]] = _split(firsts)
        return self._high[numbers], self._low[numbers], self._kind[numbers] == _SIX


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


def _split(addresses: list[int]) -> Halves:
    """Return the upper and lower halves of addresses."""
    half = (1 << _HALF) - 1
    high = np.array([address >> _HALF for address in addresses], np.uint64)
    return high, np.array([address & half for address in addresses], np.uint64)


def _match(high: Half, low: Half, length: int, firsts: Halves) -> npt.NDArray[np.int64]:
    """Return for each address the place in `firsts` of the network around it, -1 for none."""
    mask = _masked((1 << _BITS) - 1, length)
    masked_high = high & np.uint64(mask >> _HALF)
    masked_low = low & np.uint64(mask & ((1 << _HALF) - 1))
    if length <= _HALF:
        return _exact(firsts[0], masked_high)
    # Wider than a word: the halves of networks and addresses get common numbers first.
    kinds, of_low_kinds = np.unique(firsts[0]), np.unique(firsts[1])
    of_high, of_low = _exact(kinds, masked_high), _exact(of_low_kinds, masked_low)
    keys = _exact(kinds, firsts[0]) * len(of_low_kinds) + _exact(of_low_kinds, firsts[1])
    there = (of_high >= 0) & (of_low >= 0)
    return np.where(there, _exact(keys, of_high * len(of_low_kinds) + of_low), -1)


def _exact(ordered: npt.NDArray[Any], wanted: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Return where each value stands in an ascending array without repeats, -1 where not."""
    if not len(ordered):
        return np.full(len(wanted), -1, np.int64)
    at = np.minimum(np.searchsorted(ordered, wanted), len(ordered) - 1)
    return np.where(ordered[at] == wanted, at, -1)
