"""Lines of FortiGates read by the batch give what reading them one by one gives."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.decode import own_events
from collector.decode.syslog import fortigates, heap, messages
from collector.decode.syslog.messages import Messages
from collector.records import Frame, FrameKind
from collector.spool import lines
from collector.store.schema import EVENTS, FLOWS
from tests.bench.fortigate import FortiGate
from tests.collector.decode.syslog import golden

MADE = list(FortiGate(7, begin_s=int(golden.WIRE.timestamp()) - 60).lines(300))
LINES = [*golden.lines_of("fortigate"), *MADE]
PIECES = st.one_of(
    st.sampled_from(
        [
            *('"', " ", "  ", "=", ",", "<", ">", "\t", "\n", "\r", "\0", "\x7f", "\u00a0", "ครู"),
            *(' tz="+0900"', " tz=-0100", ' tz="x"', ' devname="a b"', " devname=ก", ' user="N/A"'),
            *(" logid=1", ' type="traffic"', ' type="event"', ' type="utm"', " srcip=::1"),
            *(" action=start", " action=blocked", ' action=""', ' app=""', " date=2026-01-25"),
            *("time=25:00:00", "time=09:59:58.1", "2569-01-25", "2026-02-30", " srcip=10.5.50.10"),
            *(" transip=0.0.0.0", " duration=99999999999", " sentbyte=18446744073709551615"),
            *(
                ' msg="a tz=+0900 b"',
                ' msg="say \\"hi\\" devname=x"',
                " x=a=b=c",
                " y=a,b",
                " bare",
            ),
            *("<191>", "<192>", "<>", "<0189>", "date=", f' long="{"x" * 16_400}"'),
        ]
    ),
    st.text(max_size=4),
)


@pytest.fixture(autouse=True, scope="module")
def _batches_of_any_size() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fortigates, "FEWEST", 1)
        yield


@st.composite
def _payloads(draw: st.DrawFn) -> bytes:
    line = draw(st.sampled_from(LINES))
    for _ in range(draw(st.integers(0, 3))):
        words = [at for at, sign in enumerate(line) if sign in ' =">']
        at = draw(st.one_of(st.sampled_from(words), st.integers(0, len(line))))
        line = line[:at] + draw(PIECES) + line[at + draw(st.integers(0, 3)) :]
        if not line.count(" "):
            break
    return line.encode() + draw(st.sampled_from([b"", b"", b"", b"\n", b" ", b"\xff"]))


def _frames(payloads: list[bytes], label: str = "") -> list[Frame]:
    wire_ns = int(golden.WIRE.timestamp()) * 1_000_000_000
    return [
        Frame(
            kind=FrameKind.SYSLOG,
            site="school-a",
            received_ns=wire_ns + number,
            wire_ns=wire_ns + number,
            address=f"192.0.2.{number % 3}",
            label=label,
            payload=payload,
            number=number * 2,
        )
        for number, payload in enumerate(payloads)
    ]


def _shown(said: Messages) -> dict[str, Any]:
    return {
        "events": EVENTS.table(said.events).to_pylist(),
        "frames": said.events.frame.tolist(),
        "flows": [] if said.flows is None else FLOWS.table(said.flows).to_pylist(),
        "flow_frames": [] if said.flows is None else said.flows.frame.tolist(),
        "read": said.read,
        "unread": sorted(map(str, said.unread)),
        "sign_ins": list(said.sign_ins),
    }


@given(st.lists(_payloads(), min_size=1, max_size=8), st.sampled_from(["", "old.log"]))
def test_a_batch_gives_what_each_line_gives(payloads: list[bytes], label: str) -> None:
    frames = _frames(payloads, label)
    assert _shown(messages.read(frames)) == _shown(messages.read_singly(frames))


@given(st.lists(st.lists(_payloads(), min_size=1, max_size=4), min_size=1, max_size=4))
def test_lines_of_one_frame_give_what_each_gives_in_its_own(sent: list[list[bytes]]) -> None:
    frames = []
    number = 0
    for payloads in sent:
        together = [p for p in payloads if b"\n" not in p]
        if together:
            like = _frames([lines.pack(together)])[0]
            frames.append(like._replace(kind=FrameKind.LINES, number=number))
            number += len(together)
        for payload in (p for p in payloads if b"\n" in p):
            frames.append(_frames([payload])[0]._replace(number=number))
            number += 1
    singly = [one for frame in frames for one in lines.each(frame)]
    assert len(singly) == number
    at_once, apart = messages.read(frames), messages.read_singly(singly)
    assert _shown(at_once) == _shown(apart)
    lent = own_events.read(at_once.others).leases
    assert lent == own_events.read(apart.others).leases


@given(st.lists(st.binary(max_size=80).map(lambda some: b"<13>date=" + some), max_size=6))
def test_any_bytes_are_left_or_read(payloads: list[bytes]) -> None:
    frames = _frames(payloads)
    assert _shown(messages.read(frames)) == _shown(messages.read_singly(frames))


def test_what_a_firewall_sends_all_day_is_read_by_the_batch() -> None:
    frames = _frames([line.encode() for line in MADE])
    found = fortigates.read(heap.gather(frames))
    assert found is not None
    assert len(found.rows) >= 0.95 * len(frames)
    assert _shown(messages.read(frames)) == _shown(messages.read_singly(frames))


def test_few_lines_are_read_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fortigates, "FEWEST", 24)
    assert fortigates.read(heap.gather(_frames([MADE[0].encode()] * 23))) is None
    assert fortigates.read(heap.gather(_frames([MADE[0].encode()] * 24))) is not None
