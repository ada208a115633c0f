"""What rows say of their sources, as arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from collector.records import Rows

NULL = np.iinfo(np.int64).min


def numbers(rows: Rows, column: str) -> Any:  # noqa: ANN401  # an int64 array, or None
    """Return a column as integers, NULL where there is none; None without the column."""
    array: Any = rows.columns.get(column)
    if array is None:
        return None
    return array.cast(pa.int64()).fill_null(int(NULL)).to_numpy(zero_copy_only=False)


def said(rows: Rows) -> list[tuple[list[str], Any]]:
    """Return of what format each line is, as the words and codes of up to two columns.

    That of the header counts where no vendor's format took the message apart.
    """
    if rows.log != "events":
        return []
    (vendors, vendor), (formats, plain) = words(rows, "vendor"), words(rows, "format")
    if not vendors or not formats:
        return [pair for pair in ((vendors, vendor), (formats, plain)) if pair[0]]
    return [(vendors, vendor), (formats, np.where(vendor < 0, plain, -1))]


def sampled(rows: Rows) -> list[tuple[str, Any]]:
    """Return the sampling rates of flows by their origin; 0 where a row has another."""
    rate = numbers(rows, "sampling_rate")
    origins, origin = words(rows, "sampling_origin")
    if rows.log != "flows" or rate is None or not origins:
        return []
    return [
        (word, np.where(origin == code, np.maximum(rate, 0), 0))
        for code, word in enumerate(origins)
        if word != "none"
    ]


def words(rows: Rows, column: str) -> tuple[list[str], Any]:
    """Return the words of a column of text, and the code of each row; -1 is null."""
    array: Any = rows.columns.get(column)
    if array is None or not len(array):
        return [], np.zeros(0, np.int64)
    words = [str(word) for word in array.dictionary.to_pylist()]
    return words, array.indices.fill_null(-1).to_numpy(zero_copy_only=False)
