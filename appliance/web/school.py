"""What the pages about a school's people share: the database, the site, and acts written down."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine

from appliance.errors import BoxError
from appliance.web import acts
from appliance.web.visitor import Room, Visitor
from captive_portal.people import nt_hashes
from captive_portal.people.accounts import People
from captive_portal.people.keys import PersonKey, person_key
from collector.records import time_of
from collector.settings import Site


@dataclass(frozen=True, slots=True)
class School:
    """One site, for one request."""

    room: Room
    site: str

    @property
    def sites(self) -> tuple[Site, ...]:
        """All sites of the box."""
        return self.room.deps.settings.sites

    @property
    def engine(self) -> Engine:
        """The database of people. Raises BoxError."""
        if self.room.deps.database is None:
            raise BoxError("there is no database of people here")
        return self.room.deps.database

    @property
    def people(self) -> People:
        """The accounts."""
        deps = self.room.deps
        wanted = deps.settings.radius.nt_hashes
        return People(self.engine, nt=nt_hashes.of(deps.home, wanted=wanted))

    @property
    def key(self) -> PersonKey:
        """The key of identifiers and codes."""
        return person_key(self.room.deps.home)

    def now(self) -> datetime:
        """Return the time."""
        return time_of(self.room.deps.clock)

    async def wrote(self, visitor: Visitor, target: str) -> None:
        """Write an act on people down, before it is done."""
        actor = str(visitor.member.id) if visitor.member else ""
        await acts.write(
            self.room.deps, actor=actor, act="people", target=target[:900], address=visitor.address
        )


def school(room: Room, site: str = "") -> School:
    """Return the site meant: the first one when none is named, or an unknown one."""
    known = [one.id for one in room.deps.settings.sites]
    return School(room, site if site in known else known[0])
