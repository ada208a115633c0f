"""`prathu doctor`: what is wrong on this machine, and how to mend it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer
from rich.markup import escape

from appliance.cli.context import Context, console, wall_clock
from appliance.health.doctor.examine import examine
from appliance.health.doctor.finding import Finding, State
from appliance.search.printable import printable
from collector.records import time_of

SIGNS = {State.GOOD: "[green]ok  [/]", State.WARN: "[yellow]warn[/]", State.BAD: "[red]BAD [/]"}


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(doctor)


def doctor(
    ctx: typer.Context,
    all_: Annotated[bool, typer.Option("--all", help="What is well, too.")] = False,
) -> None:
    """Look for what is wrong on this machine, and say how to mend it; status 1 when something is.

    Needs no rights and changes nothing, whether the box runs or not.
    """
    context: Context = ctx.obj
    bad = warned = seen = 0
    for finding in examine(context.home, time_of(wall_clock)):
        seen += 1
        bad += finding.state is State.BAD
        warned += finding.state is State.WARN
        if context.as_json:
            context.show(asdict(finding))
        elif all_ or finding.state is not State.GOOD:
            _show(finding)
    if not context.as_json:
        console().print(f"{seen} looked at: {bad} bad, {warned} doubtful")
    if bad:
        raise typer.Exit(1)


def _show(finding: Finding) -> None:
    out, told = console(), [finding.english, finding.mend, finding.thai, finding.mend_thai]
    english, mend, thai, mend_thai = (escape(printable(one)) for one in told)
    out.print(f"{SIGNS[finding.state]} [bold]{finding.check}[/] {english}")
    for line in (mend and f"→ {mend}", thai, mend_thai and f"→ {mend_thai}"):
        if line:
            out.print(f"       {line}")
