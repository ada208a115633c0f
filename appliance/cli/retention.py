"""`prathu retention`: what is kept until when, and its destruction."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from appliance import forgetting
from appliance import settings as box_settings
from appliance.cli import offline, report
from appliance.cli.context import Context, wall_clock
from appliance.cli.hold import actor
from appliance.cli.status_text import size
from appliance.search import times
from appliance.search.printable import printable
from collector import kept

retention_app = typer.Typer(no_args_is_help=True, help="How long logs are kept.")


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    app.add_typer(retention_app, name="retention")


@retention_app.command()
def status(ctx: typer.Context) -> None:
    """Show what is due, what a hold keeps, and how long the disk lasts."""
    context: Context = ctx.obj
    told = _overview(context)
    if context.as_json:
        context.show(told)
        return
    for name, text in lines(told):
        print(f"{name:<9} {printable(text)}")


@retention_app.command()
def run(
    ctx: typer.Context,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what it would do.")] = False,
) -> None:
    """Destroy now what is due and not held; the box does so by itself once a day."""
    context: Context = ctx.obj
    if dry_run:
        told = _overview(context)
        held = told["held_past_due"]
        context.show(
            {"would_destroy": told["due"], "held": held, "logs": told["days"]}
            if context.as_json
            else {"would destroy": _amount(told["due"]), "kept by holds": _amount(held)}
        )
        return
    settings = box_settings.load(context.home)
    report.act(context.home, settings, "retention", target="run")
    done = offline.ask_sealer(context.home, settings, {"do": "retention", "actor": actor()})

    def tell(text: str) -> None:
        report.act(context.home, settings, "retention", target=text)

    done |= forgetting.forget(context.home, settings, now=report.now(), tell=tell)
    context.show(done)


def _overview(context: Context) -> dict[str, Any]:
    settings = box_settings.load(context.home)
    return kept.overview(context.home, settings, wall_clock() // 1000)


def lines(told: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield a name and a text for each thing to know, what needs a person first."""
    for alarm in told["alarms"]:
        yield "alarm", alarm
    for log, one in told["logs"].items():
        if one["segments"]:
            oldest, due = times.rfc3339(one["oldest_us"]), _moment(one["next_due_us"])
            yield "kept", f"{log}: {told['days'][log]} days; oldest row {oldest}; next due {due}"
    yield "due", _amount(told["due"])
    yield "held", _amount(told["held_past_due"])
    for hold in told["holds"]:
        state = "in force" if hold["in_force"] else "ended"
        yield "hold", f"{hold['hold']} {hold['reference']}: {state}, {_moment(hold['until_us'])}"
    forecast, disk = told["forecast"], told["disk"]
    days = forecast["days_left"]
    lasts = "many years" if days is None else f"{days:,} days"
    yield (
        "disk",
        (
            f"{size(disk['free_bytes'])} of {size(disk['total_bytes'])} free; "
            f"{size(forecast['daily_bytes'])} a day by the last days: enough for {lasts}"
        ),
    )
    ran = told["last_run"].get("ran_us")
    yield "last run", times.rfc3339(ran) if ran else "never"


def _moment(us: int | None) -> str:
    return times.rfc3339(us) if us else "when no hold keeps it"


def _amount(told: dict[str, Any]) -> str:
    return f"{told['segments']:,} segments, {told['rows']:,} rows, {size(told['bytes'])}"
