"""What rows say of their sources, as arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from collector.records import Rows

Codes = npt.NDArray[np.int64]
NULL = np.iinfo(np.int64).min
_RATES_OF_RECORDS = ("record", "record-swapped", "setting")
_LOOKED = 2048
"""So many rows of a batch are looked at for what all of them have."""
_MOST_INTERFACE = 0xFFFFFFFF


def numbers(rows: Rows, column: str) -> Any:  # noqa: ANN401  # an int64 array, or None
    """Return a column as integers, NULL where there is none; None without the column."""
    array: Any = rows.columns.get(column)
    if array is None:
        return None
    return array.cast(pa.int64()).fill_null(int(NULL)).to_numpy(zero_copy_only=False)


def lines(rows: Rows, sources: Codes, size: int) -> list[tuple[list[str], Codes]]:
    """Return the names of formats and, for each source, how many of its lines are of each.

    The format of the header counts where no vendor's took the message apart.

    Args:
        rows: Of any log; only lines of syslog have a format.
        sources: The source of each row, -1 for none.
        size: How many sources there are.
    """
    if rows.log != "events":
        return []
    (vendors, vendor), (formats, plain) = words(rows, "vendor"), words(rows, "format")
    if vendors and formats:
        plain = np.where(vendor < 0, plain, -1)
    found = []
    for names, codes in ((vendors, vendor), (formats, plain)):
        if names:
            told = (codes >= 0) & (sources >= 0)
            places = sources[told].astype(np.int64) * len(names) + codes[told]
            counts = np.bincount(places, minlength=size * len(names))
            found.append((names, counts.reshape(size, len(names))))
    return found


def of_senders(rows: Rows, sources: Codes) -> Codes:
    """Return the source of each row; none for sessions that lines of syslog told: those count."""
    methods, method = words(rows, "method") if rows.log == "sessions" else ([], sources)
    if "syslog" not in methods:
        return sources
    return np.where(method == methods.index("syslog"), -1, sources)


def rates(rows: Rows, sources: Codes, size: int) -> dict[str, Codes]:
    """Return for each source the greatest sampling rate of its records, by origin; 0 for none.

    What headers and options tell is known from the streams.
    """
    found: dict[str, Codes] = {}
    rate = numbers(rows, "sampling_rate")
    origins, origin = words(rows, "sampling_origin")
    if rows.log != "flows" or rate is None:
        return found
    for name in _RATES_OF_RECORDS:
        if name in origins:
            told = (origin == origins.index(name)) & (rate > 0) & (sources >= 0)
            found[name] = np.zeros(size, np.int64)
            np.maximum.at(found[name], sources[told], rate[told])
    return found


def interfaces(rows: Rows, sources: Codes) -> dict[int, list[int]]:
    """Return the numbers of interfaces in the first rows, by source."""
    found: dict[int, list[int]] = {}
    if rows.log != "flows":
        return found
    for column in ("in_if", "out_if"):
        array: Any = rows.columns.get(column)
        if array is None:
            continue
        some = array.slice(0, _LOOKED).cast(pa.int64()).fill_null(-1)
        numbers_of, of = some.to_numpy(zero_copy_only=False), sources[:_LOOKED].astype(np.int64)
        told = (numbers_of >= 0) & (numbers_of <= _MOST_INTERFACE) & (of >= 0)
        for pair in np.unique(of[told] << 32 | numbers_of[told]).tolist():
            found.setdefault(pair >> 32, []).append(pair & _MOST_INTERFACE)
    return found


def words(rows: Rows, column: str) -> tuple[list[str], Any]:
    """Return the words of a column of text, and the code of each row; -1 is null."""
    array: Any = rows.columns.get(column)
    if array is None or not len(array):
        return [], np.zeros(0, np.int64)
    known = [str(word) for word in array.dictionary.to_pylist()]
    return known, array.indices.fill_null(-1).to_numpy(zero_copy_only=False)
