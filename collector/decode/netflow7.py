"""NetFlow version 7, of Cisco's Catalyst switches: a header of 24 bytes and records of 52.

Layout after Cisco's "NetFlow Export Datagram Format", version 7: that of version 5 with a flag
byte for its padding, and at the end the router whose work the switch took over.
"""

from __future__ import annotations

import struct

from collector.decode.layout import Field, Layout
from collector.decode.message import Message
from collector.decode.netflow5 import MOST_NANOSECONDS
from collector.errors import Malformed

VERSION = 7
SET_ID = 7
RECORD_BYTES = 52
_HEADER = struct.Struct(">HHIIIIxxxx")
_CISCO = 9
"""Elements of its own from 32768 on, which no template can name (`elements.csv`)."""

LAYOUT = Layout(
    version=VERSION,
    scopes=0,
    fields=(
        Field(0, 8, 4),
        Field(0, 12, 4),
        Field(0, 15, 4),
        Field(0, 10, 2),
        Field(0, 14, 2),
        Field(0, 2, 4),
        Field(0, 1, 4),
        Field(0, 22, 4),
        Field(0, 21, 4),
        Field(0, 7, 2),
        Field(0, 11, 2),
        Field(_CISCO, 33001, 1),
        Field(0, 6, 1),
        Field(0, 4, 1),
        Field(0, 5, 1),
        Field(0, 16, 2),
        Field(0, 17, 2),
        Field(0, 9, 1),
        Field(0, 13, 1),
        Field(_CISCO, 33002, 2),
        Field(_CISCO, 33003, 4),
    ),
)


def read(payload: bytes) -> Message:
    """Return the datagram's header and its records as one set.

    Raises:
        Malformed: too short, no record, or more records promised than there is room for.
    """
    if len(payload) < _HEADER.size:
        raise Malformed(f"a NetFlow v7 datagram of {len(payload)} bytes is shorter than its header")
    _, count, uptime, seconds, nanos, sequence = _HEADER.unpack_from(payload)
    room = (len(payload) - _HEADER.size) // RECORD_BYTES
    if not 0 < count <= room:
        raise Malformed(f"NetFlow v7 header promises {count} records, there is room for {room}")
    return Message(
        version=VERSION,
        domain=0,
        sequence=sequence,
        sent_us=seconds * 1_000_000 + min(nanos, MOST_NANOSECONDS) // 1_000_000 * 1000,
        uptime_ms=uptime,
        sets=[(SET_ID, payload[_HEADER.size : _HEADER.size + count * RECORD_BYTES])],
        sampling=0,
        broken_sets=0,
    )
