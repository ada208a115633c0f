"""`prathu verify-bundle`: a bundle checked without any access to the box that made it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from appliance.cli.context import Context, error_console
from appliance.errors import WrongUse
from appliance.search import times
from appliance.search.printable import printable
from collector.seal import policy as policies
from collector.seal import timestamp
from collector.seal.bundle.check import Result, SegmentResult, Trust, check
from collector.seal.fault import Refused

_SHOWN = 20
"""Segments told to people; `--json` has them all."""
_UNCHECKED = "E-20"
"""What a policy asks for and this program's library cannot check is no mistake in writing."""
_LEVELS = {
    "C0": "แถวเหล่านี้ ไม่ใช่ทั้งหมด / these rows, never all",
    "C1": "ทุกแถวของบุคคลนี้ตามที่ผนึก / all rows of this person, as sealed",
    "C2": "ทุกแถว และเห็นทุกกลุ่ม / all rows, every group seen",
}

_ASK = "ask the box's owner for the policy, by another way than the bundle: --policy FILE"
_NUMBERS = "the numbers: docs/evidence-format.md, section 11"


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("verify-bundle")(verify_bundle)


def verify_bundle(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="A bundle, case-….zip.")],
    policy: Annotated[
        Path | None, typer.Option(help="Whom to believe, a tlog-policy from elsewhere.")
    ] = None,
    tsa_roots: Annotated[
        Path | None, typer.Option(help="Roots of time-stamp authorities, PEM, from elsewhere.")
    ] = None,
) -> None:
    """Check a bundle: every byte, row, proof and signature. Status 1 when it does not hold."""
    context: Context = ctx.obj
    roots = () if tsa_roots is None else _roots(tsa_roots)
    quiet = context.quiet or not error_console().is_terminal
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    try:
        believed = None if policy is None else _policy(policy)
        with Progress(*columns, console=error_console(), transient=True, disable=quiet) as bar:
            task = bar.add_task(file.name, total=None)
            result = check(
                file,
                Trust(policy=believed, roots=roots),
                tell=lambda done, of: bar.update(task, completed=done, total=max(of, 1)),
            )
    except Refused as refused:
        result = Result(number=refused.number, failure=str(refused))
    except OSError as error:
        raise WrongUse(f"cannot read {file}: {error.strerror}") from error
    _show(context, result)
    raise typer.Exit(0 if result.valid else 1)


def _policy(path: Path) -> policies.Policy:
    """Return the policy in a file.

    Raises:
        WrongUse: it cannot be read, or is none.
        Refused: E-20, it asks for what this program cannot check.
    """
    try:
        found = policies.parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise WrongUse(f"--policy: cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise WrongUse(f"--policy: {path} is not text") from error
    except Refused as refused:
        if refused.number == _UNCHECKED:
            raise
        raise WrongUse(f"--policy {path}: {refused}") from refused
    if not found.logs:
        raise WrongUse(f"{path} names no log", hint="it needs a line: log VKEY")
    return found


def _roots(path: Path) -> tuple[timestamp.Certificate, ...]:
    try:
        found = timestamp.read_pem(path.read_bytes())
    except OSError as error:
        raise WrongUse(f"--tsa-roots: cannot read {path}: {error.strerror}") from error
    except Refused as refused:
        raise WrongUse(f"--tsa-roots {path}: {refused}") from refused
    return found


def _show(context: Context, result: Result) -> None:
    if context.as_json:
        context.show({"valid": result.valid, **asdict(result)})
        return
    for line in _lines(result):
        print(printable(line))


def _lines(result: Result) -> Iterator[str]:
    if not result.valid:
        word = "ตรวจไม่ได้ / not checked" if result.number == "E-06" else "ไม่ถูกต้อง / not valid"
        yield f"{word}: {result.number}: {result.failure}; {_NUMBERS}"
        yield from [_ASK] if result.number == "E-06" else []
        return
    yield f"ถูกต้อง / valid: case {result.case} of {result.site}, {result.rows} rows"
    sentences = [result.query.get(name) for name in ("thai", "english")]
    yield from [sentence for sentence in sentences if isinstance(sentence, str)]
    for segment in result.segments[:_SHOWN]:
        yield _segment(segment)
    if len(result.segments) > _SHOWN:
        yield f"and {len(result.segments) - _SHOWN} more segments: --json has them all"
    if result.cosigned:
        yield f"cosigned by {', '.join(result.cosigned)}"
    yield from result.remarks
    for what in result.not_checked:
        yield f"ตรวจไม่ได้ / not checked: {what}"


def _segment(segment: SegmentResult) -> str:
    if segment.state == "destroyed":
        when = "" if segment.proven_us is None else f" on {times.rfc3339(segment.proven_us)}"
        return f"{segment.id}: lawfully destroyed{when}"
    if segment.state != "valid":
        return f"{segment.id}: {segment.state}"
    what = _LEVELS.get(segment.level or "", "")
    told = f"{segment.id}: valid, {segment.level} ({what}), {segment.rows} rows"
    if segment.proven_us is None:
        return told
    return f"{told}, there before {times.rfc3339(segment.proven_us)} by {segment.proven_by}"
