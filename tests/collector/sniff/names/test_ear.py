"""From packets to records: names, each once, and a count of what told none."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP
from scapy.packet import Raw

from collector.receive.local import _read_event
from collector.records import CoverageEvent, FrameKind, NameEvent
from collector.sniff.names import ear as hearing
from collector.sniff.names.ear import UNREAD, Ear
from collector.sniff.records import Record
from tests.collector.sniff.names import wire

T = 1_795_338_000 * 10**9
S = 10**9
WWW = "www.example.org."


def ear() -> Ear:
    return Ear("school-a", "eth1")


def names(records: list[Record]) -> list[NameEvent]:
    """Return the events as the receiving process reads them."""
    found = []
    for kind, members in records:
        event = _read_event(FrameKind[kind.upper()], json.dumps(members))
        assert isinstance(event, NameEvent)
        found.append(event)
    return found


def told(by: Ear, *packets: bytes, at: int = T) -> list[str]:
    return [event.name for packet in packets for event in names(by.hear(packet, at))]


def test_a_dns_answer_is_told_with_its_device_its_addresses_and_its_ttl() -> None:
    packet = wire.answer((WWW, "A", "203.0.113.9", 60), (WWW, "A", "203.0.113.10", 30))
    (event,) = names(ear().hear(packet, T))
    assert (event.origin, event.client, event.name) == (
        "dns-capture",
        wire.CLIENT,
        "www.example.org",
    )
    assert (event.answers, event.ttl, event.kind) == (("203.0.113.9", "203.0.113.10"), 30, "A")
    assert (event.client_port, event.source) == (None, "sniff eth1")


def test_an_answer_to_a_group_or_with_no_host_in_it_tells_nothing() -> None:
    by = ear()
    assert told(by, wire.answer((WWW, "A", "203.0.113.9", 60), to="224.0.0.251")) == []
    assert told(by, wire.answer((WWW, "A", "0.0.0.0", 60))) == []


@pytest.mark.parametrize("six", [False, True])
@pytest.mark.parametrize("version", [wire.V1, wire.V2])
def test_a_quic_hello_is_told_with_its_connection(*, version: int, six: bool) -> None:
    packet = wire.udp(wire.initial(wire.crypto(wire.hello(ech=True)), version=version), six=six)
    (event,) = names(ear().hear(packet, T))
    assert (event.origin, event.kind, event.client_port, event.port) == (
        "quic-sni",
        "sni-ech",
        50_000,
        443,
    )
    assert event.answers == (("2001:db8:1::9" if six else "203.0.113.9"),)


def test_a_tls_hello_in_many_segments_in_any_order_and_twice_is_told_once() -> None:
    said = wire.record(wire.hello(pad=1500), 700)
    first = 0xFFFFFF00  # the numbers run over
    cut = [
        wire.tls(said[at : at + 300], (first + at) & 0xFFFFFFFF) for at in range(0, len(said), 300)
    ]
    by = ear()
    assert told(by, cut[0], *reversed(cut[2:]), cut[2]) == []
    assert told(by, cut[1], *cut) == ["www.example.org"]
    assert not by.unread


def test_a_quic_hello_over_several_packets_mixed_and_repeated_is_told_once() -> None:
    said = wire.hello(pad=1500)
    frames = [wire.crypto(said, at, 100) for at in range(0, len(said), 100)]
    one = wire.udp(wire.initial(b"".join(frames[::2]), number=0))
    other = wire.udp(wire.initial(b"\1".join(frames[1::2]), number=1))
    by = ear()
    assert told(by, other, other, one, other, one) == ["www.example.org"]


def test_a_connection_that_begins_anew_after_retry_is_told_once_and_a_second_one_again() -> None:
    by = ear()
    again = wire.initial(wire.crypto(wire.hello()), connection=b"retried!", token=b"token")
    other = wire.initial(wire.crypto(wire.hello("other.example.org")), connection=b"a-second")
    first = wire.initial(wire.crypto(wire.hello()))
    packets = [wire.udp(each) for each in (first, again, other)]
    assert told(by, *packets) == ["www.example.org", "other.example.org"]


def test_later_packets_with_the_servers_connection_id_belong_to_the_same_connection() -> None:
    by, first = ear(), bytes.fromhex("8394c8f03e515708")
    said = wire.hello()
    one = wire.initial(wire.crypto(said, 0, 60))
    two = wire.initial(wire.crypto(said, 60), connection=b"servers", keys_of=first)
    assert told(by, wire.udp(one), wire.udp(two)) == ["www.example.org"]
    assert not by.unread


def test_dns_over_tcp_is_read_where_it_comes_in_one_piece() -> None:
    message = wire.answer((WWW, "A", "203.0.113.9", 60))[28:]
    stream = (len(message).to_bytes(2, "big") + message) * 2
    head = IP(src=wire.RESOLVER, dst=wire.CLIENT) / TCP(sport=53, dport=40_000, flags="PA")
    by = ear()
    assert told(by, bytes(head / Raw(stream))) == ["www.example.org"] * 2
    assert told(by, bytes(head / Raw(stream[:-9])), bytes(head / Raw(stream[-9:]))) == [
        "www.example.org"
    ]
    assert by.unread == {"dns-pieces": 2}


def test_what_could_not_be_read_is_counted_by_its_reason() -> None:
    by = ear()
    by.tally(T)
    said = wire.record(wire.hello(pad=1500))
    bad = [
        b"\x45",
        wire.answer((WWW, "A", "203.0.113.9", 60), tc=1),
        wire.answer((WWW, "A", "203.0.113.9", 60))[:-4],
        wire.tls(said[:1400]),
        wire.tls(wire.record(wire.hello())[:40].replace(b"\x16\3\1", b"\x16\3\1\0\0", 1), port=1),
        wire.udp(wire.initial(b"\x08", size=30)),
        wire.udp(wire.initial(b"\1", keys_of=b"x")),
    ]
    for packet in bad:
        assert by.hear(packet, T) == []
    by.dropped = 5
    events = [CoverageEvent.from_json(json.dumps(m)) for _, m in by.tally(T + 20 * S)]
    found = {event.note: event.lost for event in events if event.kind == "names-unread"}
    assert found[UNREAD["packet"]] == 1
    assert found[UNREAD["dns-cut"]] == 2
    assert found[UNREAD["hello-part"]] == 1
    assert found[UNREAD["quic"]] == 1
    assert found[UNREAD["quic-sealed"]] == 1
    assert [event.lost for event in events if event.kind == "kernel-drop"] == [5]
    assert by.tally(T + 40 * S) == []


def test_a_hello_whose_middle_never_came_is_a_part_however_much_follows() -> None:
    by, said = ear(), wire.record(wire.hello(pad=4000))
    by.hear(wire.tls(said[:1400]), T)
    for at in range(2800, 40_000, 1400):
        assert by.hear(wire.tls(said[at : at + 1400] or bytes(1400), 1000 + at), T) == []
    by.tally(T)
    assert not by.unread
    ((_, lost),) = by.tally(T + 20 * S)
    assert (lost["lost"], lost["note"]) == (1, UNREAD["hello-part"])


def test_a_flood_of_names_is_bounded_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hearing, "NAMES_AT_ONCE", 30)
    by, packet = ear(), wire.answer((WWW, "A", "203.0.113.9", 60))
    assert len(told(by, *[packet] * 50)) == 30
    ((_, lost),) = by.tally(T + 20 * S)
    assert (lost["kind"], lost["lost"], lost["unit"]) == ("sniff-rows", 20, "records")
    assert told(by, packet, at=T + 20 * S) == ["www.example.org"]


def test_a_tail_of_an_upload_is_forgotten() -> None:
    by = ear()
    assert told(by, wire.tls(b"no record of TLS", 5000)) == []
    assert not by.unread
    assert not by._calls


def test_connections_that_never_finish_are_bounded_and_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hearing, "MOST_CALLS", 50)
    by, said = ear(), wire.record(wire.hello())[:60]
    for port in range(1000, 1120):
        by.hear(wire.tls(said, port=port), T)
    assert len(by._calls) == 50
    assert by.unread == {"hello-part": 70}
    by.tally(T + 11 * S)
    assert not by._calls


GOOD = [
    wire.answer((WWW, "CNAME", "cdn.example.net.", 9), ("cdn.example.net.", "A", "203.0.113.9", 9)),
    wire.tls(wire.record(wire.hello())),
    wire.udp(wire.initial(wire.crypto(wire.hello()), size=300)),
]


@given(
    st.sampled_from(GOOD), st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255))),
    st.integers(0, 400),
)  # fmt: skip
def test_damaged_packets_end_in_records_that_are_taken(
    packet: bytes, changes: list[tuple[int, int]], size: int
) -> None:
    damaged = bytearray(packet)
    for at, octet in changes:
        damaged[at % len(damaged)] = octet
    by = ear()
    for data in (bytes(damaged[:size]), bytes(damaged), packet):
        for kind, members in (*by.hear(data, T), *by.tally(T, last=True)):
            _read_event(FrameKind[kind.upper()], json.dumps(members))
    assert set(by.unread) <= UNREAD.keys()


def test_every_reason_is_told_in_words() -> None:
    by = ear()
    by.unread.update(dict.fromkeys(UNREAD, 1))
    told_of: list[Any] = by.tally(T, last=True)
    assert len(told_of) == len(UNREAD)
