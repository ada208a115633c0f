"""IPFIX over TCP and TLS: templates hold for their connection, and can be withdrawn."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.decode.decoder import FlowDecoder
from collector.decode.limits import Limits
from collector.decode.streams import TEMPLATE
from collector.records import Frame
from tests.collector.decode import rows, test_decoder, wire

FORWARD = wire.ipfix_template(256, [(7, 2), (11, 2)])
SWAPPED = wire.ipfix_template(256, [(11, 2), (7, 2)])
OPTIONS = wire.ipfix_template(257, [(149, 4), (34, 4)], scopes=1)
DATA = wire.a_set(256, b"\0\1\0\2")
EDGE = b""
"""What the receiver writes at both ends of a connection."""


def over(*payloads: bytes, first: int = 0, transport: str = "tcp", **values: int) -> list[Frame]:
    """Return frames of one connection, as its port and ours are told."""
    numbered = enumerate(payloads, first)
    values = {"local_port": 4739, **values}
    return [wire.frame(p, n, transport=transport, **values) for n, p in numbered]


def ports(frames: list[Frame], decoder: FlowDecoder | None = None) -> list[tuple[int, int]]:
    found = rows.of((decoder or FlowDecoder(wire.SITE)).decode(frames))
    return [(row["src_port"], row["dst_port"]) for row in found]


def told(decoder: FlowDecoder, frames: list[Frame]) -> list[tuple[str, int | None]]:
    return [(event.kind, event.lost) for _, event in decoder.decode(frames).coverage]


def test_templates_go_with_their_connection() -> None:
    decoder = FlowDecoder(wire.SITE)
    first = over(EDGE, wire.ipfix(FORWARD, DATA), EDGE)
    assert ports(first, decoder) == [(1, 2)]
    assert len(decoder.streams) == decoder.streams.fields == 0
    again = over(EDGE, wire.ipfix(DATA), EDGE, first=3)
    assert told(decoder, again) == [("unknown-template", 1)]
    assert len(decoder.waiting) == 0


def test_a_beginning_ends_the_connection_that_was_never_closed() -> None:
    killed = over(EDGE, wire.ipfix(FORWARD, DATA))
    after = over(EDGE, wire.ipfix(DATA), wire.ipfix(SWAPPED, DATA, sequence=1), first=2)
    assert ports(killed + after) == [(1, 2), (2, 1), (2, 1)]


@pytest.mark.parametrize(
    "other", [{"port": 40001}, {"local_port": 4740}, {"transport": "tls"}, {"address": "192.0.2.2"}]
)
def test_connections_do_not_share_templates(other: dict[str, Any]) -> None:
    frames = over(EDGE, wire.ipfix(FORWARD)) + over(EDGE, wire.ipfix(SWAPPED), first=2, **other)
    frames += over(wire.ipfix(DATA), first=4) + over(wire.ipfix(DATA), EDGE, first=5, **other)
    frames += over(wire.ipfix(DATA, sequence=1), first=7)
    assert ports(frames) == [(1, 2), (2, 1), (1, 2)]


@pytest.mark.parametrize("known", ["udp", "tcp"])
def test_datagrams_and_connections_lend_each_other_nothing(known: str) -> None:
    asking = "tcp" if known == "udp" else "udp"
    frames = over(wire.ipfix(FORWARD, DATA), transport=known)
    frames += over(wire.ipfix(DATA), first=1, transport=asking, port=40001)
    assert ports(frames) == [(1, 2)]


def test_a_withdrawn_template_is_forgotten() -> None:
    withdrawal = wire.a_set(2, b"\1\0\0\0")
    frames = over(wire.ipfix(FORWARD, DATA, withdrawal), wire.ipfix(DATA, sequence=1))
    decoder = FlowDecoder(wire.SITE)
    assert ports(frames, decoder) == [(1, 2)]
    assert (decoder.counters.withdrawals, len(decoder.waiting)) == (1, 1)
    assert ports(over(wire.ipfix(SWAPPED), first=2), decoder) == [(2, 1)]


def test_all_templates_of_a_kind_can_be_withdrawn() -> None:
    plain, options = wire.a_set(2, b"\0\2\0\0"), wire.a_set(3, b"\0\3\0\0")
    decoder = FlowDecoder(wire.SITE)
    decoder.decode(over(wire.ipfix(FORWARD, OPTIONS)))
    [stream] = decoder.streams
    decoder.decode(over(wire.ipfix(options), first=1))
    assert list(stream.templates) == [256]
    decoder.decode(over(wire.ipfix(OPTIONS, plain), first=2))
    assert list(stream.templates) == [257]
    assert decoder.streams.fields == TEMPLATE + 2


def test_datagrams_withdraw_nothing() -> None:
    withdrawal = wire.a_set(2, b"\1\0\0\0")
    frames = wire.frames(wire.ipfix(FORWARD, DATA, withdrawal), wire.ipfix(DATA, sequence=1))
    assert ports(frames) == [(1, 2), (1, 2)]


def test_numbers_begin_anew_with_a_connection() -> None:
    frames = over(EDGE, wire.ipfix(FORWARD, DATA, sequence=70), EDGE)
    frames += over(EDGE, *(wire.ipfix(FORWARD, DATA, sequence=n) for n in range(9)), first=3)
    frames += over(wire.ipfix(DATA, sequence=12), first=20)
    decoder = FlowDecoder(wire.SITE)
    assert told(decoder, frames) == [("sequence-gap", 3)]
    assert decoder.counters.datagrams == 11


def test_many_connections_leave_nothing_behind() -> None:
    decoder = FlowDecoder(wire.SITE, Limits(streams=8))
    for number in range(100):
        frames = over(EDGE, wire.ipfix(FORWARD, DATA), EDGE, first=3 * number, port=1000 + number)
        assert ports(frames, decoder) == [(1, 2)]
    assert (len(decoder.streams), decoder.streams.evicted) == (0, 0)


_PARTS = (
    EDGE, wire.ipfix(FORWARD, DATA), wire.ipfix(SWAPPED), wire.ipfix(DATA), wire.ipfix(DATA, DATA),
    wire.ipfix(wire.a_set(2, b"\1\0\0\0")), wire.ipfix(wire.a_set(3, b"\0\3\0\0"), OPTIONS),
    wire.ipfix(FORWARD, DATA, domain=7),
)  # fmt: skip


@given(
    st.lists(
        st.tuples(st.sampled_from(_PARTS), st.booleans(), st.sampled_from(("udp", "tcp", "tls"))),
        max_size=24,
    ),
    st.integers(0, 24),
)
def test_a_restart_between_two_messages_changes_nothing(
    sent: list[tuple[bytes, bool, str]], middle: int
) -> None:
    frames = [
        wire.frame(payload, number, transport=transport, port=40000 + other, local_port=4739)
        for number, (payload, other, transport) in enumerate(sent)
    ]
    expected = test_decoder.outcome(FlowDecoder(wire.SITE), frames)
    before, after = FlowDecoder(wire.SITE), FlowDecoder(wire.SITE)
    first = test_decoder.outcome(before, frames[:middle])
    after.restore(json.loads(json.dumps(before.snapshot())))
    then = test_decoder.outcome(after, frames[middle:])
    assert (first[0] + then[0], first[1] + then[1], first[2] + then[2]) == expected
