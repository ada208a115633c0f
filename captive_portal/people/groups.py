"""Groups of people and what each may do: devices, hours, speed, quota; and the school's calendar.

Groups are the school's own (pupils, teachers, a class, guests). Somebody without a group is in
the group of the same kind, if the site has one, else nothing is limited but the session's length.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import JSON, Date, Engine, Index, String, Uuid, delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column

from captive_portal.database import Base
from captive_portal.errors import PortalError
from captive_portal.people import names


class AtLimit(StrEnum):
    """What happens when somebody signs in on one device more than the group allows."""

    REJECT = "reject"
    END_OLDEST = "end-oldest"


class AtQuota(StrEnum):
    """What happens when a quota is used up."""

    END = "end"
    SLOW = "slow"


class GroupRow(Base):
    """One group."""

    __tablename__ = "person_group"
    __table_args__ = (Index("uq_person_group_site_name", "site", "name", unique=True),)

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    site: Mapped[str] = mapped_column(String(63))
    name: Mapped[str] = mapped_column(String(100))
    kind: Mapped[str] = mapped_column(String(16))
    devices: Mapped[int | None]
    at_limit: Mapped[str] = mapped_column(String(16))
    session_minutes: Mapped[int | None]
    idle_minutes: Mapped[int | None]
    up_kbit: Mapped[int | None]
    down_kbit: Mapped[int | None]
    quota_day_mb: Mapped[int | None]
    quota_month_mb: Mapped[int | None]
    quota_day_minutes: Mapped[int | None]
    at_quota: Mapped[str] = mapped_column(String(16))
    slow_kbit: Mapped[int]
    hours: Mapped[list[Any]] = mapped_column(JSON)
    remember_days: Mapped[int]
    roams: Mapped[bool]
    vlan: Mapped[int | None]
    ssids: Mapped[list[Any]] = mapped_column(JSON)


class SchoolDayRow(Base):
    """A day that is not like its weekday: a holiday, an exam day."""

    __tablename__ = "school_day"

    site: Mapped[str] = mapped_column(String(63), primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    kind: Mapped[str] = mapped_column(String(16))


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """A span of the day in which a group may be on, in the site's own time."""

    days: tuple[str, ...]
    """`mon` … `sun`, and `holiday`, `exam` for days that the calendar names."""
    first_minute: int
    """Of the day, 0 to 1439."""
    last_minute: int
    """Up to and without this minute; 1440 is midnight."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """What the people of one group may do. None means no limit."""

    id: UUID
    site: str
    name: str
    kind: str = ""
    """Everybody of this kind without a group of their own is in it; empty: nobody is."""
    devices: int | None = None
    at_limit: AtLimit = AtLimit.END_OLDEST
    session_minutes: int | None = None
    idle_minutes: int | None = None
    up_kbit: int | None = None
    """1,000 bits a second, from the device; one budget for IPv4 and IPv6."""
    down_kbit: int | None = None
    quota_day_mb: int | None = None
    """1,000,000 bytes, both directions, of a day in the site's own time."""
    quota_month_mb: int | None = None
    quota_day_minutes: int | None = None
    at_quota: AtQuota = AtQuota.END
    slow_kbit: int = 256
    """Both ways, once the quota is used up and `at_quota` says `slow`."""
    hours: tuple[Hours, ...] = ()
    """Empty: always."""
    remember_days: int = 0
    """A device signs in by itself for so long after its person did."""
    roams: bool = True
    """A device takes its session along to another zone of the site."""
    vlan: int | None = None
    ssids: tuple[str, ...] = ()
    """802.1X is allowed on these only; empty: on all."""


class Groups:
    """The groups of a box. Every method is one transaction."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def put(self, group: Group) -> Group:
        """Make a group, or change it to this.

        Raises:
            PortalError: another group of the site has that name.
        """
        try:
            with Session(self._engine) as db, db.begin():
                row = db.get(GroupRow, group.id) or GroupRow(id=group.id)
                _fill(row, group)
                db.add(row)
        except IntegrityError as error:
            raise PortalError(
                f"site {group.site} has a group named {group.name} already",
                hint="choose another name, or change that group",
            ) from error
        return group

    def list(self, site: str | None = None) -> Sequence[Group]:
        """Return all groups, or a site's, by name."""
        query = select(GroupRow).order_by(GroupRow.site, GroupRow.name)
        if site is not None:
            query = query.where(GroupRow.site == site)
        with Session(self._engine) as db:
            return [_group(row) for row in db.scalars(query)]

    def named(self, site: str, name: str) -> Group | None:
        """Return the group of a site with this name, however it is spelt."""
        wanted = names.folded(name)
        return next((one for one in self.list(site) if names.folded(one.name) == wanted), None)

    def of(self, site: str, group: UUID | None, kind: str) -> Group:
        """Return the group of somebody: their own, else that of their kind, else one without limit.

        Args:
            site: The site of the account.
            group: What the account says.
            kind: Pupil, teacher and so on.
        """
        with Session(self._engine) as db:
            row = None if group is None else db.get(GroupRow, group)
            if row is None:
                of_kind = select(GroupRow).where(GroupRow.site == site, GroupRow.kind == kind)
                row = db.scalars(of_kind.order_by(GroupRow.name).limit(1)).one_or_none()
            return Group(id=UUID(int=0), site=site, name="") if row is None else _group(row)


class Calendar:
    """The school calendar of each site. Every method is one transaction."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def put(self, site: str, day: date, *, kind: str, name: str) -> None:
        """Say what a day is like: `holiday`, `exam`, or a weekday that it is taught like."""
        with Session(self._engine) as db, db.begin():
            row = db.get(SchoolDayRow, (site, day)) or SchoolDayRow(site=site, day=day)
            row.kind, row.name = kind, name
            db.add(row)

    def drop(self, site: str, day: date) -> None:
        """Make a day one like its weekday again."""
        with Session(self._engine) as db, db.begin():
            db.execute(
                delete(SchoolDayRow).where(SchoolDayRow.site == site, SchoolDayRow.day == day)
            )

    def kinds(self, site: str, first: date, last: date) -> dict[date, str]:
        """Return what the days from `first` to `last` are like that are not like their weekday."""
        query = select(SchoolDayRow.day, SchoolDayRow.kind).where(SchoolDayRow.site == site)
        query = query.where(SchoolDayRow.day >= first, SchoolDayRow.day <= last)
        with Session(self._engine) as db:
            return {day: kind for day, kind in db.execute(query)}

    def days(self, site: str, first: date, last: date) -> Sequence[tuple[date, str, str]]:
        """Return those days with their kinds and names, in their order."""
        query = select(SchoolDayRow.day, SchoolDayRow.kind, SchoolDayRow.name)
        query = query.where(SchoolDayRow.site == site).order_by(SchoolDayRow.day)
        query = query.where(SchoolDayRow.day >= first, SchoolDayRow.day <= last)
        with Session(self._engine) as db:
            return [(day, kind, name) for day, kind, name in db.execute(query)]


def new(site: str, name: str) -> Group:
    """Return a group of that name without any limit."""
    return Group(id=uuid4(), site=site, name=name)


def _fill(row: GroupRow, group: Group) -> None:
    row.site, row.name, row.kind = group.site, group.name, group.kind
    row.devices, row.at_limit = group.devices, group.at_limit
    row.session_minutes, row.idle_minutes = group.session_minutes, group.idle_minutes
    row.up_kbit, row.down_kbit = group.up_kbit, group.down_kbit
    row.quota_day_mb, row.quota_month_mb = group.quota_day_mb, group.quota_month_mb
    row.quota_day_minutes = group.quota_day_minutes
    row.at_quota, row.slow_kbit = group.at_quota, group.slow_kbit
    row.hours = [[list(h.days), h.first_minute, h.last_minute] for h in group.hours]
    row.remember_days, row.roams = group.remember_days, group.roams
    row.vlan, row.ssids = group.vlan, list(group.ssids)


def _group(row: GroupRow) -> Group:
    return Group(
        id=row.id,
        site=row.site,
        name=row.name,
        kind=row.kind,
        devices=row.devices,
        at_limit=AtLimit(row.at_limit),
        session_minutes=row.session_minutes,
        idle_minutes=row.idle_minutes,
        up_kbit=row.up_kbit,
        down_kbit=row.down_kbit,
        quota_day_mb=row.quota_day_mb,
        quota_month_mb=row.quota_month_mb,
        quota_day_minutes=row.quota_day_minutes,
        at_quota=AtQuota(row.at_quota),
        slow_kbit=row.slow_kbit,
        hours=tuple(
            Hours(days=tuple(days), first_minute=first, last_minute=last)
            for days, first, last in row.hours
        ),
        remember_days=row.remember_days,
        roams=row.roams,
        vlan=row.vlan,
        ssids=tuple(row.ssids),
    )
