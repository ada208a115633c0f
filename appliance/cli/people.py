"""`prathu people`: accounts at the command line."""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import track
from sqlalchemy import Engine

from appliance import settings as box_settings
from appliance.cli import report
from appliance.cli.context import Context
from appliance.errors import NotFound, WrongUse
from appliance.search.printable import cell, printable
from appliance.settings import BoxSettings
from captive_portal.database import open_database
from captive_portal.errors import PortalError
from captive_portal.people import names, passwords, roll
from captive_portal.people.accounts import Account, Kind, NewAccount, People, Role

Site = Annotated[str, typer.Option(help="The site; the first one when there is only one.")]
_COLUMNS = ["site", "account", "full_name", "kind", "role", "state", "proofing"]
_SHOWN_FAULTS = 20

people_app = typer.Typer(no_args_is_help=True, help="People and their accounts.")


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    app.add_typer(people_app, name="people")


@dataclass(frozen=True)
class _Desk:
    context: Context
    settings: BoxSettings
    people: People

    def wrote(self, act: str, target: str) -> None:
        """Write the act down, before it is done."""
        report.act(self.context.home, self.settings, "people", target=f"{act} {target}")


@contextmanager
def _desk(ctx: typer.Context) -> Iterator[_Desk]:
    context: Context = ctx.obj
    settings = box_settings.load(context.home)
    engine: Engine = open_database(context.home, settings.database)
    try:
        yield _Desk(context, settings, People(engine))
    finally:
        engine.dispose()


def site_of(settings: BoxSettings, site: str) -> str:
    """Return the site meant.

    Raises:
        WrongUse: there is none of that id, or several and none was named.
    """
    known = [one.id for one in settings.sites]
    if site in known or (not site and len(known) == 1):
        return site or known[0]
    if not site:
        raise WrongUse("which site?", hint=f"say --site, one of: {', '.join(known)}")
    raise WrongUse(f"no site {site}", hint=f"known: {', '.join(known)}")


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
    password, one_time = _password(from_stdin=password_stdin)
    kind = kind or (Kind.PUPIL if role is Role.NONE else Kind.STAFF)
    with _desk(ctx) as desk:
        new = NewAccount(
            site=site_of(desk.settings, site),
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
        desk.wrote("add", f"{new.site}/{names.clean(account)} kind={kind.value} role={role.value}")
        made = desk.people.add(new, now=report.now())
        shown = _line(made)
        if one_time:
            shown["one_time_password"] = password
        desk.context.show(shown)


def _password(*, from_stdin: bool) -> tuple[str, bool]:
    """Return a new password, and whether it was made here for one use."""
    if not from_stdin:
        return passwords.one_time(), True
    password = sys.stdin.readline(passwords.MAX_LENGTH + 2).rstrip("\r\n")
    if wrong := passwords.fault(password):
        raise WrongUse(wrong)
    return password, False


@people_app.command("import")
def import_(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="CSV, the first line names the columns.")],
    site: Site = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be done.")
    ] = False,
    passwords_out: Annotated[
        Path | None,
        typer.Option(
            "--passwords", help="Make missing passwords, and write them to this new file."
        ),
    ] = None,
) -> None:
    """Take people in from a CSV file; bad rows are reported by line, good ones taken."""
    with _desk(ctx) as desk:
        read = _roll(file, site_of(desk.settings, site))
        taker = roll.Taker(
            desk.people,
            now=report.now(),
            make_passwords=passwords_out is not None,
            dry_run=dry_run,
        )
        if not dry_run:
            desk.wrote("import", f"{file.name}, {len(read.lines)} rows")
        with _passwords_file(None if dry_run else passwords_out) as write:
            for line in track(read.lines, "people", disable=desk.context.quiet or not _seen()):
                write(taker.take(line))
        outcome = taker.outcome
        _say(desk.context, [*read.faults, *outcome.faults], read.ignored)
        desk.context.show(
            {
                "new": outcome.new,
                "changed": outcome.changed,
                "same": outcome.same,
                "bad_rows": len(read.faults) + len(outcome.faults),
                "dry_run": dry_run,
            }
        )
    if read.faults or outcome.faults:
        raise typer.Exit(1)


def _seen() -> bool:
    return sys.stderr.isatty() and sys.stdout.isatty()


def _roll(file: Path, site: str) -> roll.Roll:
    try:
        return roll.read(_octets(file), site=site)
    except PortalError as error:
        raise WrongUse(f"{file}: {error}") from error


def _octets(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            return stream.read(roll.MAX_BYTES + 1)
    except OSError as error:
        raise WrongUse(f"cannot read {file}: {error.strerror}") from error


def _say(context: Context, faults: Sequence[str], ignored: Sequence[str]) -> None:
    for fault in faults[:_SHOWN_FAULTS]:
        print(printable(fault), file=sys.stderr)
    if len(faults) > _SHOWN_FAULTS:
        print(f"and {len(faults) - _SHOWN_FAULTS} more bad rows", file=sys.stderr)
    if ignored:
        more = f" and {len(ignored) - _SHOWN_FAULTS} more" if len(ignored) > _SHOWN_FAULTS else ""
        context.say(f"columns that were not read: {', '.join(ignored[:_SHOWN_FAULTS])}{more}")


@contextmanager
def _passwords_file(path: Path | None) -> Iterator[Callable[[roll.Made | None], None]]:
    """Open the file before anybody gets a password that is written nowhere else."""
    if path is None:
        yield lambda _: None
        return
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise WrongUse(f"cannot make {path}: {error.strerror}", hint="name a new file") from error
    with os.fdopen(descriptor, "w", encoding="utf-8-sig", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("account", "password"))

        def write(made: roll.Made | None) -> None:
            if made is not None:
                writer.writerow([cell(value) for value in made])
                stream.flush()

        yield write


@people_app.command("list")
def list_(
    ctx: typer.Context,
    site: Annotated[str, typer.Option(help="Only of this site.")] = "",
    shadows: Annotated[bool, typer.Option(help="Those only ever heard of, too.")] = False,
) -> None:
    """Show the accounts."""
    with _desk(ctx) as desk:
        wanted = site_of(desk.settings, site) if site else None
        found = [one for one in desk.people.list(wanted) if shadows or one.kind != Kind.SHADOW]
        desk.wrote("list", f"{wanted or 'all sites'}, {len(found)} accounts")
        desk.context.show_rows([_line(one) for one in found], _COLUMNS)


@people_app.command()
def disable(
    ctx: typer.Context,
    account: Annotated[str, typer.Argument(help="The account's name.")],
    site: Site = "",
) -> None:
    """Close an account; what it did stays under its name."""
    with _desk(ctx) as desk:
        found = _known(desk, account, site)
        if _last_admin(desk, found):
            raise WrongUse(
                f"{found.account} is the only admin, and nobody could use the admin pages",
                hint="make another first: prathu people add NAME --kind staff --role admin",
            )
        desk.wrote("disable", f"{found.site}/{found.account}")
        desk.people.disable(found.id, now=report.now())
        desk.context.say(f"{found.account} is disabled")


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
    password, one_time = _password(from_stdin=password_stdin)
    with _desk(ctx) as desk:
        found = _known(desk, account, site)
        if found.kind is Kind.SHADOW:
            raise WrongUse(f"{found.account} is only heard of", hint="prathu people add makes it")
        desk.wrote("passwd", f"{found.site}/{found.account}")
        desk.people.set_password(found.id, password, must_change=one_time)
        if one_time:
            desk.context.show({"account": found.account, "one_time_password": password})
        else:
            desk.context.say(f"{found.account} has a new password")
        if found.disabled_at:
            desk.context.say(f"{found.account} is disabled all the same, and cannot sign in")


def _known(desk: _Desk, account: str, site: str) -> Account:
    wanted = site_of(desk.settings, site)
    found = desk.people.find(wanted, account)
    if found is None:
        raise NotFound(f"no account {account} at {wanted}", hint="prathu people list")
    return found


def _last_admin(desk: _Desk, found: Account) -> bool:
    admins = [a.id for a in desk.people.list() if a.role is Role.ADMIN and not a.disabled_at]
    return admins == [found.id]


def _line(account: Account) -> dict[str, Any]:
    state = "disabled" if account.disabled_at else ("" if account.has_password else "no password")
    return {
        "id": str(account.id),
        "site": account.site,
        "account": account.account,
        "full_name": account.full_name,
        "kind": account.kind.value,
        "role": account.role.value,
        "state": "must change" if account.must_change and not state else state,
        "proofing": account.proofing,
    }
