"""`prathu people import`: a school's roll, looked at and taken in."""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import track

from appliance.cli.people_home import Home, Site, new_file, opened, seen
from appliance.errors import WrongUse
from appliance.search.printable import cell, printable
from appliance.web.reasons import reason
from appliance.web.texts import texts
from captive_portal.errors import PortalError
from captive_portal.people import bad_rows, passwords, roll, taking
from captive_portal.people.roll import Made, Roll, Where
from captive_portal.people.taking import Outcome

_SHOWN = 20


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("import")(import_)


def import_(  # noqa: PLR0913  # one argument per option
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="XLSX or CSV; one line names the columns.")],
    site: Site = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be done.")
    ] = False,
    close_left: Annotated[
        bool,
        typer.Option(
            "--close-left",
            help="The file is the whole school: close pupils, and nobody else, who are not in it.",
        ),
    ] = False,
    passwords_out: Annotated[
        Path | None,
        typer.Option(
            "--passwords", help="Make missing passwords, and write them to this new file."
        ),
    ] = None,
    bad_out: Annotated[
        Path | None,
        typer.Option("--bad-rows", help="Write rows that are not taken to this new XLSX file."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask about columns.")] = False,
) -> None:
    """Take people in from a school's roll; bad rows are reported by line, good ones taken."""
    with opened(ctx) as at:
        read = _roll(file, Where(site=at.site(site), key=at.key, schools=at.settings.schools))
        outcome = taking.preview(at.engine, read, now=at.now(), close_left=close_left)
        if not dry_run:
            _confirm(at, read, outcome, yes=yes)
            at.wrote(f"import {file.name}, {len(read.lines)} rows for {read.site}")
            with _passwords_file(passwords_out) as write:
                outcome = taking.take(at.engine, read, now=at.now(), close_left=close_left)
                _give_passwords(at, outcome, write, make=passwords_out is not None)
        _say(at, read, outcome, bad_out)
        at.context.show({**_counts(outcome), "dry_run": dry_run})
    if outcome.bad:
        raise typer.Exit(1)


def _counts(outcome: Outcome) -> dict[str, Any]:
    return {
        "new": outcome.new,
        "moved": outcome.moved,
        "changed": outcome.changed,
        "same": outcome.same,
        "reopened": outcome.reopened,
        "left": outcome.left,
        "closed": outcome.closed,
        "warnings": len(outcome.warnings),
        "bad_rows": len(outcome.bad),
    }


def _roll(file: Path, where: Where) -> Roll:
    try:
        with file.open("rb") as stream:
            octets = stream.read(roll.MAX_BYTES + 1)
    except OSError as error:
        raise WrongUse(f"cannot read {file}: {error.strerror}") from error
    try:
        return roll.read(octets, where)
    except PortalError as error:
        raise WrongUse(f"{file}: {error}") from error


def _confirm(at: Home, read: Roll, outcome: Outcome, *, yes: bool) -> None:
    """Ask whether the columns are right, the first time that a school's file has them."""
    known = taking.known_layout(at.engine, read.site, read.layout) is not None
    if yes or known or not (sys.stdin.isatty() and seen()):
        return
    _say_columns(read)
    for name, count in _counts(outcome).items():
        at.context.say(f"  {name}: {count}")
    if not typer.confirm("Take these people in?", err=True):
        raise WrongUse("nothing was changed")


def _say_columns(read: Roll) -> None:
    print(f"line {read.layout.row} names the columns:", file=sys.stderr)
    for field, header in read.layout.headers.items():
        print(printable(f"  {header} → {field}"), file=sys.stderr)


def _say(at: Home, read: Roll, outcome: Outcome, bad_out: Path | None) -> None:
    _first([str(bad) for bad in outcome.bad], "bad rows")
    if bad_out is not None and outcome.bad:
        with os.fdopen(new_file(bad_out), "wb") as stream:
            say = partial(reason, texts("th"))
            stream.write(bad_rows.written(outcome.bad, read.layout, say=say))
        at.context.say(f"the rows that were not taken are in {bad_out}")
    if at.context.quiet:
        return
    _say_columns(read)
    if read.layout.ignored:
        _first([f"not read: {', '.join(read.layout.ignored)}"], "columns")
    for note in read.notes:
        print(printable(note), file=sys.stderr)
    _first(outcome.warnings, "warnings")
    for what, people in outcome.named.items():
        _first([f"{what}: {person}" for person in people], what)
    if outcome.left > outcome.closed:
        at.context.say(
            f"{outcome.left - outcome.closed} pupils are not in the file; --close-left closes "
            "their accounts, if no row is bad; teachers and others stay"
        )


def _first(lines: Sequence[str], what: str) -> None:
    for line in lines[:_SHOWN]:
        print(printable(line), file=sys.stderr)
    if len(lines) > _SHOWN:
        print(f"and {len(lines) - _SHOWN} more {what}", file=sys.stderr)


def _give_passwords(
    at: Home, outcome: Outcome, write: Callable[[Made], None], *, make: bool
) -> None:
    """Set the passwords that the file has, and make the others when that is wished for."""
    wanted = [one for one in outcome.passwordless if make or one[2]]
    quiet = at.context.quiet or not seen()
    for person, account, told in track(wanted, "passwords", disable=quiet):
        password = told or passwords.one_time()
        at.people.set_password(person, password, must_change=told is None)
        if told is None:
            write(Made(account=account, password=password))


@contextmanager
def _passwords_file(path: Path | None) -> Iterator[Callable[[Made], None]]:
    """Open the file before anybody gets a password that is written nowhere else."""
    if path is None:
        yield lambda _: None
        return
    with os.fdopen(new_file(path), "w", encoding="utf-8-sig", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("account", "password"))

        def write(made: Made) -> None:
            writer.writerow([cell(value) for value in made])
            stream.flush()

        yield write
