"""`prathu search`: asks the logs, and writes the answer for people or programs."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from appliance import settings as box_settings
from appliance.cli import report
from appliance.cli.context import Context, unix_actor, wall_clock
from appliance.errors import BoxError, NotFound, WrongUse
from appliance.search import event_names, export, scaled, times
from appliance.search.engine_local import Answer, Asker, LocalEngine, engine_of
from appliance.search.fields import FIELDS
from appliance.search.printable import printable, printable_lines
from appliance.search.question import COLUMNS, Asked
from collector.records import AuditEvent

FORMATS = ("table", *export.WRITERS, "duckdb")
SHOWN = 100
"""Rows when no limit is given and people read them."""
WRITTEN = 100_000
"""Rows when no limit is given and they go to a file."""
_NOTHING = "ไม่พบรายการใด / nothing was found"


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("search")(search)


def search(  # noqa: PLR0913  # the options of interfaces
    ctx: typer.Context,
    question: Annotated[list[str], typer.Argument(help="What to look for; * is everything.")],
    log: Annotated[str, typer.Option(help=", ".join(FIELDS))] = "flows",
    since: Annotated[str, typer.Option("--from", help="Begin: 2569-11-22T08:00, -2h …")] = "-24h",
    until: Annotated[str, typer.Option("--to", help="End, not included.")] = "now",
    limit: Annotated[int, typer.Option(min=0, help="Most rows; 0: 100 on the screen.")] = 0,
    form: Annotated[str, typer.Option("--format", help=", ".join(FORMATS))] = "",
    out: Annotated[Path | None, typer.Option(help="Write to this file.")] = None,
    site: Annotated[list[str] | None, typer.Option(help="Only this site; may be repeated.")] = None,
    fail_empty: Annotated[bool, typer.Option(help="Status 1 when nothing is found.")] = False,
    scale: Annotated[
        bool, typer.Option("--scaled", help="Multiply counters by the sampling rate.")
    ] = False,
) -> None:
    """Ask the logs. The question is written to the audit log before the answer is shown."""
    context: Context = ctx.obj
    form = form or ("json" if context.as_json else "table")
    _check(form, out)
    _check_quotes(question)
    with open_engine(context) as engine:
        asked = Asked(
            log=log,
            sites=tuple(site) if site else None,
            start_us=times.parse(since, engine.now_us).us,
            end_us=times.parse(until, engine.now_us).us,
            limit=limit or (SHOWN if form == "table" else WRITTEN),
            columns=_shown(log, scale) if form == "table" else None,
        )
        answer = engine.ask(engine.parse(" ".join(question), asked), Asker(actor=unix_actor()))
    _tell(context, answer)
    if scale:
        answer, changed = scaled.scale(answer)
        context.say(f"counters of {changed} rows are multiplied by their sampling rate: estimates")
    _write(context, answer, form, out)
    if not answer.table.num_rows:
        if fail_empty:
            raise NotFound("nothing was found")
        context.say(_NOTHING)


def _shown(log: str, scale: bool) -> tuple[str, ...] | None:
    """Return the columns of a table; with scaled counters, the rate beside them."""
    columns = COLUMNS.get(log)
    return (*columns, scaled.RATE) if columns and scale and log == "flows" else columns


def _check_quotes(question: Sequence[str]) -> None:
    """Refuse what a shell makes of `*` without quotes: the names of the files here."""
    with suppress(OSError):
        here = {one.name for one in Path().iterdir() if not one.name.startswith(".")}
        if len(question) > 1 and here == set(question):
            message = "the question is the name of every file here: the shell wrote them for the *"
            raise WrongUse(message, hint="put it in quotes: prathu search '*'")


def open_engine(context: Context) -> LocalEngine:
    """Return the engine of the home; its acts go to the audit log of the box."""
    home, settings = context.home, box_settings.load(context.home)

    def record(event: AuditEvent) -> None:
        report.tell(home, settings, "audit", [event])

    return engine_of(home, settings, record, clock=wall_clock)


def _check(form: str, out: Path | None) -> None:
    if form not in FORMATS:
        raise WrongUse(f"no format is called {form!r}", hint=f"there are: {', '.join(FORMATS)}")
    if form == "duckdb" and out is None:
        raise WrongUse("a DuckDB file needs a name", hint="give one: --out answer.duckdb")
    if form == "parquet" and out is None and sys.stdout.isatty():
        raise WrongUse("Parquet is not for the screen", hint="give a file: --out answer.parquet")
    if out is not None and not out.resolve().parent.is_dir():
        raise WrongUse(f"there is no folder {out.resolve().parent}", hint="make it first")
    if out is not None and out.is_dir():
        raise WrongUse(f"{out} is a folder", hint=f"name a file: --out {out / 'answer'}.{form}")


def _tell(context: Context, answer: Answer) -> None:
    context.say(answer.question.thai)
    context.say(answer.question.english)
    for note in answer.question.notes:
        context.say(note)
    if answer.truncated:
        context.say(f"there are more than {answer.question.limit} rows: these are the newest")
    if answer.coverage:
        count = len(answer.coverage)
        gaps = "1 gap" if count == 1 else f"{count} gaps"
        context.say(f"the log has {gaps} in this period, see: prathu search '*' --log coverage")


def _write(context: Context, answer: Answer, form: str, out: Path | None) -> None:
    if form == "table":
        _table(context, answer, out)
    elif form == "duckdb" and out is not None:
        export.write_duckdb(answer, out)
    elif out is None:
        _to_stdout(answer, form)
    else:
        _to_file(answer, form, out)
    if out is not None:
        context.say(f"{answer.table.num_rows} rows written to {out}")


def _to_file(answer: Answer, form: str, out: Path) -> None:
    """Write the whole file or none: half an answer must not pass for one.

    Raises:
        BoxError: it cannot be written.
    """
    beside = out.with_name(out.name + ".tmp")
    try:
        with beside.open("wb") as file:
            export.WRITERS[form](answer, file)
        beside.replace(out)
    except OSError as error:
        with suppress(OSError):
            beside.unlink()
        raise BoxError(
            f"cannot write {out}: {error.strerror}", hint="give another place to --out"
        ) from error


def _to_stdout(answer: Answer, form: str) -> None:
    """Write as it is for a program; on a terminal, what a line of syslog holds is only shown."""
    if form == "csv" and sys.stdout.isatty():
        whole = io.BytesIO()
        export.write_csv(answer, whole)
        print(printable_lines(whole.getvalue().decode("utf-8-sig")), end="")
    else:
        export.WRITERS[form](answer, sys.stdout.buffer)
        sys.stdout.flush()


def _table(context: Context, answer: Answer, out: Path | None) -> None:
    rows = list(map(event_names.told, export.rows_of(answer.table.select(answer.columns))))
    columns = list(event_names.shown(answer.columns, rows))
    if out is None:
        Context(context.home, as_json=False, quiet=context.quiet, debug=False).show_rows(
            rows, columns
        )
        return
    lines = ["\t".join(columns), *("\t".join(_word(row[c]) for c in columns) for row in rows)]
    out.write_text(os.linesep.join(lines) + os.linesep, encoding="utf-8")


def _word(value: object) -> str:
    return "" if value is None else printable(str(value))
