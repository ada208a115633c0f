"""Sources in every state, as the collector tells them."""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from collector.decode.believed import Verdict
from collector.decode.decoder import FlowDecoder
from collector.decode.own_events import Released
from collector.decode.sources import told
from collector.decode.sources.book import SourceBook
from collector.records import CoverageEvent, Frame, FrameKind, Rows, microseconds
from tests.collector.homes import ns, v5

MINUTES = 24 * 60
STRANGERS = [
    {"address": "198.51.100.9", "refused": 4711},
    {"address": "2001:db8::9", "refused": 12},
]
PATTERNS = [
    ("gate: station * user=* allowed to * (* as *) zone=*", 4711),
    ("controller: link * went down after an unusually long silence of the neighbour on *", 12),
]

FINE, LOSING, SILENT, UNKNOWN, SKEWED = (f"192.0.2.{i}" for i in range(1, 6))


class School:
    """A book that is filled minute by minute."""

    def __init__(self, site: str, now_us: int) -> None:
        self.book = SourceBook(site)
        self.decoder = FlowDecoder(site)
        self.now = datetime.fromtimestamp(now_us / 1e6, UTC)
        self._number = 0

    def frame(self, at: datetime, address: str, payload: bytes, kind: FrameKind) -> Frame:
        self._number += 1
        return Frame(
            kind=kind,
            site=self.book.site,
            received_ns=ns(at),
            wire_ns=ns(at),
            address=address,
            port=50_000,
            payload=payload,
            number=self._number,
        )

    def hear(self, frames: list[Frame], rows: int, log: str = "flows") -> None:
        self.book.see(frames, [])
        names: pa.Array[Any] = pa.array([frames[0].address] * rows, pa.string())
        columns = {"source": names.dictionary_encode()}
        if log == "events":
            formats: pa.Array[Any] = pa.array(["mikrotik"] * rows, pa.string())
            columns["vendor"] = formats.dictionary_encode()
        frame = np.full(rows, frames[0].number)
        self.book.count(Rows(log=log, site=self.book.site, columns=dict(columns), frame=frame))

    def lose(self, at: datetime, kind: str, source: str, lost: int, **more: str) -> None:
        event = CoverageEvent(
            time=at,
            site=self.book.site,
            kind=kind,
            source=source,
            lost=lost,
            unit=more.get("unit", "records"),
            note=more.get("note", ""),
        )
        at_us = microseconds(at)
        released: list[Released] = [(self._number, at_us, event)]
        self.book.settle(released)

    def told(self) -> dict[str, Any]:
        now_us = microseconds(self.now)
        waiting = self.decoder.waiting.kept()
        return {
            "sources": told.sources(
                self.book, self.decoder.streams, waiting, now_us, whole=told.ALL
            ),
            "kernel": told.kernel(self.book, now_us),
        }


def told_of(site: str, now_us: int) -> dict[str, Any]:
    """Return a day of a school with one source in each state."""
    school = School(site, now_us)
    flow, syslog = FrameKind.FLOW, FrameKind.SYSLOG
    for minute in range(MINUTES):
        at = school.now - timedelta(minutes=MINUTES - minute)
        hour = minute // 60
        school.hear([school.frame(at, FINE, v5(at, 1, 1), flow)], 20 + 15 * (hour % 9))
        school.hear([school.frame(at, LOSING, v5(at, 1, 1), flow)], 30 + hour)
        if hour in (9, 10, 23):
            school.lose(at, "sequence-gap", LOSING, 12)
        if hour == 9:
            school.lose(at, "disk-full", LOSING, 2, unit="datagrams")
        if minute < MINUTES - 95:
            school.hear([school.frame(at, SILENT, v5(at, 1, 1), flow)], 25)
        slow = at - timedelta(hours=7)
        school.hear([school.frame(at, SKEWED, v5(slow, 1, 1), flow)], 12)
        school.hear([school.frame(at, FINE, b"<13>x", syslog)], 4, "events")
    late = school.now - timedelta(minutes=4)
    template = struct.pack("!14H", 0, 28, 256, 5, 8, 4, 12, 4, 10, 2, 14, 2, 32_770, 1)
    names = struct.pack("!10H", 1, 20, 260, 4, 4, 2, 4, 82, 8, 0)
    told_of_two = struct.pack("!HHI8sI8s", 260, 28, 1, b"ether1", 2, b"pppoe")
    flows = struct.pack("!HH4s4sHHBxxx", 256, 20, bytes(4), bytes(4), 1, 2, 7)
    waits = struct.pack("!HH8s", 259, 12, bytes(8))
    body = template + names + told_of_two + flows + waits
    v9 = struct.pack("!HHIIII", 9, 5, 0, int(late.timestamp()), 1, 77) + body
    frames = [school.frame(late, UNKNOWN, v9, flow)]
    school.book.see(frames, [])
    decoded = school.decoder.decode(frames)
    if decoded.flows is not None:
        school.book.count(decoded.flows)
    note = "udp 0.0.0.0:2055"
    school.lose(late, "kernel-drop", "", 4321, unit="datagrams", note=note)
    school.lose(late, "host-drop", "", 99, unit="packets", note="before any port")
    school.book.judge([Verdict(FINE, "not-believed", now_us)] * 12)
    unread = [
        {"site": site, "pattern": pattern, "lines": n, "newest_us": now_us, "source": FINE}
        for pattern, n in PATTERNS
    ]
    return {**school.told(), "unread": unread}
