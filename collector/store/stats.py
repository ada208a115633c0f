"""What the catalogue wants to know of a file that was just written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from collector.errors import StoreError


@dataclass(frozen=True, slots=True, kw_only=True)
class FileStats:
    """Rows, extremes of time in µs UTC, and bytes of one file."""

    rows: int
    event_min: int
    event_max: int
    """The greatest of `time` and, where the log has it, `time_end`."""
    received_min: int
    received_max: int
    size: int


def of(table: pa.Table, path: Path) -> FileStats:
    """Return the stats of `table`, which lies at `path`.

    Raises:
        StoreError: no rows: what is empty gets no file.
    """
    if not table.num_rows:
        raise StoreError(f"{path}: no rows to write")
    event_min, event_max = _extremes(table["time"])
    ends = table["time_end"] if "time_end" in table.column_names else None
    if ends is not None and ends.null_count < len(ends):
        event_max = max(event_max, _extremes(ends)[1])
    received_min, received_max = _extremes(table["received"])
    return FileStats(
        rows=table.num_rows,
        event_min=event_min,
        event_max=event_max,
        received_min=received_min,
        received_max=received_max,
        size=path.stat().st_size,
    )


def _extremes(column: pa.ChunkedArray[Any]) -> tuple[int, int]:
    found: dict[str, int] = pc.min_max(column.cast(pa.int64())).as_py()  # type: ignore[assignment]
    return found["min"], found["max"]
