"""When connections began and ended, by the kernel's stamps or else by when it told of them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from collector.decode import times
from collector.decode.batch import Mask
from collector.decode.conntrack.opened import Opened
from collector.decode.conntrack.values import Values

_AHEAD_US = 300_000_000
_MOST_NS = np.uint64(2**63 - 1)
_PORT_BITS = 16

Ints = npt.NDArray[np.int64]


class Kinds(NamedTuple):
    """What each message is about; at most one holds."""

    created: Mask
    """A connection begins."""
    seen: Mask
    """It is open: the answer to a question for the whole table, or a change."""
    destroyed: Mask
    """It has ended."""


class Spans(NamedTuple):
    """Columns."""

    start: Ints
    end: Ints
    ended: Mask
    """Where `end` says anything: a connection that begins has none."""
    kernel_start: Ints
    kernel_end: Ints
    verdict: npt.NDArray[np.int32]
    """Index into `times.VERDICTS`."""


def read(values: Values, kinds: Kinds, wire: Ints, opened: Opened) -> Spans:
    """Return the times of every row, in µs since the epoch.

    Args:
        values: The messages.
        kinds: What they are about.
        wire: When they came.
        opened: Connections that began before; those of this batch are added and taken out.
    """
    event = _micros(values, "event_ns", wire)
    start = _micros(values, "start_ns", event)
    exact = values.get("start_ns") > 0
    exact |= kinds.created
    _recall(values, kinds, (start, exact, event), opened)
    end = _micros(values, "stop_ns", event)
    end = np.where(kinds.destroyed, end, np.where(kinds.seen, wire, start))
    good = (start <= end) & (end <= wire + _AHEAD_US) & times.are_plausible(start)
    verdict = np.where(exact, np.int32(times.OK), np.int32(times.NONE))
    return Spans(
        start=np.where(good, start, wire),
        end=np.where(good, end, wire),
        ended=~kinds.created,
        kernel_start=start,
        kernel_end=end,
        verdict=np.where(good, verdict, np.int32(times.IMPLAUSIBLE)),
    )


def _recall(values: Values, kinds: Kinds, told: tuple[Ints, Mask, Ints], opened: Opened) -> None:
    """Fill in what the messages do not tell of beginnings, from those that came before."""
    start, exact, event = told
    keys = _keys(values)
    new = opened.unstamped(kinds.created, exact)
    for rows in _between(keys, new):
        fresh = rows[new[rows]]
        if len(fresh):
            opened.remember(keys[fresh], start[fresh])
        lacking = rows[kinds.seen[rows] & ~exact[rows]]
        if len(lacking):
            start[lacking], exact[lacking] = opened.seen(keys[lacking], event[lacking])
        ended = rows[kinds.destroyed[rows]]
        if len(ended) and len(opened):
            since, known = opened.ended(keys[ended])
            lacks = ~exact[ended] & (since > 0)
            start[ended] = np.where(lacks, since, start[ended])
            exact[ended] |= lacks & known


def _between(keys: Ints, new: Mask) -> list[Ints]:
    """Return all rows, parted before each new connection that has the key of a row before it.

    The kernel gives the id of a connection that has ended to the next: its end must find its own
    beginning, not that of the other.
    """
    rows = np.arange(len(keys))
    if not new.any():
        return [rows]
    _, first, which = np.unique(keys, return_index=True, return_inverse=True)
    return np.split(rows, np.flatnonzero(new & (first[which] < rows)))


def _micros(values: Values, name: str, otherwise: Ints) -> Ints:
    """Return nanoseconds as µs; another time where they are not told."""
    told = values.get(name)
    micros = (np.minimum(told, _MOST_NS) // np.uint64(1000)).astype(np.int64)
    return np.where(told > 0, micros, otherwise)


def _keys(values: Values) -> Ints:
    """Return what tells connections apart: the kernel's 32-bit id, and a port for good measure."""
    number = values.get("id").astype(np.int64) << _PORT_BITS
    return number | values.get("orig_src_port").astype(np.int64)
