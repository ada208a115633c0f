"""`prathu verify`: is all that was sealed there and unchanged, and if not, what and where."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
import pyarrow.parquet as pq
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from appliance import settings as box_settings
from appliance.cli import verify_run
from appliance.cli.context import Context, wall_clock
from appliance.errors import BoxError, WrongUse
from appliance.hub import known
from appliance.search import times
from appliance.search.printable import printable
from collector.errors import CollectorError, SealError
from collector.seal import policy as policies
from collector.seal import timestamp
from collector.seal.fault import Refused
from collector.seal.files import MISSING, Finding
from collector.seal.keys import KEK, Secrets
from collector.seal.ledger import FOLDER
from collector.seal.note import ED25519, ML_DSA_44, VKey, parse_vkey
from collector.seal.policy import Policy
from collector.seal.vault import credential
from collector.seal.verify import Question, Report
from collector.seal.verify import verify as check
from collector.seal.verify_outside import Believed
from collector.seal.verify_segments import Destroyed

_KINDS = (ED25519, ML_DSA_44)
_SHOWN = 10
"""Findings shown to people; `--json` has them all."""
_WHY = {
    "given": "given from outside",
    "linked": "linked from the year behind it",
    "genesis": "believed as the ledger itself names it: give --vkey with a copy kept elsewhere",
}


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(verify)


def verify(  # noqa: PLR0913  # one argument per option
    ctx: typer.Context,
    since: Annotated[str, typer.Option("--from", help="Open only what was received since.")] = "",
    until: Annotated[str, typer.Option("--to", help="Open only what was received before.")] = "",
    deep: Annotated[bool, typer.Option("--deep", help="Check every byte and row.")] = False,
    vkey: Annotated[list[str] | None, typer.Option(help="A log key to believe.")] = None,
    policy: Annotated[
        Path | None, typer.Option(help="A tlog-policy: log keys, witnesses, their quorum.")
    ] = None,
    tsa_roots: Annotated[
        Path | None, typer.Option(help="A PEM file: the roots of time-stamp authorities.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="With --deep: go on where it was interrupted.")
    ] = False,
) -> None:
    """Check ledger, checkpoints, continuity and files; deep, every byte and row."""
    context: Context = ctx.obj
    if not (context.home / FOLDER).is_dir():
        raise WrongUse(f"no ledger in {context.home}", hint="--home says where the box's home is")
    now_us = wall_clock() // 1000
    for path in (policy, tsa_roots):
        if path is not None and path.resolve().is_relative_to(context.home.resolve()):
            context.say(f"{path} lies in the home that it is to judge: take a copy from elsewhere")
    asked = _policy(policy)
    vkeys = _believe(vkey or [], policy, asked)
    from_us = times.parse(since, now_us).us if since else None
    to_us = times.parse(until, now_us).end_us if until else None
    if from_us is not None and to_us is not None and from_us >= to_us:
        raise WrongUse("the period is empty: --from is not before --to")
    if not deep and (since or until or resume):
        context.say("--from, --to and --resume choose what --deep opens: nothing is opened now")
    notebook = verify_run.Notebook(context.home, resume=resume)
    with _bar(context) as bar, verify_run.pool() as each:
        question = Question(
            deep=deep,
            from_us=from_us,
            to_us=to_us,
            vkeys=vkeys,
            believed=Believed(policy=asked, tsa_roots=_roots(tsa_roots)),
            kek=_ring_key(context.home) if deep else None,
            each=each,
            known=notebook.known,
            opened=notebook.opened,
        )
        report = _checked(context, question, notebook, _Teller(bar))
    _show(context, report, deep=deep)
    _say_alarms(context, now_us)
    raise typer.Exit(0 if report.whole else 1)


def _say_alarms(context: Context, now_us: int) -> None:
    """Say what the box was told from outside that speaks against it, such as a longer history.

    It is no evidence, as it lies in the home: but who restored an older state should read it here.
    """
    with suppress(BoxError, CollectorError):
        for one in known.read(context.home, box_settings.load(context.home), now_us):
            for line in one.alarms:
                context.say(f"ALARM: {one.site}: {line.name}: {line.alarm}")


def _checked(
    context: Context, question: Question, notebook: verify_run.Notebook, teller: _Teller
) -> Report:
    """Return the report; what was found whole until Ctrl-C is kept for a run that goes on."""
    try:
        report = check(context.home, question, read=tables, progress=teller)
    except KeyboardInterrupt:
        if not question.deep:
            raise
        notebook.save()
        hint = f"go on with: prathu verify --deep --resume (what was done is in {notebook.path})"
        raise BoxError("the verification was interrupted", hint=hint) from None
    notebook.done()
    return report


def _policy(path: Path | None) -> Policy | None:
    if path is None:
        return None
    try:
        return policies.parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise WrongUse(f"--policy: cannot read {path}: {error.strerror}") from error
    except (Refused, UnicodeDecodeError) as error:
        raise WrongUse(f"{path}: {error}") from error


def _roots(path: Path | None) -> tuple[timestamp.Certificate, ...]:
    if path is None:
        return ()
    try:
        found = timestamp.read_pem(path.read_bytes())
    except OSError as error:
        raise WrongUse(f"--tsa-roots: cannot read {path}: {error.strerror}") from error
    except Refused as refused:
        raise WrongUse(f"{path}: {refused}") from refused
    if not timestamp.roots_of(found):
        raise WrongUse(f"{path} has no root", hint="a root is a certificate that issued itself")
    return found


def _believe(texts: list[str], path: Path | None, asked: Policy | None) -> tuple[VKey, ...]:
    try:
        keys = [parse_vkey(text) for text in texts]
    except Refused as refused:
        raise WrongUse(f"--vkey: {refused}") from refused
    keys += asked.logs if asked is not None else ()
    if any(key.kind not in _KINDS or "/ledger/" not in key.name for key in keys):
        raise WrongUse(
            "a key to believe is the log key of a ledger, such as prathu verify --json shows"
        )
    if asked is not None and not keys:
        raise WrongUse(f"{path} names no log", hint="it needs a line: log VKEY")
    return tuple(keys)


def _ring_key(home: Path) -> bytes | None:
    """Return the key that opens segment keys, None where it is not to be had."""
    try:
        key = Secrets(home, random=os.urandom, wrap=credential(os.environ)).read(KEK)
    except (PermissionError, SealError):
        return None
    return key if key is not None and len(key) == 32 else None


def tables(path: Path) -> Iterator[pa.Table]:
    """Give a segment a piece at a time, whatever its size."""
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=1 << 16):
            yield pa.Table.from_batches([batch])


class _Teller:
    """Moves the bar."""

    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self._task: TaskID | None = None

    def __call__(self, what: str, done: int, of: int) -> None:
        if self._task is None:
            self._task = self._bar.add_task(what, total=of)
        self._bar.update(self._task, description=what, completed=done, total=max(of, 1))


def _bar(context: Context) -> Progress:
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    quiet = context.quiet or not sys.stderr.isatty()
    return Progress(*columns, console=console, transient=True, disable=quiet)


def _show(context: Context, report: Report, *, deep: bool) -> None:
    if context.as_json:
        context.show({"whole": report.whole, "deep": deep, **asdict(report)})
        return
    for line in _lines(report, deep=deep):
        print(printable(line))


def _lines(report: Report, *, deep: bool) -> Iterator[str]:
    absent = [one for one in report.findings if one.text == MISSING]
    wrong = [one for one in report.findings if one.text != MISSING]
    if wrong:
        first = wrong[0]
        yield f"not whole: {first.number} {first.place}: {first.text}"
        for finding in wrong[1:_SHOWN]:
            yield f"  then: {finding.number} {finding.place}: {finding.text}"
        if len(wrong) > _SHOWN:
            yield f"  and {len(wrong) - _SHOWN} more: --json has them all"
    elif absent:
        yield "not whole: what is here is as it was sealed, but not all is here"
    elif report.lost:
        yield "whole, but for what two people said is lost: all that is here is as it was sealed"
    else:
        yield "whole: every entry, checkpoint and file is as it was sealed"
    yield from _absent(absent)
    yield _counts(report, deep=deep)
    yield from _lost(report)
    yield from _destroyed(report)
    for vkey, why in report.believed:
        yield f"log key {vkey}: {_WHY[why]}"
    yield from report.notes


def _absent(absent: list[Finding]) -> Iterator[str]:
    """Yield what is not here and nobody said why; that is another thing than what is wrong."""
    if absent:
        files = "file is" if len(absent) == 1 else "files are"
        yield f"  not here: {absent[0].number} {len(absent)} {files} missing: {absent[0].place} …"
        yield "    bring them back; or two people say what happened: prathu retention lost"


def _lost(report: Report) -> Iterator[str]:
    """Yield what is not here, and who said why; nothing is proven of it any more."""
    for one in report.lost:
        segments = f"{one.segments:,} segments of {one.site}/{one.log} ({one.first} to {one.last})"
        yield (
            f"lost, declared: {segments}, {one.rows:,} rows: {one.cause}, by "
            f"{' and '.join(one.approvals)} on {times.rfc3339(one.time_us)}"
        )


def _destroyed(report: Report) -> Iterator[str]:
    """Yield a line for each log and policy of which segments were destroyed; JSON has each."""
    odd = [found for found in report.findings if found.number == "E-02"]
    unlawful = any(found.text.startswith("entry") for found in odd)
    word = "destroyed, NOT ALL LAWFULLY" if unlawful else "lawfully destroyed"
    by: dict[tuple[str, str, str], list[Destroyed]] = {}
    for one in report.destroyed:
        by.setdefault((one.site, one.log, one.policy), []).append(one)
    for (site, log, policy), some in sorted(by.items()):
        count, last = sum(one.segments for one in some), max(one.time_us for one in some)
        numbers = f"{min(one.first for one in some)} to {max(one.last for one in some)}"
        yield (
            f"{word}: {count:,} segments of {site}/{log} ({numbers}) by {policy}, the last on "
            f"{times.rfc3339(last)}"
        )


def _singular(what: str, count: int) -> str:
    """Return what is counted as one says it of so many: its first word is a plural."""
    first, _, rest = what.partition(" ")
    one = {"entries": "entry"}.get(first, first.removesuffix("s"))
    return f"{one if count == 1 and first != 'opened' else first} {rest}".rstrip()


def _counts(report: Report, *, deep: bool) -> str:
    counted: dict[str, Any] = {
        "ledgers": report.ledgers,
        "entries": report.entries,
        "checkpoints": report.checkpoints,
        "segments": report.segments,
    }
    if deep:
        counted |= {"segments opened": report.opened, "rows checked": report.rows}
        counted |= {"opened in an earlier run": report.known} if report.known else {}
    told = ", ".join(f"{count} {_singular(what, count)}" for what, count in counted.items())
    return told if deep else f"{told}; --deep checks every byte and row"
