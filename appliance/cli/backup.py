"""`prathu backup` and `prathu restore`."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from appliance import settings as box_settings
from appliance.backup import making, restoring
from appliance.backup.target import Target, opened
from appliance.cli import report, verify_run
from appliance.cli.context import Context
from appliance.cli.init import make_folders
from appliance.cli.keys import typed
from appliance.cli.verify import tables
from appliance.errors import BoxError
from appliance.settings import Backup, BoxSettings
from collector.errors import SealError
from collector.seal.vault import KEK, Secrets, credential
from collector.seal.verify import Question, Report, verify


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
) -> None:
    """Make a backup, encrypted to the key on paper: settings, keys, database, ledger."""
    context: Context = ctx.obj
    settings = box_settings.load(context.home)
    report.act(context.home, settings, "backup", target=f"to {to or settings.backup.to}")
    with _place(context.home, settings.backup, to) as target:
        made = making.backup(
            context.home, settings, target, now=report.now(), logs=logs or settings.backup.logs
        )
        told = asdict(made)
        if rehearse:
            told["rehearsal"] = _rehearse(context.home, settings, target, made.archive)
    context.show(told)
    if not made.database:
        context.say("The database is not in it: back it up with its own tools.")


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
    private = typed("Private half (AGE-SECRET-KEY-1…)")
    make_folders(context.home)
    place = Backup(
        ssh_key=str((ssh_key or Path()).resolve()),
        known_hosts=str((known_hosts or Path()).resolve()),
        s3_keys=str((s3_keys or Path()).resolve()),
    )
    with _place(context.home, place, source) as target:
        told = restoring.restore(
            context.home, target, private=private, name=archive, logs=not no_logs
        )
    proof = _proven(context.home, _kek(context.home))
    missing = [one for one in proof.findings if one.number == "E-02"]
    context.show(
        {
            **asdict(told),
            "missing": len(told.missing),
            "whole": proof.whole,
            "findings": [f"{f.number} {f.place}: {f.text}" for f in proof.findings[:20]],
        }
    )
    _say_next(context, told, only_missing=len(missing) == len(proof.findings))
    raise typer.Exit(0 if proof.whole else 1)


def _say_next(context: Context, told: restoring.Restored, *, only_missing: bool) -> None:
    if told.missing and only_missing:
        count = len(told.missing)
        context.say(
            f"{count} segments are not in the backup; all else is whole. Copy them to logs/."
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


def _rehearse(home: Path, settings: BoxSettings, target: Target, name: str) -> str:
    """Restore a backup beside the home with the box's own key, verify it, and write that down."""
    beside = Path(tempfile.mkdtemp(prefix="rehearsal-", dir=home / "stage"))
    try:
        make_folders(beside)
        private = str(making.own_key(home))
        told = restoring.restore(beside, target, private=private, name=name, envelope=False)
        proof = _proven(beside, _kek(home))
        odd = [one for one in proof.findings if one.number != "E-02"]
        good = not odd and len(proof.findings) == 2 * len(told.missing)
        result = "whole" if good else f"NOT WHOLE: {proof.findings[0].text}"
    finally:
        shutil.rmtree(beside)
    rows = f"{proof.entries} entries, {told.segments} segments, {proof.rows} rows"
    text = f"rehearsal of {name}: {result}; {rows}"
    report.act(home, settings, "rehearsal", target=text)
    return text


def _proven(home: Path, kek: bytes | None) -> Report:
    """Return what the verifier says of a restored home; every row where the ring key is there."""
    with verify_run.pool() as each:
        return verify(home, Question(deep=kek is not None, kek=kek, each=each), read=tables)


def _kek(home: Path) -> bytes | None:
    """Return the ring key; None where only the service may open it."""
    try:
        return Secrets(home, random=os.urandom, wrap=credential(os.environ)).read(KEK)
    except (SealError, PermissionError):
        return None
