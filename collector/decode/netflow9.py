"""NetFlow version 9 (RFC 3954): the header, and what its template sets say."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from collector.decode.cursor import Cursor
from collector.decode.layout import Field, Layout, Template
from collector.decode.message import Message
from collector.decode.sets import walk
from collector.errors import Malformed

VERSION = 9
TEMPLATE_SET = 0
OPTIONS_SET = 1
LEAST_TEMPLATE_ID = 256
_HEADER = struct.Struct(">HHIIII")
_ID_BYTES = 4


def read(payload: bytes) -> Message:
    """Return the datagram's header and sets (RFC 3954 section 5).

    The header's count is not used: exporters count records, sets or nothing in it.

    Raises:
        Malformed: shorter than the header.
    """
    if len(payload) < _HEADER.size:
        raise Malformed(f"a NetFlow v9 datagram of {len(payload)} bytes is shorter than its header")
    _, _, uptime, seconds, sequence, domain = _HEADER.unpack_from(payload)
    sets, broken = walk(payload, _HEADER.size, len(payload))
    return Message(VERSION, domain, sequence, seconds * 1_000_000, uptime, sets, 0, broken)


def templates(set_id: int, body: bytes, most_fields: int) -> Iterator[Template]:
    """Yield the templates of a template set (id 0) or options template set (id 1).

    Raises:
        Malformed: a template longer than its set, of a reserved number, or with more than
            `most_fields` fields.
    """
    cursor = Cursor(body)
    while cursor.remaining >= _ID_BYTES:
        template_id = cursor.uint(2)
        scopes, count = 0, cursor.uint(2)
        if template_id == count == 0:
            return  # padding
        if template_id < LEAST_TEMPLATE_ID:
            raise Malformed(f"a template of the number {template_id}: the least is 256")
        if set_id == OPTIONS_SET:
            scopes, count = count // 4, cursor.uint(2) // 4 + count // 4
        if count > most_fields:
            raise Malformed(f"template {template_id} has {count} fields, at most {most_fields}")
        numbers = cursor.u16s(2 * count)
        fields = tuple(Field(0, *pair) for pair in zip(numbers[::2], numbers[1::2], strict=True))
        yield Template(template_id, Layout.of(VERSION, scopes, fields))
