"""How many rows of an answer fall when: over all matches, not only over those shown."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from appliance.search import duck, times
from appliance.search.engine_local import Answer, LocalEngine, bound, scope_sql
from appliance.search.question import Question
from appliance.web.asking import Bucket
from collector.store.schema import LOGS

MOST_BARS = 90
WIDTHS_S = (1, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
OFFSET_US = 7 * times.HOUR
"""Bars begin on the full hour or day of Bangkok."""


def over_time(engine: LocalEngine, answer: Answer) -> tuple[Bucket, ...]:
    """Return bars that together count every match.

    Raises:
        Stopped: the count took too long.
    """
    question = answer.question
    width_us = width_for(question.end_us - question.start_us)
    first_us = _floor(question.start_us, width_us)
    bars = -(-(question.end_us - first_us) // width_us)
    if answer.truncated:
        counts = _counted(engine, question, first_us, width_us, bars)
    else:
        counts = _binned(answer.table, question, first_us, width_us, bars)
    return tuple(
        Bucket(
            start_us=max(question.start_us, first_us + bar * width_us),
            end_us=min(question.end_us, first_us + (bar + 1) * width_us),
            count=int(counts[bar]),
        )
        for bar in range(bars)
    )


def width_for(period_us: int) -> int:
    """Return the width of a bar in µs: round, and at most `MOST_BARS` of them."""
    for seconds in WIDTHS_S:
        if period_us <= seconds * times.SECOND * MOST_BARS:
            return seconds * times.SECOND
    days = -(-period_us // (times.DAY * MOST_BARS))
    return days * times.DAY


def _binned(
    table: pa.Table, question: Question, first_us: int, width_us: int, bars: int
) -> npt.NDArray[np.int64]:
    moments = table["time"].cast(pa.int64()).to_numpy()
    # What began before the period and lasts into it counts at its begin.
    at = (np.maximum(moments, question.start_us) - first_us) // width_us
    return np.bincount(np.minimum(at, bars - 1), minlength=bars)


def _counted(
    engine: LocalEngine, question: Question, first_us: int, width_us: int, bars: int
) -> npt.NDArray[np.int64]:
    with engine.catalogue() as catalogue:
        files = catalogue.files(
            question.log,
            sites=question.sites,
            start_us=question.start_us,
            end_us=question.end_us,
        )
    mixed = len({file.schema_version for file in files}) > 1
    read = duck.reading(list(LOGS[question.log].columns), mixed=mixed)
    bar = f"(epoch_us(greatest(time, $start)) - {first_us}) // {width_us}"
    where = f"{scope_sql(question)} AND ({question.where})"
    sql = f"SELECT {bar} AS bar, count(*) AS n FROM ({read} WHERE {where}) GROUP BY bar"  # noqa: S608  # own names and numbers; values are bound
    with engine.runner() as run:
        table = run.table(sql, {**bound(question), "files": engine.paths(files)})
    counts = np.zeros(bars, np.int64)
    at = np.minimum(table["bar"].to_numpy().astype(np.int64), bars - 1)
    np.add.at(counts, at, table["n"].to_numpy())
    return counts


def _floor(us: int, width_us: int) -> int:
    return (us + OFFSET_US) // width_us * width_us - OFFSET_US
