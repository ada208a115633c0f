"""A session: one person on one set of addresses, from a start to an end. Values only."""

from __future__ import annotations

import hmac
import json
from dataclasses import dataclass, fields
from datetime import datetime
from operator import attrgetter
from typing import Any
from uuid import UUID

from captive_portal.sessions.nas_terms import NasTerms, Ordered
from collector.records import SessionEvent

KEPT_IDS = 8
"""So many ids of the latest events are remembered, so that a repeat is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Who a session belongs to, as of now."""

    id: UUID
    account: str
    full_name: str = ""
    proofing: str = ""

    @property
    def name(self) -> str:
        """What to call them."""
        return self.full_name or self.account


@dataclass(frozen=True, slots=True, kw_only=True)
class Nas:
    """How a NAS names itself, and where its packets come from."""

    identifier: str = ""
    address: str = ""
    """NAS-IP-Address or NAS-IPv6-Address."""
    source: str = ""
    """Where the packet came from."""
    client: str = ""
    """The network of the entry in `radius.clients` whose secret the packet was made with."""

    @property
    def name(self) -> str:
        """The best name there is."""
        return self.identifier or self.address or self.source

    def proven(self, other: Nas) -> bool:
        """Say whether both have shown the same secret, or at least send from one address.

        Access points roam their users within an entry of `radius.clients`: one secret for all.
        """
        return self.client == other.client or self.source == other.source

    def same(self, other: Nas) -> bool:
        """Say whether both are one NAS: by what both of them tell, the surest first.

        Who has one client's secret is not believed about another's: names are not proven. Within
        an entry they are, because access points come back from a restart with other addresses.
        """
        if not self.proven(other):
            return False
        if self.identifier and other.identifier:
            return self.identifier == other.identifier
        if self.address and other.address:
            return self.address == other.address
        return self.source == other.source


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """What a NAS counted; None where it did not say."""

    bytes_in: int | None = None
    """From the user, as RADIUS counts Input."""
    bytes_out: int | None = None
    packets_in: int | None = None
    packets_out: int | None = None
    duration_s: int | None = None

    def known(self) -> bool:
        """Say whether there is any figure."""
        return any(value is not None for value in self._values())

    def merged(self, other: Counters) -> Counters:
        """Return the greater of each figure."""
        pairs = zip(self._values(), other._values(), strict=True)
        return Counters(**dict(zip(_COUNTERS, (_greater(*pair) for pair in pairs), strict=True)))

    def _values(self) -> tuple[int | None, ...]:
        return tuple(getattr(self, name) for name in _COUNTERS)


NOTHING_COUNTED = Counters()
_COUNTERS = ("bytes_in", "bytes_out", "packets_in", "packets_out", "duration_s")


def _greater(one: int | None, other: int | None) -> int | None:
    return max((v for v in (one, other) if v is not None), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A session as known now."""

    id: UUID
    site: str
    method: str
    """`portal`, `accounting`, `802.1X`, `syslog` or `import`."""
    person: Person | None
    start: datetime
    last_seen: datetime
    expires: datetime | None = None
    longest_s: int | None = None
    """The NAS ends it so long after its start."""
    end: datetime | None = None
    cause: str = ""
    addresses: tuple[str, ...] = ()
    mac: str = ""
    nas: Nas = Nas()
    nas_port: str = ""
    ssid: str = ""
    called_station: str = ""
    calling_station: str = ""
    acct_session_id: str = ""
    serial: int | None = None
    """Names the session in the kernel's marks, 1 to 2^24-1; None: the gate has no part in it."""
    zone: str = ""
    """The part of the site that it is in."""
    notice: str = ""
    """The version of the privacy notice that its person went on after."""
    group: str = ""
    """The name of its person's group, of a session that the box lets in."""
    renewed: datetime | None = None
    """When its person last signed in; its length is counted from then. None: at its start."""
    ends: str = "Session-Timeout"
    """The cause of its end if nothing comes before `expires`."""
    up_kbit: int | None = None
    down_kbit: int | None = None
    slow: bool = False
    idle_s: int | None = None
    """Without a packet of the device for so long, it ends."""
    roams: bool = True
    """Its device may take it along to another zone of the site."""
    kernel: tuple[int, int, int, int] = (0, 0, 0, 0)
    """The kernel's latest figures, in the order of `Passed`, which begin anew when it does."""
    charged: tuple[int, int] = (0, 0)
    """Bytes in and out that its person's usage has already."""
    charged_at: datetime | None = None
    reported_at: datetime | None = None
    """When its counters were last told."""
    key: str = ""
    """What a NAS's packets of this session have in common; empty for the portal's."""
    generation: int = 0
    """Counts the sessions of one key: NASes begin their ids anew."""
    counters: Counters = Counters()
    counted_at: datetime | None = None
    addressed_at: tuple[datetime | None, datetime | None] = (None, None)
    """When the IPv4 and the IPv6 addresses were told, so that the latest word counts."""
    started: bool = True
    """A start was heard; else `start` is reckoned."""
    stopped: bool = False
    """A stop was heard; else an `end` is presumed."""
    interims: int = 0
    told: tuple[UUID, ...] = ()
    """The latest events' ids."""
    signed: str = ""
    """The sign of the terms that its NAS was told when it let the person in, where known."""
    wants: NasTerms | None = None
    """What its NAS is to hold; None: not looked at yet, or no NAS carries it."""
    has: NasTerms | None = None
    """What its NAS holds, as far as is known."""
    nas_state: str = ""
    """How it stands with telling its NAS: a word of `nas_side.State`, or `refused` and a number."""
    ordered: Ordered | None = None
    """What somebody outside ordered of it."""

    @property
    def open(self) -> bool:
        """Whether it goes on."""
        return self.end is None

    def knows(self, event_id: UUID) -> bool:
        """Say whether this event is in already."""
        return event_id in self.told

    def telling(self, event_id: UUID) -> Session:
        """Return the session with one more event remembered."""
        return self.but(told=self.told_with(event_id))

    def told_with(self, event_id: UUID) -> tuple[UUID, ...]:
        """Return the latest events' ids with one more."""
        return (*self.told, event_id)[-KEPT_IDS:]

    def but(self, **changes: Any) -> Session:  # noqa: ANN401  # of any field
        """Return the session with other values: `dataclasses.replace`, in a third of its time."""
        values = dict(zip(_FIELDS, _values_of(self), strict=True))
        values.update(changes)
        return Session(**values)

    def event(self, kind: str, event_id: UUID, time: datetime, why: str = "") -> SessionEvent:
        """Return what the collector is told: `kind` happened at `time`, and all that is known.

        Args:
            kind: `start`, `update`, `stop` or `reject`.
            event_id: Its id.
            time: When it happened.
            why: Of an update, what terms hold from then on; of ends the cause stands here.
        """
        person = self.person
        return SessionEvent(
            event_id=event_id,
            session=self.id,
            event=kind,
            time=time,
            site=self.site,
            method=self.method,
            person=person.id if person else None,
            start=self.start,
            expires=self.expires,
            addresses=self.addresses,
            mac=self.mac,
            nas=self.nas.name,
            nas_port=self.nas_port,
            ssid=self.ssid,
            called_station=self.called_station,
            calling_station=self.calling_station,
            acct_session_id=self.acct_session_id,
            zone=self.zone,
            notice=self.notice,
            cause=self.cause if kind in ("stop", "reject") else why,
            bytes_in=self.counters.bytes_in,
            bytes_out=self.counters.bytes_out,
            packets_in=self.counters.packets_in,
            packets_out=self.counters.packets_out,
            duration_s=self.counters.duration_s,
            account=person.account if person else "",
            full_name=person.full_name if person else "",
            proofing=person.proofing if person else "",
        )


_FIELDS = tuple(field.name for field in fields(Session))
_values_of = attrgetter(*_FIELDS)


class Ids:
    """Ids made from what was received: the same after a crash, and not to be guessed.

    A keyed hash, because a session's id must not tell who has heard of its MAC or account.
    """

    def __init__(self, key: bytes) -> None:
        self._begun = hmac.new(key, digestmod="sha256")

    def make(self, what: str, *parts: Any) -> UUID:  # noqa: ANN401  # anything with a text form
        """Return the id of `what` that is made of these parts."""
        text = "[" + ", ".join(map(_JSON.encode, (what, *map(str, parts)))) + "]"
        made = self._begun.copy()  # the key is taken in already
        made.update(text.encode("utf-8", "surrogatepass"))
        return UUID(bytes=made.digest()[:16], version=4)


_JSON = json.JSONEncoder(ensure_ascii=False)
