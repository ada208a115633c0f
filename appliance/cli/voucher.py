"""`prathu voucher`: codes on paper for named guests of named sponsors."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from appliance.cli.people_home import Home, Site, day_begins, new_file, opened
from appliance.errors import NotFound, WrongUse
from appliance.search import times
from appliance.web import prints
from appliance.web.texts import texts
from captive_portal.errors import PortalError
from captive_portal.people import dates
from captive_portal.people.vouchers import MOST, Order, Printed, Vouchers
from captive_portal.sign_in.way import WayWord

voucher_app = typer.Typer(no_args_is_help=True, help="Vouchers for named guests.")


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    app.add_typer(voucher_app, name="voucher")


@voucher_app.command()
def make(  # noqa: PLR0913  # one argument per option
    ctx: typer.Context,
    sponsor: Annotated[str, typer.Option(help="Who answers for the guests: a teacher or staff.")],
    for_whom: Annotated[
        list[str] | None, typer.Option("--for", help="A guest's name; once for each voucher.")
    ] = None,
    count: Annotated[
        int,
        typer.Option(help="So many without a name, asked for at first use.", min=0, max=MOST),
    ] = 0,
    until: Annotated[str, typer.Option(help="Last day, such as 30/11/2569; today.")] = "",
    minutes: Annotated[
        int | None,
        typer.Option(help="Of use, from the first sign-in on; else to the last day.", min=1),
    ] = None,
    group: Annotated[str, typer.Option(help="The guests' group; that of guests.")] = "",
    out: Annotated[
        Path | None, typer.Option("--out", help="Write a sheet to print to this new HTML file.")
    ] = None,
    site: Site = "",
) -> None:
    """Make vouchers; their codes are shown now and never again."""
    if not for_whom and not count:
        raise WrongUse("vouchers for whom?", hint="say --for NAME, or --count N for so many")
    with opened(ctx) as at:
        found = at.account(sponsor, site)
        last = day_begins(until) if until else dates.begins(dates.today(at.now()))
        order = Order(
            site=found.site,
            sponsor=found.id,
            for_whom=[*(for_whom or ()), *[""] * count],
            valid_until=last + timedelta(days=1),
            minutes=minutes,
            group=at.group(found.site, group).id if group else None,
        )
        descriptor = None if out is None else new_file(out)
        whom = ", ".join(name or "?" for name in order.for_whom)
        at.wrote(f"voucher make {found.site}, sponsor {found.account}, for {whom}"[:900])
        made = Vouchers(at.engine, at.key).make(order, now=at.now())
        _show(at, made, out, descriptor)
        _warn(at, found.site, on_paper=out is not None)


def _warn(at: Home, site: str, *, on_paper: bool) -> None:
    """Say what keeps vouchers from being of use."""
    zones = [zone for zone in at.settings.zones if zone.site == site]
    if not any(WayWord.VOUCHER in zone.ways for zone in zones):
        at.context.say(
            f"no zone of {site} takes vouchers, so the sign-in page does not ask for the code: "
            'ways = ["local", "voucher"] under [[zones]] in prathu.toml (docs/sign-in.md)'
        )
    if on_paper and not at.settings.sign_in.public_url:
        at.context.say("the sheet has no QR code: [sign_in] public_url is not set")


def _show(at: Home, made: list[Printed], out: Path | None, descriptor: int | None) -> None:
    if descriptor is not None:
        t = texts("th")
        papers = prints.voucher_papers(made, t, url=at.settings.sign_in.public_url)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(prints.sheet(papers, t, title=t("Vouchers"), alone=True))
        at.context.show({"vouchers": len(made), "file": str(out)})
        at.context.say(f"print {out} and delete it")
        return
    at.context.show_rows(
        [
            {"code": one.code, "for": one.for_whom, "until": times.to_second(one.last_minute)}
            for one in made
        ],
        ["code", "for", "until"],
    )


@voucher_app.command("list")
def list_(ctx: typer.Context, site: Site = "") -> None:
    """Show vouchers: for whom, whose word, until when; never their codes."""
    with opened(ctx) as at:
        found = Vouchers(at.engine, at.key).list(at.site(site) if site else None, now=at.now())
        at.wrote(f"voucher list, {len(found)} vouchers")
        rows = [
            {
                "voucher": str(one.id),
                "batch": str(one.batch),
                "site": one.site,
                "for": one.for_whom,
                "sponsor": one.sponsor_name,
                "ends_in": one.hint,
                "until": times.to_second(one.last_minute),
                "minutes": one.minutes,
                "state": one.state.value,
            }
            for one in found
        ]
        at.context.show_rows(rows, ["voucher", "site", "for", "sponsor", "until", "state"])


@voucher_app.command()
def revoke(
    ctx: typer.Context,
    voucher: Annotated[str, typer.Argument(help="A voucher, or its batch (--json list).")],
) -> None:
    """Take a voucher back, or a batch of them; its guests are out."""
    with opened(ctx) as at:
        try:
            which = UUID(voucher)
        except ValueError as error:
            raise NotFound(
                f"no voucher has the id {voucher[:40]!r}", hint="prathu voucher list shows ids"
            ) from error
        at.wrote(f"voucher revoke {which}")
        try:
            count = Vouchers(at.engine, at.key).revoke(which, now=at.now())
        except PortalError as error:
            raise NotFound(str(error)) from error
        at.context.show({"revoked": count})
