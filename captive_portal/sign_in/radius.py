"""Signing in with an account of somebody else's RADIUS server, by PAP or MSCHAPv2.

RADIUS cannot tell an unknown name from a wrong password, so a refusal lets the next way be asked.
The packets are made by whoever is handed in as `Asks`.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol, Self
from uuid import UUID

from captive_portal.errors import PortalError
from captive_portal.people import names
from captive_portal.people.accounts import Account, Kind
from captive_portal.people.outside import Outsider
from captive_portal.sessions.nas_terms import Ordered
from captive_portal.settings import OutsideGroup, RadiusUpstream
from captive_portal.sign_in.way import Adopt, Attempt, NotNow, Unknown, adopted
from captive_portal.sign_in.workers import Workers
from collector.records import Clock, time_of

MAX_PASSWORD = 128
"""Octets (RFC 2865 5.2)."""
_LIMITS_FOR = timedelta(minutes=5)
"""Between a password that is right and the session there may be a page to read."""
_MOST_LIMITS = 10_000


class Answer(Protocol):
    """What a server said of somebody."""

    @property
    def accepted(self) -> bool:
        """Whether the password is right, and the server has proved that it knows it."""
        ...

    @property
    def reason(self) -> str:
        """Why not, for the counts."""
        ...

    @property
    def account(self) -> str:
        """The name as the server has it; empty: as typed."""
        ...

    @property
    def outside_id(self) -> str:
        """What it calls them for ever (RFC 4372); empty: it does not say."""
        ...

    @property
    def groups(self) -> Sequence[str]:
        """What it says of their groups."""
        ...

    @property
    def limits(self) -> Mapping[str, int]:
        """What it allows: of `session_s`, `idle_s`, `up_kbit`, `down_kbit` those that it limits."""
        ...


class Asks(Protocol):
    """The servers of one section of the settings."""

    async def ask(self, account: str, password: str, *, mac: str, address: str) -> Answer:
        """Return what the first server that answers says. Raises PortalError: none does."""
        ...

    def close(self) -> None:
        """Close its ports."""
        ...

    def standing(self) -> Mapping[str, object]:
        """Return what the status page shows of it."""
        ...


class RadiusWay:
    """One section of RADIUS servers. Used from one event loop."""

    def __init__(self, settings: RadiusUpstream, asks: Asks, *, adopt: Adopt, clock: Clock) -> None:
        self.name = f"radius {settings.id}"
        self.locks_after = settings.locks_after
        self._settings = settings
        self._asks = asks
        self._adopt = adopt
        self._clock = clock
        self._reasons: Counter[str] = Counter()
        self._limits: OrderedDict[UUID, tuple[datetime, Ordered]] = OrderedDict()
        # The database alone: nobody waits for a server on these.
        self._workers = Workers("radius", threads=1, waiting=256)

    def __enter__(self) -> Self:
        self._workers.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._asks.close()
        self._workers.__exit__()

    def standing(self) -> Mapping[str, object]:
        """Return why people were refused, and how the servers are."""
        return {"reasons": dict(self._reasons), **self._asks.standing()}

    async def check(self, attempt: Attempt) -> Account:
        """Return whose account and password these are. Raises as `Way` says."""
        account = names.clean(attempt.account)
        if names.fault(account) or len(account.encode()) > names.MAX_ACCOUNT:
            raise Unknown("no name that RADIUS can carry")
        if not attempt.password or len(attempt.password.encode()) > MAX_PASSWORD:
            raise Unknown("no password that RADIUS can carry")
        try:
            answer = await self._asks.ask(
                account, attempt.password, mac=attempt.mac, address=attempt.address
            )
        except PortalError as error:
            raise NotNow(f"{self.name}: {error}") from error
        if not answer.accepted:
            self._reasons[answer.reason] += 1
            raise Unknown(answer.reason)
        who = self._outsider(account, answer)
        now = time_of(self._clock)
        found = await self._workers.run(adopted, self._adopt, who, now)
        self._limit(found.id, answer.limits, now)
        return found

    def limits_of(self, person: UUID) -> Ordered | None:
        """Return what a server allowed somebody whom it let in a moment ago."""
        held = self._limits.get(person)
        if held is None or held[0] + _LIMITS_FOR <= time_of(self._clock):
            return None
        return held[1]

    def _limit(self, person: UUID, told: Mapping[str, int], now: datetime) -> None:
        self._limits.pop(person, None)
        if not told:
            return
        seconds = told.get("session_s")
        limits = Ordered(
            by=self.name,
            until=None if seconds is None else now + timedelta(seconds=seconds),
            idle_s=told.get("idle_s"),
            up_kbit=told.get("up_kbit"),
            down_kbit=told.get("down_kbit"),
        )
        self._limits[person] = now, limits
        while len(self._limits) > _MOST_LIMITS:
            self._limits.popitem(last=False)

    def _outsider(self, typed: str, answer: Answer) -> Outsider:
        settings = self._settings
        account = answer.account or typed
        mapped = _mapped(settings.groups, answer.groups)
        own = answer.outside_id or names.folded(account)
        return Outsider(
            site=settings.site,
            source="radius",
            outside_id=f"{settings.id}:{own}",
            account=account,
            kind=Kind(mapped.kind) if mapped and mapped.kind else None,
            group=mapped.group if mapped else "",
            proofing=f"RADIUS {settings.id}",
        )


def _mapped(groups: Sequence[OutsideGroup], told: Sequence[str]) -> OutsideGroup | None:
    have = {one.casefold() for one in told}
    return next((group for group in groups if group.outside.casefold() in have), None)
