"""Where the samples of sFlow datagrams lie, and the records in them: offsets, many at once.

One item's length must be read to find the next. As in `index.py` the walk takes the first item of
every owner at once, then the second, and goes on one by one for the few owners that have many.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from collector.decode.octets import Mask, Octets, Places

_FEW = 12
_HEAD = struct.Struct(">II")
_HEAD_BYTES = _HEAD.size
FLOW, COUNTERS, FLOW_EXPANDED, COUNTERS_EXPANDED, DROP = 1, 2, 3, 4, 5
"""Types of samples, of enterprise 0."""
_FIXED = {FLOW: 32, COUNTERS: 12, FLOW_EXPANDED: 44, COUNTERS_EXPANDED: 16, DROP: 32}
"""Bytes of a sample before its records."""


class Items(NamedTuple):
    """Things with a tag and a length, a value for each."""

    owner: Places
    """Which of the containers."""
    tag: Places
    """Enterprise << 12 | format."""
    start: Places
    """Where it begins, after its length."""
    size: Places

    def only(self, rows: Mask) -> Items:
        """Return some of them."""
        return Items(*(values[rows] for values in self))


class Samples(NamedTuple):
    """What was found in datagrams."""

    octets: Octets
    found: Items
    """Samples of the five types that have the room for what comes before their records, in the
    order of the datagrams."""
    records: Items
    """Of these; each one's owner is the index of its sample."""
    broken: npt.NDArray[np.int64]
    """By datagram: samples cut short, or promised by its header and not there."""
    unknown: int
    """Samples of other types."""
    agent_at: Places
    """By datagram: where its agent's address is."""
    agent_kind: Places
    """1 for IPv4, 2 for IPv6, 0 for none."""


def read(joined: bytes, sizes: Places) -> Samples:
    """Return the samples of whole datagrams of these sizes, whose headers were found right."""
    octets = Octets(joined)
    ends = np.cumsum(sizes)
    begin = ends - sizes
    kind = octets.u32(begin + 4)
    first = begin + np.array([24, 28, 40], np.int64)[np.clip(kind, 0, 2)]
    found, missing = _walk(octets, first, ends, octets.u32(first - 4))
    found = _sorted(found)
    fixed = _fixed(found.tag)
    known, whole = fixed > 0, found.size >= fixed
    broken = missing + np.bincount(found.owner[known & ~whole], minlength=len(sizes))
    unknown = int(len(known) - known.sum())
    found = found.only(known & whole)
    after = found.start + _fixed(found.tag)
    records, lost = _walk(octets, after, found.start + found.size, octets.u32(after - 4))
    broken += np.bincount(found.owner[lost > 0], minlength=len(sizes))
    return Samples(octets, found, records, broken, unknown, begin + 8, kind)


def _fixed(tags: Places) -> Places:
    table = np.zeros(len(_FIXED) + 2, np.int64)
    for tag, size in _FIXED.items():
        table[tag] = size
    known: Places = table[np.minimum(tags, len(table) - 1)]
    return known


def _walk(octets: Octets, at: Places, ends: Places, most: Places) -> tuple[Items, Places]:
    """Return at most `most` items of every owner, and how many of these are not there whole.

    Of those promised and missing 1 is told: a count that lies says nothing.
    """
    owner, left = np.arange(len(at)), most
    missing = np.zeros(len(at), np.int64)
    parts: list[Items] = []
    while len(owner) > _FEW:
        there = (at + _HEAD_BYTES <= ends) & (left > 0)
        tag, size = octets.u32(at), octets.u32(at + 4)
        after = at + _HEAD_BYTES + size
        whole = there & (after <= ends)
        missing[owner] = (left > 0) & ~whole
        parts.append(Items(owner, tag, at + _HEAD_BYTES, size).only(whole))
        owner, ends, left = owner[whole], ends[whole], left[whole] - 1
        at = after[whole]
    for one, start, end, count in zip(
        owner.tolist(), at.tolist(), ends.tolist(), left.tolist(), strict=True
    ):
        part, missing[one] = _walk_one(octets, one, start, end, count)
        parts.append(part)
    if not parts:
        none = np.empty(0, np.int64)
        return Items(none, none, none, none), missing
    return Items(*(np.concatenate(columns) for columns in zip(*parts, strict=True))), missing


def _walk_one(octets: Octets, owner: int, at: int, end: int, count: int) -> tuple[Items, int]:
    """Return the items of one owner, and whether some are missing."""
    found: list[tuple[int, int, int]] = []
    while count > 0:
        if at + _HEAD_BYTES > end:
            break
        tag, size = _HEAD.unpack_from(octets.raw, at)
        at += _HEAD_BYTES
        if at + size > end:
            break
        found.append((tag, at, size))
        at += size
        count -= 1
    columns = np.array(found, np.int64).reshape(len(found), 3)
    owners = np.full(len(found), owner, np.int64)
    return Items(owners, columns[:, 0], columns[:, 1], columns[:, 2]), int(count > 0)


def _sorted(items: Items) -> Items:
    order = np.argsort(items.start, kind="stable")
    return Items(*(values[order] for values in items))
