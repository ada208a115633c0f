"""Names of hosts: kept only where a reason is set, and then they reach the flows."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from appliance.settings import BoxSettings
from collector.errors import SettingsError
from collector.records import Frame, FrameKind, NameEvent
from collector.settings import CollectorSettings, Names, check_sites, parse
from tests.collector.homes import BEGIN, Home, flow_frame, ns
from tests.conftest import REPO

SECOND = timedelta(seconds=1)
HERE = [{"site": "school-a", "interface": "br0"}]


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


def heard(at: datetime, origin: str, answer: str, **members: object) -> Frame:
    told = {"time": at, "site": "school-a", "origin": origin, "client": "10.0.0.1"}
    told |= {"answers": (answer,), "source": "sniff eth1", **members}
    return name_frame(at, NameEvent(**told).to_json())  # type: ignore[arg-type]


def name_frame(at: datetime, payload: bytes) -> Frame:
    return Frame(
        kind=FrameKind.NAME,
        site="school-a",
        received_ns=ns(at),
        wire_ns=ns(at),
        transport="local",
        payload=payload,
    )


def hello(at: datetime, name: str, port: int) -> Frame:
    ports = {"client_port": port, "port": 443}
    return heard(at, "tls-sni", "203.0.113.9", name=name, kind="sni-ech", **ports)


CAPTURED = [
    heard(BEGIN, "dns-capture", "203.0.113.9", name="www.example.org", kind="A", ttl=60),
    hello(BEGIN + SECOND, "called.example.org", 10_101),
    flow_frame(BEGIN + 2 * SECOND, 10_100, 3),
    flow_frame(BEGIN + 80 * SECOND, 10_200, 2),
]


@pytest.mark.parametrize("each", [False, True])
def test_flows_get_the_name_that_was_captured(tmp_path: Path, *, each: bool) -> None:
    home = Home(tmp_path)
    home.settings = home.settings.model_copy(update={"names": Names(reason="a test")})
    home.write([*CAPTURED, name_frame(BEGIN + 90 * SECOND, b"{}")])
    pipeline, reader = home.start()
    while frames := reader.read(1 if each else 1 << 20):
        pipeline.feed(frames)
        if each:
            pipeline.seal_now()
            pipeline.close()
            pipeline, reader = home.start()
    malformed = pipeline.status()["sites"]["school-a"]["names_malformed"]
    pipeline.stop()
    assert malformed == (0 if each else 1)  # counted by the process that read it
    assert hosts(home) == {
        10_100: "www.example.org",
        10_101: "called.example.org",
        10_102: "www.example.org",
        10_200: None,
        10_201: None,
    }
    rows = home.sealed("names").to_pylist()
    names = ("origin", "kind", "name", "ttl", "client_port", "port", "source")
    assert [tuple(row[name] for name in names) for row in rows] == [
        ("dns-capture", "A", "www.example.org", 60, None, None, "sniff eth1"),
        ("tls-sni", "sni-ech", "called.example.org", None, 10_101, 443, "sniff eth1"),
    ]


def test_without_the_reason_no_flow_is_named_by_what_is_remembered(tmp_path: Path) -> None:
    home = Home(tmp_path)
    kept, home.settings = (
        home.settings,
        home.settings.model_copy(update={"names": Names(reason="a test")}),
    )
    home.write(CAPTURED[:2])
    home.run()
    home.settings = kept
    home.write(CAPTURED[2:])
    home.run()
    assert set(hosts(home).values()) == {None}


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ({"capture": HERE}, "names.capture: names.reason is empty; write down why"),
        ({"capture": HERE, "reason": " "}, "names.capture: names.reason is empty; write down why"),
        (
            {"capture": [{"site": "school-b", "interface": "br0"}], "reason": "why"},
            "names.capture: one is of site 'school-b'; did you mean 'school-a'",
        ),
    ],
)
def test_capture_without_a_reason_is_refused_in_one_line(
    names: dict[str, object], words: str
) -> None:
    document = {"sites": [{"id": "school-a"}], "names": names}
    with pytest.raises(SettingsError, match=words) as caught:
        check_sites(parse(document, CollectorSettings))
    assert "\n" not in str(caught.value)


def test_capture_with_a_reason_runs_the_program_and_needs_no_scapy() -> None:
    document = {"sites": [{"id": "school-a"}], "names": {"capture": HERE, "reason": "why"}}
    settings = parse(document, BoxSettings)
    check_sites(settings)
    assert settings.optional_processes == ("sniff",)
    without = [
        "-c",
        "import sys; sys.modules['scapy'] = None; import collector.sniff.names.__main__",
    ]
    subprocess.run([sys.executable, *without], check=True, cwd=REPO)


def test_without_a_reason_no_name_is_kept(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.write([*FRAMES, *CAPTURED])
    home.run()
    assert set(hosts(home).values()) == {None}
    assert not list((tmp_path / "logs").rglob("names/**/*.parquet"))
