"""A home with a spool that a test fills, and the frames it fills it with."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid5

import pyarrow as pa
import pyarrow.parquet as pq

from collector.pipeline import Pipeline
from collector.records import CoverageEvent, Frame, FrameKind, SessionEvent
from collector.seal.verify import Question, verify
from collector.settings import CollectorSettings, SealSettings, Site
from collector.spool import SpoolReader, SpoolWriter, first_position
from collector.store import segments

SPACE = UUID("2f2b1c1e-6a0f-4a51-8d0e-3c1b5a7a9d10")
BOOT = "3e0b7a52-54f3-4a8e-9a7e-0c8b8c1d2e3f"
BEGIN = datetime(2026, 11, 22, 3, 30, tzinfo=UTC)


class Clock:
    """A clock that stands where the test puts it."""

    def __init__(self) -> None:
        self.now = BEGIN

    def __call__(self) -> int:
        return ns(self.now)


def ns(moment: datetime) -> int:
    return int(moment.timestamp()) * 1_000_000_000 + moment.microsecond * 1000


def v5(at: datetime, first_port: int, count: int, *, host: int = 1) -> bytes:
    """Return a NetFlow v5 datagram of `count` flows of 10.0.0.`host`, each of its own port."""
    seconds = int(at.timestamp())
    head = struct.pack("!HHIIIIBBH", 5, count, 100_000, seconds, 0, first_port, 0, 0, 0)
    records = [
        struct.pack(
            "!4s4s4sHHIIIIHHBBBBHHBBH",
            *(bytes([10, 0, 0, host]), bytes([203, 0, 113, 9]), bytes(4), 1, 2, 3, 400),
            *(99_000, 99_500, first_port + i, 443, 0, 24, 6, 0, 0, 0, 0, 0, 0),
        )
        for i in range(count)
    ]
    return head + b"".join(records)


def flow_frame(at: datetime, first_port: int, count: int, **more: object) -> Frame:
    host = int(str(more.get("host", 1)))
    return Frame(
        kind=FrameKind.FLOW,
        site=str(more.get("site", "school-a")),
        received_ns=ns(at),
        wire_ns=ns(at),
        address="192.0.2.1",
        port=50_000,
        local_port=2055,
        payload=v5(at, first_port, count, host=host),
    )


def session_frame(at: datetime, person: str, address: str, **more: object) -> Frame:
    start = more.get("start", at)
    assert isinstance(start, datetime)
    site = str(more.get("site", "school-a"))
    event = SessionEvent(
        event_id=uuid5(SPACE, f"{person}{address}{start}{site}"),
        session=uuid5(SPACE, f"session {person}"),
        event="start",
        time=start,
        start=start,
        site=site,
        method="portal",
        person=uuid5(SPACE, person),
        addresses=(address,),
        account=person,
        full_name=f"เด็กชาย {person}",
    )
    return Frame(
        kind=FrameKind.SESSION,
        site=site,
        received_ns=ns(at),
        wire_ns=ns(at),
        transport="local",
        payload=event.to_json(),
    )


class Home:
    """A home with a spool that a test fills and a pipeline that it may stop at any point."""

    def __init__(
        self, folder: Path, *, rows: int = 1 << 19, sites: Sequence[str] = ("school-a",)
    ) -> None:
        self.folder = folder
        self.clock = Clock()
        self.settings = CollectorSettings(
            sites=tuple(Site(id=site) for site in sites), seal=SealSettings(rows=rows)
        )
        (folder / "run").mkdir()
        (folder / "spool").mkdir()

    def write(self, frames: Sequence[Frame]) -> None:
        with SpoolWriter(
            self.folder / "spool", self.settings.spool, clock=self.clock, fatal=lambda _: None
        ) as spool:
            for frame in frames:
                spool.append(frame)

    def start(self) -> tuple[Pipeline, SpoolReader]:
        pipeline = Pipeline(self.folder, self.settings, clock=self.clock, boot_id=BOOT)
        pipeline.start(first_position(self.folder / "spool"))
        return pipeline, SpoolReader(self.folder / "spool", pipeline.position)

    def run(self) -> Pipeline:
        pipeline, reader = self.start()
        while frames := reader.read(4096):
            pipeline.feed(frames)
        pipeline.stop()
        return pipeline

    def findings(self) -> list[str]:
        """Return what the verifier finds wrong, every byte and row looked at."""
        kek = (self.folder / "secrets" / "prathu.kek").read_bytes()
        report = verify(self.folder, Question(deep=True, kek=kek), read=segments.pieces)
        return [f"{found.number} {found.place}: {found.text}" for found in report.findings]

    def sealed(self, log: str, site: str = "school-a") -> pa.Table:
        files = sorted((self.folder / "logs" / site / log).rglob("*.parquet"))
        return pa.concat_tables([pq.read_table(file) for file in files])

    def ports(self, site: str = "school-a") -> Counter[int]:
        return Counter(map(int, self.sealed("flows", site)["src_port"].to_numpy()))


def stream(count: int, step: timedelta = timedelta(seconds=1)) -> Iterator[Frame]:
    for i in range(count):
        yield flow_frame(BEGIN + i * step, 10_000 + 10 * i, 10)


def coverage_frame(at: datetime, note: str) -> Frame:
    event = CoverageEvent(time=at, end=at, site="school-a", kind="kernel-drop", note=note)
    return Frame(
        kind=FrameKind.COVERAGE,
        site="school-a",
        received_ns=ns(at),
        wire_ns=ns(at),
        transport="local",
        payload=event.to_json(),
    )
