"""Options records as rows: what exporters tell of themselves."""

from __future__ import annotations

import json
import struct
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from collector.decode.decoder import Decoded, FlowDecoder
from collector.decode.limits import Limits
from collector.store import schema
from tests.collector.decode import wire

NAMES = wire.v9_options(260, [(1, 4), (2, 4)], [(82, 8), (83, 16)])


def named(number: int, name: bytes) -> bytes:
    return struct.pack(">II8s16s", 7, number, name, b"to " + name)


def told(decoded: Decoded) -> list[dict[str, Any]]:
    """Return the rows without their nulls; the store's schema takes them as they are."""
    found: list[dict[str, Any]] = []
    for rows in decoded.counters:
        assert len(rows.frame) == len(rows)
        table = schema.COUNTERS.table(rows)
        table.validate(full=True)
        found += [{k: v for k, v in row.items() if v is not None} for row in table.to_pylist()]
    return found


def test_names_of_interfaces_are_rows_with_their_scope() -> None:
    data = wire.a_set(260, named(3, b"ge-0/0/3") + named(4, b"ge-0/0/4"))
    decoded = FlowDecoder(wire.SITE).decode(wire.frames(wire.v9(NAMES, data, domain=9)))
    assert decoded.flows is None
    first, second = told(decoded)
    assert (first["interface"], first["name"], first["sub_agent"]) == (3, "ge-0/0/3", 9)
    assert (first["source"], first["time"].timestamp()) == ("192.0.2.1", wire.SENT_S)
    assert json.loads(second["extra"]) == {
        "scopeSystem": 7,
        "scopeInterface": 4,
        "interfaceName": "ge-0/0/4",
        "interfaceDescription": "to ge-0/0/4",
    }


def test_scopes_of_ipfix_are_called_so() -> None:
    template = wire.ipfix_template(310, [(149, 4), (234, 4), (236, 65535)], scopes=2)
    body = struct.pack(">II", 1, 5) + wire.variable(b"pupils")
    (row,) = told(
        FlowDecoder(wire.SITE).decode(wire.frames(wire.ipfix(template, wire.a_set(310, body))))
    )
    assert json.loads(row["extra"]) == {
        "scope.observationDomainId": 1,
        "scope.ingressVRFID": 5,
        "VRFname": "pupils",
    }


def test_what_is_repeated_is_one_row_and_what_changes_another() -> None:
    decoder = FlowDecoder(wire.SITE)
    decoder.decode(wire.frames(wire.v9(NAMES)))
    names = [b"old", b"old", b"new", b"new", b"old"]
    found = []
    for number, name in enumerate(names, 1):
        payload = wire.v9(wire.a_set(260, named(3, name)), sequence=number)
        found += told(decoder.decode([wire.frame(payload, number)]))
    assert [row["name"] for row in found] == ["old", "new", "old"]


def test_a_record_of_who_knows_what_is_told_again_after_an_hour() -> None:
    template = wire.v9_options(260, [(1, 4)], [(83, 4)])
    data = [wire.a_set(260, struct.pack(">I4s", 7, name)) for name in (b"one", b"two")]
    decoder = FlowDecoder(wire.SITE)
    decoder.decode(wire.frames(wire.v9(template)))
    found = []
    for number, second in enumerate((10, 600, 1200, 6000)):
        payload = wire.v9(*data, sequence=number + 1)
        found.append(len(told(decoder.decode([wire.frame(payload, second)]))))
    assert found == [2, 0, 0, 2]


def test_each_exporter_and_domain_tells_for_itself_and_a_restart_forgets_nothing() -> None:
    decoder = FlowDecoder(wire.SITE)
    data = wire.a_set(260, named(3, b"lan"))
    for number, (address, domain) in enumerate(
        [("192.0.2.1", 0), ("192.0.2.1", 1), ("192.0.2.2", 0)]
    ):
        frame = wire.frame(wire.v9(NAMES, data, domain=domain), number, address=address)
        assert len(told(decoder.decode([frame]))) == 1
    after = FlowDecoder(wire.SITE)
    after.restore(json.loads(json.dumps(decoder.snapshot())))
    again = wire.frame(wire.v9(NAMES, data, sequence=1), 9, port=40001)
    assert told(after.decode([again])) == []


def test_what_is_remembered_is_bounded() -> None:
    decoder = FlowDecoder(wire.SITE, Limits(options=10))
    data = wire.a_set(260, b"".join(named(n, b"lan") for n in range(100)))
    decoder.decode(wire.frames(wire.v9(NAMES, data)))
    assert len(decoder.snapshot()["options"]) == 10
    assert decoder.status()["options_left_out"] == 90


@given(
    st.lists(st.tuples(st.integers(0, 500), st.sampled_from([0, 1, 2, 4, 8, 65535])), min_size=1),
    st.binary(max_size=300),
)
def test_any_options_are_rows_or_nothing(fields: list[tuple[int, int]], body: bytes) -> None:
    for scopes in {1, len(fields)}:
        template = wire.ipfix_template(310, fields, scopes=scopes)
        payload = wire.ipfix(template, wire.a_set(310, body))
        decoder = FlowDecoder(wire.SITE)
        found = told(decoder.decode(wire.frames(payload)))
        assert len(found) <= decoder.counters.option_records
