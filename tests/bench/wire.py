"""A school's flows as NetFlow v9 datagrams, made fast and the same for a seed.

1,000 clients talk to 20,000 places outside, most of them over HTTPS and QUIC, through one public
address; each flow carries its NAT, each datagram 24 records, as a MikroTik router sends them.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

CLIENTS = 1000
PLACES = 20_000
PUBLIC = 0xC6336407  # 198.51.100.7
RECORDS = 24
TEMPLATE_ID = 260
TEMPLATE_EVERY = 500
"""Datagrams between two templates."""
UPTIME_MS = 86_400_000
SPREAD_MS = 20_000
"""Flows began at most so long before they are sent."""

FIELDS: tuple[tuple[str, int, str], ...] = (
    ("src", 8, ">u4"),
    ("dst", 12, ">u4"),
    ("next_hop", 15, ">u4"),
    ("packets", 2, ">u4"),
    ("bytes", 1, ">u4"),
    ("first", 22, ">u4"),
    ("last", 21, ">u4"),
    ("in_if", 10, ">u4"),
    ("out_if", 14, ">u4"),
    ("src_port", 7, ">u2"),
    ("dst_port", 11, ">u2"),
    ("protocol", 4, "u1"),
    ("tos", 5, "u1"),
    ("flags", 6, "u1"),
    ("nat_src", 225, ">u4"),
    ("nat_dst", 226, ">u4"),
    ("nat_src_port", 227, ">u2"),
    ("nat_dst_port", 228, ">u2"),
)
"""Name here, element of RFC 3954 and IPFIX, type."""

Records = npt.NDArray[np.void]
Mask = npt.NDArray[np.bool_]
RECORD = np.dtype([(name, kind) for name, _, kind in FIELDS])


def client(number: int) -> str:
    """Return the address of a client."""
    return f"10.20.{number >> 8}.{number & 255}"


class Flows:
    """An endless supply of records and of the datagrams that carry them."""

    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        self._sequence = 0
        places = self._random.integers(0x0B000000, 0xDF000000, PLACES, dtype=np.int64)
        self._places = places.astype(np.uint32)

    def datagrams(self, flows: int, unix_s: int) -> Iterator[bytes]:
        """Yield datagrams with about `flows` records, sent at `unix_s`, with templates among them.

        The number of records is rounded up to whole datagrams.
        """
        count = -(-flows // RECORDS)
        payload = self._records(count * RECORDS).tobytes()
        size = RECORDS * RECORD.itemsize
        pad = -size % 4
        head = struct.pack("!HH", TEMPLATE_ID, 4 + size + pad)
        for start in range(0, count * size, size):
            yield self._datagram(unix_s, head + payload[start : start + size] + bytes(pad))

    def _datagram(self, unix_s: int, flowset: bytes) -> bytes:
        records, sets = RECORDS, flowset
        if self._sequence % TEMPLATE_EVERY == 0:
            records, sets = RECORDS + 1, template() + flowset
        header = struct.pack("!HHIIII", 9, records, UPTIME_MS, unix_s, self._sequence, 1)
        self._sequence += 1
        return header + sets

    def _records(self, count: int) -> npt.NDArray[np.void]:
        """Return conversations: the flow from inside, and beside it the one that answers."""
        records = np.zeros(count, RECORD)
        out, back = records[0::2], records[1::2]
        random, pairs = self._random, count // 2
        kind = random.choice(4, pairs, p=(0.45, 0.2, 0.3, 0.05))
        name = kind == 2
        client = (0x0A140000 + (random.zipf(1.3, pairs) - 1) % CLIENTS).astype(np.uint32)
        place = self._places[(random.zipf(1.15, pairs) - 1) % PLACES]
        place = np.where(name, self._places[:1], place)
        port = random.integers(1024, 65535, pairs).astype(np.uint16)
        for flows in (out, back):
            flows["protocol"] = np.array((6, 17, 17, 6), np.uint8)[kind]
            flows["flags"] = np.where(flows["protocol"] == 6, 0x1B, 0)
        out["src"], out["dst"], out["src_port"] = client, place, port
        out["dst_port"] = np.array((443, 443, 53, 80), np.uint16)[kind]
        out["nat_src"], out["nat_dst"] = PUBLIC, place
        back["src"], back["dst"], back["dst_port"] = place, PUBLIC, port
        back["src_port"] = out["dst_port"]
        back["nat_src"], back["nat_dst"] = place, client
        for flows in (out, back):
            flows["nat_src_port"], flows["nat_dst_port"] = flows["src_port"], flows["dst_port"]
        out["in_if"], out["out_if"], back["in_if"], back["out_if"] = 2, 1, 1, 2
        out["next_hop"] = 0xC6336401
        self._count(out, back, name)
        self._time(out, back, name)
        return records

    def _count(self, out: Records, back: Records, name: Mask) -> None:
        """Fill packets and bytes: a name takes one packet each way, a page far more back."""
        random, pairs = self._random, len(out)
        packets = np.minimum(random.lognormal(2.0, 1.2, pairs), 1e6).astype(np.int64) + 2
        out["packets"] = np.where(name, 1, packets)
        back["packets"] = np.where(name, 1, packets + packets // 2)
        asked, told = random.integers(58, 82, pairs), random.integers(90, 300, pairs)
        out["bytes"] = np.where(name, asked, packets * random.integers(52, 200, pairs))
        back["bytes"] = np.where(name, told, packets * random.integers(200, 1400, pairs))

    def _time(self, out: Records, back: Records, name: Mask) -> None:
        """Fill begin and end: the answer begins some milliseconds later, both end together."""
        random, pairs = self._random, len(out)
        began = random.integers(1000, SPREAD_MS, pairs)
        later = random.integers(2, 60, pairs)
        lasted = np.where(name, 0, (began * random.random(pairs)).astype(np.int64))
        out["first"] = UPTIME_MS - began
        back["first"] = UPTIME_MS - began + later
        out["last"] = UPTIME_MS - began + lasted
        back["last"] = UPTIME_MS - began + np.maximum(lasted, later)


def template() -> bytes:
    """Return the template flow set (RFC 3954 section 5.2) of the records."""
    fields = b"".join(
        struct.pack("!HH", element, RECORD[name].itemsize) for name, element, _ in FIELDS
    )
    body = struct.pack("!HH", TEMPLATE_ID, len(FIELDS)) + fields
    return struct.pack("!HH", 0, 4 + len(body)) + body
