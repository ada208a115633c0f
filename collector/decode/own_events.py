"""Events of the box itself (sessions, audit, coverage, leases, names) from frames to columns.

They come from the portal, the pages and the stages as JSON records, some a second, so building
columns from lists is cheap enough here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import numpy as np
import pyarrow as pa

from collector.decode.leases import block_lines, lines
from collector.decode.names import Named
from collector.records import (
    AuditEvent,
    CoverageEvent,
    Frame,
    FrameKind,
    LeaseEvent,
    Rows,
    SessionEvent,
)

_TEXT = pa.dictionary(pa.int32(), pa.string())
_TIME = pa.timestamp("us", tz="UTC")
_LEASE_TEXTS = (
    "kind",
    "event",
    "ip",
    "mac",
    "server",
    "interface",
    "nat_ip",
    "note",
    "hostname",
    "client_id",
)
_SESSION_TEXTS = (
    "event",
    "method",
    "mac",
    "nas",
    "nas_port",
    "ssid",
    "called_station",
    "calling_station",
    "acct_session_id",
    "zone",
    "notice",
    "cause",
    "account",
    "full_name",
    "proofing",
)

Learnt = tuple[int, int, SessionEvent | LeaseEvent]
"""Position of a frame, its receipt in µs, and what it tells of who has an address."""
Released = tuple[int, int, CoverageEvent]
"""Position of the frame that revealed a coverage event, its receipt in µs, and the event."""


@dataclass(frozen=True, slots=True)
class OwnEvents:
    """What the box's own frames said, by kind; each with its position and receipt in µs."""

    sessions: list[tuple[int, int, SessionEvent]]
    audits: list[tuple[int, int, AuditEvent]]
    coverage: list[Released]
    leases: list[tuple[int, int, LeaseEvent]]
    malformed: int


def read(frames: Sequence[Frame]) -> OwnEvents:
    """Return the records in `frames`; what is not a record is counted, never raised.

    Of syslog messages, those of DHCP servers tell of leases, and those of NATs of blocks of ports;
    the others are no matter here.
    """
    found = OwnEvents([], [], [], [], 0)
    malformed, syslog = 0, FrameKind.SYSLOG
    for frame in [f for f in frames if f.kind is not syslog or _may_tell(f.payload)]:
        place = (frame.number, frame.received_ns // 1000)
        try:
            if frame.kind is FrameKind.SYSLOG:
                found.leases.extend((*place, lease) for lease in _leases(frame))
            elif frame.kind is FrameKind.SESSION:
                found.sessions.append((*place, SessionEvent.from_json(frame.payload)))
            elif frame.kind is FrameKind.AUDIT:
                found.audits.append((*place, AuditEvent.from_json(frame.payload)))
            elif frame.kind is FrameKind.LEASE:
                found.leases.append((*place, LeaseEvent.from_json(frame.payload)))
            else:
                found.coverage.append((*place, CoverageEvent.from_json(frame.payload)))
        except ValueError:
            malformed += 1
    return OwnEvents(found.sessions, found.audits, found.coverage, found.leases, malformed)


def _may_tell(payload: bytes) -> bool:
    if lines.of_traffic(payload):  # most of what a busy box gets, looked at once
        return False
    return lines.may_tell(payload) or block_lines.may_tell(payload)


def _leases(frame: Frame) -> list[LeaseEvent]:
    """Return what a line tells of leases."""
    lease = lines.of_frame(frame)
    return block_lines.of_frame(frame) if lease is None else [lease]


def session_rows(site: str, events: Sequence[tuple[int, int, SessionEvent]]) -> Rows:
    """Return rows of the log `sessions`."""
    told = [event for _, _, event in events]
    columns: dict[str, pa.Array[Any]] = {
        **_common(site, events, ["portal" if not e.nas else e.nas for e in told]),
        "ip": _text(next((a for a in e.addresses if "/" not in a), None) for e in told),
        "addresses": _text(_listed(e.addresses) for e in told),
        "start": _times(e.start for e in told),
        "expires": _times(e.expires for e in told),
    }
    for name in ("event_id", "session", "person"):
        columns[name] = _text(_id(getattr(e, name)) for e in told)
    for name in _SESSION_TEXTS:
        columns[name] = _text(getattr(e, name) or None for e in told)
    for name in ("bytes_in", "bytes_out", "packets_in", "packets_out", "duration_s"):
        columns[name] = pa.array([_counter(getattr(e, name)) for e in told], pa.int64())
    return _rows("sessions", site, events, columns)


def audit_rows(site: str, events: Sequence[tuple[int, int, AuditEvent]]) -> Rows:
    """Return rows of the log `audit`."""
    told = [event for _, _, event in events]
    columns = _common(site, events, ["box"] * len(told))
    columns["event_id"] = _text(_id(e.event_id) for e in told)
    for name in ("actor", "act", "log", "question", "sentence", "target", "address"):
        columns[name] = _text(getattr(e, name) or None for e in told)
    return _rows("audit", site, events, columns)


def coverage_rows(site: str, events: Sequence[Released]) -> Rows:
    """Return rows of the log `coverage`."""
    told = [event for _, _, event in events]
    columns = _common(site, events, [e.source or "box" for e in told])
    columns["kind"] = _text(e.kind for e in told)
    columns["time_end"] = _times(e.end for e in told)
    columns["lost"] = pa.array([_counter(e.lost) for e in told], pa.int64())
    columns["unit"] = _text(e.unit or None for e in told)
    columns["note"] = _text(e.note or None for e in told)
    return _rows("coverage", site, events, columns)


def lease_rows(site: str, events: Sequence[tuple[int, int, LeaseEvent]]) -> Rows:
    """Return rows of the log `leases`."""
    told = [event for _, _, event in events]
    columns = _common(site, events, [e.source or "box" for e in told])
    for name in _LEASE_TEXTS:
        columns[name] = _text(getattr(e, name) or None for e in told)
    columns["start"] = _times(e.start for e in told)
    columns["expires"] = _times(e.expires for e in told)
    for name in ("port_first", "port_last"):
        columns[name] = pa.array([_port(getattr(e, name)) for e in told], pa.int32())
    return _rows("leases", site, events, columns)


def name_rows(site: str, told: Sequence[tuple[int, int, Named]]) -> Rows:
    """Return rows of the log `names`."""
    found = [named for _, _, named in told]
    columns: dict[str, pa.Array[Any]] = {
        "time": pa.array([n.time_us for n in found], pa.int64()).cast(_TIME),
        "received": pa.array([received for _, received, _ in told], pa.int64()).cast(_TIME),
        "site": _text([site] * len(found)),
    }
    for name in ("source", "client", "kind", "answer", "name", "origin"):
        columns[name] = _text(getattr(n, name) or None for n in found)
    columns["ttl"] = pa.array([n.ttl for n in found], pa.int64())
    for name in ("client_port", "port"):
        columns[name] = pa.array([_port(getattr(n, name)) for n in found], pa.int32())
    return _rows("names", site, told, columns)


def _rows(
    log: str, site: str, events: Sequence[tuple[int, int, Any]], columns: dict[str, pa.Array[Any]]
) -> Rows:
    frames = np.array([number for number, _, _ in events], dtype=np.int64)
    return Rows(log=log, site=site, columns=columns, frame=frames)


def _common(
    site: str, events: Sequence[tuple[int, int, Any]], sources: list[str]
) -> dict[str, pa.Array[Any]]:
    return {
        "time": _times(event.time for _, _, event in events),
        "received": pa.array([received for _, received, _ in events], pa.int64()).cast(_TIME),
        "source": _text(sources),
        "site": _text([site] * len(events)),
    }


def _listed(addresses: Sequence[str]) -> str | None:
    """Return addresses and prefixes as JSON, where they are more than the column `ip` says."""
    more = len(addresses) > 1 or any("/" in address for address in addresses)
    return json.dumps(addresses) if more else None


def _text(values: Iterable[str | None]) -> pa.Array[Any]:
    return pa.array(list(values), pa.string()).dictionary_encode().cast(_TEXT)


def _times(values: Iterable[datetime | None]) -> pa.Array[Any]:
    return pa.array(list(values), _TIME)


def _id(value: UUID | None) -> str | None:
    return None if value is None else str(value)


def _port(value: int | None) -> int | None:
    return value if value is not None and 0 <= value < 1 << 16 else None


def _counter(value: int | None) -> int | None:
    """Return a counter that fits 63 bits; a larger one is a sender's fault and says nothing."""
    return value if value is not None and 0 <= value < 1 << 63 else None
