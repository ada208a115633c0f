"""Samples of many datagrams to batches: sampled packets, discarded packets.

A sampled packet is a row of `flows` with one packet, the length of its frame, and the rate beside
it. It is marked by `sampling_origin` (`packet`; `discard` for one that was not forwarded), since it
is not a flow and must not be added up with the flows of the same link.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from collector.decode.octets import Mask, Octets, Places
from collector.decode.sflow import counter_samples, flow_records, walk
from collector.decode.sflow.counter_samples import AGENTS, Counted
from collector.decode.sflow.datagram import PEN, VERSION
from collector.decode.sflow.walk import Items, Samples
from collector.decode.sparse import Cells, SparseBatch

PACKET, DISCARD = "packet", "discard"
_INDEX = 0x00FFFFFF
_INTERFACE = 0x3FFFFFFF
"""What is left of an interface without its two bits of format; all ones for none."""
_IS_INDEX, _IS_REASON, _IS_COUNT = 0, 1, 2
_INTERFACES = (PEN, 33004)
_SOURCE_CLASS, _SOURCE_INDEX = (PEN, 33005), (PEN, 33006)


class Numbered(NamedTuple):
    """What tells of samples that never came, a value for each sample."""

    owner: Places
    """Its datagram."""
    source: Places
    """Kind of sample << 56 | class of the data source << 32 | index: each counts for itself."""
    number: Places
    drops: Places
    """So many the agent could not take or send, since it started."""


class Found(NamedTuple):
    """What a heap of datagrams holds."""

    batches: list[SparseBatch]
    """Of sampled packets, then of discarded ones."""
    numbered: Numbered
    broken: npt.NDArray[np.int64]
    """By datagram: samples that could not be read whole."""
    counted: Counted
    """Samples of counters."""
    unknown_samples: int
    unknown_records: int


class _Fixed(NamedTuple):
    """What comes before the records, a value for each sample."""

    number: Places
    source_class: Places
    source_index: Places
    rate: Places
    drops: Places
    in_format: Places
    in_value: Places
    out_format: Places
    out_value: Places
    reason: Places
    """Of a discard; -1 elsewhere."""


def read(joined: bytes, sizes: Places, foreign: Mask) -> Found:
    """Return what whole datagrams hold.

    Args:
        joined: One after the other, each with its header, which is known to be right.
        sizes: Of each, in bytes.
        foreign: Which have an agent with another address than their sender's.
    """
    samples = walk.read(joined, sizes)
    tag = samples.found.tag
    counting = (tag == walk.COUNTERS) | (tag == walk.COUNTERS_EXPANDED)
    discarded = tag == walk.DROP
    unknown = 0
    batches = []
    agents = _Agents(samples, foreign)
    numbered = []
    for kind, rows, origin in ((0, ~counting & ~discarded, PACKET), (1, discarded, DISCARD)):
        at = np.flatnonzero(rows)
        found = samples.found.only(rows)
        fixed = _fixed(samples.octets, found)
        source = kind << 56 | fixed.source_class << 32 | fixed.source_index
        numbered.append(Numbered(found.owner, source, fixed.number, fixed.drops))
        cells = Cells(len(at))
        _put_fixed(fixed, cells)
        unknown += flow_records.read(samples.octets, _of_rows(samples.records, tag, at), cells)
        agents.put(found.owner, cells)
        counts = np.bincount(found.owner, minlength=len(sizes)).astype(np.int64)
        batches.append(SparseBatch(VERSION, cells, counts, origin=origin))
    both = Numbered(*(np.concatenate(columns) for columns in zip(*numbered, strict=True)))
    counted = counter_samples.find(samples, counting)
    return Found(batches, both, samples.broken, counted, samples.unknown, unknown)


def _of_rows(records: Items, tag: Places, at: Places) -> Items:
    """Return the records of these samples, with the row of each as its owner."""
    row = np.full(len(tag), -1, np.int64)
    row[at] = np.arange(len(at))
    owner = row[records.owner]
    return records._replace(owner=owner).only(owner >= 0)


def _fixed(octets: Octets, found: Items) -> _Fixed:
    """Read samples of the three forms: plain, expanded, discarded."""
    at, tag = found.start, found.tag
    plain, discarded = tag == walk.FLOW, tag == walk.DROP
    words = [octets.u32(at + 4 * n) for n in range(10)]
    none = np.zeros(len(at), np.int64)
    # Plain: number, source, rate, pool, drops, in, out.
    # Expanded: number, class, index, rate, pool, drops, in format, in, out format, out.
    # Discarded: number, class, index, drops, in, out, reason.
    return _Fixed(
        number=words[0],
        source_class=np.where(plain, words[1] >> 24, words[1]) & 0xFFFFFF,
        source_index=np.where(plain, words[1] & _INDEX, words[2]),
        rate=np.where(plain, words[2], np.where(discarded, none, words[3])),
        drops=np.where(plain, words[4], np.where(discarded, words[3], words[5])),
        in_format=np.where(plain, words[5] >> 30, np.where(discarded, none, words[6])),
        in_value=np.where(plain, words[5] & _INTERFACE, np.where(discarded, words[4], words[7])),
        out_format=np.where(plain, words[6] >> 30, np.where(discarded, none, words[8])),
        out_value=np.where(plain, words[6] & _INTERFACE, np.where(discarded, words[5], words[9])),
        reason=np.where(discarded, words[6], -1),
    )


def _put_fixed(fixed: _Fixed, cells: Cells) -> None:
    rows = len(fixed.number)
    cells.put((0, 2), 4, np.ones(rows, np.int64), None)
    cells.put((0, 34), 4, fixed.rate, fixed.rate > 0)
    told_in, told_out = (
        (form == _IS_INDEX) & (value > 0) & (value != _INTERFACE)
        for form, value in (
            (fixed.in_format, fixed.in_value),
            (fixed.out_format, fixed.out_value),
        )
    )
    cells.put((0, 10), 4, fixed.in_value, told_in)
    cells.put((0, 14), 4, fixed.out_value, told_out)
    dropped = fixed.out_format == _IS_REASON
    cells.put(flow_records.DISCARD_REASON, 4, fixed.reason, fixed.reason >= 0)
    cells.put(flow_records.DISCARD_REASON, 4, fixed.out_value, dropped)
    cells.put(_INTERFACES, 4, fixed.out_value, fixed.out_format == _IS_COUNT)
    _put_source(fixed, told_in, told_out, cells)


def _put_source(fixed: _Fixed, told_in: Mask, told_out: Mask, cells: Cells) -> None:
    """Tell the direction by which interface took the sample; another data source by its number."""
    is_interface = fixed.source_class == 0
    came = is_interface & told_in & (fixed.source_index == fixed.in_value)
    went = is_interface & told_out & (fixed.source_index == fixed.out_value) & ~came
    cells.put((0, 61), 1, went.astype(np.int64), came | went)
    other = ~(came | went)
    cells.put(_SOURCE_CLASS, 4, fixed.source_class, other & ~is_interface)
    cells.put(_SOURCE_INDEX, 4, fixed.source_index, other)


class _Agents:
    """The agents' addresses, where they are not those of who sent the datagram."""

    def __init__(self, samples: Samples, foreign: Mask) -> None:
        octets, at = samples.octets, samples.agent_at
        self._four, self._six = octets.u32(at), octets.some(at, 16)
        self._told_four = foreign & (samples.agent_kind == 1)
        self._told_six = foreign & (samples.agent_kind == 2)

    def put(self, owner: Places, cells: Cells) -> None:
        """Tell each row its agent."""
        cells.put(AGENTS[0], 4, self._four[owner], self._told_four[owner])
        cells.put(AGENTS[1], 16, self._six[owner], self._told_six[owner])
