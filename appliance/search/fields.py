"""The fields a question may name: every column of the log, and the short names people use."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from collector.store.schema import LOGS, LogSchema

KINDS = {
    "u8": "number",
    "u16": "number",
    "u32": "number",
    "u64": "number",
    "i64": "number",
    "time": "time",
    "ip": "ip",
    "mac": "mac",
    "uuid": "id",
    "str": "text",
    "bytes": "bytes",
}
"""How values of a column's type are read from a question."""

PORTS = frozenset({"src_port", "dst_port", "nat_src_port", "nat_dst_port"})
PORT_OF: Mapping[str, str] = {
    "src_ip": "src_port",
    "dst_ip": "dst_port",
    "nat_src_ip": "nat_src_port",
    "nat_dst_ip": "nat_dst_port",
}
"""The column of the port that belongs to a column of an address."""


@dataclass(frozen=True, slots=True)
class Field:
    """A name in a question and what it stands for."""

    name: str
    kind: str
    """`number`, `time`, `ip`, `mac`, `id`, `text` (whole value), `name` (whole value, letters'
    case ignored), `words` (contained, case ignored), `proto`, `person`, `nat`, `bytes`."""
    columns: tuple[str, ...]
    """Where to look; a row is found when any of them fits."""
    thai: str
    english: str


_FLOWS = (
    Field("user", "person", ("person", "peer_person"), "ผู้ใช้", "the user"),
    Field("ip", "ip", ("src_ip", "dst_ip"), "ที่อยู่ไอพี", "either address"),
    Field("src", "ip", ("src_ip",), "ไอพีต้นทาง", "the source address"),
    Field("dst", "ip", ("dst_ip",), "ไอพีปลายทาง", "the destination address"),
    Field("nat", "nat", ("nat_src_ip", "nat_dst_ip"), "ไอพีสาธารณะ", "the address after NAT"),
    Field("port", "number", ("src_port", "dst_port"), "พอร์ต", "either port"),
    Field("mac", "mac", ("src_mac", "dst_mac"), "แมคแอดเดรส", "either MAC address"),
    Field("proto", "proto", ("protocol",), "โพรโทคอล", "the protocol"),
    Field("protocol", "proto", ("protocol",), "โพรโทคอล", "the protocol"),
    Field("app", "name", ("app",), "แอป", "the application"),
    Field("host", "name", ("host",), "ชื่อโฮสต์", "the host name"),
    Field("bytes", "number", ("bytes",), "จำนวนไบต์", "the bytes"),
)
_SESSIONS = (
    Field("user", "person", ("person",), "ผู้ใช้", "the user"),
    Field("ip", "addresses", ("ip",), "ที่อยู่ไอพี", "an address of the session"),
    Field("account", "name", ("account",), "บัญชี", "the account"),
    Field("full_name", "name", ("full_name",), "ชื่อ-สกุล", "the full name"),
    Field("text", "words", ("account", "full_name"), "ข้อความ", "the account or name"),
)
_EVENTS = (
    Field("text", "words", ("raw", "message"), "ข้อความ", "the text"),
    Field("user", "name", ("account",), "บัญชีในบรรทัด", "the account in the line"),
    Field("account", "name", ("account",), "บัญชีในบรรทัด", "the account in the line"),
    Field("ip", "ip", ("source", "src_ip", "dst_ip"), "ไอพีผู้ส่งหรือในบรรทัด", "an address"),
    Field("src", "ip", ("src_ip",), "ไอพีต้นทาง", "the source address"),
    Field("dst", "ip", ("dst_ip",), "ไอพีปลายทาง", "the destination address"),
    Field("port", "number", ("src_port", "dst_port"), "พอร์ต", "either port"),
    Field("proto", "proto", ("protocol",), "โพรโทคอล", "the protocol"),
    Field("protocol", "proto", ("protocol",), "โพรโทคอล", "the protocol"),
    Field("vendor", "name", ("vendor",), "รูปแบบของผู้ผลิต", "the vendor's format"),
    Field("app", "name", ("app_name",), "โปรแกรม", "the program"),
    Field("host", "name", ("hostname",), "ชื่อโฮสต์", "the host name"),
    Field("message", "words", ("raw", "message"), "ข้อความ", "the message"),
    Field("raw", "words", ("raw",), "บรรทัดดิบ", "the raw line"),
)
_LEASES = (
    Field("ip", "ip", ("ip", "nat_ip"), "ที่อยู่ไอพี", "the address"),
    Field("host", "name", ("hostname",), "ชื่อเครื่อง", "the name of the device"),
    Field("text", "words", ("hostname", "note", "server"), "ข้อความ", "the name or note"),
)
_NAMES = (
    Field("ip", "ip", ("client", "answer"), "ที่อยู่ไอพี", "the device or the answer"),
    Field("host", "name", ("name",), "ชื่อโฮสต์", "the name"),
    Field("text", "words", ("name",), "ข้อความ", "the name"),
)
_COUNTERS = (
    Field("port", "number", ("interface",), "ช่องของอุปกรณ์", "the interface"),
    Field("host", "name", ("name",), "ชื่อช่อง", "the name of the interface"),
    Field("text", "words", ("name", "extra"), "ข้อความ", "the name or what else is counted"),
)
_COVERAGE = (Field("text", "words", ("note", "kind", "source"), "หมายเหตุ", "the note"),)
_DATAGRAMS = (Field("text", "words", ("source", "file"), "ผู้ส่ง", "who sent"),)
_AUDIT = (
    Field("user", "text", ("actor",), "ผู้กระทำ", "the actor"),
    Field("ip", "ip", ("address",), "ที่อยู่ไอพี", "the actor's address"),
    Field("text", "words", ("question", "sentence", "target"), "ข้อความ", "the text"),
)
_COMMON = (
    Field("site", "text", ("site",), "สถานที่", "the site"),
    Field("source", "text", ("source",), "แหล่งข้อมูล", "the source"),
)
_SHORT: Mapping[str, tuple[Field, ...]] = {
    "flows": _FLOWS,
    "sessions": _SESSIONS,
    "events": _EVENTS,
    "counters": _COUNTERS,
    "coverage": _COVERAGE,
    "datagrams": _DATAGRAMS,
    "leases": _LEASES,
    "names": _NAMES,
    "audit": _AUDIT,
}


def of_log(schema: LogSchema) -> Mapping[str, Field]:
    """Return every name that a question about the log may use."""
    found = {
        column: Field(column, KINDS.get(kind, "text"), (column,), column, column)
        for column, kind in schema.columns.items()
    }
    found |= {field.name: field for field in (*_COMMON, *_SHORT.get(schema.log, ()))}
    return found


FIELDS: Mapping[str, Mapping[str, Field]] = {log: of_log(schema) for log, schema in LOGS.items()}


_MADE = {
    "message": "coalesce(message, rtrim(substring(raw, message_at::BIGINT + 1), "
    "chr(13) || chr(10) || chr(0))) AS message"
}
"""Columns that are kept only where another one does not say the same already, and what they are."""


def listed(columns: Iterable[str]) -> str:
    """Return columns as SQL reads them from files."""
    return ", ".join(_MADE.get(column, column) for column in columns)


def nearest(name: str, log: str) -> str:
    """Return `did you mean 'x'?` or the short names, for a field that the log does not have."""
    known = FIELDS[log]
    close = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.5)
    if close:
        return f"did you mean {close[0]!r}?"
    short = [f.name for f in (*_SHORT.get(log, ()), *_COMMON)]
    return f"the log {log} has: {', '.join(dict.fromkeys(short))} and its columns"
