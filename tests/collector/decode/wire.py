"""Datagrams as exporters send them, built field by field for the tests."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

from collector.records import Frame, FrameKind

SENT_S = 1_700_000_000
UPTIME_MS = 1_000_000
SITE = "school-a"
Spec = tuple[int, ...]
"""(id, size) or (id, size, pen)."""


def v5(records: Sequence[bytes], *, sequence: int = 0, sent_s: int = SENT_S, **head: int) -> bytes:
    """Return a NetFlow v5 datagram."""
    return struct.pack(
        ">HHIIIIBBH",
        5,
        head.get("count", len(records)),
        head.get("uptime", UPTIME_MS),
        sent_s,
        head.get("nanos", 0),
        sequence,
        head.get("engine_type", 0),
        head.get("engine_id", 0),
        head.get("sampling", 0),
    ) + b"".join(records)


def v5_record(src: str = "10.0.0.1", dst: str = "203.0.113.1", **values: int) -> bytes:
    """Return one record of 48 bytes."""
    return struct.pack(
        ">4s4s4sHHIIIIHHBBBBHHBBH",
        ip4(src),
        ip4(dst),
        ip4("0.0.0.0"),
        values.get("in_if", 1),
        values.get("out_if", 2),
        values.get("packets", 3),
        values.get("octets", 400),
        values.get("first", UPTIME_MS - 5000),
        values.get("last", UPTIME_MS - 1000),
        values.get("src_port", 50000),
        values.get("dst_port", 443),
        0,
        values.get("flags", 27),
        values.get("protocol", 6),
        values.get("tos", 0),
        values.get("src_as", 0),
        values.get("dst_as", 0),
        24,
        16,
        0,
    )


def ip4(text: str) -> bytes:
    """Return an IPv4 address in four bytes."""
    return bytes(int(part) for part in text.split("."))


def v9(*sets: bytes, sequence: int = 0, domain: int = 0, **head: int) -> bytes:
    """Return a NetFlow v9 datagram."""
    return struct.pack(
        ">HHIIII",
        9,
        head.get("count", len(sets)),
        head.get("uptime", UPTIME_MS),
        head.get("sent_s", SENT_S),
        sequence,
        domain,
    ) + b"".join(sets)


def ipfix(*sets: bytes, sequence: int = 0, domain: int = 0, sent_s: int = SENT_S) -> bytes:
    """Return an IPFIX message."""
    body = b"".join(sets)
    return struct.pack(">HHIII", 10, 16 + len(body), sent_s, sequence, domain) + body


def a_set(number: int, body: bytes) -> bytes:
    """Return a set with its header."""
    return struct.pack(">HH", number, 4 + len(body)) + body


def v9_template(number: int, fields: Iterable[Spec]) -> bytes:
    """Return a template set of one template."""
    specs = list(fields)
    body = b"".join(struct.pack(">HH", *spec[:2]) for spec in specs)
    return a_set(0, struct.pack(">HH", number, len(specs)) + body)


def v9_options(number: int, scopes: Sequence[Spec], fields: Sequence[Spec]) -> bytes:
    """Return an options template set of one template."""
    body = b"".join(struct.pack(">HH", *spec[:2]) for spec in (*scopes, *fields))
    return a_set(1, struct.pack(">HHH", number, 4 * len(scopes), 4 * len(fields)) + body)


def ipfix_template(number: int, fields: Iterable[Spec], scopes: int = 0) -> bytes:
    """Return a template set, or an options template set when there are scopes."""
    specs = list(fields)
    head = struct.pack(">HH", number, len(specs))
    if scopes:
        head += struct.pack(">H", scopes)
    return a_set(3 if scopes else 2, head + b"".join(_specifier(spec) for spec in specs))


def _specifier(spec: Spec) -> bytes:
    if len(spec) > 2 and spec[2]:
        return struct.pack(">HHI", spec[0] | 0x8000, spec[1], spec[2])
    return struct.pack(">HH", *spec[:2])


def variable(value: bytes, *, long: bool = False) -> bytes:
    """Return a value with its length before it (RFC 7011 section 7)."""
    if len(value) < 255 and not long:
        return bytes([len(value)]) + value
    return b"\xff" + struct.pack(">H", len(value)) + value


def frame(payload: bytes, number: int = 0, **values: int | str) -> Frame:
    """Return a frame received when it was sent, one second later for each number."""
    received_ns = int(values.get("received_ns", (SENT_S + number) * 1_000_000_000))
    return Frame(
        kind=FrameKind.FLOW,
        site=SITE,
        received_ns=received_ns,
        wire_ns=int(values.get("wire_ns", received_ns)),
        address=str(values.get("address", "192.0.2.1")),
        port=int(values.get("port", 40000)),
        local_port=int(values.get("local_port", 2055)),
        transport=str(values.get("transport", "udp")),
        label=str(values.get("label", "")),
        payload=payload,
        number=number,
    )


def frames(*payloads: bytes, **values: int | str) -> list[Frame]:
    """Return the payloads as frames in turn."""
    return [frame(payload, number, **values) for number, payload in enumerate(payloads)]
