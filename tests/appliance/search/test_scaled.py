"""Counters are what was received until somebody asks for an estimate."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pyarrow as pa

from appliance.search.engine_local import Answer
from appliance.search.scaled import scale


def answer(**columns: list[int | None]) -> Answer:
    table = pa.table({name: pa.array(values, pa.int64()) for name, values in columns.items()})
    question = cast("Any", SimpleNamespace())
    return Answer(question=question, table=table, truncated=False, files=0, rows=0, took_ms=0.0)


def test_each_row_is_multiplied_by_its_own_rate() -> None:
    found, changed = scale(
        answer(
            bytes=[10, 20, None, 40, 1 << 62],
            packets=[1, 2, 3, 4, 5],
            sampling_rate=[100, None, 5, 1, 512],
            dst_port=[443, 443, 443, 443, 443],
        )
    )
    assert found.table["bytes"].to_pylist() == [1000, 20, None, 40, (1 << 63) - 1]
    assert found.table["packets"].to_pylist() == [100, 2, 15, 4, 2560]
    assert found.table["dst_port"].to_pylist() == [443] * 5
    assert changed == 3


def test_logs_without_rates_stay_as_they_are() -> None:
    rows = answer(severity=[1, 2])
    assert scale(rows) == (rows, 0)
    empty, changed = scale(answer(bytes=[], sampling_rate=[]))
    assert (empty.table.num_rows, changed) == (0, 0)
