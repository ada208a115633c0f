"""`prathu demo-traffic`: a simulated school on loopback, for trying out.

What it sends goes the whole way: datagrams to the box's own ports, sessions over its own socket.
It is written down and sealed like everything else, so it only runs where that does no harm.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import typer

from appliance import settings as settings_file
from appliance.cli.context import Context
from appliance.cli.demo_play import Live, Past, Play
from appliance.cli.demo_school import PROOFING, DemoPerson, people
from appliance.errors import BoxError, WrongUse
from appliance.settings import BoxSettings
from captive_portal.database import open_database
from captive_portal.people.accounts import Kind, NewAccount, People
from collector import control
from collector.errors import CollectorError

TRIAL_SITE = "default"
"""The id of a site that is for trying out."""
STEP_S = 1.0
PAST_STEP_MS = 60_000
PAST_SHARE = 0.25
"""The made-up past is so much thinner than the present, to be there within seconds."""


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("demo-traffic", hidden=True)(demo_traffic)


def demo_traffic(
    ctx: typer.Context,
    minutes: Annotated[float, typer.Option(min=0, help="How long to go on.")] = 10,
    flows_per_second: Annotated[float, typer.Option(min=0.1, max=2000)] = 40,
    head_count: Annotated[int, typer.Option("--people", min=1, max=900)] = 60,
    history: Annotated[float, typer.Option(min=0, max=24, help="Hours of past to make up.")] = 3,
    anyway: Annotated[
        bool, typer.Option(help="On a site that is not for trying out, too.")
    ] = False,
) -> None:
    """Fill the box with a made-up school: people, sign-ins, flows, syslog."""
    context: Context = ctx.obj
    settings = settings_file.load(context.home)
    site = settings.sites[0].id
    if site != TRIAL_SITE and not anyway:
        raise WrongUse(
            f"the site {site!r} is a real one, and what is made up would be sealed with the rest",
            hint=f"make a home for trying out (prathu init, site {TRIAL_SITE!r}), or say --anyway",
        )
    _ask(context, {"do": "status"})
    everybody = people(head_count)
    accounts = _accounts(context, settings, everybody)
    with ExitStack() as stack:
        live = Live(settings.listen, site, stack, ask=lambda request: _ask(context, request))
        play = Play(everybody, accounts, site=site, seed=_now_ms(), booted_ms=_booted_ms(history))
        context.say(f"demo school: {head_count} people, {flows_per_second:g} flows/s")
        _past(play, Past(live), history, flows_per_second * PAST_SHARE)
        _present(play, live, minutes * 60, flows_per_second)
    context.say(f"demo school: done, {play.flows} flows")


def _past(play: Play, past: Past, hours: float, per_second: float) -> None:
    now_ms = _now_ms()
    at_ms = now_ms - int(hours * 3_600_000)
    while at_ms < now_ms:
        until_ms = min(at_ms + PAST_STEP_MS, now_ms)
        play.step(past, at_ms, until_ms, per_second)
        past.hand_over()
        at_ms = until_ms


def _present(play: Play, live: Live, seconds: float, per_second: float) -> None:
    last_ms, end_ms = _now_ms(), _now_ms() + int(seconds * 1000)
    while last_ms < end_ms:
        time.sleep(STEP_S)
        now_ms = _now_ms()
        play.step(live, last_ms, now_ms, per_second)
        last_ms = now_ms


def _accounts(
    context: Context, settings: BoxSettings, everybody: list[DemoPerson]
) -> dict[str, UUID]:
    """Return the ids of the made-up people's accounts, made where they are missing."""
    engine = open_database(context.home, settings.database)
    try:
        known, site = People(engine), settings.sites[0].id
        there = {one.account: one.id for one in known.list(site)}
        now = datetime.fromtimestamp(_now_ms() / 1000, UTC)
        for person in everybody:
            if person.account not in there:
                new = NewAccount(
                    site=site,
                    account=person.account,
                    full_name=person.name,
                    kind=Kind.TEACHER if person.teacher else Kind.PUPIL,
                    proofing=PROOFING,
                )
                there[person.account] = known.add(new, now=now).id
        return there
    finally:
        engine.dispose()


def _ask(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Ask the receiving process; the box must be running."""
    try:
        return control.ask(context.home / "run" / "receive.sock", request, timeout=30.0)
    except (CollectorError, OSError) as error:
        raise BoxError(
            f"demo school: the box does not answer ({error})", hint="start it with: prathu up"
        ) from error


def _now_ms() -> int:
    return time.time_ns() // 1_000_000  # noqa: TID251  # a program of its own: its clock is here


def _booted_ms(history_hours: float) -> int:
    return _now_ms() - int((history_hours + 1) * 3_600_000)
