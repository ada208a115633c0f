"""The course of the made-up day: who comes and goes, and which device reports it, to where."""

from __future__ import annotations

import base64
import json
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any, Protocol
from uuid import UUID, uuid5

from appliance.cli.demo_school import NAMESPACE, PROOFING, DemoPerson, Traffic, session_id
from appliance.cli.demo_wire import DemoFlow, Ipfix, NetFlow9, syslog
from collector.records import FrameKind, SessionEvent
from collector.settings import Listen

SESSION_MS = 12 * 3_600_000
COME_PER_S, GO_PER_S = 1 / 120, 1 / 1200
"""How likely somebody who is away signs in, and somebody who is on signs out, each second."""
FRAMES_AT_ONCE = 500


class Sink(Protocol):
    """Takes what the school says."""

    def datagram(self, device: str, payload: bytes, at_ms: int) -> None:
        """Take a datagram of a device: `v9`, `ipfix` or `syslog`."""

    def session(self, event: SessionEvent) -> None:
        """Take a session event."""


class Live:
    """Sends datagrams to the box's own ports, and events to its socket, now."""

    def __init__(
        self,
        listen: Listen,
        site: str,
        stack: ExitStack,
        *,
        ask: Callable[[dict[str, Any]], dict[str, Any]],
    ) -> None:
        self.site = site
        self.ask = ask
        self._to: dict[str, tuple[str, int]] = {}
        self.sockets: dict[str, socket.socket] = {}
        ways = {"v9": listen.flows[:1], "ipfix": listen.flows[-1:], "syslog": listen.syslog_udp[:1]}
        for device, where in ways.items():
            for address in where:
                host, _, port = address.rpartition(":")
                six = "[" in host
                near = "::1" if six else "127.0.0.1"
                made = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)
                stack.enter_context(made).bind((near, 0))
                self.sockets[device] = made
                self._to[device] = (_reachable(host.strip("[]"), near), int(port))

    def datagram(self, device: str, payload: bytes, at_ms: int) -> None:
        """Send a datagram; a box without that port gets none."""
        del at_ms
        if device in self.sockets:
            self.sockets[device].sendto(payload, self._to[device])

    def session(self, event: SessionEvent) -> None:
        """Hand over an event, durable when this returns."""
        record = json.loads(event.to_json())
        self.ask({"do": "event", "kind": "session", "event": record})


class Past:
    """Collects what was said earlier, and hands it over with the time it was said."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._frames: list[dict[str, Any]] = []

    def datagram(self, device: str, payload: bytes, at_ms: int) -> None:
        """Keep a datagram."""
        if device not in self._live.sockets:
            return
        address, port = self._live.sockets[device].getsockname()[:2]
        kind = FrameKind.SYSLOG if device == "syslog" else FrameKind.FLOW
        self._keep(kind, payload, at_ms, address=address, port=port, transport="udp")

    def session(self, event: SessionEvent) -> None:
        """Keep an event."""
        at_ms = int(event.time.timestamp() * 1000)
        self._keep(FrameKind.SESSION, event.to_json(), at_ms, address="", port=0, transport="local")

    def hand_over(self) -> None:
        """Give the box what was kept; durable when this returns."""
        for at in range(0, len(self._frames), FRAMES_AT_ONCE):
            self._live.ask({"do": "frames", "frames": self._frames[at : at + FRAMES_AT_ONCE]})
        self._frames.clear()

    def _keep(self, kind: FrameKind, payload: bytes, at_ms: int, **sender: object) -> None:
        self._frames.append(
            {
                "kind": int(kind),
                "site": self._live.site,
                "received_ns": at_ms * 1_000_000,
                "wire_ns": at_ms * 1_000_000,
                "label": "demo",
                "payload": base64.b64encode(payload).decode(),
                **sender,
            }
        )


class Play:
    """Moves the school on from one time to the next."""

    def __init__(
        self,
        everybody: Sequence[DemoPerson],
        accounts: Mapping[str, UUID],
        *,
        site: str,
        seed: int,
        booted_ms: int,
    ) -> None:
        self._everybody = list(everybody)
        self._accounts = accounts
        self._site = site
        self._traffic = Traffic(seed)
        self._v9 = NetFlow9(booted_ms=booted_ms)
        self._ipfix = Ipfix()
        self._on: dict[DemoPerson, int] = {}
        """Who is on, since when (ms)."""
        self.flows = 0

    def step(self, sink: Sink, from_ms: int, to_ms: int, per_second: float) -> None:
        """Let everything happen that happens in [from_ms, to_ms)."""
        self._come_and_go(sink, from_ms, to_ms)
        flows = self._traffic.between(list(self._on), from_ms, to_ms, per_second)
        self._report(sink, flows, to_ms)
        self.flows += len(flows)
        if self._on and self._traffic.chance(0.5):
            person = self._traffic.pick(list(self._on))
            line = f"wlan0: STA {person.mac} IEEE 802.11: associated"
            sink.datagram("syslog", syslog(line, to_ms, host="demo-ap", program="hostapd"), to_ms)

    def _come_and_go(self, sink: Sink, from_ms: int, to_ms: int) -> None:
        seconds = (to_ms - from_ms) / 1000
        first = not self._on
        for person in self._everybody:
            since = self._on.get(person)
            if since is None and self._traffic.chance(0.7 if first else seconds * COME_PER_S / 4):
                self._on[person] = from_ms
                self._tell(sink, person, "start", from_ms, from_ms)
                line = f"DHCPACK(br-lan) {person.address} {person.mac} demo-device"
                said = syslog(line, from_ms, host="demo-gw", program="dnsmasq-dhcp")
                sink.datagram("syslog", said, from_ms)
            elif since is not None and self._traffic.chance(seconds * GO_PER_S / 4):
                del self._on[person]
                self._tell(sink, person, "stop", since, from_ms)

    def _tell(self, sink: Sink, person: DemoPerson, event: str, start_ms: int, at_ms: int) -> None:
        session = session_id(person, start_ms)
        sink.session(
            SessionEvent(
                event_id=uuid5(NAMESPACE, f"{session}/{event}"),
                session=session,
                event=event,
                time=_at(at_ms),
                site=self._site,
                method="import",
                person=self._accounts[person.account],
                start=_at(start_ms),
                expires=_at(start_ms + SESSION_MS),
                addresses=(person.address, person.address6),
                mac=person.mac,
                nas="demo-ap",
                ssid="demo",
                account=person.account,
                full_name=person.name,
                proofing=PROOFING,
            )
        )

    def _report(self, sink: Sink, flows: Sequence[DemoFlow], now_ms: int) -> None:
        """The gateway's two exporters share the work: v9 for odd ports of IPv4, IPFIX the rest."""
        old = [f for f in flows if ":" not in f.source and f.source_port % 2]
        new = [f for f in flows if ":" in f.source or not f.source_port % 2]
        for payload in self._v9.datagrams(old, now_ms):
            sink.datagram("v9", payload, now_ms)
        for payload in self._ipfix.datagrams(new, now_ms):
            sink.datagram("ipfix", payload, now_ms)


def _at(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


def _reachable(host: str, near: str) -> str:
    return near if host in ("0.0.0.0", "::") else host  # noqa: S104  # compared, not bound
