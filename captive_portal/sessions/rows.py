"""The sessions' table, and the `Book` that looks things up in it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from operator import attrgetter
from typing import Any, cast
from uuid import UUID

from sqlalchemy import (
    JSON,
    BigInteger,
    ColumnElement,
    Connection,
    Engine,
    ForeignKey,
    Index,
    Select,
    String,
    Table,
    Uuid,
    bindparam,
    false,
    func,
    select,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.orm import Session as Database

from captive_portal.database import Base, Moment
from captive_portal.sessions.charging import Held
from captive_portal.sessions.passes import Pass
from captive_portal.sessions.row_form import CLOSED, OPEN, OPENING, hashed, row_of, session_of
from captive_portal.sessions.session import Session

__all__ = ["CLOSED", "OPEN", "OPENING", "AddressRow", "Rows", "SessionRow"]
OF_KEY = 32
"""So many sessions of one key are looked at; of each client one is open at most."""


class SessionRow(Base):
    """One session as last known; its history is the collector's `sessions` log."""

    __tablename__ = "session"
    __table_args__ = (
        Index("ix_session_key_generation", "key", "generation"),
        Index("ix_session_state_site", "state", "site"),
        Index("ix_session_start", "start"),
        # Of the few alone: what all others write has nothing to do with it.
        Index(
            "ix_session_untold",
            "end",
            sqlite_where=text("untold = 1"),
            postgresql_where=text("untold"),
        ),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    state: Mapped[str] = mapped_column(String(16))
    site: Mapped[str] = mapped_column(String(63))
    method: Mapped[str] = mapped_column(String(16))
    person: Mapped[UUID | None] = mapped_column(Uuid, index=True)
    account: Mapped[str] = mapped_column(String(1024))
    start: Mapped[datetime] = mapped_column(Moment)
    last_seen: Mapped[datetime] = mapped_column(Moment)
    expires: Mapped[datetime | None] = mapped_column(Moment)
    end: Mapped[datetime | None] = mapped_column(Moment)
    cause: Mapped[str] = mapped_column(String(64))
    mac: Mapped[str] = mapped_column(String(17))
    nas: Mapped[str] = mapped_column(String(255))
    key: Mapped[str] = mapped_column(String(64))
    """Hash of the session's key; empty for the portal's."""
    generation: Mapped[int]
    bytes_in: Mapped[int | None] = mapped_column(BigInteger)
    bytes_out: Mapped[int | None] = mapped_column(BigInteger)
    serial: Mapped[int | None] = mapped_column(index=True)
    """Names the session in the kernel's marks; None where the gate has no part in it."""
    zone: Mapped[str] = mapped_column(String(63), default="", server_default="")
    untold: Mapped[bool] = mapped_column(default=False, server_default=false())
    """It has ended here, and the NAS that carries it may not know."""
    rest: Mapped[dict[str, Any]] = mapped_column(JSON)
    """What is only ever read back with the row."""


class AddressRow(Base):
    """An address that an open session holds."""

    __tablename__ = "session_address"
    __table_args__ = (Index("ix_session_address_site_address", "site", "address"),)

    session: Mapped[UUID] = mapped_column(
        ForeignKey("session.id", ondelete="CASCADE"), primary_key=True
    )
    address: Mapped[str] = mapped_column(String(49), primary_key=True)
    site: Mapped[str] = mapped_column(String(63))


class Rows:
    """A `Book` over the database. Every method is one transaction."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._shared: Database | None = None

    def get(self, session: UUID) -> Session | None:
        """Return the session with this id."""
        found = self._select(select(SessionRow).where(SessionRow.id == session))
        return found[0] if found else None

    def of_key(self, key: str) -> Sequence[Session]:
        """Return the open sessions of a NAS's key and the latest others, the latest first."""
        of_key = select(SessionRow).where(SessionRow.key == hashed(key))
        found = self._select(
            of_key.order_by(SessionRow.state != OPEN, SessionRow.generation.desc()).limit(OF_KEY)
        )
        return sorted(found, key=lambda session: -session.generation)

    def of_keys(self, keys: Collection[str]) -> Sequence[Session]:
        """Return what `of_key` returns of each of several keys, the latest first."""
        if not keys:
            return []
        found = self._read(_OF_KEYS, {"keys": [hashed(key) for key in keys]})
        return sorted(found, key=lambda session: -session.generation)

    def these(self, ids: Collection[UUID]) -> Sequence[Session]:
        """Return the sessions with these ids, as far as there are any."""
        if not ids:
            return []
        return self._select(select(SessionRow).where(SessionRow.id.in_(ids)))

    def holders(self, places: Collection[tuple[str, str]]) -> set[UUID]:
        """Return the open sessions that hold one of these sites' addresses."""
        found: set[UUID] = set()
        for site in {site for site, _ in places}:
            held = [address for at, address in places if at == site]
            with self._connected() as db:
                found.update(db.scalars(_HOLDERS, {"site": site, "held": held}))
        return found

    def open_at_any(self, places: Collection[tuple[str, str]]) -> Sequence[Session]:
        """Return the open sessions that hold one of these sites' addresses, the latest first."""
        found = (one for one in self.these(self.holders(places)) if one.open)
        return sorted(found, key=lambda session: session.start, reverse=True)

    def open_at(self, site: str, address: str) -> Sequence[Session]:
        """Return the open sessions that hold an address, the latest first."""
        return self._select(
            select(SessionRow)
            .join(AddressRow, AddressRow.session == SessionRow.id)
            .where(AddressRow.site == site, AddressRow.address == address)
            .where(SessionRow.state == OPEN)
            .order_by(SessionRow.start.desc())
        )

    def open_at_mac(self, site: str, mac: str) -> Sequence[Session]:
        """Return the open sessions at a device."""
        query = select(SessionRow).where(SessionRow.state == OPEN, SessionRow.site == site)
        return self._select(query.where(SessionRow.mac == mac))

    def open_of(self, site: str, method: str) -> Sequence[Session]:
        """Return the open sessions of a site that are known in this way."""
        query = select(SessionRow).where(SessionRow.state == OPEN, SessionRow.site == site)
        return self._select(query.where(SessionRow.method == method))

    def open_of_person(self, person: UUID) -> Sequence[Session]:
        """Return the open sessions of somebody, at any site."""
        query = select(SessionRow).where(SessionRow.person == person, SessionRow.state == OPEN)
        return self._select(query)

    def open_of_people(self, people: Sequence[UUID]) -> Sequence[Session]:
        """Return the open sessions of some people, at any site."""
        query = select(SessionRow).where(SessionRow.person.in_(people), SessionRow.state == OPEN)
        return self._select(query)

    def open(self) -> Sequence[Session]:
        """Return all open sessions, the latest first."""
        query = select(SessionRow).where(SessionRow.state == OPEN)
        return self._select(query.order_by(SessionRow.start.desc()))

    def still_open(self, ids: Sequence[UUID]) -> Sequence[Session]:
        """Return those of these sessions that are open."""
        if not ids:
            return []
        return self._select(select(SessionRow).where(SessionRow.id.in_(ids), _still()))

    def held(self, ids: Sequence[UUID]) -> list[Held]:
        """Return of those of these sessions that are open what their people's time is of."""
        row = _sessions.c
        columns = (row.id, row.person, row.method, row.start, row.expires, row.serial)
        query = select(*columns).where(row.id.in_(ids), _still())
        with self._connected() as db:
            return [Held(*found) for found in db.execute(query)]

    def passes(self) -> list[Pass]:
        """Return the passes of all open sessions that the gate has a part in."""
        row = _sessions.c
        # The database takes three things out of `rest` in less time than Python reads the whole.
        speeds = (row.rest["up_kbit"].as_integer(), row.rest["down_kbit"].as_integer())
        columns = (row.serial, row.zone, row.mac, row.expires, row.rest["addresses"], *speeds)
        query = select(*columns).where(row.state == OPEN, row.serial.is_not(None))
        with Database(self._engine) as db:
            return [
                Pass(
                    serial=serial,
                    zone=zone,
                    mac=mac,
                    addresses=tuple(addresses),
                    up_kbit=up,
                    down_kbit=down,
                    until=expires,
                )
                for serial, zone, mac, expires, addresses, up, down in db.execute(query)
            ]

    def run_out(self, now: datetime) -> Sequence[Session]:
        """Return the open sessions whose expiry has come."""
        query = select(SessionRow).where(SessionRow.state == OPEN, SessionRow.expires <= now)
        return self._select(query.order_by(SessionRow.expires))

    def untold(self, since: datetime, most: int) -> Sequence[Session]:
        """Return the latest that ended here since then and of which a NAS may not know."""
        query = select(SessionRow).where(SessionRow.untold, SessionRow.end >= since)
        return self._select(query.order_by(SessionRow.end.desc()).limit(most))

    def give_up_untold(self, before: datetime) -> int:
        """Let NASes be that were not told of ends before then; return how many ends that were."""
        row = _sessions.c
        query = _sessions.update().where(row.untold, row.end < before).values(untold=False)
        with self._engine.begin() as db:
            return db.execute(query).rowcount

    def named(self, start: str) -> Sequence[Session]:
        """Return up to two sessions whose id begins so; hyphens and case do not matter."""
        low = start.replace("-", "").lower()
        try:
            first, last = UUID(low.ljust(32, "0")), UUID(low.ljust(32, "f"))
        except ValueError:
            return []
        query = select(SessionRow).where(SessionRow.id >= first, SessionRow.id <= last)
        return self._select(query.limit(2))

    def latest_serial(self) -> int | None:
        """Return the serial of the session that began last, of those that have one."""
        query = select(SessionRow.serial).where(SessionRow.serial.is_not(None))
        with Database(self._engine) as db:
            return db.scalars(query.order_by(SessionRow.start.desc()).limit(1)).one_or_none()

    def has_serial(self, serial: int) -> bool:
        """Say whether a session that is kept bears this serial."""
        query = select(SessionRow.id).where(SessionRow.serial == serial).limit(1)
        with Database(self._engine) as db:
            return db.scalars(query).one_or_none() is not None

    def count_open(self) -> int:
        """Return how many sessions are open."""
        query = select(func.count()).select_from(SessionRow).where(SessionRow.state == OPEN)
        with Database(self._engine) as db:
            return db.scalars(query).one()

    def opening(self) -> Sequence[Session]:
        """Return the sessions of which it is not known whether the collector was told."""
        return self._select(select(SessionRow).where(SessionRow.state == OPENING))

    def recent(self, limit: int, *, site: str | None = None) -> Sequence[Session]:
        """Return the latest sessions, open or not."""
        query = select(SessionRow).where(SessionRow.state != OPENING)
        if site is not None:
            query = query.where(SessionRow.site == site)
        return self._select(query.order_by(SessionRow.start.desc()).limit(limit))

    def write(
        self,
        sessions: Iterable[Session],
        *,
        opening: bool = False,
        before: Mapping[UUID, Session] | None = None,
        also: Callable[[Connection], None] = lambda _: None,
    ) -> None:
        """Write sessions as they are now, all or none.

        Args:
            sessions: Those that have changed.
            opening: They are about to be told.
            before: What the database has of them; the others are new. None: that is not known.
            also: Writes with them.
        """
        sessions = list(sessions)
        known = before or {}
        moved = [one for one in sessions if _moves(known.get(one.id), one)]
        others = [one for one in sessions if not _moves(known.get(one.id), one)]
        # What was known of them goes first, and with it, by cascade, their addresses.
        gone = [one.id for one in others if before is None or one.id in before]
        rows = [row_of(session, OPENING if opening else None) for session in others]
        held = [
            {"session": row["id"], "address": address, "site": row["site"]}
            for row in rows
            if row["state"] == OPEN
            for address in row["rest"]["addresses"]
        ]
        with self._engine.begin() as db:
            if gone:
                db.execute(_GONE, {"ids": gone})
            if rows:
                db.execute(_sessions.insert(), rows)
            if held:
                db.execute(_addresses.insert(), held)
            _update(db, moved)
            also(db)

    def write_counts(
        self, sessions: Iterable[Session], *, also: Callable[[Connection], None] = lambda _: None
    ) -> None:
        """Write what was counted for sessions that are there; all or none, and what `also` does."""
        with self._engine.begin() as db:
            _update(db, sessions)
            also(db)

    @contextmanager
    def one_look(self) -> Iterator[Rows]:
        """Give a book for many look-ups in one transaction; nothing is written meanwhile."""
        with Database(self._engine) as db:
            look = Rows(self._engine)
            look._shared = db
            yield look

    def _select(self, query: Select[SessionRow]) -> list[Session]:
        # Columns, not objects of the mapper: of 20,000 sessions it is a third of the time.
        return self._read(query.with_only_columns(*_sessions.c, maintain_column_froms=True))

    def _read(self, columns: Select[Any], values: Mapping[str, Any] = {}) -> list[Session]:
        with self._connected() as db:
            return [session_of(row) for row in db.execute(columns, values)]

    @contextmanager
    def _connected(self) -> Iterator[Database]:
        if self._shared is not None:
            yield self._shared
            return
        with Database(self._engine) as db:
            yield db


def _still() -> ColumnElement[bool]:
    """Return that a session is open, so that it is found by its id: by state, all are gone over."""
    return _sessions.c.state.concat("") == OPEN


def _moves(before: Session | None, now: Session) -> bool:
    """Say whether only that differs which changes with every update."""
    if before is None or not before.open or not now.open:
        return False
    return all(one == other for one, other in zip(_fixed(before), _fixed(now), strict=True))


def _update(db: Connection, sessions: Iterable[Session]) -> None:
    """Write what changes with every update, and touch no index."""
    rows = [row_of(session, None) for session in sessions]
    if rows:
        values: dict[str, Any] = {name: bindparam(name) for name in _COUNTED}
        values["rest"] = bindparam("rest_")
        of = _sessions.c.id == bindparam("of")
        told = [
            {"of": row["id"], **{name: row[name] for name in _COUNTED}, "rest_": row["rest"]}
            for row in rows
        ]
        db.execute(_sessions.update().where(of).values(**values), told)


_COUNTED = ("last_seen", "expires", "bytes_in", "bytes_out")
_fixed = attrgetter(
    *("site", "method", "person", "start", "cause", "addresses", "mac", "nas", "key"),
    *("generation", "serial", "zone"),
)
"""What the columns are made of that stay while a session goes on."""
_sessions = cast(Table, SessionRow.__table__)
_addresses = cast(Table, AddressRow.__table__)


def _of_keys() -> Select[Any]:
    row = _sessions.c
    newest = (row.state != OPEN, row.generation.desc())
    place = func.row_number().over(partition_by=row.key, order_by=newest).label("place")
    in_keys = row.key.in_(bindparam("keys", expanding=True))
    ranked = select(*row, place).where(in_keys).subquery()
    return select(*ranked.c).where(ranked.c.place <= OF_KEY)


# What every batch of accounting asks and says is made once: it costs more than the answer.
_OF_KEYS = _of_keys()
_HOLDERS = select(_addresses.c.session).where(
    _addresses.c.site == bindparam("site"),
    _addresses.c.address.in_(bindparam("held", expanding=True)),
)
_GONE = _sessions.delete().where(_sessions.c.id.in_(bindparam("ids", expanding=True)))
