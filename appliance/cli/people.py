"""`prathu people`: accounts at the command line."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import Annotated, Any

import typer

from appliance.cli import people_import, people_school
from appliance.cli.people_home import Home, Site, day_begins, opened
from appliance.cli.people_home import site_of as site_of
from appliance.errors import WrongUse
from captive_portal.people import dates, grades, identifiers, names, passwords
from captive_portal.people.accounts import Account, Kind, NewAccount, Role

_COLUMNS = ["site", "account", "full_name", "kind", "class", "role", "state", "proofing"]

people_app = typer.Typer(no_args_is_help=True, help="People and their accounts.")


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    people_import.register(people_app)
    people_school.register(people_app)
    app.add_typer(people_app, name="people")


@people_app.command()
def add(  # noqa: PLR0913  # one argument per option
    ctx: typer.Context,
    account: Annotated[str, typer.Argument(help="The account's name.")],
    name: Annotated[str, typer.Option("--name", help="The full name.")] = "",
    kind: Annotated[
        Kind | None, typer.Option(help="What they are; pupil, or staff when they have a role.")
    ] = None,
    role: Annotated[Role, typer.Option(help="What they may do on the admin pages.")] = Role.NONE,
    site: Site = "",
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input.")
    ] = False,
) -> None:
    """Make an account; without --password-stdin it gets a one-time password, printed once."""
    password, one_time = _password(account, from_stdin=password_stdin)
    kind = kind or (Kind.PUPIL if role is Role.NONE else Kind.STAFF)
    with opened(ctx) as at:
        new = NewAccount(
            site=at.site(site),
            account=account,
            full_name=name,
            kind=kind,
            role=role,
            proofing="made by staff",
            password=password,
            must_change=one_time,
        )
        if kind is Kind.SHADOW:
            raise WrongUse("a shadow account is made by what is heard of it, not by hand")
        if wrong := names.fault(names.clean(account)):
            raise WrongUse(wrong)
        if identifiers.looks_like_id(account):
            raise WrongUse(
                "a citizen id would be the account's name and stand in every log",
                hint="use the student code, or a name",
            )
        at.wrote(f"add {new.site}/{names.clean(account)} kind={kind.value} role={role.value}")
        made = at.people.add(new, now=at.now())
        shown = _line(made, at.now())
        if one_time:
            shown["one_time_password"] = password
        at.context.show(shown)


def _password(account: str, *, from_stdin: bool) -> tuple[str, bool]:
    """Return a new password, and whether it was made here for one use."""
    if not from_stdin:
        return passwords.one_time(), True
    password = sys.stdin.readline(passwords.MAX_LENGTH + 2).rstrip("\r\n")
    if wrong := passwords.fault(password, account=names.clean(account)):
        raise WrongUse(wrong, hint="choose another")
    return password, False


@people_app.command("list")
def list_(
    ctx: typer.Context,
    site: Annotated[str, typer.Option(help="Only of this site.")] = "",
    shadows: Annotated[bool, typer.Option(help="Those only ever heard of, too.")] = False,
) -> None:
    """Show the accounts."""
    with opened(ctx) as at:
        wanted = at.site(site) if site else None
        found = [one for one in at.people.list(wanted) if shadows or one.kind != Kind.SHADOW]
        at.wrote(f"list {wanted or 'all sites'}, {len(found)} accounts")
        at.context.show_rows([_line(one, at.now()) for one in found], _COLUMNS)


@people_app.command()
def disable(
    ctx: typer.Context,
    account: Annotated[str, typer.Argument(help="The account's name.")],
    site: Site = "",
    since: Annotated[
        str, typer.Option("--from", help="The day from which it is closed, such as 31/03/2570.")
    ] = "",
) -> None:
    """Close an account, now or from a day on; what it did stays under its name."""
    with opened(ctx) as at:
        found = at.account(account, site)
        if _last_admin(at, found):
            raise WrongUse(
                f"{found.account} is the only admin, and nobody could use the admin pages",
                hint="make another first: prathu people add NAME --kind staff --role admin",
            )
        when = day_begins(since) if since else at.now()
        at.wrote(f"disable {found.site}/{found.account}{f' from {since}' if since else ''}")
        at.people.disable(found.id, now=when)
        ahead = f" from {dates.shown(dates.today(when))} on" if when > at.now() else ""
        at.context.say(f"{found.account} is disabled{ahead}")


@people_app.command()
def enable(
    ctx: typer.Context,
    account: Annotated[str, typer.Argument(help="The account's name.")],
    site: Site = "",
) -> None:
    """Open an account again, or let it stay open past its day."""
    with opened(ctx) as at:
        found = at.account(account, site)
        at.wrote(f"enable {found.site}/{found.account}")
        at.people.enable(found.id)
        at.context.say(f"{found.account} is open")


@people_app.command()
def passwd(
    ctx: typer.Context,
    account: Annotated[str, typer.Argument(help="The account's name.")],
    site: Site = "",
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input.")
    ] = False,
) -> None:
    """Give an account another password; without --password-stdin a one-time one, printed once."""
    password, one_time = _password(account, from_stdin=password_stdin)
    with opened(ctx) as at:
        found = at.account(account, site)
        if found.kind is Kind.SHADOW:
            raise WrongUse(f"{found.account} is only heard of", hint="prathu people add makes it")
        at.wrote(f"passwd {found.site}/{found.account}")
        at.people.set_password(found.id, password, must_change=one_time)
        if one_time:
            at.context.show({"account": found.account, "one_time_password": password})
        else:
            at.context.say(f"{found.account} has a new password")
        if found.closed(at.now()):
            at.context.say(f"{found.account} is disabled all the same, and cannot sign in")


def _last_admin(at: Home, found: Account) -> bool:
    admins = [a.id for a in at.people.list() if a.role is Role.ADMIN and not a.closed(at.now())]
    return admins == [found.id]


def _line(account: Account, now: datetime) -> dict[str, Any]:
    state = "" if account.has_password else "no password"
    if account.disabled_at:
        ahead = not account.closed(now)
        state = (
            f"closed from {dates.shown(dates.today(account.disabled_at))}" if ahead else "disabled"
        )
    return {
        "id": str(account.id),
        "site": account.site,
        "account": account.account,
        "full_name": account.full_name,
        "kind": account.kind.value,
        "class": str(grades.Class(account.grade, account.room)),
        "role": account.role.value,
        "state": "must change" if account.must_change and not state else state,
        "proofing": account.proofing,
    }
