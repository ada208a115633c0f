"""`prathu hold`: legal holds, which keep what would be destroyed when due."""

from __future__ import annotations

import json
import os
import secrets
import zipfile
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from appliance import settings as box_settings
from appliance.backup import archive
from appliance.cli import offline, report
from appliance.cli.context import Context, wall_clock
from appliance.errors import WrongUse
from appliance.search import times
from appliance.settings import BoxSettings
from collector import durable, kept
from collector.disclosing import bundle_path, stored_order
from collector.seal.holds import DAY_US, MOST_HELD_US, bundle_place

_COLUMNS = ["hold", "case", "logs", "placed", "until", "state", "segments", "bytes"]
Until = Annotated[str, typer.Option("--until", help="The last day; at most two years from now.")]
Days = Annotated[int | None, typer.Option("--days", help="Instead of --until: for so many days.")]

hold_app = typer.Typer(no_args_is_help=True, help="Legal holds: what an order keeps.")


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    app.add_typer(hold_app, name="hold")


def actor() -> str:
    """Return who acts at the command line as the ledger names them, which holds no names."""
    return f"uid.{os.environ.get('SUDO_UID') or os.getuid()}"


def new_name() -> str:
    """Return the name of a new hold; it says nothing of the case."""
    return f"h{report.now():%Y%m%d}-{secrets.token_hex(3)}"


@hold_app.command()
def add(  # noqa: PLR0913  # one argument per option
    ctx: typer.Context,
    case: Annotated[str, typer.Option("--case", help="The order's or case's number.")],
    since: Annotated[str, typer.Option("--from", help="What was received or happened since.")] = "",
    to: Annotated[str, typer.Option("--to", help="And before; until now when left out.")] = "",
    log: Annotated[list[str] | None, typer.Option(help="Only this log; may be repeated.")] = None,
    site: Annotated[list[str] | None, typer.Option(help="Only this site; may be repeated.")] = None,
    until: Until = "",
    days: Days = None,
    reason: Annotated[str, typer.Option(help="Why, for the register of holds.")] = "",
) -> None:
    """Keep whole segments of a range, whatever the retention says."""
    context: Context = ctx.obj
    settings = box_settings.load(context.home)
    now = wall_clock() // 1000
    from_us = times.parse(since, now).us if since else None
    to_us = times.parse(to, now).end_us if to else None
    if from_us is not None and from_us >= (now if to_us is None else to_us):
        raise WrongUse("the period is empty: --from is not before --to")
    if to_us is not None and to_us > now + DAY_US:
        raise WrongUse("--to is to come: a hold keeps what there is", hint="leave out --to")
    request = {
        "do": "hold",
        "hold": new_name(),
        "reference": case,
        "reason": reason,
        "actor": actor(),
        "from_us": from_us,
        "to_us": to_us,
        "logs": _known(log, kept.days(settings.retention), "log"),
        "sites": _known(site, [one.id for one in settings.sites], "site"),
        "until_us": _end(until, days, now),
    }
    _do(context, settings, request, f"hold {request['hold']} {case}")


@hold_app.command()
def person(
    ctx: typer.Context,
    case: Annotated[str, typer.Option("--case", help="A case that prathu prove has packed.")],
    until: Until = "",
    days: Days = None,
    reason: Annotated[str, typer.Option(help="Why, for the register of holds.")] = "",
) -> None:
    """Keep what a case shows of one person, and let the segments go when they are due."""
    context: Context = ctx.obj
    settings = box_settings.load(context.home)
    name, end = new_name(), _end(until, days, wall_clock() // 1000)
    site, segments = _sealed_bundle(context, settings, case, name)
    request = {
        "do": "hold-person",
        "hold": name,
        "reference": case,
        "reason": reason,
        "actor": actor(),
        "from_us": None,
        "to_us": None,
        "logs": [],
        "sites": [site],
        "segments": segments,
        "until_us": end,
    }
    _do(context, settings, request, f"hold {name} of the bundle of {case}")


def _sealed_bundle(
    context: Context, settings: BoxSettings, case: str, name: str
) -> tuple[str, int]:
    """Encrypt the bundle of a case to the key on paper, for a hold; return its site and size.

    Raises:
        WrongUse: there is none, it is not whole by person, or there is no key on paper.
    """
    source = bundle_path(context.home, case)
    if not settings.keys.recovery:
        raise WrongUse("there is no key on paper to hold it under", hint="prathu keys recovery")
    if stored_order(context.home, case) is None or not source.is_file():
        raise WrongUse(f"no bundle of {case} is packed", hint=f"prathu prove --case {case}")
    with zipfile.ZipFile(source) as bundle:
        manifest = json.loads(bundle.read("manifest.json"))
    levels = manifest["completeness"]
    if not levels or any(level == "C0" for level in levels.values()):
        raise WrongUse("that bundle is not complete", hint="prove it by --person, at C1")
    path = context.home / bundle_place(name)
    durable.make_dir(path.parent)
    archive.encrypt(source, path, [archive.recipient(settings.keys.recovery)])
    durable.sync_dir(path.parent)
    return str(manifest["site"]), len(levels)


@hold_app.command()
def renew(
    ctx: typer.Context,
    hold: Annotated[str, typer.Argument(help="As `prathu hold list` names it.")],
    until: Until = "",
    days: Days = None,
    case: Annotated[str, typer.Option("--case", help="The new order's number, if other.")] = "",
    reason: Annotated[str, typer.Option(help="Why, for the register of holds.")] = "",
) -> None:
    """Keep what a hold keeps for longer, by a new order; the old hold is released."""
    context: Context = ctx.obj
    settings = box_settings.load(context.home)
    end = _end(until, days, wall_clock() // 1000)
    request = {
        "do": "renew",
        "hold": new_name(),
        "renewed": hold,
        "until_us": end,
        "reference": case,
        "reason": reason,
        "actor": actor(),
    }
    _do(context, settings, request, f"renew {hold} as {request['hold']} {case}".rstrip())


@hold_app.command()
def release(
    ctx: typer.Context,
    hold: Annotated[str, typer.Argument(help="As `prathu hold list` names it.")],
) -> None:
    """Let go of what a hold keeps: it is destroyed when due, at once if that is past."""
    context: Context = ctx.obj
    settings = box_settings.load(context.home)
    _do(context, settings, {"do": "release", "hold": hold}, f"release {hold}")


@hold_app.command("list")
def listed(ctx: typer.Context) -> None:
    """List the holds that were not released."""
    context: Context = ctx.obj
    settings = box_settings.load(context.home)
    report.act(context.home, settings, "hold", target="list")
    now = wall_clock() // 1000
    books = kept.read_books(context.home, [site.id for site in settings.sites])
    rows = list(kept.hold_rows(context.home, books, now))
    context.show_rows(rows if context.as_json else map(_row, rows), _COLUMNS)
    if not rows:
        context.say("no hold is in force")
    for line in kept.ending(list(books.values()), now):
        context.say(line)


def _do(context: Context, settings: BoxSettings, request: dict[str, Any], target: str) -> None:
    """Write down who does it, then have it done."""
    report.act(context.home, settings, "hold", target=target)
    told = offline.ask_sealer(context.home, settings, request)
    if "until_us" in told:
        told["until"] = times.rfc3339(told.pop("until_us"))
    context.show(told if context.as_json else {**told, **_in_words(told)})


def _in_words(told: dict[str, Any]) -> dict[str, str]:
    """Return what a new hold keeps as people read it."""
    words = {}
    if told.get("scopes"):
        words["scopes"] = "; ".join(
            f"{site}: " + ", ".join(f"{log} {first} to {last}" for log, first, last in scope)
            for site, scope in told["scopes"].items()
        )
    if told.get("bundle"):
        bundle = told["bundle"]
        words["bundle"] = f"{bundle['segments']} segments, SHA-256 {bundle['sha256']}"
    return words


def _end(until: str, days: int | None, now_us: int) -> int:
    if until and days is not None:
        raise WrongUse("--until and --days say the same thing", hint="give one of them")
    latest = now_us + MOST_HELD_US
    end = latest if days is None else now_us + days * DAY_US
    if until:
        named = times.parse(until, now_us)
        # The day two years from now may be named, though it ends later than two years from now.
        end = max(named.us, min(named.end_us, latest))
    if end <= now_us:
        raise WrongUse("the hold would end before it begins", hint="give a later --until or --days")
    if end > latest:
        raise WrongUse(
            "a hold ends within two years, as an order by section 26 does",
            hint="give an earlier --until; the hold can be renewed before it ends",
        )
    return end


def _known(
    words: Sequence[str] | None, known: Sequence[str] | dict[str, int], what: str
) -> list[str]:
    for word in words or ():
        if word not in known:
            raise WrongUse(f"no {what} {word}", hint=f"known: {', '.join(sorted(known))}")
    return list(words or ())


def _row(hold: dict[str, Any]) -> dict[str, Any]:
    state = "in force" if hold["in_force"] else "ended"
    return {
        "hold": hold["hold"],
        "case": hold["reference"],
        "logs": ", ".join(hold["logs"]) or "one person",
        "placed": times.rfc3339(hold["placed_us"]),
        "until": times.rfc3339(hold["until_us"]) if hold["until_us"] else "released",
        "state": "ends soon: renew it" if hold["ends_soon"] else state,
        "segments": hold["keeps"]["segments"],
        "bytes": hold["keeps"]["bytes"],
    }
