"""sFlow version 5: the header of a datagram, and what its samples and records are numbered.

After "sFlow Version 5" (sFlow.org, July 2004), with the structures for discarded packets of
"sFlow Dropped Packet Notification Structures" (October 2020). All is XDR: integers of four bytes,
each sample and record with its length before it, so that unknown ones are passed over.
"""

from __future__ import annotations

import struct

from collector.decode.layout import Field, Layout
from collector.decode.message import Message
from collector.errors import Malformed

VERSION = 0
"""What the first two bytes of a datagram say, as against 5, 7, 9 and 10 of NetFlow and IPFIX."""
SFLOW = 5
SET_ID = 0
PEN = 14706
"""Of sFlow.org. What no registry numbers is numbered here, from 32768 on: no template can."""
LEAST_BYTES = 28
"""Of a datagram whose agent has an IPv4 address."""
LEAST_SAMPLE_BYTES = 40
"""Of a sample that becomes a row: its type and length, and a flow sample without records."""

LAYOUT = Layout(
    version=VERSION,
    scopes=0,
    fields=(*(Field(PEN, 0xFFFF, 1) for _ in range(LEAST_SAMPLE_BYTES)), Field(PEN, 0xFFFF, 65535)),
)
"""Stands for all samples on their way to a batch: some forty columns, from forty bytes each. What
the rows of one batch really hold, `SampleBatch.layout` says."""

_AGENT_BYTES = {0: 0, 1: 4, 2: 16}
"""By type of address: unknown, IPv4, IPv6."""
_BEFORE_AGENT, _AFTER_AGENT = 8, struct.Struct(">IIII")
AGENT_ENDS = (12, 16, 28)
"""By the same type: where the sub-agent, which follows the address, ends."""


def read(payload: bytes) -> Message:
    """Return the datagram's header, and the whole datagram as one set.

    Raises:
        Malformed: no sFlow, of another version, or shorter than its header.
    """
    version, kind = int.from_bytes(payload[:4], "big"), int.from_bytes(payload[4:8], "big")
    if version != SFLOW or len(payload) < _BEFORE_AGENT:
        raise Malformed(f"no flow protocol: version {int.from_bytes(payload[:2], 'big')}")
    size = _AGENT_BYTES.get(kind)
    if size is None:
        raise Malformed(f"an sFlow agent with an address of type {kind}")
    at = _BEFORE_AGENT + size
    if len(payload) < at + _AFTER_AGENT.size:
        raise Malformed(f"an sFlow datagram of {len(payload)} bytes is shorter than its header")
    sub_agent, sequence, uptime, _ = _AFTER_AGENT.unpack_from(payload, at)
    return Message(
        version=VERSION,
        domain=sub_agent,
        sequence=sequence,
        sent_us=-1,
        uptime_ms=uptime,
        sets=[(SET_ID, payload)],
        sampling=0,
        broken_sets=0,
        agent=payload[_BEFORE_AGENT:at],
    )
