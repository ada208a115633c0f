"""`prathu devices`: things that are on without a sign-in, each with a named owner."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Annotated

import typer

from appliance.cli.people_desk import Site, day_begins, desk
from appliance.errors import NotFound, WrongUse
from captive_portal.errors import PortalError
from captive_portal.people.devices import Devices

devices_app = typer.Typer(no_args_is_help=True, help="Devices and whose they are.")
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
    with desk(ctx) as at:
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
                "kind": one.kind.value,
                "seen": one.seen_at.isoformat(),
                "until": one.until.isoformat() if one.until else "",
            }
            for one in found
        ]
        at.context.show_rows(rows, ["site", "mac", "name", "owner", "kind", "seen", "until"])


@devices_app.command()
def add(
    ctx: typer.Context,
    mac: Mac,
    owner: Annotated[str, typer.Option(help="The account that answers for it.")],
    name: Annotated[str, typer.Option(help="What people call it: printer, room 12.")],
    until: Annotated[str, typer.Option(help="Last day, such as 30/11/2569; else for ever.")] = "",
    site: Site = "",
) -> None:
    """Enter a device of the school: a printer, a television."""
    with desk(ctx) as at:
        found = at.account(owner, site)
        ends = day_begins(until) + timedelta(days=1) if until else None
        at.wrote(f"devices add {found.site} {mac} {name}, owner {found.account}"[:900])
        try:
            Devices(at.engine).own(found.site, mac, found.id, name, now=at.now(), until=ends)
        except PortalError as error:
            raise WrongUse(str(error)) from error
        at.context.say(f"{name} is {found.account}'s")


@devices_app.command()
def name(
    ctx: typer.Context,
    mac: Mac,
    name: Annotated[str, typer.Argument(help="What people call it.")],
    site: Site = "",
) -> None:
    """Name a device."""
    with desk(ctx) as at:
        where = at.site(site)
        at.wrote(f"devices name {where} {mac} {name}"[:900])
        _found(lambda: Devices(at.engine).rename(where, mac, name))


@devices_app.command()
def remove(ctx: typer.Context, mac: Mac, site: Site = "") -> None:
    """Forget a device: who has it must sign in."""
    with desk(ctx) as at:
        where = at.site(site)
        at.wrote(f"devices remove {where} {mac}"[:900])
        _found(lambda: Devices(at.engine).remove(where, mac))


def _found(do: Callable[[], None]) -> None:
    try:
        do()
    except PortalError as error:
        raise NotFound(str(error)) from error
