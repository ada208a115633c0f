"""A small count beside each segment, so that a histogram of months reads no rows.

Rollups are derived, hold nothing that their segment does not, and go with it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from collector import columns
from collector.errors import StoreError
from collector.store.catalog import FileEntry

MINUTE_US = 60_000_000
PORTS = 1 << 15
"""Ports from here on are the clients' own, a new one each time: they count as none."""
MOST = (1 << 63) - 1
"""What a sum of packets or bytes is told as when it is more; no network carries as much."""
_FLOWS = ("person", "protocol", "dst_port", "method", "certainty")
_SUMS = ("packets", "bytes")
_TEXTS = frozenset(("person", "method", "certainty", "source"))
_MINUTE = pa.timestamp("us", tz="UTC")
_UNLIKE = frozenset(("dst_port", "bytes"))
"""Columns whose values seldom repeat: a dictionary would only be given up half way."""
_HALF = (1 << 32) - 1

Numbers = npt.NDArray[Any]


def path_of(entry: FileEntry) -> str:
    """Return where the rollup of a segment lies, relative to the home."""
    return "rollup/" + entry.path.removeprefix("logs/")


def count(table: pa.Table, log: str) -> pa.Table:
    """Count rows of a log by the minute of `time`.

    Flows are counted by person, protocol, destination port, method and certainty, with packets and
    bytes; rows of other logs by source. The order of the rows changes nothing.
    """
    if log == "flows":
        return _counted(table, _FLOWS, _SUMS, "flows")
    return _counted(table, ("source",), (), "rows")


def write(home: Path, entry: FileEntry, counts: pa.Table) -> Path:
    """Write the rollup of the segment `entry`; return the file, which appears whole or not at all.

    Raises:
        StoreError: it cannot be written.
    """
    rollup = home / path_of(entry)
    beside = rollup.with_name(rollup.name + ".tmp")
    try:
        rollup.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(
            counts,
            beside,
            compression="zstd",
            use_dictionary=[c for c in counts.column_names if c not in _UNLIKE],  # type: ignore[arg-type]  # the stubs know only bool
            column_encoding={"dst_port": "DELTA_BINARY_PACKED"}
            if "dst_port" in counts.column_names
            else None,
            write_statistics=["minute"],
            store_schema=False,
        )
        beside.replace(rollup)
    except OSError as error:
        raise StoreError(f"cannot write {rollup}: {error}") from error
    return rollup


def make(home: Path, entry: FileEntry) -> Path:
    """Count the segment `entry` from the disk, and write its rollup; return the file.

    A second call writes the same again.

    Raises:
        StoreError: the segment cannot be read, or the rollup not written.
    """
    segment = home / entry.path
    asked = ["time", *_FLOWS, *_SUMS] if entry.log == "flows" else ["time", "source"]
    try:
        with pq.ParquetFile(
            segment, read_dictionary=[name for name in asked if name in _TEXTS]
        ) as file:
            table = file.read(columns=asked, use_threads=False)
    except (OSError, pa.ArrowException) as error:
        reason = " ".join(str(error).split())
        raise StoreError(f"cannot count {segment}: {reason}") from error
    return write(home, entry, count(table, entry.log))


def _counted(table: pa.Table, keys: tuple[str, ...], sums: tuple[str, ...], name: str) -> pa.Table:
    times = columns.joined(table["time"].cast(pa.int64()))
    minutes = columns.numbers_of(times) // MINUTE_US
    since = minutes - (minutes.min() if len(minutes) else 0)
    found = [_key(table[key], key) for key in keys]
    order, firsts = _groups([since, *(key.codes for key in found)])
    rows = order[firsts]
    told: dict[str, Any] = {"minute": pa.array(minutes[rows] * MINUTE_US).view(_MINUTE)}
    told |= {key: one.of(rows) for key, one in zip(keys, found, strict=True)}
    told[name] = pa.array(np.diff(firsts, append=len(order)))
    told |= {each: _sums(columns.joined(table[each]), order, firsts) for each in sums}
    return pa.table(told)


class _Key(NamedTuple):
    """A column by which rows are counted."""

    codes: Numbers
    """From 0 on in the order of the values; of texts null last, of numbers first."""
    of: Callable[[Numbers], pa.Array[Any]]
    """Gives the values of some rows."""


def _key(column: pa.ChunkedArray[Any], name: str) -> _Key:
    if name in _TEXTS:
        codes, words = columns.coded(column)
        ranks = np.empty(len(words) + 1, np.int64)
        ranks[np.asarray(pc.array_sort_indices(words))] = np.arange(len(words))
        ranks[-1] = len(words)
        return _Key(ranks[codes], lambda rows: columns.of_codes(codes[rows], words))
    array = columns.joined(column)
    numbers, told = columns.numbers_of(array), columns.valid(array)
    if name == "dst_port":
        told &= numbers < PORTS
    kind = column.type
    codes = np.where(told, numbers, -1) + 1
    return _Key(codes, lambda rows: pa.array(numbers[rows], kind, mask=~told[rows]))


def _groups(keys: list[Numbers]) -> tuple[Numbers, Numbers]:
    """Return an order in which rows of equal keys lie together, and where each group begins.

    All keys are made one number with the row's place behind it: to sort numbers is ten times as
    fast as to sort places by them, and as any table of groups.
    """
    rows = len(keys[0])
    packed, room = np.zeros(rows, np.int64), 63 - rows.bit_length()
    width = 0
    for codes in keys:
        bits = int(codes.max(initial=0)).bit_length()
        if width + bits > room:
            packed = np.unique(packed, return_inverse=True)[1].astype(np.int64)
            width = int(packed.max(initial=0)).bit_length()
        if width + bits > room:
            codes = np.unique(codes, return_inverse=True)[1]
            bits = int(codes.max(initial=0)).bit_length()
        packed, width = packed << bits | codes, width + bits
    packed = packed << rows.bit_length() | np.arange(rows)
    packed.sort()
    order = packed & (1 << rows.bit_length()) - 1
    packed >>= rows.bit_length()
    return order, np.flatnonzero(np.append(True, packed[1:] != packed[:-1])[:rows])


def _sums(array: pa.Array[Any], order: Numbers, firsts: Numbers) -> pa.Array[Any]:
    """Return the sum of each group, of nulls alone null, and `MOST` where it is more."""
    values, none = columns.numbers_of(array), None
    if array.null_count:
        told = columns.valid(array)
        values = np.where(told, values, 0)
        none = ~np.logical_or.reduceat(told[order], firsts)
    values = values[order]
    if int(values.max(initial=0)) * len(values) <= MOST:
        return pa.array(np.add.reduceat(values, firsts), mask=none)
    low, high = (np.add.reduceat(half, firsts) for half in (values & _HALF, values >> 32))
    high += low >> 32
    exact = np.where(high >> 31, MOST, high << 32 | low & _HALF)
    return pa.array(exact, mask=none)
