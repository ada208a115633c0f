"""How many rows fit, over time and by value: for the bars and facets beside an answer.

A rollup lies beside each segment. Where a question looks only at what rollups keep, and a segment
lies wholly inside the period, its rollup is read in its stead; the counts are the same. All matches
count, not only those shown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from appliance.errors import WrongUse
from appliance.search import times
from appliance.search.duck import Runner, Vanished
from appliance.search.engine_local import LocalEngine
from appliance.search.newest import bound, reading, scope_sql
from appliance.search.question import Question
from collector.store import rollup
from collector.store.catalog import FileEntry
from collector.store.schema import LOGS

KEPT = {"flows": frozenset(("person", "protocol", "method", "certainty"))}
"""Columns that rollups keep word for word, by log."""
COUNT = {"flows": "flows"}
"""The column of a rollup that says how many rows it stands for, where it is not `rows`."""
WIDTHS = (
    *(times.SECOND * n for n in (1, 5, 10, 30)),
    *(times.MINUTE * n for n in (1, 2, 5, 10, 15, 30)),
    *(times.HOUR * n for n in (1, 2, 3, 6, 12)),
)
OFFSET_US = 7 * times.HOUR
"""Bars begin on full minutes, hours and days of Bangkok."""
MOST_VALUES = 1000

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """So many rows begin in [start_us, end_us); what began before the period is in the first."""

    start_us: int
    end_us: int
    count: int


def histogram(engine: LocalEngine, question: Question, buckets: int = 60) -> tuple[Bar, ...]:
    """Return bars over the whole period that together count every match.

    Args:
        engine: A started engine; what is counted was recorded with the question itself.
        question: Whose matches.
        buckets: So many bars at most.

    Raises:
        Stopped: the count took too long.
    """
    if buckets < 1:
        raise WrongUse(f"wanted one bar or more, not {buckets}")
    width = width_us(question.end_us - question.start_us, buckets)
    first = (question.start_us + OFFSET_US) // width * width - OFFSET_US
    place = f"(epoch_us(greatest({{time}}, $start)) - {first}) // {width}"
    by_minute = width % times.MINUTE == 0
    counted = _counted(engine, question, place, frozenset() if by_minute else None)
    bars = -(-(question.end_us - first) // width)
    return tuple(
        Bar(
            start_us=max(question.start_us, first + i * width),
            end_us=min(question.end_us, first + (i + 1) * width),
            count=counted.get(i, 0),
        )
        for i in range(bars)
    )


def facets(
    engine: LocalEngine, question: Question, column: str, limit: int = 10
) -> list[tuple[Any, int]]:
    """Return the most frequent values of a column among all matches, each with its count.

    Raises:
        WrongUse: the log has no such column, or too many values are wanted.
        Stopped: the count took too long.
    """
    if column not in LOGS[question.log].columns:
        raise WrongUse(f"the log {question.log} has no column {column!r}")
    if not 1 <= limit <= MOST_VALUES:
        raise WrongUse(f"the limit is 1 to {MOST_VALUES}, not {limit}")
    counted = _counted(engine, question, column, frozenset((column,)))
    return counted.most_common(limit)


def width_us(period_us: int, buckets: int) -> int:
    """Return the least round width of which `buckets` cover the period."""
    for width in WIDTHS:
        if period_us <= width * buckets:
            return width
    return -(-period_us // (times.DAY * buckets)) * times.DAY


def _counted(
    engine: LocalEngine, question: Question, key: str, needs: frozenset[str] | None
) -> Counter[Any]:
    """Count all matches by the SQL `key`; needs: what it looks at, None what rollups lack."""
    with engine.runner() as run:
        try:
            return _all(engine, run, question, key, needs)
        except Vanished:
            return _all(engine, run, question, key, needs)


def _all(
    engine: LocalEngine, run: Runner, question: Question, key: str, needs: frozenset[str] | None
) -> Counter[Any]:
    files = engine.catalogue().files(
        question.log, sites=question.sites, start_us=question.start_us, end_us=question.end_us
    )
    short = _with_rollup(engine, question, files, needs)
    long = [file for file in files if file not in short]
    counts: Counter[Any] = Counter()
    if long:
        _add(counts, run.table(*_rows_sql(engine, question, key, long)).to_pylist())
    if short:
        _add(counts, run.table(*_rollup_sql(engine, question, key, short)).to_pylist())
    counts.pop(None, None)
    return counts


def _add(counts: Counter[Any], rows: Rows) -> None:
    for row in rows:
        counts[row["key"]] += int(row["n"])


def _with_rollup(
    engine: LocalEngine,
    question: Question,
    files: Sequence[FileEntry],
    needs: frozenset[str] | None,
) -> list[FileEntry]:
    """Return the segments of which the rollup says as much as the rows."""
    if needs is None or not question.uses | needs <= KEPT.get(question.log, frozenset()):
        return []
    return [
        file
        for file in files
        if file.kind == "segment"
        and question.start_us <= file.event_min
        and file.event_max < question.end_us
        and engine.has(rollup.path_of(file))
    ]


Statement = tuple[str, dict[str, object]]


def _rows_sql(
    engine: LocalEngine, question: Question, key: str, files: Sequence[FileEntry]
) -> Statement:
    mixed = len({file.schema_version for file in files}) > 1
    read = reading(tuple(LOGS[question.log].columns), mixed=mixed)
    where = f"{scope_sql(question)} AND ({question.where})"
    by = key.replace("{time}", "time")
    sql = f"SELECT {by} AS key, count(*) AS n FROM ({read} WHERE {where}) GROUP BY ALL"  # noqa: S608  # own names
    return sql, {**bound(question), "files": engine.paths(files)}


def _rollup_sql(
    engine: LocalEngine, question: Question, key: str, files: Sequence[FileEntry]
) -> Statement:
    by, count = key.replace("{time}", "minute"), COUNT.get(question.log, '"rows"')
    source = f"read_parquet($files) WHERE {question.where}"
    sql = f"SELECT {by} AS key, sum({count}) AS n FROM {source} GROUP BY ALL"  # noqa: S608  # own names
    paths = [str(engine.home / rollup.path_of(file)) for file in files]
    return sql, {**bound(question), "files": paths}
