"""`prathu backup` and `prathu restore`."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from appliance import settings as box_settings
from appliance.backup import making, restoring
from appliance.backup.target import Target, opened
from appliance.cli import bars, rehearsal, report
from appliance.cli.context import Context
from appliance.cli.init import make_folders
from appliance.cli.secret import typed
from appliance.errors import BoxError, WrongUse
from appliance.search import times
from appliance.settings import Backup
from collector import durable
from collector.errors import Busy
from collector.keeping import BOX

_NICE = 19
"""A backup that the box makes by itself takes what CPU and disk the others leave."""


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    app.command()(backup)
    app.command()(restore)


def backup(
    ctx: typer.Context,
    to: Annotated[
        str, typer.Argument(help="A folder, sftp://user@host/path, or s3://host/bucket.")
    ] = "",
    logs: Annotated[bool, typer.Option("--logs", help="Segments too: only new ones go.")] = False,
    rehearse: Annotated[
        bool, typer.Option("--rehearse", help="Then restore it beside, and verify that.")
    ] = False,
    by_itself: Annotated[bool, typer.Option("--by-itself", hidden=True)] = False,
) -> None:
    """Make a backup, encrypted to the key on paper: settings, keys, database, ledger."""
    context: Context = ctx.obj
    settings = box_settings.load(context.home)
    if by_itself:
        os.nice(_NICE)
        signal.signal(signal.SIGTERM, _end)
    run = rehearsal.Run(context.home, settings, where=to, actor=BOX if by_itself else "")
    told: dict[str, Any] = {}
    with _alone(context.home):
        run.clear()
        with (
            run.noted("backup") as good,
            _place(context.home, settings.backup, to) as target,
            bars.bar(context) as bar,
        ):
            run.act("backup", f"to {to or settings.backup.to}")
            logs = logs or settings.backup.logs
            made = making.backup(
                context.home, settings, target, now=report.now(), logs=logs, tell=bar
            )
            good(made.archive)
        told = asdict(made)
        if rehearse:
            with (
                run.noted("rehearsal") as good,
                _place(context.home, settings.backup, to) as target,
            ):
                told["rehearsal"] = run.rehearse(target, made.archive, logs=logs)
                good(told["rehearsal"])
    context.show(told)
    if not made.database:
        context.say("The database is not in it: back it up with its own tools.")


def _end(*_: object) -> None:
    """Let what is half done be cleared away when the box stops."""
    raise SystemExit(128 + signal.SIGTERM)


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Keep a second backup of this home out: both would work in one folder."""
    lock = durable.Lock(home / "run" / "backup.lock")
    try:
        lock.take()
    except Busy as error:
        raise BoxError("a backup is being made already", hint="wait for it") from error
    try:
        yield
    finally:
        lock.release()


def restore(  # noqa: PLR0913  # one argument per option
    ctx: typer.Context,
    source: Annotated[
        str, typer.Argument(help="A folder, sftp://user@host/path, or s3://host/bucket.")
    ],
    archive: Annotated[str, typer.Option(help="Not the newest one, but this.")] = "",
    no_logs: Annotated[
        bool, typer.Option("--no-logs", help="Leave segments where they are.")
    ] = False,
    ssh_key: Annotated[Path | None, typer.Option(help="Private key for SFTP.")] = None,
    known_hosts: Annotated[Path | None, typer.Option(help="The SFTP server's host key.")] = None,
    s3_keys: Annotated[Path | None, typer.Option(help="A file with the two keys for S3.")] = None,
) -> None:
    """Bring a backup onto an empty home; what stands on the paper is asked for."""
    context: Context = ctx.obj
    restoring.check_empty(context.home)
    place = Backup(
        ssh_key=str((ssh_key or Path()).resolve()),
        known_hosts=str((known_hosts or Path()).resolve()),
        s3_keys=str((s3_keys or Path()).resolve()),
    )
    if "://" not in source and not Path(source).is_dir():
        raise WrongUse(f"{source} is no folder", hint="give the place that prathu backup wrote to")
    with _place(context.home, place, source) as target:
        restoring.wanted(target.names(), archive)  # before anybody types from paper
    private = typed("Private half (AGE-SECRET-KEY-1…)")
    make_folders(context.home)
    with _place(context.home, place, source) as target, bars.bar(context) as bar:
        told = restoring.restore(
            context.home, target, private=private, name=archive, logs=not no_logs, tell=bar
        )
    proof = rehearsal.proven(context.home)
    missing = [one for one in proof.findings if one.number == "E-02"]
    context.show(
        {
            **asdict(told),
            "missing": len(told.missing),
            "whole": proof.whole,
            "findings": [f"{f.number} {f.place}: {f.text}" for f in proof.findings[:20]],
        }
    )
    _say_ends(context)
    _say_next(context, told, only_missing=len(missing) == len(proof.findings))
    raise typer.Exit(0 if proof.whole else 1)


def _say_ends(context: Context) -> None:
    """Say where each ledger ends: what was sealed later did not come back."""
    for end in restoring.ends(context.home):
        last = times.rfc3339(end.time_us)
        context.say(f"{end.origin} ends at {end.entries:,} entries, the last of {last}.")
    context.say("What was sealed later is not in this backup. Whether somebody outside has seen")
    context.say("a longer ledger, they are asked by: prathu outside --now")


def _say_next(context: Context, told: restoring.Restored, *, only_missing: bool) -> None:
    if told.missing and only_missing:
        count = len(told.missing)
        context.say(
            f"{count} segments are not in the backup; all else is whole. Copy them to logs/ where "
            "you have them; the box goes on without."
        )
    context.say("The keys that sign were not in the backup: two people let the box go on,")
    context.say("with: prathu keys replace --approve ONE --approve OTHER")


@contextmanager
def _place(home: Path, settings: Backup, where: str) -> Iterator[Target]:
    where = where or settings.to
    if not where:
        raise BoxError("where to?", hint="prathu backup TO, or [backup] to in prathu.toml")
    with opened(where, home=home, settings=settings) as target:
        yield target
