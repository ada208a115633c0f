"""On what terms people are on: their groups, the calendar and their usage, from the database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import Engine

from captive_portal.errors import PortalError
from captive_portal.people import dates
from captive_portal.people.accounts import Account
from captive_portal.people.groups import Calendar, Group, Groups
from captive_portal.people.standing import Standing, standings
from captive_portal.people.usage import Usage, Used
from captive_portal.sessions.admission import Terms, within
from captive_portal.sessions.causes import Cause
from captive_portal.sessions.charging import COUNTED
from captive_portal.sessions.nas_terms import Ordered
from captive_portal.sessions.obeyed import Beyond, NoGroup, more
from captive_portal.sessions.policy import FURTHEST, Grant, Reason, grant
from captive_portal.sessions.session import Session
from captive_portal.settings import PortalSettings

FEW = 500
"""Of so many people each is looked up; of more, everybody is read."""


class RuleBook:
    """Makes terms. Every method reads the database anew."""

    def __init__(self, engine: Engine, settings: PortalSettings) -> None:
        self._engine = engine
        self._groups = Groups(engine)
        self._calendar = Calendar(engine)
        self._usage = Usage(engine)
        self._longest = timedelta(hours=settings.sign_in.session_hours)
        self._seen_within = timedelta(minutes=settings.sessions.seen_minutes)

    def terms(self, account: Account, now: datetime) -> Terms:
        """Return on what terms somebody may begin a session now."""
        standing = Standing(account.site, account.group, account.kind, account.disabled_at)
        group = self._groups.of(account.site, account.group, account.kind)
        months = self._usage.months(dates.today(now), [account.id])
        calendar = self._kinds(account.site, now)
        granted = self._grant(standing, group, calendar, months.get(account.id), now, now)
        return self._terms(granted, group)

    def terms_of(self, sessions: Sequence[Session], now: datetime) -> dict[UUID, Terms]:
        """Return on what terms each of these sessions goes on; those of nobody known are left out.

        Only the sign-in page's and NASes' sessions have any.
        """
        people = {session.person.id for session in sessions if session.person is not None}
        some = people if len(people) <= FEW else None
        known, months = standings(self._engine, some), self._usage.months(dates.today(now), some)
        groups = {group.id: group for group in self._groups.list()}
        by_name = {(group.site, group.name): group for group in groups.values()}
        of_kind: dict[tuple[str, str], Group] = {}
        for group in groups.values():
            of_kind.setdefault((group.site, group.kind), group)
        calendars: dict[str, dict[date, str]] = {}
        found: dict[UUID, Terms] = {}
        for session in sessions:
            if session.person is None or session.method not in COUNTED:
                continue
            person = session.person.id
            standing = known.get(person)
            if standing is None:
                continue
            ordered = session.ordered
            given = by_name.get((standing.site, ordered.group)) if ordered else None
            own = groups.get(standing.group) if standing.group else None
            nobodys = Group(id=UUID(int=0), site=standing.site, name="")
            group = given or own or of_kind.get((standing.site, standing.kind), nobodys)
            if standing.site not in calendars:
                calendars[standing.site] = self._kinds(standing.site, now)
            calendar = calendars[standing.site]
            since = session.renewed or session.start
            granted = self._grant(standing, group, calendar, months.get(person), now, since)
            found[session.id] = within(self._terms(granted, group), ordered)
        return found

    def ordered(self, session: Session, ordered: Ordered, now: datetime) -> Terms:
        """Return the terms of a session with an order from outside in them.

        Raises:
            Beyond: the order gives more than its group does, or the person may not be on at all.
            PortalError: its site has no such group, or nobody knows whose session it is.
        """
        names = {group.name for group in self._groups.list(session.site)}
        if ordered.group and ordered.group not in names:
            raise NoGroup(f"site {session.site} has no group {ordered.group!r}")
        only_group = Ordered(by=ordered.by, group=ordered.group)
        law = self.terms_of([replace(session, ordered=only_group)], now).get(session.id)
        if law is None:
            raise PortalError("nobody knows whose session it is")
        if law.grant.refused is not None or more(ordered, law):
            raise Beyond("the group does not allow that")
        return within(law, ordered)

    def _grant(  # a grant hangs on these
        self,
        standing: Standing,
        group: Group,
        calendar: dict[date, str],
        used: Used | None,
        now: datetime,
        since: datetime,
    ) -> Grant:
        closes = standing.disabled_at
        if closes is not None and closes <= now:
            return Grant(refused=Reason.CLOSED, until=now)
        granted = grant(
            group,
            calendar,
            used or Used(),
            now=now,
            since=since,
            longest=self._longest,
            zone=dates.BANGKOK,
        )
        # A guest's account ends with the voucher: the kernel itself must know when.
        if closes is None or granted.refused is not None or granted.until <= closes:
            return granted
        return replace(granted, until=closes, ends=Cause.CLOSED)

    def _terms(self, granted: Grant, group: Group) -> Terms:
        return Terms(
            grant=granted,
            group=group.name,
            devices=group.devices,
            at_limit=group.at_limit,
            roams=group.roams,
            seen_within=self._seen_within,
            vlan=group.vlan,
        )

    def _kinds(self, site: str, now: datetime) -> dict[date, str]:
        return self._calendar.kinds(site, dates.today(now), dates.today(now + FURTHEST))
