"""The local door: what is acknowledged is durable, what is wrong is said and not taken."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collector import spool
from collector.control import ask
from collector.errors import CollectorError, SpoolFull
from collector.receive.receiver import Receiver
from collector.records import AuditEvent, CoverageEvent, FrameKind, LeaseEvent, SessionEvent
from collector.spool import SpoolWriter, writer
from tests.collector.receive.home import SITE, frames, receiver, until

SESSION = SessionEvent(
    event_id=UUID(int=1),
    session=UUID(int=2),
    person=UUID(int=3),
    event="start",
    time=datetime(2026, 1, 25, 3, 0, 0, 123456, tzinfo=UTC),
    site=SITE,
    method="portal",
    addresses=("10.0.0.7", "2001:db8::7", "2001:db8:1::/64"),
    full_name="สมชาย ใจดี",
    bytes_in=7,
)


LEASE = {"time": "2026-01-25T03:00:00Z", "site": SITE, "kind": "dhcp", "event": "add"}


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    with receiver(tmp_path):
        until(lambda: frames(tmp_path))  # the coverage of its start
        yield tmp_path


def _ask(home: Path, **request: Any) -> dict[str, Any]:
    return ask(home / "run" / "receive.sock", request)


def _event(**changes: Any) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(SESSION.to_json())
    return {k: v for k, v in {**record, **changes}.items() if v is not None}


def test_an_event_is_durable_when_it_is_acknowledged(home: Path) -> None:
    for place, (kind, event) in enumerate(
        [
            ("session", SESSION),
            (
                "audit",
                AuditEvent(
                    event_id=UUID(int=4), time=SESSION.time, site=SITE, actor="x", act="search"
                ),
            ),
            ("coverage", CoverageEvent(time=SESSION.time, site=SITE, kind="sequence-gap", lost=3)),
            (
                "lease",
                LeaseEvent(time=SESSION.time, site=SITE, kind="arp", event="seen", ip="10.0.0.5"),
            ),
        ]
    ):
        reply = _ask(home, do="event", kind=kind, event=json.loads(event.to_json()))
        assert reply == {"position": place + 1}  # after the restart's coverage
        assert spool.durable_number(home / "spool") == place + 2
        frame = frames(home)[-1]
        assert (frame.kind.name.lower(), frame.site, frame.transport) == (kind, SITE, "local")
        assert frame.payload == event.to_json()
        assert frame.wire_ns == 1_769_310_000_123_456_000
        assert abs(frame.received_ns - time.time_ns()) < 10**10


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        ({"kind": "session"}, "not an event of kind session"),
        ({"kind": "flow", "event": {}}, "no kind of event 'flow'"),
        ({"event": {}}, "no kind of event None"),
        ({"kind": "session", "event": {}}, "missing 6 required"),
        ({"kind": "session", "event": _event(site="school-z")}, "no site 'school-z'; known"),
        ({"kind": "session", "event": _event(site=7)}, "site is not a str"),
        ({"kind": "session", "event": _event(colour="red")}, "colour"),
        ({"kind": "session", "event": _event(time="2026-01-25T03:00:00")}, "without offset"),
        ({"kind": "session", "event": _event(time="soon")}, "soon"),
        ({"kind": "session", "event": _event(event="fly")}, "no event 'fly'"),
        ({"kind": "session", "event": _event(person="somebody")}, "not an event of kind"),
        ({"kind": "session", "event": _event(bytes_in="7")}, "bytes_in is not a"),
        ({"kind": "session", "event": _event(bytes_in=-1)}, "bytes_in is out of range"),
        ({"kind": "session", "event": _event(bytes_in=True)}, "bytes_in is not a"),
        ({"kind": "session", "event": _event(addresses=["10.0.0.07"])}, "10.0.0.07"),
        ({"kind": "session", "event": _event(addresses=["2001:DB8::1"])}, "canonical text"),
        ({"kind": "session", "event": _event(addresses=["2001:db8::1/64"])}, "canonical text"),
        ({"kind": "session", "event": _event(addresses=["10.0.0.0/8"])}, "canonical text"),
        ({"kind": "session", "event": _event(addresses=["::/0"])}, "canonical text"),
        ({"kind": "session", "event": _event(addresses=[7])}, "not an event of kind"),
        ({"kind": "lease", "event": {**LEASE, "event": "fly"}}, "no event 'fly'"),
        ({"kind": "lease", "event": {**LEASE, "ip": "10.0.0.05"}}, "10.0.0.05"),
        ({"kind": "lease", "event": {**LEASE, "port_last": 65536}}, "no port 65536"),
    ],
)
def test_a_wrong_event_is_refused_in_words(
    home: Path, request_: dict[str, Any], error: str
) -> None:
    before = spool.durable_number(home / "spool")
    with pytest.raises(CollectorError) as caught:
        _ask(home, do="event", **request_)
    assert error in str(caught.value)
    assert "\n" not in str(caught.value)
    time.sleep(0.02)
    assert spool.durable_number(home / "spool") == before


def _members(**changes: Any) -> dict[str, Any]:
    members: dict[str, Any] = {
        "kind": "flow",
        "site": SITE,
        "received_ns": 5,
        "wire_ns": 3,
        "address": "::ffff:192.0.2.1",
        "port": 4000,
        "label": "monday.pcap",
        "transport": "udp",
        "payload": base64.b64encode(b"\0\x05x").decode(),
    }
    return {k: v for k, v in {**members, **changes}.items() if v is not None}


def test_frames_of_a_file_are_taken_in_order(home: Path) -> None:
    batch = [_members(received_ns=n, kind=1 if n % 2 else "syslog") for n in range(1, 200)]
    reply = _ask(home, do="frames", frames=batch)
    assert reply == {"first": 1, "last": 199}
    taken = frames(home)[1:]
    assert [frame.received_ns for frame in taken] == list(range(1, 200))
    assert {frame.kind for frame in taken} == {FrameKind.FLOW, FrameKind.SYSLOG}
    assert (taken[0].address, taken[0].label, taken[0].wire_ns) == ("192.0.2.1", "monday.pcap", 3)
    assert taken[0].payload == b"\0\x05x"


def test_what_a_frame_does_not_say_is_now(home: Path) -> None:
    _ask(home, do="frames", frames=[{"kind": "syslog", "site": SITE, "payload": "PDEzPmhp"}])
    frame = frames(home)[-1]
    assert frame.payload == b"<13>hi"
    assert frame.received_ns == frame.wire_ns
    assert abs(frame.received_ns - time.time_ns()) < 10**10


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        (7, "frame 1: not an object"),
        (_members(kind="pigeon"), "no kind 'pigeon'; known: flow"),
        (_members(kind=9), "no kind 9"),
        (_members(kind=None), "no kind None"),
        (_members(site="z"), "no site 'z'"),
        (_members(site=None), "no site None"),
        (_members(port=70000), "port is not a number from 0 to 65535: 70000"),
        (_members(port="4"), "port is not a number"),
        (_members(wire_ns=1 << 63), "wire_ns is not a number"),
        (_members(received_ns=1.5), "received_ns is not a number"),
        (_members(payload="***"), "payload is not base64"),
        (_members(payload=7), "payload is not text"),
        (_members(address="host"), "host"),
        (_members(colour="red"), "no member 'colour'"),
        (_members(kind="session"), "not an event of kind session"),
        (_members(transport="pigeon"), "pigeon"),
    ],
)
def test_one_wrong_frame_and_none_is_taken(home: Path, bad: Any, error: str) -> None:
    with pytest.raises(CollectorError) as caught:
        _ask(home, do="frames", frames=[_members(), bad])
    assert error in str(caught.value)
    assert len(frames(home)) == 1


@pytest.mark.parametrize("given_", [None, [], {}, "x"])
def test_no_frames_are_an_error(home: Path, given_: Any) -> None:
    with pytest.raises(CollectorError, match="at least one frame"):
        _ask(home, do="frames", frames=given_)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["event", "frames"]), st.sampled_from(["session", "audit", 3]), _JSON)
def test_any_json_is_answered_in_words(home: Path, do: str, kind: Any, value: Any) -> None:
    with pytest.raises(CollectorError):
        _ask(home, do=do, kind=kind, event=value, frames=value)


def test_a_disk_that_is_slow_is_waited_for(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "MAX_WAITING_BYTES", 5000)
    big = base64.b64encode(bytes(1000)).decode()
    reply = _ask(home, do="frames", frames=[_members(payload=big) for _ in range(200)])
    assert reply == {"first": 1, "last": 200}


def test_a_disk_that_is_full_is_told_with_how_many_were_taken(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = SpoolWriter.append

    def append(self: SpoolWriter, frame: Any) -> int:
        if frame.wire_ns == 99:
            self._full = True
            raise SpoolFull("no room")
        return real(self, frame)

    monkeypatch.setattr(SpoolWriter, "append", append)
    with pytest.raises(CollectorError, match="1 of 2 frames taken: no room"):
        _ask(home, do="frames", frames=[_members(), _members(wire_ns=99)])


def test_status_is_told_over_the_socket(tmp_path: Path) -> None:
    running: Receiver
    with receiver(tmp_path) as running:
        _ask(tmp_path, do="event", kind="session", event=_event())
        told = _ask(tmp_path, do="status")
        assert told["spool"].items() >= {"head": 2, "durable": 2, "full": False}.items()
        assert told["local"] == {"events": 1, "frames": 0}
        assert {**told, "started_ns": 0} == {**running.status(), "started_ns": 0}
