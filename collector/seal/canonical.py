"""Schema documents: the columns of a log whose canonical rows are hashed, whatever wrote its file.

What a table may hold is checked here, how its columns become bytes stands in `encoding.py`.
Anything that is not exactly of its type is refused.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import rfc8785

from collector.seal.encoding import CODED, NUMPY, Column
from collector.seal.fault import Refused

FORMAT = "prathu-row/1"
YEAR_2400_US = 13_569_465_600_000_000
"""A time from here on is a Buddhist-era year that nobody corrected."""

_US = pa.timestamp("us", tz="UTC")
_STORED: Mapping[str, tuple[pa.DataType, ...]] = {
    "u8": (pa.int32(),),
    "u16": (pa.int32(),),
    "u32": (pa.int64(),),
    "u64": (pa.int64(),),
    "i64": (pa.int64(),),
    "bool": (pa.bool_(),),
    "time": (_US,),
    "ip": (pa.string(),),
    "mac": (pa.string(),),
    "uuid": (pa.string(),),
    "str": (pa.string(), pa.large_string()),
    "bytes": (pa.binary(), pa.large_binary()),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """A schema document that follows the format."""

    log: str
    version: int
    subject: str | None
    core: tuple[Column, ...]
    detail: tuple[Column, ...]
    text: bytes
    """The document as RFC 8785 JSON, as it is stored."""

    @property
    def sha256(self) -> str:
        """The document's name in manifests and files."""
        return hashlib.sha256(self.text).hexdigest()

    @property
    def columns(self) -> tuple[Column, ...]:
        """All columns in the order of the file."""
        return self.core + self.detail


def read_schema(document: Mapping[str, Any]) -> Schema:
    """Return `document` checked.

    Raises:
        Refused: E-12, naming the member that is wrong.
    """
    members = {"format", "log", "version", "subject", "core", "detail"}
    if document.keys() != members or document["format"] != FORMAT:
        raise Refused("E-12", f"not a {FORMAT} schema document")
    log, version, subject = document["log"], document["version"], document["subject"]
    if not isinstance(log, str) or not re.fullmatch(r"[a-z][a-z0-9_]{0,31}", log):
        raise Refused("E-12", f"schema: the log name {log!r}")
    if type(version) is not int or not 0 < version < 1 << 53:
        raise Refused("E-12", f"schema {log}: the version {version!r}")
    core, detail = (_columns(log, document[part]) for part in ("core", "detail"))
    names = [name for name, _ in core + detail]
    if len(set(names)) != len(names):
        raise Refused("E-12", f"schema {log}: a column twice")
    if dict(core).get("time") != "time" or dict(core).get("received") != "time":
        raise Refused("E-12", f"schema {log}: core needs time and received")
    if subject is not None and dict(core).get(subject) != "str":
        raise Refused("E-12", f"schema {log}: the subject must be a str column of core")
    return Schema(
        log=log,
        version=version,
        subject=subject,
        core=core,
        detail=detail,
        text=rfc8785.dumps(dict(document)),
    )


def parse_schema(text: bytes) -> Schema:
    """Return the schema document in a file of `ledger/schema/`.

    Raises:
        Refused: E-12, not such a document or not in its one spelling.
    """
    try:
        schema = read_schema(json.loads(text))
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise Refused("E-12", f"not a schema document: {error}") from error
    if schema.text != text:
        raise Refused("E-12", "the schema document is not in its canonical form")
    return schema


def _columns(log: str, listed: object) -> tuple[Column, ...]:
    if not isinstance(listed, list):
        raise Refused("E-12", f"schema {log}: the columns are not a list")
    columns = []
    for entry in listed:
        if not isinstance(entry, list) or len(entry) != 2:
            raise Refused("E-12", f"schema {log}: not a [name, type]: {entry!r}")
        name, kind = entry
        if not isinstance(name, str) or not re.fullmatch(r"[a-z][a-z0-9_]{0,62}", name):
            raise Refused("E-12", f"schema {log}: the column name {name!r}")
        if not isinstance(kind, str) or kind not in NUMPY:
            raise Refused("E-12", f"schema {log}: the type {kind!r} of column {name}")
        columns.append((name, kind))
    return tuple(columns)


def check_types(table: pa.Table, schema: Schema) -> None:
    """Refuse a table whose columns are not exactly those of `schema`, in order and in type.

    Raises:
        Refused: E-12.
    """
    names = [name for name, _ in schema.columns]
    if table.column_names != names:
        odd = set(names).symmetric_difference(table.column_names)
        told = ", ".join(sorted(odd)) or "their order"
        raise Refused("E-12", f"columns are not those of the schema of {schema.log}: {told}")
    for name, kind in schema.columns:
        stored = table.schema.field(name).type
        if pa.types.is_dictionary(stored) and kind in CODED:
            stored = stored.value_type
        if stored not in _STORED[kind]:
            raise Refused("E-12", f"column {name} is {stored}, not {_STORED[kind][0]} for {kind}")
