"""Canonical rows: one spelling, exact types, nothing cast."""

from __future__ import annotations

import hashlib
import ipaddress
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.seal import canonical, encoding, spelling
from collector.seal.fault import Refused
from collector.store.schema import LOGS
from tests.collector.seal import school


def encode(kind: str, values: list[Any], arrow: pa.DataType) -> list[bytes]:
    encoder = encoding.Encoder([("x", kind)])
    matrix = np.full((len(values), encoder.width), 0x55, dtype=np.uint8)
    encoder.prepare(pa.table({"x": pa.array(values, arrow)})).write(matrix, 0, 0)
    return [row.tobytes() for row in matrix]


@given(st.lists(st.none() | st.integers(-(2**63), 2**63 - 1), min_size=1))
def test_integers_are_big_endian_and_nulls_are_zero(values: list[int | None]) -> None:
    found = encode("i64", values, pa.int64())
    assert found == [
        b"\x80" + bytes(8) if v is None else b"\x00" + v.to_bytes(8, "big", signed=True)
        for v in values
    ]


@given(st.lists(st.none() | st.text(max_size=20), min_size=1))
def test_a_text_is_its_hash_and_empty_is_not_null(values: list[str | None]) -> None:
    hashed = [
        b"\x80" + bytes(32) if v is None else b"\x00" + hashlib.sha256(v.encode()).digest()
        for v in values
    ]
    assert encode("str", values, pa.string()) == hashed
    assert encode("str", values, pa.large_string()) == hashed
    assert encode("str", values, pa.dictionary(pa.int32(), pa.string())) == hashed


@given(st.lists(st.ip_addresses(), min_size=1))
def test_addresses_are_family_and_sixteen_bytes(addresses: list[Any]) -> None:
    texts = [spelling.ip6_text(a) if a.version == 6 else str(a) for a in addresses]
    packed = [
        b"\x04" + bytes(10) + b"\xff\xff" + a.packed if a.version == 4 else b"\x06" + a.packed
        for a in addresses
    ]
    assert encode("ip", texts, pa.string()) == [b"\x00" + p for p in packed]


def test_a_mapped_address_keeps_family_six() -> None:
    assert spelling.ip_bytes(b"::ffff:192.0.2.1")[0] == 6
    assert spelling.ip6_text(ipaddress.IPv6Address("::ffff:c000:201")) == "::ffff:192.0.2.1"


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        *(
            ("ip", t)
            for t in (
                "192.0.2.01",
                "192.0.2",
                "1.2.3.4 ",
                "2001:DB8::1",
                "2001:db8:0::1",
                "::ffff:c000:201",
                "fe80::1%eth0",
                "",
                "1.2.3.256",
                "1_0.2.3.4",
            )
        ),
        *(("mac", t) for t in ("02:00:00:00:00:0A", "02-00-00-00-00-0a", "02:00:00:00:00")),
        ("uuid", "0C6F8A52-6d1f-4d0e-9c59-3c1f5ad2a001"),
        ("uuid", "0c6f8a526d1f4d0e9c593c1f5ad2a001"),
    ],
)
def test_another_spelling_is_refused(kind: str, text: str) -> None:
    with pytest.raises(Refused, match="canonical text") as refused:
        encode(kind, [text], pa.string())
    assert refused.value.number == "E-12"


@pytest.mark.parametrize(
    ("kind", "value", "arrow"),
    [
        ("u8", 256, pa.int32()),
        ("u16", -1, pa.int32()),
        ("u32", 1 << 32, pa.int64()),
        ("u64", -1, pa.int64()),
    ],
)
def test_a_number_that_does_not_fit_is_refused_with_its_row(
    kind: str, value: int, arrow: pa.DataType
) -> None:
    with pytest.raises(Refused, match="row 1: "):
        encode(kind, [3, value, 5], arrow)


def test_garbage_under_nulls_is_masked() -> None:
    mask = np.array([False, True])
    hidden: pa.Array[Any] = pa.array(np.array([1, 77]), mask=mask)
    plain = pa.Array.from_buffers(
        pa.int64(), 2, [hidden.buffers()[0], pa.py_buffer(np.array([1, 77]).tobytes())]
    )
    encoder = encoding.Encoder([("x", "i64")])
    matrix = np.zeros((2, encoder.width), dtype=np.uint8)
    encoder.prepare(pa.table({"x": plain})).write(matrix, 0, 0)
    assert matrix[1].tobytes() == b"\x80" + bytes(8)


def test_text_that_is_not_utf8_is_refused() -> None:
    bad = pa.Array.from_buffers(
        pa.string(),
        1,
        [None, pa.py_buffer(np.array([0, 1], dtype=np.int32).tobytes()), pa.py_buffer(b"\xff")],
    )
    encoder = encoding.Encoder([("x", "str")])
    with pytest.raises(Refused, match=r"UTF-?8"):
        encoder.prepare(pa.table({"x": bad}))


def test_the_types_of_a_file_are_exact() -> None:
    schema, table = canonical.read_schema(school.DEMO), school.table(4)
    canonical.check_types(table, schema)
    cast = table.set_column(4, "port", table["port"].cast(pa.int64()))
    local = table.set_column(0, "time", table["time"].cast(pa.timestamp("us", tz="Asia/Bangkok")))
    moved = table.select([*table.column_names[1:], "time"])
    for odd in (
        cast,
        local,
        moved,
        table.drop_columns(["mac"]),
        table.append_column("x", table["port"]),
    ):
        with pytest.raises(Refused) as refused:
            canonical.check_types(odd, schema)
        assert refused.value.number == "E-12"


@pytest.mark.parametrize("log", sorted(LOGS))
def test_the_schema_of_every_log_follows_the_format(log: str) -> None:
    schema = canonical.read_schema(LOGS[log].document)
    assert canonical.parse_schema(schema.text) == schema
    empty = pa.Table.from_pylist([], schema=LOGS[log].arrow)
    canonical.check_types(empty, schema)


@pytest.mark.parametrize(
    "change",
    [
        {"format": "prathu-row/2"},
        {"log": "Demo"},
        {"version": 0},
        {"version": 1.0},
        {"subject": "src"},
        {"subject": "host"},
        {"core": [["time", "time"]]},
        {"detail": [["time", "str"]]},
        {"detail": [["x", "f64"]]},
        {"detail": [["X", "str"]]},
        {"detail": {}},
        {"more": 1},
    ],
)
def test_a_schema_document_that_does_not_follow_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(Refused) as refused:
        canonical.read_schema({**school.DEMO, **change})
    assert refused.value.number == "E-12"


@given(st.binary(max_size=80))
def test_any_bytes_are_a_schema_or_refused(data: bytes) -> None:
    with pytest.raises(Refused):
        canonical.parse_schema(data)


@pytest.mark.parametrize(
    ("kind", "arrow", "values"),
    [
        ("u16", pa.int32(), [0, 65535, None]),
        ("time", pa.timestamp("us", tz="UTC"), [-1, 7, None]),
        ("bool", pa.bool_(), [True, False, None]),
        ("str", pa.string(), ["", "a", None]),
        ("ip", pa.string(), ["10.0.0.1", "2001:db8::1", None]),
    ],
)
def test_a_row_is_the_same_among_others_as_alone(
    kind: str, arrow: pa.DataType, values: list[Any]
) -> None:
    alone = [encode(kind, [value], arrow)[0] for value in values]
    for chosen in ([0], [2], [0, 2], [1, 0], [0, 1, 2]):
        many = encoding.RUN // len(chosen) + 1
        rows = encode(kind, [values[n] for n in chosen] * many, arrow)
        assert rows == [alone[n] for n in chosen] * many
