"""IPFIX (RFC 7011): the message header, and what its template sets say."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from collector.decode.cursor import Cursor
from collector.decode.layout import Field, Layout, Template
from collector.decode.message import Message
from collector.decode.sets import walk
from collector.errors import Malformed

VERSION = 10
TEMPLATE_SET = 2
OPTIONS_SET = 3
LEAST_TEMPLATE_ID = 256
_HEADER = struct.Struct(">HHIII")
_ENTERPRISE_BIT = 0x8000
_ID_BYTES = 4


def read(payload: bytes) -> Message:
    """Return the message's header and sets, cut at the header's length (RFC 7011 section 3.1).

    Raises:
        Malformed: shorter than the header, or a length that is.
    """
    if len(payload) < _HEADER.size:
        raise Malformed(f"an IPFIX message of {len(payload)} bytes is shorter than its header")
    _, length, seconds, sequence, domain = _HEADER.unpack_from(payload)
    if length < _HEADER.size:
        raise Malformed(f"IPFIX header says length {length}, shorter than itself")
    sets, broken = walk(payload, _HEADER.size, min(length, len(payload)))
    if length > len(payload) and not broken:
        broken = 1
    return Message(VERSION, domain, sequence, seconds * 1_000_000, -1, sets, 0, broken)


def templates(set_id: int, body: bytes, most_fields: int) -> Iterator[Template]:
    """Yield the templates of a template set (id 2) or options template set (id 3).

    A withdrawal (RFC 7011 section 8.1) is yielded as a template without layout.

    Raises:
        Malformed: a template longer than its set, of a reserved number, scope fields that are not
            there, or more than `most_fields` fields.
    """
    cursor = Cursor(body)
    while cursor.remaining >= _ID_BYTES:
        template_id, count = cursor.uint(2), cursor.uint(2)
        if template_id == count == 0:
            return  # padding
        if template_id < LEAST_TEMPLATE_ID and not _withdraws_all(set_id, template_id, count):
            raise Malformed(f"a template of the number {template_id}: the least is 256")
        if count == 0:
            yield Template(template_id, None)
            continue
        scopes = cursor.uint(2) if set_id == OPTIONS_SET else 0
        if count > most_fields:
            raise Malformed(f"template {template_id} has {count} fields, at most {most_fields}")
        if scopes > count:
            raise Malformed(f"template {template_id} has {scopes} scope fields of {count}")
        fields = tuple(_field(cursor) for _ in range(count))
        yield Template(template_id, Layout.of(VERSION, scopes, fields))


def _withdraws_all(set_id: int, template_id: int, count: int) -> bool:
    return template_id == set_id and count == 0


def _field(cursor: Cursor) -> Field:
    """Read one field specifier (RFC 7011 section 3.2)."""
    number, size = cursor.uint(2), cursor.uint(2)
    if number & _ENTERPRISE_BIT:
        return Field(cursor.uint(4), number & ~_ENTERPRISE_BIT, size)
    return Field(0, number, size)
