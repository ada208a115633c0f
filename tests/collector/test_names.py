"""Names of hosts: kept only where a reason is set, and then they reach the flows."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from collector.records import Frame, FrameKind
from collector.settings import Names
from tests.collector.homes import BEGIN, Home, flow_frame, ns

SECOND = timedelta(seconds=1)


def said(at: datetime, line: str) -> Frame:
    return Frame(
        kind=FrameKind.SYSLOG,
        site="school-a",
        received_ns=ns(at),
        wire_ns=ns(at),
        address="192.0.2.1",
        payload=f"<30>Nov 22 10:30:00 gw dnsmasq[7]: {line}".encode(),
    )


FRAMES = [
    flow_frame(BEGIN - 60 * SECOND, 10_000, 5),
    said(BEGIN, "1 10.0.0.1/40000 reply www.example.org is <CNAME>"),
    said(BEGIN, "1 10.0.0.1/40000 reply cdn.example.net is 203.0.113.9"),
    flow_frame(BEGIN + 2 * SECOND, 10_100, 5),
    flow_frame(BEGIN + 2 * SECOND, 10_200, 5, host=2),
    said(BEGIN + 3 * SECOND, "2 10.0.0.2/40000 cached www.example.org is 203.0.113.9"),
]


def hosts(home: Home) -> dict[int, str | None]:
    rows = home.sealed("flows").select(["src_port", "host"]).to_pylist()
    return {row["src_port"]: row["host"] for row in rows}


@pytest.mark.parametrize("each", [False, True])
def test_flows_get_the_name_that_their_device_asked_for(tmp_path: Path, *, each: bool) -> None:
    home = Home(tmp_path)
    home.settings = home.settings.model_copy(update={"names": Names(reason="a test")})
    home.write(FRAMES)
    pipeline, reader = home.start()
    while frames := reader.read(1 if each else 1 << 20):
        pipeline.feed(frames)
        if each:
            pipeline.seal_now()
            pipeline.close()
            pipeline, reader = home.start()
    pipeline.stop()
    found = hosts(home)
    assert {port for port, host in found.items() if host == "www.example.org"} == set(
        range(10_100, 10_105)
    )
    assert len(found) == 15
    rows = home.sealed("names").to_pylist()
    assert {(r["client"], r["name"], r["answer"], r["kind"]) for r in rows} == {
        ("10.0.0.1", "www.example.org", None, "CNAME"),
        ("10.0.0.1", "cdn.example.net", "203.0.113.9", "A"),
        ("10.0.0.2", "www.example.org", "203.0.113.9", "A"),
    }
    assert home.findings() == []


def test_without_a_reason_no_name_is_kept(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.write(FRAMES)
    home.run()
    assert set(hosts(home).values()) == {None}
    assert not list((tmp_path / "logs").rglob("names/**/*.parquet"))
