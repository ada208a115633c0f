"""Application names: each look sees what was told before it, whoever tells more afterwards."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from collector.decode.app_names import AppNames
from collector.decode.decoder import FlowDecoder
from tests.collector.decode import rows, wire

STEPS = st.lists(
    st.dictionaries(st.integers(0, 300).map(lambda n: n.to_bytes(2, "big")), st.text(max_size=3)),
    max_size=40,
)


@given(STEPS, st.integers(1, 200))
def test_it_is_a_dictionary_that_never_changes(steps: list[dict[bytes, str]], most: int) -> None:
    plain: dict[bytes, str] = {}
    names = AppNames()
    seen: list[tuple[AppNames, dict[bytes, str]]] = []
    for new in steps:
        if len(plain | new) <= most:
            plain = plain | new
        names = names.more(new, most)
        seen.append((names, plain))
    for then, wanted in seen:
        assert dict(then) == wanted
        assert len(then) == len(wanted) <= most


def test_a_name_is_kept_to_a_bound_and_an_id_that_is_none_is_not() -> None:
    told = wire.ipfix_template(256, [(95, 65535), (96, 65535)], scopes=1)
    body = wire.variable(b"\x0d\0\1\xc5") + wire.variable(b"x" * 30_000, long=True)
    body += wire.variable(b"y" * 200) + wire.variable(b"never")
    asked = wire.ipfix_template(257, [(95, 4)])
    frames = wire.frames(
        wire.ipfix(told, asked, wire.a_set(256, body)),
        wire.ipfix(wire.a_set(257, b"\x0d\0\1\xc5\x0d\0\1\xc6"), sequence=2),
    )
    decoder = FlowDecoder(wire.SITE)
    found = rows.of(decoder.decode(frames))
    assert [row["app"] for row in found] == ["x" * 255, "13:454"]
    (stream,) = decoder.streams
    assert list(stream.exporter.names) == [b"\x0d\0\1\xc5"]


def test_a_name_in_every_datagram_is_seen_by_the_rows_after_it() -> None:
    told = wire.ipfix_template(256, [(95, 4), (96, 8)], scopes=1)
    asked = wire.ipfix_template(257, [(95, 4)])
    payloads = [wire.ipfix(told, asked)]
    for number in range(200):
        name = wire.a_set(256, b"\x0d\0\1\xc5" + f"name{number:04}".encode())
        row = wire.a_set(257, b"\x0d\0\1\xc5")
        payloads.append(wire.ipfix(name, row, sequence=2 * number))
    found = rows.of(FlowDecoder(wire.SITE).decode(wire.frames(*payloads)))
    assert [row["app"] for row in found] == [f"name{number:04}" for number in range(200)]
