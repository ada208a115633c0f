"""Sessions as rows of their table, and back."""

from __future__ import annotations

import hashlib
from dataclasses import fields
from datetime import datetime
from typing import Any
from uuid import UUID

from captive_portal.sessions.nas_terms import ordered_of, plain, terms_of
from captive_portal.sessions.session import Counters, Nas, Person, Session

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
        "rest": _rest(session),
    }


def _text_of(text: str, most: int) -> str:
    """Return what any database takes of a text; in `rest` it stands as it is."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\x00", "\ufffd")[:most]


def _number(value: int | None) -> int | None:
    """Return what a column of 64 bits with a sign takes: RADIUS counts have none."""
    return None if value is None else min(value, (1 << 63) - 1)


_TEXTS = ("nas_port", "ssid", "called_station", "calling_station", "acct_session_id", "key")
_NUMBERS = ("started", "stopped", "interims")
_NAS = tuple(field.name for field in fields(Nas))
_COUNTERS = tuple(field.name for field in fields(Counters))
_GATE = ("notice", "group", "ends", "up_kbit", "down_kbit", "slow", "idle_s", "roams")
_NAS_TEXTS = ("signed", "nas_state")
_GATE_TUPLES = ("kernel", "charged")
_GATE_TIMES = ("renewed", "charged_at", "reported_at")


def _rest(session: Session) -> dict[str, Any]:
    rest: dict[str, Any] = {name: getattr(session, name) for name in (*_TEXTS, *_NUMBERS)}
    if session.person:
        rest["full_name"] = session.person.full_name
        rest["proofing"] = session.person.proofing
    rest["addresses"] = list(session.addresses)
    rest["nas"] = {name: getattr(session.nas, name) for name in _NAS}
    rest["counters"] = {name: getattr(session.counters, name) for name in _COUNTERS}
    rest["counted_at"] = _text(session.counted_at)
    rest["addressed_at"] = [_text(at) for at in session.addressed_at]
    rest["longest_s"] = session.longest_s
    rest["told"] = [str(event) for event in session.told]
    rest |= {name: getattr(session, name) for name in (*_GATE, *_GATE_TUPLES)}
    rest |= {name: _text(getattr(session, name)) for name in _GATE_TIMES}
    return rest | _nas(session)


def _nas(session: Session) -> dict[str, Any]:
    """Return what only sessions have that a NAS carries, or that somebody gave orders about."""
    rest: dict[str, Any] = {name: value for name in _NAS_TEXTS if (value := getattr(session, name))}
    told = {"wants": session.wants, "has": session.has, "ordered": session.ordered}
    return rest | {name: plain(value) for name, value in told.items() if value is not None}


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
        longest_s=rest.get("longest_s"),
        end=row.end,
        cause=row.cause,
        addresses=tuple(rest["addresses"]),
        mac=row.mac,
        nas=Nas(**rest["nas"]),
        generation=row.generation,
        counters=Counters(**rest["counters"]),
        counted_at=_moment(rest["counted_at"]),
        addressed_at=(_moment(rest["addressed_at"][0]), _moment(rest["addressed_at"][1])),
        serial=row.serial,
        zone=row.zone,
        told=tuple(UUID(event) for event in rest["told"]),
        **{name: rest[name] for name in (*_TEXTS, *_NUMBERS)},
        **_gate(rest),
    )


def _gate(rest: dict[str, Any]) -> dict[str, Any]:
    """Return what the gate needs, of a row that has it."""
    found: dict[str, Any] = {name: rest[name] for name in _GATE if name in rest}
    found |= {name: tuple(rest[name]) for name in _GATE_TUPLES if name in rest}
    found |= {name: _moment(rest[name]) for name in _GATE_TIMES if name in rest}
    found |= {name: rest[name] for name in _NAS_TEXTS if name in rest}
    found |= {name: terms_of(rest[name]) for name in ("wants", "has") if name in rest}
    return found | ({"ordered": ordered_of(rest["ordered"])} if "ordered" in rest else {})


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
