"""Which rows of sealed segments fit a question: row numbers by segment, for a case at C0.

An answer on a page may be cut at its limit and mixes in what is not sealed yet; a case shows every
sealed row that fits, or says that there are too many.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from appliance.errors import WrongUse
from appliance.search.engine_local import LocalEngine
from appliance.search.newest import bound, scope_sql
from appliance.search.question import MAX_LIMIT, Question
from collector.store.catalog import FileEntry

Progress = Callable[[int, int], None]
Ranges = dict[str, list[tuple[int, int]]]


def sealed_files(
    engine: LocalEngine, site: str, log: str, start_us: int, end_us: int
) -> list[FileEntry]:
    """Return the sealed segments that may hold rows of a period of events, oldest first."""
    found = engine.catalogue().files(log, sites=[site], start_us=start_us, end_us=end_us)
    return sorted((f for f in found if f.kind == "segment"), key=lambda f: f.seq or 0)


def places(
    engine: LocalEngine,
    question: Question,
    files: Sequence[FileEntry],
    tell: Progress = lambda *_: None,
) -> Ranges:
    """Return the rows of sealed segments that fit a question, as half-open ranges.

    Raises:
        WrongUse: more than a case can hold.
        As `Runner.table`.
    """
    found: Ranges = {}
    total = 0
    # Own SQL and place holders alone: the question was made of them.
    sql = (
        "SELECT file_row_number FROM read_parquet($files, file_row_number = true) "  # noqa: S608
        f"WHERE {scope_sql(question)} AND ({question.where}) ORDER BY file_row_number"
    )
    for number, file in enumerate(files):
        tell(number, len(files))
        with engine.runner() as run:
            table = run.table(sql, {**bound(question), "files": engine.paths([file])})
        total += table.num_rows
        if total > MAX_LIMIT:
            raise WrongUse(
                f"more than {MAX_LIMIT} rows fit the question", hint="ask for a shorter period"
            )
        if table.num_rows:
            numbers = table["file_row_number"].to_pylist()
            found[f"{file.site}/{file.log}/{file.seq}"] = _ranges(numbers)
    return found


def _ranges(numbers: Sequence[int]) -> list[tuple[int, int]]:
    """Return ascending numbers as ranges that do not touch."""
    found: list[tuple[int, int]] = []
    for number in numbers:
        if found and found[-1][1] == number:
            found[-1] = found[-1][0], number + 1
        else:
            found.append((number, number + 1))
    return found
