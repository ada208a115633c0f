"""One clear line for whatever is wrong with a Parquet file."""

from __future__ import annotations

from pathlib import Path

from collector.errors import StoreError


def cannot_read(what: str, path: Path, error: Exception) -> StoreError:
    """Return the error to raise: pyarrow's messages have several lines."""
    return StoreError(f"cannot read the {what} {path}: {' '.join(str(error).split())}")
