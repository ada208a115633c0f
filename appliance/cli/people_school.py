"""`prathu people …`: the yearly step, slips, groups, bonus, and one's own data."""

from __future__ import annotations

import os
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import Progress

from appliance.cli.context import error_console
from appliance.cli.people_home import Home, Site, new_file, opened, seen
from appliance.search import times
from appliance.web import prints
from appliance.web.texts import texts
from captive_portal import own_data
from captive_portal.people import dates, slips
from captive_portal.people.promotion import Plan, Promotions
from captive_portal.people.teaching import Teaching
from captive_portal.people.usage import Usage

Account = Annotated[str, typer.Argument(help="The account's name.")]


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    app.command()(group)
    app.command()(bonus)
    app.command()(teaches)
    app.command()(promote)
    app.command("slips")(slips_)
    app.command()(data)


def group(
    ctx: typer.Context,
    account: Account,
    name: Annotated[str, typer.Argument(help="The group; empty: that of the kind.")],
    site: Site = "",
) -> None:
    """Put somebody in a group of their own."""
    with opened(ctx) as at:
        found = at.account(account, site)
        wanted = at.group(found.site, name) if name else None
        at.wrote(f"group {found.site}/{found.account} {name}")
        at.people.put_in_group(found.id, wanted.id if wanted else None)
        at.context.say(f"{found.account} is in {wanted.name if wanted else 'the usual group'}")


def bonus(
    ctx: typer.Context,
    account: Account,
    megabytes: Annotated[int, typer.Argument(min=1, max=1_000_000)],
    day: Annotated[str, typer.Option(help="Of this day, such as 22/11/2569; today.")] = "",
    site: Site = "",
) -> None:
    """Give somebody more on top of the quota, for a day."""
    with opened(ctx) as at:
        found = at.account(account, site)
        when = dates.read(day) if day else dates.today(at.now())
        at.wrote(f"bonus {found.site}/{found.account} {megabytes} MB on {when.isoformat()}")
        Usage(at.engine).give(found.id, when, megabytes)
        at.context.say(f"{found.account} has {megabytes} MB more on {dates.shown(when)}")


def teaches(
    ctx: typer.Context,
    account: Account,
    classes: Annotated[str, typer.Argument(help="Such as ม.1/2,ม.3; empty: none.")],
    site: Site = "",
) -> None:
    """Say which classes a teacher may help on the page /classes; none takes the right away."""
    with opened(ctx) as at:
        found = at.account(account, site)
        at.wrote(f"teaches {found.site}/{found.account} {classes}"[:900])
        told = ", ".join(str(one) for one in Teaching(at.engine).put(found.id, classes))
        at.context.say(f"{found.account} may help: {told or 'nobody'}")


def promote(
    ctx: typer.Context,
    site: Site = "",
    last: Annotated[str, typer.Option(help="The grade that leaves; the highest one.")] = "",
    do: Annotated[bool, typer.Option("--do", help="Do it; else it is only shown.")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Undo the last one, within a day.")] = False,
) -> None:
    """Move every class one grade up; the last grade leaves. Shown first, done with --do."""
    with opened(ctx) as at:
        where, steps = at.site(site), Promotions(at.engine)
        if undo:
            at.wrote(f"promote undo {where}")
            at.context.show({"site": where, "put_back": steps.undo(where, now=at.now())})
            return
        plan = steps.plan(where, now=at.now(), last=last)
        if do:
            at.wrote(f"promote {where}, {plan.moved} go on, {plan.left} leave")
            plan = steps.do(where, now=at.now(), last=last)
        _show_plan(at, plan, done=do)


def _show_plan(at: Home, plan: Plan, *, done: bool) -> None:
    rows = [
        {"class": step.before, "becomes": step.after or "leaves", "pupils": step.pupils}
        for step in plan.steps
    ]
    at.context.show_rows(rows, ["class", "becomes", "pupils"])
    for grade in plan.unknown:
        at.context.say(f"{grade}: of no known form, its pupils stay")
    word = "done" if done else "nothing was changed; --do does it"
    at.context.say(f"{plan.moved} go on, {plan.left} leave: {word}")


def slips_(
    ctx: typer.Context,
    out: Annotated[Path, typer.Option("--out", help="This new HTML file, to be printed.")],
    grade: Annotated[str, typer.Option(help="Only of this grade, such as ม.1.")] = "",
    room: Annotated[str, typer.Option(help="Only of this room.")] = "",
    all_of_them: Annotated[
        bool, typer.Option("--all", help="Those too who have a password of their own.")
    ] = False,
    site: Site = "",
) -> None:
    """Make one-time passwords for pupils, as slips of paper to be cut and given out."""
    with opened(ctx) as at:
        where = at.site(site)
        chosen = slips.pupils(
            at.people, where, grade=grade, room=room, now=at.now(), all_of_them=all_of_them
        )
        with os.fdopen(new_file(out), "w", encoding="utf-8") as file:
            at.wrote(f"slips {where} {grade} {room}, {len(chosen)} accounts")
            quiet = at.context.quiet or not seen()
            with Progress(console=error_console(), disable=quiet) as bar:
                task = bar.add_task("passwords", total=len(chosen))
                made = slips.make(at.people, chosen, told=lambda: bar.advance(task))
            papers = prints.slip_papers(made, texts("th"))
            title = " ".join(word for word in (at.school_name(where), grade, room) if word)
            file.write(prints.sheet(papers, texts("th"), title=title, alone=True))
        at.context.show({"slips": len(made), "file": str(out)})
        at.context.say(f"print {out} and delete it: who has it has the passwords")


def data(ctx: typer.Context, account: Account, site: Site = "") -> None:
    """Show all that is kept of one person, for that person (PDPA section 30)."""
    with opened(ctx) as at:
        found = at.account(account, site)
        at.wrote(f"data {found.site}/{found.account}")
        told: dict[str, Any] = _local(asdict(own_data.of_person(at.engine, found.id)))
        if at.context.as_json:
            at.context.show(told)
            return
        for name in ("devices", "certificates", "sessions", "used", "acknowledged"):
            told[name] = len(told[name])
        told["group"] = told["group"]["name"]
        at.context.show(told)
        at.context.say("with --json: all of it. Flows: prathu hold and an approved case")


def _local(value: Any) -> Any:  # noqa: ANN401  # what dataclasses hold
    """Return data with its times as lists show them."""
    match value:
        case datetime():
            return times.to_second(value)
        case dict():
            return {name: _local(one) for name, one in value.items()}
        case list() | tuple():
            return [_local(one) for one in value]
    return value
