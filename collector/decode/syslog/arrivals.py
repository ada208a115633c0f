"""What is known of lines before they are read: frame, sender, times; and how far a clock is right.

A sender may be late but not early. One that writes UTC without saying so is taken at that when it
fits to the minute. What was taken from a file may be as old as it says.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from collector.decode import arrow, words
from collector.decode.batch import Mask
from collector.decode.syslog import times
from collector.decode.syslog.heap import Heap
from collector.records import Frame

Ints = npt.NDArray[np.int64]
_MINUTES_US = 5 * 60_000_000
_LATEST_US = 7 * times.DAY_US
"""Senders that were cut off deliver so late."""
_VERDICTS = ["ok", "none", "skewed", "implausible"]
_OK, _NONE, _SKEWED, _IMPLAUSIBLE = range(4)
_OF_FRAME = attrgetter(
    *("number", "wire_ns", "received_ns", "site", "transport", "sender_name", "address", "label")
)


class Arrivals(NamedTuple):
    """One value for each line."""

    frame: Ints
    wire_us: Ints
    received_us: Ints
    filed: Mask
    """Whether it was taken from a file."""
    texts: dict[str, pa.Array[Any]]
    """The columns `site`, `transport`, `sender_name` and `source`."""


def of_lines(lines: Heap, rows: Ints) -> Arrivals:
    """Return what frames say of some of the lines in them."""
    places, back = np.unique(lines.of[rows], return_inverse=True)
    told = of([lines.frames[place] for place in places.tolist()])
    return Arrivals(
        lines.number[rows],
        told.wire_us[back],
        told.received_us[back],
        told.filed[back],
        {name: arrow.take(column, back) for name, column in told.texts.items()},
    )


def of(frames: Sequence[Frame]) -> Arrivals:
    """Return what frames say of the one line in each."""
    told = list(zip(*map(_OF_FRAME, frames), strict=True)) or [()] * 8
    number, wire, received, site, transport, name, address, label = told
    filed = np.zeros(len(frames), np.bool_)
    source = address
    if any(label):
        filed = np.array([bool(each) for each in label])
        pairs = zip(label, address, strict=True)
        source = tuple(f"{file} {host}".rstrip() if file else host for file, host in pairs)
    texts = {"site": site, "transport": transport, "source": source}
    found = {column: text(values) for column, values in texts.items()}
    found["sender_name"] = text([each or None for each in name] if any(name) else ())
    if not any(name):
        found["sender_name"] = pa.nulls(len(frames), arrow.TEXT)
    return Arrivals(
        np.array(number, np.int64),
        np.array(wire, np.int64) // 1000,
        np.array(received, np.int64) // 1000,
        filed,
        found,
    )


def clock(lines: Arrivals, told_us: Ints, timed: Mask, zoned: Mask) -> tuple[Ints, pa.Array[Any]]:
    """Return when things happened, and the verdict on each sender's clock.

    Args:
        lines: What is known of them.
        told_us: The time in each.
        timed: Whether there is one.
        zoned: Whether that has a zone.
    """
    late = lines.wire_us - told_us
    east = times.BANGKOK_S * 1_000_000
    skewed = timed & ~zoned & ~lines.filed & (np.abs(late - east) <= _MINUTES_US)
    wrong = (late < -_MINUTES_US) | ((late > _LATEST_US) & ~lines.filed)
    verdict = np.select([~timed, skewed, wrong], [_NONE, _SKEWED, _IMPLAUSIBLE], _OK)
    here = np.where(verdict == _OK, told_us, lines.wire_us)
    time_us = np.where(verdict == _SKEWED, told_us + east, here)
    return time_us, words.some(verdict.astype(np.int32), _VERDICTS)


def text(values: Sequence[str | None]) -> pa.Array[Any]:
    """Return a column of texts, each distinct one once."""
    if values and values.count(values[0]) == len(values) and values[0] is not None:
        return words.some(np.zeros(len(values), np.int32), [values[0]])
    encoded: pa.Array[Any] = pa.array(values, pa.string()).dictionary_encode()
    return encoded.cast(arrow.TEXT)
