"""The made-up school says what the box understands, and says it only where it does no harm."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import typer

from appliance.cli import demo, init
from appliance.cli.context import Context
from appliance.cli.demo_play import Live, Past, Play
from appliance.cli.demo_school import PUBLIC, Traffic, people
from appliance.cli.demo_wire import DemoFlow, Ipfix, NetFlow9, syslog
from appliance.errors import BoxError, WrongUse
from collector.decode.decoder import FlowDecoder
from collector.records import Frame, FrameKind, SessionEvent
from collector.settings import Listen

NOW_MS = 1_795_000_000_000


def decoded(payloads: list[bytes]) -> list[dict[str, Any]]:
    frames = [
        Frame(
            kind=FrameKind.FLOW,
            site="default",
            received_ns=NOW_MS * 10**6,
            wire_ns=NOW_MS * 10**6,
            address="127.0.0.1",
            port=40000,
            payload=payload,
            number=number,
        )
        for number, payload in enumerate(payloads)
    ]
    found = FlowDecoder("default").decode(frames)
    assert found.coverage == []
    assert found.flows is not None
    names = list(found.flows.columns)
    columns = [found.flows.columns[name].to_pylist() for name in names]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def made_up(count: int) -> list[DemoFlow]:
    traffic, everybody = Traffic(seed=7), people(40)
    flows: list[DemoFlow] = []
    while len(flows) < count:
        flows += traffic.between(everybody, NOW_MS - 60_000, NOW_MS, 20)
    return flows


@pytest.mark.parametrize("old", [True, False])
def test_what_the_exporters_send_is_decoded_to_what_was_meant(old: bool) -> None:
    flows = [f for f in made_up(300) if not old or ":" not in f.source]
    exporter = NetFlow9(booted_ms=NOW_MS - 3_600_000) if old else Ipfix()
    rows = decoded(list(exporter.datagrams(flows, NOW_MS)))

    def key(row: dict[str, Any]) -> tuple[Any, ...]:
        return row["src_ip"], row["src_port"], row["dst_ip"], row["bytes"], row["packets"]

    assert len(rows) == len(flows)
    meant = {(f.source, f.source_port, f.target, f.size_bytes, f.packets): f for f in flows}
    for row in rows:
        flow = meant[key(row)]
        assert row["dst_port"] == flow.target_port
        assert row["protocol"] == flow.protocol
        assert row["time"].timestamp() * 1000 == pytest.approx(flow.start_ms, abs=1)
        assert row["time_end"].timestamp() * 1000 == pytest.approx(flow.end_ms, abs=1)
        side = "src" if flow.outward else "dst"
        if flow.nat_address:
            assert row[f"nat_{side}_ip"] == PUBLIC
            assert row[f"nat_{side}_port"] == flow.nat_port


def test_everybody_is_made_up_and_alone_with_their_address() -> None:
    everybody = people(900)
    assert len({p.account for p in everybody}) == 900
    assert len({p.address for p in everybody}) == 900
    assert len({p.mac for p in everybody}) == 900
    assert all(p.account.startswith("demo-") for p in everybody)
    outside = {f.target for f in made_up(500) if f.outward}
    assert all(a.startswith(("192.0.2.", "203.0.113.", "2001:db8:")) for a in outside)


class Ear:
    """A sink that listens."""

    def __init__(self) -> None:
        self.events: list[SessionEvent] = []
        self.datagrams: list[tuple[str, bytes]] = []

    def datagram(self, device: str, payload: bytes, at_ms: int) -> None:
        self.datagrams.append((device, payload))

    def session(self, event: SessionEvent) -> None:
        self.events.append(event)


def test_only_who_is_on_makes_traffic() -> None:
    everybody = people(30)
    accounts = {p.account: uuid4() for p in everybody}
    ear = Ear()
    play = Play(everybody, accounts, site="default", seed=3, booted_ms=NOW_MS - 10**7)
    for minute in range(120):
        play.step(ear, NOW_MS + minute * 60_000, NOW_MS + (minute + 1) * 60_000, 1)
    on: set[object] = set()
    for event in ear.events:
        assert (event.session in on) == (event.event == "stop")
        on ^= {event.session}
    assert {"start", "stop"} == {event.event for event in ear.events}
    assert {device for device, _ in ear.datagrams} == {"v9", "ipfix", "syslog"}
    addresses = {a for event in ear.events for a in event.addresses}
    sent = [payload for device, payload in ear.datagrams if device == "ipfix"]
    inside = {r["src_ip"] for r in decoded(sent) if r["src_ip"].startswith(("10.", "fd"))}
    assert inside <= addresses


def test_datagrams_go_to_the_ports_of_the_settings_and_the_past_to_the_socket() -> None:
    asked: list[dict[str, Any]] = []

    def ask(request: dict[str, Any]) -> dict[str, Any]:
        asked.append(request)
        return {}

    with ExitStack() as stack, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ear:
        ear.bind(("127.0.0.1", 0))
        ear.settimeout(5)
        port = ear.getsockname()[1]
        listen = Listen(flows=(f"0.0.0.0:{port}",), syslog_udp=())
        live = Live(listen, "default", stack, ask=ask)
        live.datagram("v9", b"now", NOW_MS)
        live.datagram("syslog", b"nobody listens", NOW_MS)
        payload, sender = ear.recvfrom(100)
        past = Past(live)
        past.datagram("v9", b"then", NOW_MS - 5)
        past.hand_over()
        past.hand_over()
    assert payload == b"now"
    assert len(asked) == 1
    (frame,) = asked[0]["frames"]
    assert frame["port"] == sender[1]
    assert frame["wire_ns"] == (NOW_MS - 5) * 10**6


def test_syslog_lines_are_of_rfc_5424() -> None:
    line = syslog("hello", NOW_MS, host="demo-gw", program="test")
    assert line == b"<30>1 2026-11-18T11:06:40.000+00:00 demo-gw test - - - hello"


def context(home: Path) -> typer.Context:
    command = typer.main.get_command(typer.Typer(callback=lambda: None))
    made = typer.Context(command)
    made.obj = Context(home=home, as_json=False, quiet=True, debug=False)
    return made


def test_a_real_school_is_left_alone(tmp_path: Path) -> None:
    init.make_home(tmp_path, site="school-a.example.ac.th", name="โรงเรียน ก")
    with pytest.raises(WrongUse, match="real one"):
        demo.demo_traffic(context(tmp_path), minutes=0)


def test_without_a_running_box_it_says_how_to_start_one(tmp_path: Path) -> None:
    init.make_home(tmp_path, site="default", name="ลองใช้")
    with pytest.raises(BoxError, match="prathu up"):
        demo.demo_traffic(context(tmp_path), minutes=0, history=0)
