"""What other processes of the box hand in over the control socket, and its acknowledgement.

`event` takes one session, audit, coverage, lease or name event, `frames` many frames as `prathu
ingest` reads them from a file. The reply comes when all of it is on the disk: what was not
acknowledged may be sent again, and bears the same id then.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import fields
from ipaddress import IPv6Network
from typing import Any

from collector.control import Handler
from collector.errors import CollectorError, SpoolFull
from collector.receive.admission import canonical
from collector.records import (
    AuditEvent,
    Clock,
    CoverageEvent,
    Frame,
    FrameKind,
    LeaseEvent,
    NameEvent,
    SessionEvent,
    microseconds,
)
from collector.spool import SpoolWriter
from collector.spool.layout import TRANSPORTS

Event = SessionEvent | AuditEvent | CoverageEvent | LeaseEvent | NameEvent
_EVENTS: Mapping[FrameKind, type[Event]] = {
    FrameKind.SESSION: SessionEvent,
    FrameKind.AUDIT: AuditEvent,
    FrameKind.COVERAGE: CoverageEvent,
    FrameKind.LEASE: LeaseEvent,
    FrameKind.NAME: NameEvent,
}
_KINDS = {kind.name.lower(): kind for kind in FrameKind if kind is not FrameKind.LINES}
_WORDS = {"start", "update", "stop", "reject"}
_LEASE_WORDS = {"add", "renew", "release", "expire", "seen"}
_ORIGINS = {"dns-capture", "tls-sni", "quic-sni"}
_LONGEST_NAME = 1020
"""Characters of a name, every octet as a backslash and three digits."""
_MEMBERS = {
    "kind",
    "site",
    "received_ns",
    "wire_ns",
    "address",
    "port",
    "local_port",
    "label",
    "transport",
    "payload",
}


class LocalDoor:
    """Handles the requests that bring frames."""

    def __init__(
        self, spool: SpoolWriter, sites: set[str], *, clock: Clock, names: bool = False
    ) -> None:
        """Make it.

        Args:
            spool: Where frames go.
            sites: Those that are known.
            clock: Tells the time.
            names: Names of hosts are kept; otherwise they are refused.
        """
        self.events = 0
        self.frames = 0
        self._spool = spool
        self._sites = sites
        self._clock = clock
        self._names = names

    def handlers(self) -> dict[str, Handler]:
        """Return what it can do, by word."""
        return {"event": self._event, "frames": self._frames}

    def _event(self, request: dict[str, Any]) -> dict[str, Any]:
        kind = _KINDS.get(str(request.get("kind")))
        if kind is None or kind not in _EVENTS:
            raise CollectorError(f"no kind of event {request.get('kind')!r}")
        self._wanted(kind)
        event = _read_event(kind, json.dumps(request.get("event")))
        self._known(event.site)
        frame = Frame(
            kind=kind,
            site=event.site,
            received_ns=self._clock(),
            wire_ns=microseconds(event.time) * 1000,
            transport="local",
            payload=event.to_json(),
        )
        number = self._spool.append(frame)
        self._spool.wait_durable(number)
        self.events += 1
        return {"position": number}

    def _frames(self, request: dict[str, Any]) -> dict[str, Any]:
        given = request.get("frames")
        if not isinstance(given, list) or not given:
            raise CollectorError("wanted `frames`, a list of at least one frame")
        frames = [self._read_frame(at, members) for at, members in enumerate(given)]
        first = last = -1
        for taken, frame in enumerate(frames):
            try:
                last = self._append_patiently(frame, last)
            except SpoolFull as error:
                raise CollectorError(f"{taken} of {len(frames)} frames taken: {error}") from error
            first = last if first < 0 else first
        self._spool.wait_durable(last)
        self.frames += len(frames)
        return {"first": first, "last": last}

    def _append_patiently(self, frame: Frame, last: int) -> int:
        """Append, waiting for a disk that is slow, but not for one that is full."""
        try:
            return self._spool.append(frame)
        except SpoolFull:
            if self._spool.full or last < 0:
                raise
        self._spool.wait_durable(last)
        return self._spool.append(frame)

    def _wanted(self, kind: FrameKind) -> None:
        if kind is FrameKind.NAME and not self._names:
            raise CollectorError("names of hosts are not kept: names.reason is empty")

    def _known(self, site: object) -> str:
        if site not in self._sites or not isinstance(site, str):
            raise CollectorError(f"no site {site!r}; known: {', '.join(sorted(self._sites))}")
        return site

    def _read_frame(self, at: int, members: object) -> Frame:
        if not isinstance(members, dict):
            raise CollectorError(f"frame {at}: not an object; none was taken")
        try:
            return self._frame(members)
        except (ValueError, CollectorError) as error:
            raise CollectorError(f"frame {at}: {error}; none was taken") from error

    def _frame(self, members: dict[str, Any]) -> Frame:
        unknown = members.keys() - _MEMBERS
        if unknown:
            raise ValueError(f"no member {sorted(unknown)[0]!r}")
        kind = _kind(members.get("kind"))
        self._wanted(kind)
        transport = _text(members, "transport") or "local"
        if transport not in TRANSPORTS:
            raise ValueError(f"no transport {transport!r}; known: {', '.join(TRANSPORTS)}")
        received = _integer(members, "received_ns", self._clock(), (1 << 63) - 1)
        frame = Frame(
            kind=kind,
            site=self._known(members.get("site")),
            received_ns=received,
            wire_ns=_integer(members, "wire_ns", received, (1 << 63) - 1),
            address=_address(_text(members, "address")),
            port=_integer(members, "port", 0, 65535),
            local_port=_integer(members, "local_port", 0, 65535),
            label=_text(members, "label"),
            transport=transport,
            payload=_payload(members),
        )
        if kind in _EVENTS:
            event = _read_event(kind, frame.payload)
            if event.site != frame.site:
                raise ValueError(f"an event of site {event.site!r} in a frame of {frame.site!r}")
        return frame


def _read_event(kind: FrameKind, text: str | bytes) -> Event:
    """Return the event in `text`, every member of its type.

    Raises:
        CollectorError: what is wrong with it.
    """
    try:
        event = _EVENTS[kind].from_json(text)
    except (ValueError, TypeError) as error:
        raise CollectorError(f"not an event of kind {kind.name.lower()}: {error}") from error
    for field in fields(event):
        value = getattr(event, field.name)
        if isinstance(value, int) and not 0 <= value < 1 << 63:
            raise CollectorError(
                f"{kind.name.lower()} event: {field.name} is out of range: {value}"
            )
    if isinstance(event, SessionEvent):
        _check_session(event)
    if isinstance(event, LeaseEvent):
        _check_lease(event)
    if isinstance(event, NameEvent):
        _check_name(event)
    return event


def _check_session(event: SessionEvent) -> None:
    if event.event not in _WORDS:
        raise CollectorError(f"session event: no event {event.event!r}")
    for address in event.addresses:
        if (_prefix(address) if "/" in address else _address(address)) != address:
            raise CollectorError(f"session event: {address!r} is not an address in canonical text")


def _check_lease(event: LeaseEvent) -> None:
    if event.event not in _LEASE_WORDS:
        raise CollectorError(f"lease event: no event {event.event!r}")
    for address in (event.ip, event.nat_ip):
        if _address(address) != address:
            raise CollectorError(f"lease event: {address!r} is not an address in canonical text")
    _check_ports("lease", event.port_first, event.port_last)


def _check_name(event: NameEvent) -> None:
    if event.origin not in _ORIGINS:
        raise CollectorError(f"name event: no origin {event.origin!r}")
    if not event.name or len(event.name) > _LONGEST_NAME:
        raise CollectorError(f"name event: a name of {len(event.name)} characters")
    for address in (event.client, *event.answers):
        if not address or _address(address) != address:
            raise CollectorError(f"name event: {address!r} is not an address in canonical text")
    _check_ports("name", event.client_port, event.port)


def _check_ports(what: str, *ports: int | None) -> None:
    for port in ports:
        if port is not None and port > 65535:
            raise CollectorError(f"{what} event: no port {port}")


def _kind(value: object) -> FrameKind:
    kind = _KINDS.get(str(value).lower())
    if kind is not None:
        return kind
    if isinstance(value, int) and value in set(_KINDS.values()):
        return FrameKind(value)
    raise ValueError(f"no kind {value!r}; known: {', '.join(_KINDS)}")


def _address(text: str) -> str:
    """Return an address in canonical text; nothing stays nothing."""
    return str(canonical(text)) if text else ""


def _prefix(text: str) -> str:
    """Return an IPv6 prefix of several addresses in canonical text; nothing for anything else."""
    try:
        network = IPv6Network(text)
    except ValueError:
        return ""
    return str(network) if 0 < network.prefixlen < network.max_prefixlen else ""


def _text(members: Mapping[str, Any], name: str) -> str:
    value = members.get(name, "")
    if not isinstance(value, str):
        raise ValueError(f"{name} is not text: {value!r}")  # noqa: TRY004  # one kind for callers
    return value


def _integer(members: Mapping[str, Any], name: str, default: int, most: int) -> int:
    value = members.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise ValueError(f"{name} is not a number from 0 to {most}: {value!r}")
    return value


def _payload(members: Mapping[str, Any]) -> bytes:
    try:
        return base64.b64decode(_text(members, "payload"), validate=True)
    except binascii.Error as error:
        raise ValueError(f"payload is not base64: {error}") from error
