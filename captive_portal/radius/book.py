"""What the database says of people and devices that ask to be let in; for a thread of its own.

Questions come in batches: one look-up answers for all devices of a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from sqlalchemy import Engine, or_, select, tuple_
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session as Database

from captive_portal.people.accounts import Account, AccountRow, People
from captive_portal.people.devices import SEEN_EVERY, DeviceRow, Devices
from captive_portal.people.groups import Group, Groups
from captive_portal.people.nt_hashes import NtHashes
from captive_portal.radius.login import Login, MsChap2
from captive_portal.sessions.admission import Terms, oldest, others
from captive_portal.sessions.session import Session

TermsOf = Callable[[Account, datetime], Terms]
"""Returns on what terms somebody may be let in now; asks the database."""
MakeRoom = Callable[[Sequence[UUID]], None]
"""Ends the sessions that give way to somebody who is let in; returns at once."""
_GROUPS_FOR = timedelta(seconds=5)
_MOST_GROUPS = 1000
_TERMS_FOR = timedelta(seconds=1)
_MOST_TERMS = 10_000


class OpenSessions(Protocol):
    """Where a person's open sessions are looked up."""

    def open_of_person(self, person: UUID) -> Sequence[Session]:
        """Return the open sessions of a person."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What is known of whoever asks."""

    account: Account
    terms: Terms
    group: Group
    nt_hash: bytes | None = None
    full: bool = False
    """On as many devices as allowed, and none gives way."""
    surplus: tuple[UUID, ...] = ()
    """Sessions at other devices that give way: those that began first."""


class Book:
    """Looks people and devices up."""

    def __init__(
        self, engine: Engine, *, terms: TermsOf, sessions: OpenSessions, nt: NtHashes | None
    ) -> None:
        self._engine = engine
        self._people = People(engine)
        self._groups = Groups(engine)
        self._devices = Devices(engine)
        self._terms = terms
        self._sessions = sessions
        self._nt = nt
        self._known: dict[tuple[str, UUID | None, str], tuple[datetime, Group]] = {}
        self._granted: dict[UUID, tuple[datetime, Account, Terms]] = {}

    def look(self, logins: Sequence[Login], now: datetime) -> list[Standing | None]:
        """Return what is known of each; None: nobody's name, or no listed device."""
        owners = self._owners({(one.site, one.device) for one in logins if one.device}, now)
        found: list[Standing | None] = []
        standings: dict[tuple[UUID, str], Standing] = {}
        for login in logins:
            if login.device:
                account = owners.get((login.site, login.device))
            else:
                account = self._people.find(login.site, login.user) if login.user else None
            if account is None:
                found.append(None)
                continue
            # A device's owner stands alike for all devices of the batch, but for their number.
            key = (account.id, login.mac)
            if key not in standings:
                standings[key] = self.standing(account, login, now)
            found.append(standings[key])
        return found

    def standing(self, account: Account, login: Login, now: datetime) -> Standing:
        """Return what is known of somebody whose account is."""
        terms = self._terms_of(account, now)
        full, surplus = self._crowd(account, terms, login, now)
        wanted = self._nt is not None and isinstance(login.credential, MsChap2)
        return Standing(
            account=account,
            terms=terms,
            group=self._group(account, now),
            nt_hash=self.nt_hash(account.id) if wanted else None,
            full=full,
            surplus=surplus,
        )

    def account(self, site: str, name: str) -> Account | None:
        """Return the account of a name."""
        return self._people.find(site, name)

    def person(self, person: UUID) -> Account | None:
        """Return the account with an id."""
        return self._people.get(person)

    def nt_hash(self, person: UUID) -> bytes | None:
        """Return the NT hash of a person's password, if it is kept."""
        if self._nt is None:
            return None
        with Database(self._engine) as db:
            query = select(AccountRow.nt_password).where(AccountRow.id == person)
            return self._nt.opened(person, db.scalar(query))

    def _owners(
        self, devices: Iterable[tuple[str, str]], now: datetime
    ) -> dict[tuple[str, str], Account]:
        wanted = list(devices)
        if not wanted:
            return {}
        query = select(
            DeviceRow.site, DeviceRow.mac, DeviceRow.person, DeviceRow.seen_at, DeviceRow.since
        ).where(
            tuple_(DeviceRow.site, DeviceRow.mac).in_(wanted),
            or_(DeviceRow.until.is_(None), DeviceRow.until > now),
            DeviceRow.enabled,
        )
        with Database(self._engine) as db:
            rows = db.execute(query).all()
        if news := [
            (row.site, row.mac)
            for row in rows
            if row.seen_at <= row.since or row.seen_at <= now - SEEN_EVERY
        ]:
            with suppress(SQLAlchemyError):  # a full disk keeps no device out
                self._devices.saw_all(news, now)
        owners = {person: self._people.get(person) for person in {row.person for row in rows}}
        told = {(row.site, row.mac): owners[row.person] for row in rows}
        return {device: owner for device, owner in told.items() if owner is not None}

    def _terms_of(self, account: Account, now: datetime) -> Terms:
        """Return somebody's terms, for some seconds as they were: one has many devices."""
        held = self._granted.get(account.id)
        if held is not None and held[1] == account and held[0] + _TERMS_FOR > now >= held[0]:
            return held[2]
        terms = self._terms(account, now)
        if len(self._granted) >= _MOST_TERMS:
            self._granted.clear()
        self._granted[account.id] = (now, account, terms)
        return terms

    def _group(self, account: Account, now: datetime) -> Group:
        key = (account.site, account.group, str(account.kind))
        held = self._known.get(key)
        if held is not None and held[0] + _GROUPS_FOR > now >= held[0]:
            return held[1]
        group = self._groups.of(account.site, account.group, account.kind)
        if len(self._known) >= _MOST_GROUPS:
            self._known.clear()
        self._known[key] = (now, group)
        return group

    def _crowd(
        self, account: Account, terms: Terms, login: Login, now: datetime
    ) -> tuple[bool, tuple[UUID, ...]]:
        """Return whether there is no place for one device more, and what gives way to it."""
        if terms.devices is None:
            return False, ()
        if terms.devices < 1:
            return True, ()
        held = others(self._sessions.open_of_person(account.id), login.mac, now, terms.seen_within)
        surplus = oldest(held, terms.devices - 1)
        if terms.at_limit == "reject":
            return bool(surplus), ()
        return False, tuple(one.id for one in surplus)
