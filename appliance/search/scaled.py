"""Counters multiplied by the sampling rate of their flow: an estimate, made only when asked for.

Rows keep what was received, with the rate and where it came from beside it. A row whose rate is not
known stays as it is.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from appliance.search.engine_local import Answer

Numbers = npt.NDArray[np.int64]
COUNTERS = ("bytes", "packets", "bytes_reverse", "packets_reverse")
RATE = "sampling_rate"
_MOST = np.iinfo(np.int64).max


def scale(answer: Answer) -> tuple[Answer, int]:
    """Return the answer with its counters multiplied, and how many rows that changed.

    Conditions of the question were about the counters as received. What is too large for 64 bits
    becomes the largest number.
    """
    table = answer.table
    if RATE not in table.column_names:
        return answer, 0
    rates = np.maximum(_numbers(table[RATE], 1), 1)
    for name in COUNTERS:
        if name in table.column_names:
            at = table.column_names.index(name)
            table = table.set_column(at, name, _times(table[name], rates))
    return replace(answer, table=table), int((rates > 1).sum())


def _numbers(column: Any, missing: int) -> Numbers:  # noqa: ANN401  # any column of integers
    filled: Numbers = column.cast(pa.int64()).fill_null(missing).to_numpy()
    return filled


def _times(column: Any, rates: Numbers) -> pa.Array[Any]:  # noqa: ANN401  # any column of integers
    missing, values = column.is_null().to_numpy(), _numbers(column, 0)
    over = values > _MOST // rates
    return pa.array(np.where(over, _MOST, values * rates), pa.int64(), mask=missing)
