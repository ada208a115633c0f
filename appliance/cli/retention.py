"""`prathu retention`: what is kept until when, and its destruction."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from appliance import forgetting
from appliance import settings as box_settings
from appliance.cli import offline, report
from appliance.cli.approving import two_people
from appliance.cli.context import Context, wall_clock
from appliance.cli.hold import actor
from appliance.cli.status_text import size
from appliance.errors import WrongUse
from appliance.search import times
from appliance.search.printable import printable
from appliance.settings import BoxSettings
from collector import kept, losing
from collector.seal.holds import Kept
from collector.seal.lost import missing

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
            else {"would destroy": _amount(told["due"]), "past their day, held": _amount(held)}
        )
        return
    settings = box_settings.load(context.home)
    report.act(context.home, settings, "retention", target="run")
    done = offline.ask_sealer(context.home, settings, {"do": "retention", "actor": actor()})

    def tell(text: str) -> None:
        report.act(context.home, settings, "retention", target=text)

    done |= forgetting.forget(context.home, settings, now=report.now(), tell=tell)
    context.show(done)


@retention_app.command()
def lost(  # noqa: PLR0913  # one argument per option
    ctx: typer.Context,
    segments: Annotated[
        list[str] | None, typer.Argument(help="SITE/LOG/NUMBER, as the list has them.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that are gone.")] = False,
    cause: Annotated[
        Literal["disk-fault", "not-restored", "deleted", "stolen", "unknown"],
        typer.Option(help="What happened, for the ledger."),
    ] = "unknown",
    reason: Annotated[str, typer.Option(help="What happened, in words; kept beside it.")] = "",
    approve: Annotated[
        list[str] | None, typer.Option(help="An account of the staff; twice, two people.")
    ] = None,
    site: Annotated[str, typer.Option(help="The site of these accounts.")] = "",
) -> None:
    """List segments whose files are gone; with two people, write down that they are lost."""
    context: Context = ctx.obj
    settings = box_settings.load(context.home)
    books = kept.read_books(context.home, [one.id for one in settings.sites])
    if not segments and not everything:
        gone = [(id, one) for id, book in books.items() for one in missing(context.home, book)]
        context.show_rows([_gone(id, one) for id, one in gone], ["segment", "received", "rows"])
        return
    if segments and everything:
        raise WrongUse("--all and segments say different things", hint="give one of them")
    if not reason:
        raise WrongUse("what happened? the reason is kept for a court", hint="--reason TEXT")
    request = {
        "do": "lose",
        "segments": list(segments or ()),
        "cause": cause,
        "reason": reason,
        "actor": actor(),
        "approvals": two_people(context.home, settings, site, approve or []),
    }
    what = "all" if everything else " ".join(segments or ())
    by = " and ".join(request["approvals"])
    report.act(context.home, settings, "lost", target=f"{what[:200]}: {cause}, approved by {by}")
    context.show(_lose(context.home, settings, request))


def _lose(home: Path, settings: BoxSettings, request: dict[str, Any]) -> dict[str, Any]:
    """Have the sealing process enter it; one that cannot start without it is started with it."""
    if offline.running(home, "seal"):
        return offline.ask_sealer(home, settings, request)

    books = kept.read_books(home, [one.id for one in settings.sites])
    told = losing.declare(home, books, request, wall_clock() // 1000)
    offline.between_tries(lambda: offline.seal_spool(home, settings, lost=told))
    return {"lost": sum(len(e["segments"]) for entries in told.values() for e in entries)}


def _gone(site: str, one: Kept) -> dict[str, Any]:
    received = times.rfc3339(one.received_us)
    return {"segment": f"{site}/{one.log}/{one.seq}", "received": received, "rows": one.rows}


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
    yield "due", f"{_amount(told['due'])}: destroyed at the next run"
    yield "held", f"{_amount(told['held_past_due'])} past their day, kept by holds"
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
