"""Lines of syslog on their way through the pipeline: their flows have people, once each."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from pathlib import Path
from uuid import uuid5

import pytest

from collector.records import Frame, FrameKind
from tests.collector.homes import BEGIN, SPACE, Home, flow_frame, ns, session_frame

_LINE = (
    'date={day} time={clock} tz="+0000" devname="FG-1" logid="13" type="traffic" subtype="forward" '
    "srcip=10.0.0.1 srcport={port} dstip=203.0.113.5 dstport=443 proto=6 action=close "
    "transip=198.51.100.7 transport={port} duration=5 sentbyte=100"
)


def _line(seconds: int, port: int) -> Frame:
    at = BEGIN + timedelta(seconds=seconds)
    text = _LINE.format(day=f"{at:%Y-%m-%d}", clock=f"{at:%H:%M:%S}", port=port)
    return Frame(
        kind=FrameKind.SYSLOG,
        site="school-a",
        received_ns=ns(at),
        wire_ns=ns(at),
        address="192.0.2.9",
        payload=text.encode(),
    )


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_a_line_about_a_connection_is_a_flow_of_the_person_who_had_the_address(home: Home) -> None:
    home.write([session_frame(BEGIN, "malee", "10.0.0.1"), _line(30, 5000)])
    pipeline = home.run()
    [row] = home.sealed("flows").to_pylist()
    assert (row["person"], row["certainty"]) == (str(uuid5(SPACE, "malee")), "sure")
    assert (row["nat_src_ip"], row["nat_src_port"], row["bytes"]) == ("198.51.100.7", 5000, 100)
    assert row["time"] == BEGIN + timedelta(seconds=25)
    assert home.sealed("events").to_pylist()[0]["vendor"] == "fortigate"
    told = pipeline.status()["sites"]["school-a"]["syslog"]
    assert (told["read"], told["unread"], told["flows"]) == ({"fortigate": 1}, 0, 1)


def test_lines_and_datagrams_together_are_stored_once_wherever_a_process_dies(
    tmp_path: Path,
) -> None:
    home = Home(tmp_path, rows=25)
    frames = [
        frame
        for n in range(30)
        for frame in (
            _line(n * 2, 5000 + n),
            flow_frame(BEGIN + timedelta(seconds=n * 2 + 1), 10_000 + n * 3, 3),
        )
    ]
    home.write(frames)
    for fed in (0, 7, 20, 33, 60):
        pipeline, reader = home.start()
        while pipeline.position < fed and (some := reader.read(1000)):
            pipeline.feed(some)
        if fed == 33:
            pipeline.seal_now()
        pipeline.close()
    home.run()
    assert home.ports() == Counter([*range(10_000, 10_090), *range(5000, 5030)])
    assert home.findings() == []
    assert home.sealed("events").num_rows == 30
