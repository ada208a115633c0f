"""What verbs about people work with: the portal's database, the key of identifiers, the audit."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import Engine

from appliance import settings as box_settings
from appliance.cli import report
from appliance.cli.context import Context
from appliance.errors import NotFound, WrongUse
from appliance.settings import BoxSettings
from captive_portal.database import open_database
from captive_portal.errors import PortalError
from captive_portal.people import dates, nt_hashes
from captive_portal.people.accounts import Account, People
from captive_portal.people.groups import Group, Groups
from captive_portal.people.keys import PersonKey, person_key

Site = Annotated[str, typer.Option(help="The site; the first one when there is only one.")]


@dataclass(frozen=True)
class Home:
    """A home's people, and the way to write acts down."""

    context: Context
    settings: BoxSettings
    engine: Engine
    people: People

    def wrote(self, target: str, *, act: str = "people") -> None:
        """Write an act down, before it is done."""
        report.act(self.context.home, self.settings, act, target=target)

    @property
    def key(self) -> PersonKey:
        """The home's key of identifiers and codes."""
        return person_key(self.context.home)

    def now(self) -> datetime:
        """Return the time."""
        return report.now()

    def site(self, site: str) -> str:
        """Return the site meant. Raises WrongUse."""
        return site_of(self.settings, site)

    def school_name(self, site: str) -> str:
        """Return what people call a site."""
        return next((one.name for one in self.settings.sites if one.id == site), "") or site

    def account(self, account: str, site: str) -> Account:
        """Return an account by its name. Raises NotFound."""
        wanted = self.site(site)
        found = self.people.find(wanted, account)
        if found is None:
            raise NotFound(f"no account {account} at {wanted}", hint="prathu people list")
        return found

    def group(self, site: str, name: str) -> Group:
        """Return a group by its name. Raises WrongUse: there is none."""
        found = Groups(self.engine).named(site, name)
        if found is None:
            raise WrongUse(f"no group {name} at {site}", hint="prathu groups list")
        return found


@contextmanager
def opened(ctx: typer.Context) -> Iterator[Home]:
    """Open the database of the home as long as the block lasts."""
    context: Context = ctx.obj
    settings = box_settings.load(context.home)
    engine = open_database(context.home, settings.database)
    try:
        sealing = nt_hashes.of(context.home, wanted=settings.radius.nt_hashes)
        yield Home(context, settings, engine, People(engine, nt=sealing))
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


def day_begins(text: str) -> datetime:
    """Return when a day begins, as people write it.

    Raises:
        WrongUse: it is no day.
    """
    try:
        return dates.begins(dates.read(text))
    except PortalError as error:
        raise WrongUse(str(error)) from error


def new_file(path: Path) -> int:
    """Return a descriptor of a new file that nobody else may read.

    Raises:
        WrongUse: it is there, or cannot be made.
    """
    try:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise WrongUse(f"cannot make {path}: {error.strerror}", hint="name a new file") from error


def seen() -> bool:
    """Say whether somebody sits at a terminal and watches."""
    return sys.stderr.isatty() and sys.stdout.isatty()
