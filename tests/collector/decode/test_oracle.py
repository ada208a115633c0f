"""Whatever the template and the bytes, batches read what a decoder of single fields reads."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from collector.decode import elements, listing
from collector.decode.decoder import FlowDecoder
from tests.collector.decode import oracle, wire
from tests.collector.decode.wire import Spec

KNOWN = [1, 2, 4, 6, 7, 8, 12, 27, 56, 60, 82, 95, 96, 152, 210, 225, 276, 293, 371, 30000]
SIZES = [*range(10), 12, 16, 20, oracle.VARIABLE]
specs: st.SearchStrategy[Spec] = st.tuples(
    st.sampled_from(KNOWN), st.sampled_from(SIZES), st.sampled_from([0, 0, 29305, 9])
)


@st.composite
def templates(draw: st.DrawFn) -> list[Spec]:
    """Templates of up to eight fields whose records have a length."""
    return draw(
        st.lists(specs, min_size=1, max_size=8).filter(lambda fields: any(f[1] for f in fields))
    )


@given(
    fields=templates(),
    bodies=st.lists(st.binary(max_size=300), min_size=1, max_size=30),
    scopes=st.integers(0, 2),
)
def test_batches_read_what_single_fields_read(
    fields: list[Spec], bodies: list[bytes], scopes: int
) -> None:
    scopes = min(scopes, len(fields))
    payloads = [wire.ipfix(wire.ipfix_template(300, fields, scopes))]
    payloads += [wire.ipfix(wire.a_set(300, body)) for body in bodies]

    decoder = FlowDecoder(wire.SITE)
    found = listing.records(decoder.heaps(wire.frames(*payloads)))

    expected = [values for body in bodies for values in oracle.records(body, fields)]
    assert [_flat(record) for record in found] == [_values(v, fields) for v in expected]
    assert [record.frame for record in found] == sorted(record.frame for record in found)


@given(
    body=st.binary(max_size=2000),
    fields=st.lists(
        st.tuples(st.sampled_from([8, 82, 95, 7]), st.sampled_from([4, 2, oracle.VARIABLE])),
        min_size=1,
        max_size=5,
    ),
    sets=st.integers(1, 40),
)
def test_many_sets_walked_together_give_the_same_as_one(
    body: bytes, fields: list[Spec], sets: int
) -> None:
    payloads = [wire.ipfix(wire.ipfix_template(300, fields))]
    payloads += [wire.ipfix(wire.a_set(300, body[n:])) for n in range(sets)]

    decoder = FlowDecoder(wire.SITE)
    found = listing.records(decoder.heaps(wire.frames(*payloads)))

    expected = [v for n in range(sets) for v in oracle.records(body[n:], fields)]
    assert [_flat(record) for record in found] == [_values(v, fields) for v in expected]


def _flat(record: listing.Record) -> list[object]:
    return [*record.scope.values(), *record.elements.values()]


def _values(values: list[bytes], fields: list[Spec]) -> list[object]:
    kinds = [elements.lookup(f[2] if len(f) > 2 else 0, f[0]).type for f in fields]
    return [
        oracle.value(octets, kind, is_variable=field[1] == oracle.VARIABLE)
        for octets, kind, field in zip(values, kinds, fields, strict=True)
    ]
