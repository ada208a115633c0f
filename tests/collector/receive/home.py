"""A receiving process on loopback, with ports of the kernel's choice, for the tests beside."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from collector.receive.receiver import Receiver
from collector.records import CoverageEvent, Frame, FrameKind
from collector.settings import CollectorSettings, Exporter, Listen, Site, SpoolSettings
from collector.spool import SpoolReader
from collector.spool.lines import each

SITE = "school-a"


@dataclass
class StillQueue:
    """A queue to the disk that is as full as a test says."""

    waiting_bytes: int = 0
    most_bytes: int = 1 << 30
    emptied: int = 0


def settings(**changes: Any) -> CollectorSettings:
    """Return settings of one site that takes everything from loopback."""
    values: dict[str, Any] = {
        "sites": (Site(id=SITE),),
        "exporters": (
            Exporter(address="127.0.0.0/8", site=SITE),
            Exporter(address="::1", site=SITE),
        ),
        "listen": Listen(
            flows=("127.0.0.1:0",),
            syslog_udp=("127.0.0.1:0",),
            syslog_tcp=("127.0.0.1:0",),
            syslog_tls=(),
            ipfix_tcp=(),
            ipfix_tls=(),
        ),
        "spool": SpoolSettings(commit_ms=5, least_free_bytes=0),
    }
    return CollectorSettings(**{**values, **changes})


def receiver(home: Path, **changes: Any) -> Receiver:
    """Return a receiver in `home`, not yet started."""
    return Receiver(home, settings(**changes), clock=time.time_ns)


def udp_ports(running: Receiver) -> list[int]:
    """Return the ports for flows, then those for syslog, then the extra ones."""
    return [int(each["socket"].rpartition(":")[2]) for each in running.status()["udp"]]


def tcp_port(running: Receiver, place: int = 0) -> int:
    """Return a port for syslog over TCP."""
    return int(running.status()["tcp"]["sockets"][place].rpartition(":")[2])


def send(port: int, *payloads: bytes, host: str = "127.0.0.1", source: str = "") -> None:
    """Send datagrams from one socket."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sender:
        if source:
            sender.bind((source, 0))
        for payload in payloads:
            sender.sendto(payload, (host, port))


def frames(home: Path, kind: FrameKind | None = None) -> list[Frame]:
    """Return all durable frames of a home, or those of one kind; of many lines each by itself."""
    found: list[Frame] = []
    with SpoolReader(home / "spool", 0) as reader:
        while some := reader.read(1 << 20):
            found += [one for frame in some for one in each(frame)]
    return [frame for frame in found if kind is None or frame.kind == kind]


def payloads(home: Path, kind: FrameKind) -> list[bytes]:
    """Return the payloads of all durable frames of a kind."""
    return [frame.payload for frame in frames(home, kind)]


def coverage(home: Path, kind: str) -> list[CoverageEvent]:
    """Return the coverage events of a kind in a home."""
    events = [CoverageEvent.from_json(p) for p in payloads(home, FrameKind.COVERAGE)]
    return [event for event in events if event.kind == kind]


def until(true: Callable[[], object], seconds: float = 10.0) -> None:
    """Wait until something is so.

    Raises:
        AssertionError: it did not come to be.
    """
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)
