"""`prathu groups` and `prathu calendar`: what groups may do, and days unlike other days."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from appliance.cli.people_home import Site, opened
from appliance.errors import WrongUse
from captive_portal.errors import PortalError
from captive_portal.people import dates, groups, groups_text, names
from captive_portal.people.groups import Calendar, Groups

KINDS = ("holiday", "exam", *groups_text.DAYS[:7])
_SHOWN = ("name", "kind", "devices", "hours", "down_kbit", "up_kbit", "quota_day_mb", "at_quota")

groups_app = typer.Typer(no_args_is_help=True, help="Groups of people and what they may do.")
calendar_app = typer.Typer(no_args_is_help=True, help="Holidays and exam days.")


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    app.add_typer(groups_app, name="groups")
    app.add_typer(calendar_app, name="calendar")


@groups_app.command("list")
def list_(ctx: typer.Context, site: Site = "") -> None:
    """Show the groups."""
    with opened(ctx) as at:
        found = Groups(at.engine).list(at.site(site) if site else None)
        rows = [{"site": one.site, **groups_text.shown(one)} for one in found]
        at.context.show_rows(rows, ["site", *_SHOWN])


@groups_app.command("set")
def set_(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="The group; made when there is none.")],
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FIELD=VALUE…",
            help=f"An empty value takes a limit away. Fields: {', '.join(groups_text.FIELDS)}.",
        ),
    ] = None,
    site: Site = "",
) -> None:
    """Make or change a group: prathu groups set NAME devices=2 hours="จ-ศ 07:30-16:30"."""
    with opened(ctx) as at:
        where, book = at.site(site), Groups(at.engine)
        said = dict(_pair(word) for word in words or ())
        group = book.named(where, name)
        try:
            if group is None:
                group = groups_text.changed(groups.new(where, ""), {"name": name})
            group = groups_text.changed(group, said)
        except PortalError as error:
            raise WrongUse(str(error)) from error
        at.wrote(f"group {where}/{group.name}: {', '.join(words or ()) or 'made'}"[:900])
        book.put(group)
        at.context.show(groups_text.shown(group))


def _pair(word: str) -> tuple[str, str]:
    field, sign, value = word.partition("=")
    if not sign:
        raise WrongUse(f"{word!r} says no value", hint="wanted such as devices=2")
    return field, value


@calendar_app.command("list")
def days(ctx: typer.Context, site: Site = "") -> None:
    """Show the days of this school year that are unlike their weekday."""
    with opened(ctx) as at:
        today = dates.today(at.now())
        first, last = today - timedelta(days=366), today + timedelta(days=2 * 366)
        where = at.site(site)
        rows = [
            {"day": day.isoformat(), "date": dates.shown(day), "kind": kind, "name": name}
            for day, kind, name in Calendar(at.engine).days(where, first, last)
        ]
        at.context.show_rows(rows, ["date", "kind", "name"])


@calendar_app.command("set")
def set_day(
    ctx: typer.Context,
    day: Annotated[str, typer.Argument(help="Such as 5/12/2569.")],
    kind: Annotated[str, typer.Argument(help=f"One of: {', '.join(KINDS)}.")],
    name: Annotated[str, typer.Argument(help="What people call it.")] = "",
    site: Site = "",
) -> None:
    """Say what a day is like: a holiday, an exam day, or another weekday's timetable."""
    with opened(ctx) as at:
        if kind not in KINDS:
            raise WrongUse(f"no kind of day {kind}", hint=f"known: {', '.join(KINDS)}")
        where, when = at.site(site), dates.read(day)
        at.wrote(f"calendar {where} {when.isoformat()} {kind} {name}"[:900])
        Calendar(at.engine).put(where, when, kind=kind, name=names.clean(name)[:200])
        at.context.say(f"{dates.shown(when)}: {kind} {name}".rstrip())


@calendar_app.command("drop")
def drop(
    ctx: typer.Context,
    day: Annotated[str, typer.Argument(help="Such as 5/12/2569.")],
    site: Site = "",
) -> None:
    """Make a day one like its weekday again."""
    with opened(ctx) as at:
        where, when = at.site(site), dates.read(day)
        at.wrote(f"calendar {where} {when.isoformat()} dropped")
        Calendar(at.engine).drop(where, when)
        at.context.say(f"{dates.shown(when)} is like its weekday")
