"""`prathu devices`: things that are on without a sign-in, each with a named owner."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, TypeVar

import typer

from appliance.cli import kick
from appliance.cli.people_home import Home, Site, day_begins, opened
from appliance.errors import NotFound, WrongUse
from appliance.search import times
from captive_portal.errors import PortalError
from captive_portal.people.device_certificates import Issued
from captive_portal.people.devices import Device, Devices
from captive_portal.sessions.rows import Rows

devices_app = typer.Typer(no_args_is_help=True, help="Devices and whose they are.")
COLUMNS = ("site", "mac", "name", "purpose", "owner", "kind", "on", "seen", "until")
MINUTE = timedelta(minutes=1)
Found = TypeVar("Found")
Mac = Annotated[str, typer.Argument(help="Its MAC address.")]


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    app.add_typer(devices_app, name="devices")


@devices_app.command("list")
def list_(
    ctx: typer.Context,
    account: Annotated[str, typer.Option(help="Only of this person.")] = "",
    site: Site = "",
) -> None:
    """Show devices, those seen last first."""
    with opened(ctx) as at:
        person = at.account(account, site).id if account else None
        found = Devices(at.engine).list(at.site(site) if site else None, person=person)
        at.wrote(f"devices list, {len(found)} devices")
        rows = [
            {
                "site": one.site,
                "mac": one.mac,
                "name": one.name,
                "account": one.account,
                "owner": one.owner,
                "purpose": one.purpose,
                "kind": one.kind.value,
                "on": "yes" if one.enabled else "no",
                "seen": times.to_second(one.seen),
                "until": times.to_second(one.until and one.until - MINUTE),
            }
            for one in found
        ]
        at.context.show_rows(rows, list(COLUMNS))


@devices_app.command()
def add(  # noqa: PLR0913  # each is an option
    ctx: typer.Context,
    mac: Mac,
    owner: Annotated[str, typer.Option(help="The account that answers for it.")],
    name: Annotated[str, typer.Option(help="What people call it: printer, room 12.")],
    until: Annotated[str, typer.Option(help="Last day, such as 30/11/2569; else for ever.")] = "",
    purpose: Annotated[str, typer.Option(help="What the school has it for.")] = "",
    again: Annotated[
        bool, typer.Option("--again", help="Change what is said of one that is entered already.")
    ] = False,
    site: Site = "",
) -> None:
    """Enter a device of the school: a printer, a television."""
    with opened(ctx) as at:
        found = at.account(owner, site)
        ends = day_begins(until) + timedelta(days=1) if until else None
        at.wrote(f"devices add {found.site} {mac} {name}, owner {found.account}"[:900])
        try:
            entered = Devices(at.engine).own(
                found.site,
                mac,
                found.id,
                name,
                now=at.now(),
                until=ends,
                purpose=purpose,
                again=again,
            )
        except PortalError as error:
            raise WrongUse(str(error)) from error
        at.context.say(f"{name} is {found.account}'s")
        if entered.random and not at.settings.radius.random_macs:
            at.context.say(
                f"{entered.mac} is an address that devices make up, and change: it does not come "
                "in by itself with it. Turn off private addresses at the device, or see "
                "radius.random_macs in docs/settings.md"
            )


@devices_app.command()
def name(
    ctx: typer.Context,
    mac: Mac,
    name: Annotated[str, typer.Argument(help="What people call it.")],
    site: Site = "",
) -> None:
    """Name a device."""
    with opened(ctx) as at:
        where = at.site(site)
        at.wrote(f"devices name {where} {mac} {name}"[:900])
        _found(lambda: Devices(at.engine).rename(where, mac, name))


@devices_app.command()
def on(ctx: typer.Context, mac: Mac, site: Site = "") -> None:
    """Let a device come in by itself again."""
    with opened(ctx) as at:
        where = at.site(site)
        at.wrote(f"devices switch on {where} {mac}"[:900])
        _found(lambda: Devices(at.engine).switch(where, mac, on=True))


@devices_app.command()
def off(ctx: typer.Context, mac: Mac, site: Site = "") -> None:
    """Let a device not come in by itself any more, and end its session."""
    with opened(ctx) as at:
        where = at.site(site)
        at.wrote(f"devices switch off {where} {mac}"[:900])
        end_sessions(at, _found(lambda: Devices(at.engine).switch(where, mac, on=False)))


@devices_app.command()
def remove(ctx: typer.Context, mac: Mac, site: Site = "") -> None:
    """Forget a device, and end its session: who has it must sign in."""
    with opened(ctx) as at:
        where = at.site(site)
        at.wrote(f"devices remove {where} {mac}"[:900])
        end_sessions(at, _found(lambda: Devices(at.engine).remove(where, mac)))


def end_sessions(at: Home, device: Device | Issued) -> None:
    """End what goes on at a device in its owner's name."""
    for session in Rows(at.engine).open_at_mac(device.site, device.mac):
        if session.person is not None and session.person.id == device.person:
            told = kick.end(at.context.home, at.settings, str(session.id))
            at.context.say(f"its session {session.id} has ended")
            if kick.goes_on(told):
                at.context.say(kick.GOES_ON)


def _found(do: Callable[[], Found]) -> Found:
    try:
        return do()
    except PortalError as error:
        raise NotFound(str(error)) from error
