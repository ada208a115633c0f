"""A small count beside each segment, so that a histogram of months reads no rows.

Rollups are derived, hold nothing that their segment does not, and go with it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
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
        pq.write_table(counts, beside, compression="zstd", store_schema=False)
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
    minutes: Any = pc.divide(table["time"].cast(pa.int64()), MINUTE_US)
    few = columns.one_dictionary_each(table.select([*keys, *sums])).append_column("minute", minutes)
    if "dst_port" in keys:
        few = _known_ports(few)
    for each in sums:
        if not _fits(few[each]):
            exact = few[each].cast(pa.decimal128(19)).cast(pa.decimal128(38))
            few = few.set_column(few.column_names.index(each), each, exact)
    asked: list[Any] = [([], "count_all"), *((each, "sum") for each in sums)]
    groups = few.group_by(["minute", *keys], use_threads=False).aggregate(asked)
    groups = groups.take(_order(groups["minute"], groups[keys[0]]))
    found: dict[str, Any] = {"minute": _moments(groups["minute"])}
    found |= {key: _plain(groups[key]) for key in keys}
    found[name] = groups["count_all"]
    found |= {each: _at_most(groups[f"{each}_sum"]) for each in sums}
    return pa.table(found)


def _order(minutes: pa.ChunkedArray[Any], words: pa.ChunkedArray[Any]) -> pa.Array[Any]:
    """Return the order by minute, then by word, null last: texts are compared once each."""
    coded: Any = words.combine_chunks()
    ranks = np.empty(len(coded.dictionary) + 1, np.int64)
    ranks[np.asarray(pc.array_sort_indices(coded.dictionary))] = np.arange(len(ranks) - 1)
    ranks[-1] = len(ranks)
    rank_of = ranks[np.asarray(coded.indices.fill_null(-1))]
    order: pa.Array[Any] = pa.array(np.lexsort((rank_of, np.asarray(minutes))))
    return order


def _known_ports(table: pa.Table) -> pa.Table:
    ports: Any = table["dst_port"]
    below: Any = pc.less(ports, pa.scalar(PORTS, ports.type))
    known = pc.if_else(below, ports, pa.scalar(None, ports.type))
    return table.set_column(table.column_names.index("dst_port"), "dst_port", known)


def _fits(column: pa.ChunkedArray[Any]) -> bool:
    """Return whether no sum over some of the values can be more than 64 bits hold."""
    most: int | None = pc.max(column).as_py()
    return most is None or most * len(column) <= MOST


def _at_most(column: pa.ChunkedArray[Any]) -> pa.ChunkedArray[Any]:
    if pa.types.is_decimal(column.type):
        column = pc.min_element_wise(column, pa.scalar(MOST, pa.decimal128(19)).cast(column.type))
    return column.cast(pa.int64())


def _moments(minutes: pa.ChunkedArray[Any]) -> Any:  # noqa: ANN401  # the stubs lose the type
    return pc.multiply(minutes, MINUTE_US).cast(_MINUTE)


def _plain(column: pa.ChunkedArray[Any]) -> pa.ChunkedArray[Any]:
    if not pa.types.is_dictionary(column.type):
        return column
    return column.cast(column.type.value_type)
