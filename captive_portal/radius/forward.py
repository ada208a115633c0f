"""Telling other RADIUS servers of our sessions (RFC 2866): each event, in order, however late.

Events are on disk before whoever began or ended a session is answered, and leave the disk when a
server has acknowledged them. Acct-Delay-Time says how late one is.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from ipaddress import ip_address
from pathlib import Path
from uuid import UUID, uuid4

from captive_portal.database import FILE
from captive_portal.errors import PortalError, ReportError
from captive_portal.radius import client, wire
from captive_portal.radius.client import Servers
from captive_portal.radius.upstream import secret_of
from captive_portal.radius.waiting import INTERIM, Waiting, WaitingEvents
from captive_portal.radius.wire import Attribute
from captive_portal.sessions.charging import COUNTED
from captive_portal.sessions.telling import Tell, Told
from captive_portal.settings import RadiusUpstream
from collector.records import Clock, SessionEvent, microseconds

QUEUE = FILE.parent / "accounting-out.sqlite"
"""Where the queue lies in a home."""
BATCH = 256
AT_ONCE = 32
"""Sessions whose events are on their way at the same time."""
IDLE_S = 0.5
AGAIN_S = 5.0
"""So long after no server answered, it is tried again."""
START, STOP, ON = 1, 2, 7
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_STATUS = {"start": START, "stop": STOP, "update": INTERIM}
# RFC 2866 5.10; causes of our own come under the nearest.
_CAUSES = {
    "User-Request": 1,
    "Lost-Carrier": 2,
    "Lost-Service": 3,
    "Idle-Timeout": 4,
    "Session-Timeout": 5,
    "Admin-Reset": 6,
    "Admin-Reboot": 7,
    "NAS-Request": 10,
    "NAS-Reboot": 11,
}
_OTHER_CAUSE = 10
_USER_NAME, _FRAMED_IP, _FILTER_ID, _CALLED, _CALLING = 1, 8, 11, 30, 31
_STATUS_TYPE, _DELAY, _IN, _OUT, _SESSION_ID, _TIME = 40, 41, 42, 43, 44, 46
_PACKETS_IN, _PACKETS_OUT, _CAUSE, _GIGA_IN, _GIGA_OUT = 47, 48, 49, 52, 53
_EVENT_TIMESTAMP, _FRAMED_IPV6 = 55, 168
_log = logging.getLogger(__name__)


class Forwarding:
    """The upstream servers of a box that are told of sessions."""

    def __init__(
        self,
        home: Path,
        upstreams: Iterable[RadiusUpstream],
        *,
        clock: Clock,
        group_of: Callable[[UUID], str] = lambda _: "",
    ) -> None:
        """Open the queue, and read the secrets.

        Args:
            home: The home.
            upstreams: Of the settings.
            clock: The time.
            group_of: Names a person's group; firewalls let groups through (RSSO).

        Raises:
            PortalError: the queue or a secret cannot be read.
        """
        self.counts: Counter[str] = Counter()
        """Events told, by server section and kind."""
        self._upstreams = [one for one in upstreams if one.accounting]
        self._servers = {one.id: _servers(home, one) for one in self._upstreams}
        self._queue = WaitingEvents(home / QUEUE) if self._upstreams else None
        self._clock = clock
        self._group_of = group_of
        self._interims: dict[tuple[str, str], int] = {}
        if self._queue is not None:
            for one in self._upstreams:
                # Before any event of this start: it ends what the server has of us.
                self._queue.announce(_on(one.id, clock() // 1000), _boot())

    def close(self) -> None:
        """Close ports and queue; what waits is told after the next start."""
        for servers in self._servers.values():
            servers.close()
        if self._queue is not None:
            self._queue.close()

    def standing(self) -> Mapping[str, object]:
        """Return what the status page shows."""
        if self._queue is None:
            return {}
        return {
            "waiting": self._queue.counts(),
            "dropped": self._queue.dropped,
            "told": dict(self.counts),
            "down": {name: servers.down() for name, servers in self._servers.items()},
        }

    def put(self, events: Sequence[SessionEvent]) -> None:
        """Return when these wait on disk for whom they concern.

        Raises:
            PortalError: they do not.
        """
        if self._queue is not None:
            self._queue.put(
                _waiting(one.id, event, self._group_of(event.person) if event.person else "")
                for one in self._upstreams
                for event in events
                if self._concerns(one, event)
            )

    def _concerns(self, upstream: RadiusUpstream, event: SessionEvent) -> bool:
        """Say whether a server is told; interims come no more often than it wants."""
        if event.site != upstream.site or event.method not in COUNTED:
            return False
        if event.event not in _STATUS:
            return False
        key, at_us = (upstream.id, event.session.hex), microseconds(event.time)
        if event.event == "stop":
            self._interims.pop(key, None)
        elif event.event == "update":
            # A tenth less: interims that come a little early are wanted too.
            if at_us - self._interims.get(key, 0) < upstream.interim_s * 900_000:
                return False
            self._interims[key] = at_us
        else:
            self._interims[key] = at_us
        return True

    async def run(self) -> None:
        """Tell the servers, until cancelled."""
        async with asyncio.TaskGroup() as group:
            for upstream in self._upstreams:
                group.create_task(self._follow(upstream))

    async def _follow(self, upstream: RadiusUpstream) -> None:
        while True:
            try:
                told, left = await self._tell(upstream.id)
            except PortalError as error:
                _log.warning("accounting to %s: %s", upstream.id, error)
                told, left = 0, 1
            # Together they answer the servers' wait: nobody is asked in a hurry who was mute.
            await asyncio.sleep(AGAIN_S if left else 0 if told else IDLE_S)

    async def _tell(self, upstream: str) -> tuple[int, int]:
        """Tell what waits, up to a batch; return how much was told, and how much was not."""
        assert self._queue is not None  # noqa: S101  # only then is anybody followed
        events = _up_to_a_start(await asyncio.to_thread(self._queue.head, upstream, BATCH))
        sessions: dict[str, list[Waiting]] = defaultdict(list)
        for event in events:
            sessions[event.session].append(event)
        places = asyncio.Semaphore(AT_ONCE)

        async def one(of_session: list[Waiting]) -> list[Waiting]:
            async with places:
                return await self._in_order(upstream, of_session)

        told = [
            event
            for several in await asyncio.gather(*map(one, sessions.values()))
            for event in several
        ]
        if told:
            await asyncio.to_thread(self._queue.done, told)
        return len(told), len(events) - len(told)

    async def _in_order(self, upstream: str, events: Sequence[Waiting]) -> list[Waiting]:
        """Tell of one session, first things first; return what was acknowledged."""
        told = []
        for event in events:
            late_s = max(0, (self._clock() // 1000 - event.at_us) // 1_000_000)
            try:
                attributes = [*_read(event.body), _number(_DELAY, late_s)]
                await self._servers[upstream].ask(
                    wire.ACCOUNTING_REQUEST, lambda _, given=attributes: given
                )
            except client.Mute:
                break
            except (PortalError, ValueError) as error:
                # Nothing would ever take it: the others must not wait behind it.
                _log.warning("an event cannot be told to %s: %s", upstream, error)
                self.counts[f"{upstream} unfit"] += 1
            else:
                self.counts[f"{upstream} {event.status}"] += 1
            told.append(event)
        return told


def _up_to_a_start(events: Sequence[Waiting]) -> Sequence[Waiting]:
    """Return the events before a start of the machine, or it alone: nothing may overtake it."""
    for at, event in enumerate(events):
        if event.status == ON:
            return events[: max(at, 1)]
    return events


def both(tell: Tell, forwarding: Forwarding) -> Tell:
    """Return what tells the collector first, then whoever else is to hear of sessions."""

    def begin(events: Sequence[SessionEvent]) -> Told:
        told = tell(events)

        def then() -> None:
            told()
            try:
                forwarding.put(events)
            except PortalError as error:
                raise ReportError(str(error)) from error

        return then

    return begin


def attributes_of(event: SessionEvent) -> list[Attribute]:
    """Return an event as attributes, all but the delay."""
    told = [
        _number(_STATUS_TYPE, _STATUS[event.event]),
        (_SESSION_ID, event.session.hex.encode()),
        _number(_EVENT_TIMESTAMP, int(event.time.timestamp())),
        *_text(_USER_NAME, event.account),
        *_text(_CALLING, event.mac.upper().replace(":", "-") or event.calling_station),
        *_text(_CALLED, event.called_station),
        *_addresses(event.addresses),
    ]
    if event.event != "start":
        told += _counters(event)
    if event.event == "stop":
        told.append(_number(_CAUSE, _CAUSES.get(event.cause, _OTHER_CAUSE)))
    return told


def _counters(event: SessionEvent) -> list[Attribute]:
    """Return time, octets with their gigawords (RFC 2869 5.1) and packets, as far as known."""
    told: list[Attribute] = []
    seconds = event.duration_s
    if seconds is None and event.start is not None:
        seconds = max(0, int((event.time - event.start).total_seconds()))
    if seconds is not None:
        told.append(_number(_TIME, seconds))
    for low, high, count in ((_IN, _GIGA_IN, event.bytes_in), (_OUT, _GIGA_OUT, event.bytes_out)):
        if count is not None:
            told += [_number(low, count & 0xFFFFFFFF), _number(high, count >> 32)]
    for kind, count in ((_PACKETS_IN, event.packets_in), (_PACKETS_OUT, event.packets_out)):
        if count is not None:
            told.append(_number(kind, count & 0xFFFFFFFF))
    return told


def _addresses(addresses: Sequence[str]) -> list[Attribute]:
    """Return one IPv4 address, as more may not be (RFC 2866 5.13), and those of IPv6."""
    hosts = [ip_address(address) for address in addresses[:16]]
    old = [(_FRAMED_IP, one.packed) for one in hosts if one.version == 4]
    return [*old[:1], *((_FRAMED_IPV6, one.packed) for one in hosts if one.version == 6)]


def _number(kind: int, value: int) -> Attribute:
    return kind, min(value, 0xFFFFFFFF).to_bytes(4, "big")


def _text(kind: int, text: str) -> list[Attribute]:
    """Return a text, cut at a character where it is too long (RFC 2865 section 5)."""
    octets = text.encode()[:253].decode("utf-8", "ignore").encode()
    return [(kind, octets)] if octets else []


def _waiting(upstream: str, event: SessionEvent, group: str) -> Waiting:
    return Waiting(
        upstream=upstream,
        event=event.event_id.hex,
        session=event.session.hex,
        status=_STATUS[event.event],
        at_us=microseconds(event.time),
        body=_write([*attributes_of(event), *_text(_FILTER_ID, group)]),
    )


def _boot() -> str:
    try:
        return BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _on(upstream: str, at_us: int) -> Waiting:
    told = [
        _number(_STATUS_TYPE, ON),
        (_SESSION_ID, uuid4().hex.encode()),
        _number(_EVENT_TIMESTAMP, at_us // 1_000_000),
    ]
    return Waiting(
        upstream=upstream,
        event=uuid4().hex,
        session="",
        status=ON,
        at_us=at_us,
        body=_write(told),
    )


def _write(attributes: Sequence[Attribute]) -> str:
    return json.dumps([[kind, value.hex()] for kind, value in attributes])


def _read(body: str) -> list[Attribute]:
    """Return what `_write` wrote. Raises ValueError: it is damaged."""
    try:
        return [(int(kind), bytes.fromhex(value)) for kind, value in json.loads(body)]
    except TypeError as error:
        raise ValueError(f"no attributes: {error}") from error


def _servers(home: Path, upstream: RadiusUpstream) -> Servers:
    return Servers(
        upstream.accounting,
        secret_of(home, upstream),
        nas_identifier=upstream.nas_identifier,
        legacy=upstream.legacy,
    )
