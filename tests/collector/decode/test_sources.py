"""Who sends, how regularly, with which clock, and what is missing of it."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.decode.believed import Verdict
from collector.decode.decoder import FlowDecoder
from collector.decode.layout import Field, Layout
from collector.decode.own_events import Released
from collector.decode.sources import models, told
from collector.decode.sources.book import SourceBook
from collector.decode.sources.history import History
from collector.decode.sources.rhythm import DAY_US, MINUTE_US, Rhythm
from collector.decode.syslog import messages
from collector.records import PULSE, CoverageEvent, Frame, FrameKind, Rows, microseconds
from tests.collector.decode import wire
from tests.collector.homes import ns, v5

BEGIN = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
BEGIN_US = microseconds(BEGIN)
TEXT = pa.dictionary(pa.int32(), pa.string())


def frame(at: datetime, number: int = 0, **more: object) -> Frame:
    slow = more.pop("slow_s", 0)
    assert isinstance(slow, int)
    members: dict[str, object] = {
        "kind": FrameKind.FLOW,
        "site": "school-a",
        "received_ns": ns(at),
        "wire_ns": ns(at),
        "address": "192.0.2.1",
        "port": 50_000,
        "local_port": 2055,
        "payload": v5(at - timedelta(seconds=slow), 1000, 1),
        "number": number,
        **more,
    }
    return Frame(**members)  # type: ignore[arg-type]  # members of a frame by name


def every_minute(minutes: int, begin: datetime = BEGIN, **more: object) -> list[Frame]:
    return [frame(begin + timedelta(minutes=i), i, **more) for i in range(minutes)]


def kinds(found: Sequence[Released]) -> list[tuple[str, str]]:
    return [(event.kind, event.note.partition(":")[0]) for _, _, event in found]


def shown(book: SourceBook, at: datetime, decoder: FlowDecoder | None = None) -> dict[str, object]:
    known = decoder or FlowDecoder("school-a")
    (one,) = told.sources(book, known.streams, known.waiting.kept(), microseconds(at))
    json.dumps(one)
    return one


def test_a_regular_source_that_stops_is_told_once_and_once_when_it_is_back() -> None:
    book = SourceBook("school-a")
    frames = every_minute(30)
    other = frame(BEGIN + timedelta(minutes=36), 30, address="192.0.2.2")
    again = frame(BEGIN + timedelta(minutes=50), 31)
    found = book.see([*frames, other, again], [])
    assert kinds(found) == [
        ("exporter-silence", "silent"),
        ("exporter-silence", "heard again"),
    ]
    (number, _, silent), (_, _, back) = found
    assert number == 30, "told by the first frame that shows it"
    assert silent.source == "192.0.2.1"
    assert (silent.time, silent.end) == (
        BEGIN + timedelta(minutes=29),
        BEGIN + timedelta(minutes=36),
    )
    assert (back.time, back.end) == (BEGIN + timedelta(minutes=29), BEGIN + timedelta(minutes=50))


def test_somebody_who_was_heard_a_few_times_is_not_missed() -> None:
    book = SourceBook("school-a")
    late = frame(BEGIN + timedelta(hours=5), 10, address="192.0.2.2")
    assert book.see([*every_minute(10), late], []) == []


def test_a_source_of_long_pauses_is_given_longer() -> None:
    book = SourceBook("school-a")
    frames = [frame(BEGIN + timedelta(minutes=10 * i), i) for i in range(40)]
    assert [kind for kind, _ in kinds(book.see(frames, []))] == []
    (source,) = book
    assert source.rhythm.threshold_us == 40 * MINUTE_US


def test_nights_are_learnt_but_one_failure_is_no_rhythm() -> None:
    rhythm, night = Rhythm(0), 10 * 60
    told_of = []
    for day in range(8):
        for minute in range(14 * 60):
            now_us = day * DAY_US + minute * MINUTE_US
            if minute == 0 and day and rhythm.due_us <= now_us:
                told_of.append(day)
                assert now_us - rhythm.at_us > night * MINUTE_US
            rhythm.hear(now_us)
    assert told_of == [1, 2, 3, 4][: len(told_of)]
    assert len(told_of) < 5, "after some nights a night is expected"
    once = Rhythm(0)
    for minute in range(60):
        once.hear(minute * MINUTE_US)
    once.hear(59 * MINUTE_US + DAY_US)
    assert once.threshold_us == 40 * MINUTE_US


def test_nobody_is_blamed_for_the_time_when_the_box_did_not_listen() -> None:
    book = SourceBook("school-a")
    book.see(every_minute(30), [])
    up = BEGIN + timedelta(hours=3)
    event = CoverageEvent(
        time=BEGIN + timedelta(minutes=29), end=up, site="school-a", kind="restart"
    )
    told_of = [(30, microseconds(up), event)]
    own = frame(up, 30, kind=FrameKind.COVERAGE, address="", payload=event.to_json())
    assert book.see([own, frame(up + timedelta(seconds=50), 31)], told_of) == []


def test_a_pulse_lets_time_pass_and_is_no_row() -> None:
    book = SourceBook("school-a")
    book.see(every_minute(30), [])
    assert book.due_us == BEGIN_US + 34 * MINUTE_US
    at = BEGIN + timedelta(minutes=34)
    event = CoverageEvent(time=at, site="school-a", kind=PULSE)
    pulse = frame(at, 30, kind=FrameKind.COVERAGE, address="", payload=event.to_json())
    told_of: list[Released] = [(30, microseconds(at), event)]
    told_of += book.see([pulse], told_of)
    assert kinds(book.settle(told_of)) == [("exporter-silence", "silent")]
    assert book.due_us > BEGIN_US + DAY_US, "who is silent is not awaited again"


def test_a_clock_that_is_wrong_is_told_once_and_once_when_it_is_right() -> None:
    book = SourceBook("school-a")
    steps = [BEGIN + timedelta(seconds=10 * i) for i in range(60)]
    slow = [frame(at, i, slow_s=3600 if 20 <= i < 40 else 0) for i, at in enumerate(steps)]
    found = book.see(slow, [])
    assert [(event.kind, event.note) for _, _, event in found] == [
        ("clock-skew", "its clock is 3600 s behind"),
        ("clock-skew", "its clock is right again (its clock is 0 s behind)"),
    ]


def test_senders_of_syslog_have_clocks_too() -> None:
    book = SourceBook("school-a")
    lines = []
    for i in range(10):
        at = BEGIN + timedelta(seconds=20 * i)
        text = f"<14>1 {(at - timedelta(hours=7)).isoformat()} fw app - - - x"
        lines.append(frame(at, i, kind=FrameKind.SYSLOG, payload=text.encode()))
    found = book.see(lines, [])
    rows = messages.decode(lines)
    found += book.read(rows)
    book.count(rows)
    assert [event.note for _, _, event in found] == ["its clock is 25200 s behind"]
    one = shown(book, BEGIN + timedelta(minutes=4))
    assert (one["kind"], one["state"], one["formats"]) == ("syslog", "skewed", {"rfc5424": 10})


def test_forged_senders_push_out_one_another_and_nobody_regular() -> None:
    book = SourceBook("school-a")
    book.see(every_minute(30), [])
    at = BEGIN + timedelta(minutes=30)
    forged = [
        frame(at, 30 + i, address=f"10.{i >> 16}.{i >> 8 & 255}.{i & 255}") for i in range(3000)
    ]
    book.see(forged, [])
    assert len(list(book)) == 513
    assert book.forgotten == 3000 - 512
    assert next(iter(book)).key.name == "192.0.2.1"


def test_three_ways_of_losing_are_told_apart() -> None:
    book = SourceBook("school-a")
    book.see(every_minute(30), [])
    now_us = BEGIN_US + 29 * MINUTE_US
    names: pa.Array[Any] = pa.array(["192.0.2.1"] * 900).dictionary_encode()
    rows = Rows(log="flows", site="school-a", columns={"source": names}, frame=np.arange(900))
    book.count(rows)

    def lost(kind: str, source: str, count: int, unit: str, note: str = "") -> Released:
        event = CoverageEvent(
            time=BEGIN, site="school-a", kind=kind, source=source, lost=count, unit=unit, note=note
        )
        return 30, now_us, event

    book.settle(
        [
            lost("sequence-gap", "192.0.2.1", 100, "records"),
            lost("disk-full", "192.0.2.1", 7, "datagrams"),
            lost("malformed", "192.0.2.1", 2, "datagrams"),
            lost("kernel-drop", "", 55, "datagrams", "udp 0.0.0.0:2055, shared by several sites"),
        ]
    )
    one = shown(book, BEGIN + timedelta(minutes=30))
    assert one["hour"] == {
        "datagrams": 30,
        "records": 900,
        "exporter": 100,
        "own": 7,
        "unread": 2,
    }
    assert one["problems"] == ["losing", "not-kept", "unread"]
    (kernel,) = told.kernel(book, now_us)
    assert (kernel["socket"], kernel["day"]) == ("udp 0.0.0.0:2055", 55)


def test_who_sends_syslog_is_not_blamed_for_a_connection_that_was_no_ipfix() -> None:
    book = SourceBook("school-a")
    line = b"<13>Nov 22 10:00:00 sw1 sshd: x"
    book.see([frame(BEGIN, kind=FrameKind.SYSLOG, payload=line)], [])
    event = CoverageEvent(
        time=BEGIN,
        site="school-a",
        kind="malformed",
        source="192.0.2.1",
        lost=1,
        unit="connections",
        note="it sends text",
    )
    book.settle([(1, BEGIN_US, event)])
    one = shown(book, BEGIN + timedelta(minutes=1))
    assert (one["kind"], one["problems"]) == ("syslog", [])


def test_what_waits_for_a_template_is_told_with_its_template() -> None:
    decoder, book = FlowDecoder("school-a"), SourceBook("school-a")
    seconds = int(BEGIN.timestamp())
    body = struct.pack("!HH8s", 259, 12, bytes(8))
    payload = struct.pack("!HHIIII", 9, 1, 0, seconds, 1, 77) + body
    frames = [frame(BEGIN, 0, payload=payload)]
    book.see(frames, [])
    decoder.decode(frames)
    one = shown(book, BEGIN + timedelta(minutes=1), decoder)
    assert one["state"] == "unknown-templates"
    assert one["waiting"] == [
        {"domain": 77, "port": 50_000, "template": 259, "sets": 1, "since_us": BEGIN_US}
    ]
    assert one["protocols"] == ["NetFlow v9"]


def test_what_came_over_a_connection_is_told_so_and_its_ends_are_no_datagrams() -> None:
    decoder, book = FlowDecoder("school-a"), SourceBook("school-a")
    told_once = wire.ipfix(wire.ipfix_template(256, [(8, 4)]), sent_s=int(BEGIN.timestamp()))
    over: dict[str, object] = {"transport": "tls", "local_port": 4740}
    sent = enumerate((b"", told_once, b""))
    frames = [frame(BEGIN, number, payload=payload, **over) for number, payload in sent]
    for some in (frames[:2], frames[2:]):
        book.see(some, [])
        decoder.decode(some)
    one = shown(book, BEGIN + timedelta(minutes=1), decoder)
    assert one["protocols"] == ["IPFIX over TLS"]
    assert one["totals"] == {"datagrams": 1, "records": 0, "exporter": 0, "own": 0, "unread": 0}


def test_rates_and_steps_end_where_the_day_ends() -> None:
    history = History()
    for minute in range(3 * 24 * 60):
        history.add(minute * MINUTE_US, 0, 60)
        history.add(minute * MINUTE_US, 1, 600)
    now_us = 3 * DAY_US - 1
    assert history.sums(now_us, 3600) == [3600, 36_000, 0, 0, 0]
    assert len(history.steps(now_us)) == 48
    assert sum(step[2] for step in history.steps(now_us)) == 86_400 * 10
    assert round(history.now(now_us).records) == 10
    assert round(history.over(now_us, 86_400, 0).datagrams) == 1
    history.add(5 * MINUTE_US, 0, 1)
    assert history.totals[0] == 3 * 24 * 60 * 60 + 1


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ([(0, 60), (0, 22), (0, 21), (0, 2), (0, 1), (0, 7), (0, 11), (0, 10), (0, 14)], "Mikro"),
        ([(0, 8), (0, 33_002)], "Cisco ASA"),
        ([(0, 8), (25461, 346)], "Palo Alto"),
        ([(0, 8), (29305, 1)], ""),
    ],
)
def test_models_are_guessed_with_a_reason(fields: list[tuple[int, int]], name: str) -> None:
    layout = Layout.of(10, 0, tuple(Field(pen, i, 4) for pen, i in fields))
    guess = models.of_templates([layout])
    assert guess.name.startswith(name)
    assert bool(guess.because) == bool(name)


def test_lines_and_applications_give_models_away_too() -> None:
    assert models.of_formats({"rfc3164": 900, "mikrotik": 5}).name == "MikroTik RouterOS"
    assert models.of_formats({"sshd": 900, "fortigate": 5}).name == "Fortinet FortiGate"
    assert models.of_formats({"rfc3164": 900}) == models.NOBODY
    assert models.of_applications([b"\x14\0\0\x30\x44abcd"]).name == "Fortinet FortiGate"


PAUSES = st.sampled_from([1, 20, 59, 61, 240, 301, 900, 5000, -30, -3600])
TRACES = st.lists(st.tuples(PAUSES, st.integers(0, 2), st.integers(0, 40)), max_size=60)


def trace(steps: Sequence[tuple[int, int, int]]) -> list[Frame]:
    """Return two regular senders, then whatever comes."""
    frames = every_minute(20) + every_minute(20, address="192.0.2.2")
    frames.sort(key=lambda each: each.received_ns)
    at = BEGIN + timedelta(minutes=20)
    for pause, who, slow in steps:
        at += timedelta(seconds=pause)
        frames.append(frame(at, address=f"192.0.2.{who + 1}", slow_s=slow))
    return [
        Frame(**{**{n: getattr(f, n) for n in Frame._fields}, "number": i})
        for i, f in enumerate(frames)
    ]


def remembered(book: SourceBook) -> list[object]:
    """Return what later events hang on; counts go into steps batch by batch."""
    told_of = ("key", "seen", "rhythm", "clock")
    return [[one[name] for name in told_of] for one in book.snapshot()["regular"]]


@given(TRACES, st.lists(st.integers(1, 30), max_size=20), st.booleans())
def test_cutting_frames_into_other_batches_tells_the_same(
    steps: list[tuple[int, int, int]], cuts: list[int], restarted: bool
) -> None:
    frames = trace(steps)
    one_by_one = SourceBook("school-a")
    expected = [event for each in frames for event in one_by_one.see([each], [])]
    book, found, at = SourceBook("school-a"), [], 0
    for cut in [*cuts, len(frames) + 1]:
        if frames[at : at + cut]:
            found += book.see(frames[at : at + cut], [])
        at += cut
        if restarted:
            book = SourceBook.restore("school-a", json.loads(json.dumps(book.snapshot())))
    assert found == expected
    assert remembered(book) == remembered(one_by_one)


def test_a_snapshot_of_another_version_is_an_empty_book() -> None:
    assert list(SourceBook.restore("school-a", {"format": "prathu-sources/0"})) == []


def test_who_says_who_signed_in_is_counted_by_what_became_of_it() -> None:
    book = SourceBook("school-a")
    book.see([frame(BEGIN, kind=FrameKind.SYSLOG)], [])
    words = ["not-believed", "not-believed", "believed"]
    book.judge(Verdict("192.0.2.1", word, BEGIN_US + at) for at, word in enumerate(words))
    book.judge([Verdict("192.0.2.99", "believed", BEGIN_US)])
    book = SourceBook.restore("school-a", json.loads(json.dumps(book.snapshot())))
    seen = shown(book, BEGIN)
    assert seen["sign_ins"] == {"believed": 1, "not-believed": 2}
    assert seen["signed_in"] == {"newest_us": BEGIN_US + 2, "verdict": "believed"}


def test_sessions_that_lines_told_make_no_radius_client_of_their_sender() -> None:
    book = SourceBook("school-a")
    columns = {
        name: pa.array(values, pa.string()).dictionary_encode()
        for name, values in {
            "source": ["192.0.2.1", "ap-1", "192.0.2.1"],
            "method": ["syslog", "accounting", "syslog"],
        }.items()
    }
    rows = Rows(log="sessions", site="school-a", columns=dict(columns), frame=np.arange(3))
    book.count(rows)
    assert [source.key for source in book] == [("radius", "ap-1")]


def test_rates_that_records_tell_are_known_with_their_origin() -> None:
    book = SourceBook("school-a")
    book.see(every_minute(2), [])
    names: pa.Array[Any] = pa.array(["192.0.2.1"] * 3).dictionary_encode()
    for origin in ("record", "record-swapped", "setting"):
        origins: pa.Array[Any] = pa.array([origin, "none", origin]).dictionary_encode()
        rates: pa.Array[Any] = pa.array([512, None, 1024], pa.int64())
        columns = {"source": names, "sampling_origin": origins, "sampling_rate": rates}
        book.count(Rows(log="flows", site="school-a", columns=columns, frame=np.arange(3)))
        if origin == "record-swapped":
            both = shown(book, BEGIN + timedelta(minutes=2))["sampling"]
            assert both == [
                {"rate": 1024, "origin": "record"},
                {"rate": 1024, "origin": "record-swapped"},
            ]
    one = shown(book, BEGIN + timedelta(minutes=2))
    assert one["sampling"] == [{"rate": 1024, "origin": "setting"}], "over what it says itself"


def test_templates_are_told_with_their_fields_age_and_whether_they_are_from_the_disk() -> None:
    book, decoder = SourceBook("school-a"), FlowDecoder("school-a")
    template = wire.v9_template(256, [(7, 2), (9999, 4)])
    frames = [wire.frame(wire.v9(template, sequence=n), n) for n in range(3)]
    decoder.decode(frames)
    book.see(frames, [])
    at = datetime.fromtimestamp(wire.SENT_S + 10, UTC)
    assert "template_list" not in shown(book, at, decoder), "only where asked for"

    again = FlowDecoder("school-a")
    again.restore(json.loads(json.dumps(decoder.snapshot())))
    for known, restored in ((decoder, False), (again, True)):
        (one,) = told.sources(
            book, known.streams, known.waiting.kept(), microseconds(at), whole="192.0.2.1"
        )
        (found,) = one["template_list"]
        assert one["templates_restored"] == restored
        assert found == {
            "domain": 0,
            "port": 40000,
            "template": 256,
            "kind": "data",
            "first_us": wire.SENT_S * 1_000_000,
            "newest_us": (wire.SENT_S + 2) * 1_000_000,
            "restored": restored,
            "field_count": 2,
            "fields": [
                {"name": "sourceTransportPort", "pen": 0, "id": 7, "bytes": 2},
                {"name": "9999", "pen": 0, "id": 9999, "bytes": 4},
            ],
        }


def test_interfaces_are_told_with_the_names_that_options_gave_them() -> None:
    book, decoder = SourceBook("school-a"), FlowDecoder("school-a")
    names = wire.v9_options(260, [(1, 4), (2, 4)], [(82, 8), (83, 8)])
    told_of = wire.a_set(260, struct.pack(">II8s8s", 7, 3, b"ge-0/0/3", b""))
    told_of += wire.a_set(260, struct.pack(">II8s8s", 7, 4, b"", b"uplink"))
    template = wire.v9_template(256, [(10, 2), (14, 2)])
    data = wire.a_set(256, struct.pack(">4H", 3, 9, 4, 9))
    frames = wire.frames(wire.v9(names, told_of, template, data))
    decoded = decoder.decode(frames)
    book.see(frames, [])
    assert decoded.flows is not None
    book.count(decoded.flows)
    again, kept = FlowDecoder("school-a"), SourceBook.restore("school-a", book.snapshot())
    again.restore(json.loads(json.dumps(decoder.snapshot())))
    for known, sources in ((decoder, book), (again, kept)):
        (one,) = told.sources(
            sources, known.streams, known.waiting.kept(), wire.SENT_S * 1_000_000, whole=told.ALL
        )
        assert one["interfaces"] == [
            {"number": 3, "name": "ge-0/0/3"},
            {"number": 4, "name": "uplink"},
            {"number": 9, "name": ""},
        ]


def test_who_was_held_back_lost_nothing() -> None:
    book = SourceBook("school-a")
    line = frame(BEGIN, kind=FrameKind.SYSLOG, transport="tcp", payload=b"<13>x")
    book.see([line], [])
    event = CoverageEvent(
        time=BEGIN,
        end=BEGIN + timedelta(seconds=7),
        site="school-a",
        kind="held-back",
        source="192.0.2.1",
    )
    book.settle([(1, microseconds(BEGIN), event)])
    one = shown(SourceBook.restore("school-a", book.snapshot()), BEGIN + timedelta(minutes=1))
    assert one["held_back"] == {"total_us": 7_000_000, "newest_us": BEGIN_US}
    assert one["problems"] == ["held-back"]
    assert one["state"] == "fine"
    assert one["day"] == dict.fromkeys(one["day"], 0) | {"datagrams": 1}  # type: ignore[call-overload]


@given(
    st.lists(
        st.tuples(
            st.sampled_from([FrameKind.FLOW, FrameKind.SYSLOG, FrameKind.CONNTRACK]),
            st.binary(max_size=40),
            st.integers(0, 1 << 62),
        ),
        min_size=1,
        max_size=30,
    )
)
def test_any_bytes_at_any_time_are_somebody(found: list[tuple[FrameKind, bytes, int]]) -> None:
    book = SourceBook("school-a")
    frames = [
        frame(BEGIN, i, kind=kind, payload=payload, received_ns=at, wire_ns=at)
        for i, (kind, payload, at) in enumerate(found)
    ]
    book.settle(book.see(frames, []))
    assert len(list(book)) == len({kind for kind, _, _ in found})
    decoder = FlowDecoder("school-a")
    json.dumps(told.sources(book, decoder.streams, decoder.waiting.kept(), BEGIN_US))
