"""Hypothesis strategies and comparisons for whole tables of any log."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from collector.store.schema import LOGS, LogSchema

_TEXT = st.sampled_from(("", "a", "สมชาย ใจดี", "น้ำ", "x" * 40, "\x00", "🙂")) | st.text(max_size=8)
_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "u8": st.integers(0, 255),
    "u16": st.integers(0, 65535),
    "u32": st.integers(0, (1 << 32) - 1),
    "u64": st.integers(0, (1 << 63) - 1),
    "i64": st.integers(-(1 << 63), (1 << 63) - 1),
    "bool": st.booleans(),
    "time": st.integers(0, 13_569_465_600_000_000),
    "ip": st.sampled_from(("10.0.0.1", "2001:db8::1", "::ffff:10.0.0.1")),
    "mac": st.sampled_from(("02:00:00:00:00:01", "02:00:00:00:00:02")),
    "uuid": st.uuids().map(str),
    "str": _TEXT,
    "bytes": st.binary(max_size=8),
}


@st.composite
def tables(draw: st.DrawFn) -> tuple[LogSchema, pa.Table]:
    """Return a log and a table of it, one to twenty rows, any column null or not."""
    schema = LOGS[draw(st.sampled_from(sorted(LOGS)))]
    count = draw(st.integers(1, 20))
    columns = {}
    for name, kind in schema.columns.items():
        value = _VALUES[kind]
        if name not in ("time", "received"):
            value = draw(st.sampled_from((st.none(), value, st.none() | value)))
        values = draw(st.lists(value, min_size=count, max_size=count))
        columns[name] = column(schema, name, values)
    return schema, pa.table(columns, schema=schema.arrow)


def column(schema: LogSchema, name: str, values: list[Any]) -> pa.Array[Any]:
    """Return values as the column of that name has them in memory."""
    kind: Any = schema.arrow.field(name).type
    dictionary = pa.types.is_dictionary(kind)
    found: Any = pa.array(values, kind.value_type if dictionary else kind)
    encoded: pa.Array[Any] = found.dictionary_encode() if dictionary else found
    return encoded


def same(one: pa.Table, other: pa.Table) -> bool:
    """Return whether two tables have the same schema and values; dictionaries may differ."""
    if one.schema != other.schema:
        return False
    return all(_plain(a).equals(_plain(b)) for a, b in zip(one.columns, other.columns, strict=True))


def _plain(values: Any) -> Any:
    kind = values.type
    return values.cast(kind.value_type) if pa.types.is_dictionary(kind) else values
