"""Sessions as rows of their table, and back."""

from __future__ import annotations

import hashlib
from dataclasses import fields
from datetime import datetime
from operator import attrgetter
from typing import Any
from uuid import UUID

from captive_portal.sessions.causes import ENDED_HERE
from captive_portal.sessions.nas_side import CARRIED, UNTOLD
from captive_portal.sessions.nas_terms import ordered_of, plain, terms_of
from captive_portal.sessions.session import NOTHING_COUNTED, Counters, Nas, Person, Session

OPENING = "opening"
"""About to be told to the collector: nobody has been let in on it yet."""
OPEN = "open"
CLOSED = "closed"


def hashed(key: str) -> str:
    """Return what stands for a NAS's key in the table; nothing for the portal's."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest() if key else ""


def row_of(session: Session, state: str | None) -> dict[str, Any]:
    """Return the columns of a session; `state` None: as it is."""
    person = session.person
    return {
        "id": session.id,
        "state": state or (OPEN if session.open else CLOSED),
        "site": session.site,
        "method": session.method,
        "person": person.id if person else None,
        "account": _text_of(person.account, 1024) if person else "",
        "start": session.start,
        "last_seen": session.last_seen,
        "expires": session.expires,
        "end": session.end,
        "cause": _text_of(session.cause, 64),
        "mac": session.mac,
        "nas": _text_of(session.nas.name, 255),
        "key": hashed(session.key),
        "generation": session.generation,
        "bytes_in": _number(session.counters.bytes_in),
        "bytes_out": _number(session.counters.bytes_out),
        "serial": session.serial,
        "zone": session.zone,
        "untold": _untold(session),
        "rest": _rest(session),
    }


def _untold(session: Session) -> bool:
    """Say whether it has ended here, and its NAS may not know."""
    if session.open or session.stopped or session.nas_state not in UNTOLD:
        return False
    return session.method in CARRIED and session.cause in ENDED_HERE


def _text_of(text: str, most: int) -> str:
    """Return what any database takes of a text; in `rest` it stands as it is."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\x00", "\ufffd")[:most]


def _number(value: int | None) -> int | None:
    """Return what a column of 64 bits with a sign takes: RADIUS counts have none."""
    return None if value is None else min(value, (1 << 63) - 1)


_PLAIN = (
    *("nas_port", "ssid", "called_station", "calling_station", "acct_session_id", "key"),
    *("started", "stopped", "interims", "longest_s", "signed", "nas_state"),
    *("notice", "group", "ends", "up_kbit", "down_kbit", "slow", "idle_s", "roams"),
)
_TUPLES = ("kernel", "charged")
_TIMES = ("counted_at", "renewed", "charged_at", "reported_at")
_BLANK = {field.name: field.default for field in fields(Session)}
_plain_of = attrgetter(*_PLAIN, *_TUPLES)
_times_of = attrgetter(*_TIMES)
_NAS = tuple(field.name for field in fields(Nas))
_nas_of = attrgetter(*_NAS)
_COUNTERS = tuple(field.name for field in fields(Counters))
_counters_of = attrgetter(*_COUNTERS)


def _rest(session: Session) -> dict[str, Any]:
    """Return what is only ever read back with the row; what is as it mostly is, is left out."""
    plain = zip((*_PLAIN, *_TUPLES), _plain_of(session), strict=True)
    rest: dict[str, Any] = {name: value for name, value in plain if value != _BLANK[name]}
    times = zip(_TIMES, _times_of(session), strict=True)
    rest |= {name: at.isoformat() for name, at in times if at is not None}
    if session.person:
        rest["full_name"] = session.person.full_name
        rest["proofing"] = session.person.proofing
    rest["addresses"] = session.addresses
    nas = zip(_NAS, _nas_of(session.nas), strict=True)
    rest["nas"] = {name: value for name, value in nas if value}
    if session.counters != NOTHING_COUNTED:
        counted = zip(_COUNTERS, _counters_of(session.counters), strict=True)
        rest["counters"] = dict(counted)
    if session.addressed_at != _BLANK["addressed_at"]:
        rest["addressed_at"] = [_text(at) for at in session.addressed_at]
    rest["told"] = [event.hex for event in session.told]
    return rest | _nas(session)


def _nas(session: Session) -> dict[str, Any]:
    """Return what only sessions have that a NAS carries, or that somebody gave orders about."""
    told = {"wants": session.wants, "has": session.has, "ordered": session.ordered}
    return {name: plain(value) for name, value in told.items() if value is not None}


def session_of(row: Any) -> Session:  # noqa: ANN401  # a row of all columns
    """Return the session that a row of the table tells of."""
    rest = row.rest
    return Session(
        id=row.id,
        site=row.site,
        method=row.method,
        person=_person(row, rest),
        start=row.start,
        last_seen=row.last_seen,
        expires=row.expires,
        end=row.end,
        cause=row.cause,
        addresses=tuple(rest["addresses"]),
        mac=row.mac,
        nas=Nas(**rest["nas"]),
        generation=row.generation,
        counters=Counters(**rest["counters"]) if "counters" in rest else NOTHING_COUNTED,
        serial=row.serial,
        zone=row.zone,
        told=tuple(UUID(event) for event in rest["told"]),
        **_others(rest),
    )


def _others(rest: dict[str, Any]) -> dict[str, Any]:
    """Return what a row tells where it is not as it mostly is."""
    found: dict[str, Any] = {name: rest[name] for name in _PLAIN if name in rest}
    found |= {name: tuple(rest[name]) for name in _TUPLES if name in rest}
    found |= {name: datetime.fromisoformat(rest[name]) for name in _TIMES if name in rest}
    found |= {name: terms_of(rest[name]) for name in ("wants", "has") if name in rest}
    if "ordered" in rest:
        found["ordered"] = ordered_of(rest["ordered"])
    if "addressed_at" in rest:
        four, six = rest["addressed_at"]
        found["addressed_at"] = _moment(four), _moment(six)
    return found


def _person(row: Any, rest: dict[str, Any]) -> Person | None:  # noqa: ANN401  # as above
    if row.person is None:
        return None
    return Person(
        id=row.person,
        account=row.account,
        full_name=rest.get("full_name", ""),
        proofing=rest.get("proofing", ""),
    )


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
