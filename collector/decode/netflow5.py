"""NetFlow version 5: a header of 24 bytes and up to 30 records of 48.

Layout after Cisco's "NetFlow Export Datagram Format", version 5. The records are described with
the element numbers of NetFlow v9, so that they take the same way as every other record.
"""

from __future__ import annotations

import struct

from collector.decode.layout import Field, Layout
from collector.decode.message import Message
from collector.errors import Malformed

VERSION = 5
SET_ID = 5
_HEADER = struct.Struct(">HHIIIIBBH")
RECORD_BYTES = 48
MOST_NANOSECONDS = 999_999_999
INTERVAL = 0x3FFF
"""The sampling interval; the upper two bits are the mode, which many exporters leave at 0 while
they sample."""

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
        Field(0, 210, 1),
        Field(0, 6, 1),
        Field(0, 4, 1),
        Field(0, 5, 1),
        Field(0, 16, 2),
        Field(0, 17, 2),
        Field(0, 9, 1),
        Field(0, 13, 1),
        Field(0, 210, 2),
    ),
)


def read(payload: bytes) -> Message:
    """Return the datagram's header and its records as one set.

    Raises:
        Malformed: too short, no record, or more records promised than there is room for.
    """
    if len(payload) < _HEADER.size:
        raise Malformed(f"a NetFlow v5 datagram of {len(payload)} bytes is shorter than its header")
    _, count, uptime, seconds, nanos, sequence, engine_type, engine_id, sampling = (
        _HEADER.unpack_from(payload)
    )
    room = (len(payload) - _HEADER.size) // RECORD_BYTES
    if not 0 < count <= room:
        raise Malformed(f"NetFlow v5 header promises {count} records, there is room for {room}")
    body = payload[_HEADER.size : _HEADER.size + count * RECORD_BYTES]
    return Message(
        version=VERSION,
        domain=engine_type << 8 | engine_id,
        sequence=sequence,
        # Milliseconds, as the uptimes: some exporters put other things into the lower digits.
        sent_us=seconds * 1_000_000 + min(nanos, MOST_NANOSECONDS) // 1_000_000 * 1000,
        uptime_ms=uptime,
        sets=[(SET_ID, body)],
        sampling=sampling & INTERVAL,
        broken_sets=0,
    )
