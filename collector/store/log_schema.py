"""The form of a log: its columns in order, as a document that is hashed, and as an Arrow schema.

A schema document (RFC 8785 JSON, `prathu-row/1`) names the columns of a log in order, `core` first,
then `detail` (what may have to be withheld while the rest is shown). Its hash stands in every
segment manifest, so a change of any kind is a new version; old versions stay for ever.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import pyarrow as pa

from collector.errors import StoreError
from collector.records import Rows

TEXT = pa.dictionary(pa.int32(), pa.string())
"""Arrow type of `str`, `ip`, `mac` and `uuid` in memory; in the file it reads back as text."""

ARROW: Mapping[str, pa.DataType] = {
    "u8": pa.int32(),
    "u16": pa.int32(),
    "u32": pa.int64(),
    "u64": pa.int64(),
    "i64": pa.int64(),
    "bool": pa.bool_(),
    "time": pa.timestamp("us", tz="UTC"),
    "ip": TEXT,
    "mac": TEXT,
    "uuid": TEXT,
    "str": TEXT,
    "bytes": pa.binary(),
}

WHOLE = frozenset(("raw",))
"""Columns of texts that hardly ever repeat: looking for repeats would cost more than it gives."""


@dataclass(frozen=True)
class LogSchema:
    """One version of one log's columns."""

    log: str
    version: int
    subject: str | None
    core: tuple[tuple[str, str], ...]
    detail: tuple[tuple[str, str], ...]

    @cached_property
    def document(self) -> dict[str, Any]:
        """The schema document of `evidence.md` section 2."""
        return {
            "format": "prathu-row/1",
            "log": self.log,
            "version": self.version,
            "subject": self.subject,
            "core": [list(column) for column in self.core],
            "detail": [list(column) for column in self.detail],
        }

    @cached_property
    def columns(self) -> dict[str, str]:
        """Column name to type name, in file order."""
        return dict(self.core + self.detail)

    @cached_property
    def arrow(self) -> pa.Schema:
        """The Arrow schema of a table of this log, in memory."""
        return pa.schema(
            [
                (name, pa.string() if name in WHOLE else ARROW[kind])
                for name, kind in self.columns.items()
            ]
        )

    def table(self, rows: Rows) -> pa.Table:
        """Return `rows` as a table with every column of the log, missing ones but `site` null.

        Raises:
            StoreError: a column that the log does not have, or one of another type.
        """
        unknown = rows.columns.keys() - self.columns.keys()
        if unknown:
            raise StoreError(f"the log {self.log} has no column {', '.join(sorted(unknown))}")
        arrays = []
        for field in self.arrow:
            array = rows.columns.get(field.name)
            if array is None and field.name == "site":
                array = _constant(rows.site, len(rows))
            elif array is None:
                array = nulls(field.type, len(rows))
            elif array.type != field.type:
                raise StoreError(f"{self.log}.{field.name} is {array.type}, not {field.type}")
            arrays.append(array)
        return pa.Table.from_arrays(arrays, schema=self.arrow)


def nulls(kind: pa.DataType, rows: int) -> pa.Array[Any]:
    """Return an array of nulls; columns of numbers and texts share one run of zeros.

    Half of the columns of a log are empty, and a segment has half a million rows.
    """
    if pa.types.is_binary(kind) or pa.types.is_string(kind):
        return pa.nulls(rows, kind)
    zeros = _zeros(-(-rows // _ZEROS) * _ZEROS)
    if isinstance(kind, pa.DictionaryType):
        codes: Any = pa.Array.from_buffers(kind.index_type, rows, [zeros, zeros])
        return pa.DictionaryArray.from_arrays(codes, pa.array([], kind.value_type))
    return pa.Array.from_buffers(kind, rows, [zeros, zeros])


_ZEROS = 1 << 16


@lru_cache(maxsize=2)
def _zeros(rows: int) -> pa.Buffer:
    return pa.py_buffer(bytes(8 * rows))


def _constant(text: str, rows: int) -> pa.Array[Any]:
    return pa.DictionaryArray.from_arrays(np.zeros(rows, np.int32), pa.array([text], pa.string()))
