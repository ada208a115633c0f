"""What believed senders said reaches the portal, whenever the sealing process dies in between."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from collector.__main__ import _sign_ins
from collector.pipeline import Pipeline
from collector.records import Frame, FrameKind, SignInLine
from collector.settings import BelievedSender
from tests.collector.homes import BEGIN, Home, ns

COUNT = 12


def _line(n: int) -> Frame:
    at = BEGIN + timedelta(seconds=n)
    text = f"<38>1 {at.isoformat()} gw-1 captiveportal 9 - - AUTH pupil{n} (10.0.0.{n}) zone 0"
    return Frame(
        kind=FrameKind.SYSLOG,
        site="school-a",
        received_ns=ns(at),
        wire_ns=ns(at),
        address="192.0.2.9",
        transport="tcp",
        payload=text.encode(),
    )


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path)
    sender = BelievedSender(site="school-a", address="192.0.2.9")
    home.settings = home.settings.model_copy(update={"believed_senders": (sender,)})
    home.write([_line(n) for n in range(COUNT)])
    return home


def _fetched(pipeline: Pipeline, have: dict[str, tuple[int, int]]) -> list[str]:
    """Take what is there as the portal does."""
    reply = _sign_ins(pipeline, {"have": {site: list(known) for site, known in have.items()}})
    lines = [SignInLine.from_json(json.dumps(one)) for one in reply["sign_ins"]]
    for line in lines:
        have[line.site] = (line.position, ns(line.received) // 1000)
    return [line.account for line in lines]


def test_each_line_comes_once_wherever_the_process_dies(home: Home) -> None:
    have: dict[str, tuple[int, int]] = {}
    seen: list[str] = []
    for fed, sealed, asked in ((3, False, True), (6, True, False), (9, True, True), (COUNT, 0, 1)):
        pipeline, reader = home.start()
        frames = [f for f in reader.read(1 << 20) if f.number < fed]
        pipeline.feed(frames)
        if asked:
            seen += _fetched(pipeline, have)
        if sealed:
            pipeline.seal_now()
        pipeline.close()
    assert seen == [f"pupil{n}" for n in range(COUNT)]


def test_status_says_how_many_wait(home: Home) -> None:
    pipeline, reader = home.start()
    pipeline.feed(reader.read(1 << 20))
    told = pipeline.status()["sites"]["school-a"]["sign_ins"]
    pipeline.close()
    assert told == {"waiting": COUNT, "lost": 0, "nowhere": 0}
