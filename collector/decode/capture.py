"""Captures and raw files to datagrams: pcap and pcapng, or one datagram as it was.

The container is read by dpkt; the way from the link layer to the UDP payload is short and read
here, through a Cursor, since captures hold whatever was on the wire.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, NamedTuple

import dpkt

from collector.decode.cursor import Cursor
from collector.decode.words import ipv6_text
from collector.errors import Malformed

LARGEST_DATAGRAM = 65_535
LARGEST_RECORD = 1 << 18
"""Octets of a packet in a pcap file: the greatest snap length there is."""
LARGEST_BLOCK = 1 << 24
"""Octets of a block in a pcapng file."""
_PCAP = {
    b"\xa1\xb2\xc3\xd4",
    b"\xd4\xc3\xb2\xa1",
    b"\xa1\xb2\x3c\x4d",
    b"\x4d\x3c\xb2\xa1",
    b"\xa1\xb2\xcd\x34",
    b"\x34\xcd\xb2\xa1",
}
_PCAPNG = b"\x0a\x0d\x0d\x0a"
_ETHERNET_V4, _ETHERNET_V6 = 0x0800, 0x86DD
_TAGS = (0x8100, 0x88A8, 0x9100)
_UDP, _FRAGMENT = 17, 44
_EXTENSIONS = (0, 43, 60, 135)
_LINKTYPES_NULL = (0, 108)
_LINKTYPES_RAW = (12, 14, 101, 228, 229)
_ETHERNET, _COOKED, _COOKED2 = 1, 113, 276


class Datagram(NamedTuple):
    """One UDP datagram."""

    wire_ns: int | None
    """When it was captured; None for a raw file."""
    address: str
    """The sender's; empty for a raw file."""
    port: int
    local_port: int
    payload: bytes


@dataclass(slots=True)
class Counts:
    """What a capture held."""

    packets: int = 0
    datagrams: int = 0
    fragments: int = 0
    """Pieces of larger packets, which are not put together."""
    other: int = 0
    """Not UDP over IP, or of a link layer that is not read."""
    cut: int = 0
    """Captured only in part: by the snap length, or because the file breaks off."""


class _Stream:
    """The file as dpkt reads it, which takes less than it asked for as if nothing was wrong."""

    def __init__(self, file: BinaryIO, most: int) -> None:
        self._file = file
        self._most = most
        self._ended = self._parted = False

    def read(self, size: int) -> bytes:
        """Return so many octets, or what there is."""
        if not 0 <= size <= self._most:
            raise _Absurd(f"the next says that it has {size:,} octets")
        found = self._file.read(size)
        self._ended = len(found) < size
        self._parted = self._parted or 0 < len(found) < size
        return found

    def whole(self, what: str, *, at_end: bool = False) -> None:
        """Raise _Absurd when the file ended in the last read; it may at the end of a packet."""
        if self._parted or (self._ended and not at_end):
            raise _Absurd(f"{what} is not whole")


class _Absurd(ValueError):
    """A length that no packet has, or that the file has not."""


class _Skip(Exception):  # no error: the packet is one that is not wanted
    """A packet that holds no whole datagram; the name of the count."""


def datagrams(file: BinaryIO, counts: Counts) -> Iterator[Datagram]:
    """Yield the UDP datagrams in a file.

    Raises:
        Malformed: the file is empty, too long for one datagram, or breaks off as a capture; what
            came before was yielded.
    """
    magic = file.read(4)
    file.seek(0)
    if magic not in _PCAP and magic != _PCAPNG:
        yield _raw(file, counts)
        return
    try:
        stream = _Stream(file, LARGEST_BLOCK if magic == _PCAPNG else LARGEST_RECORD)
        reader: Any = dpkt.pcapng.Reader(stream) if magic == _PCAPNG else dpkt.pcap.Reader(stream)
        link = int(reader.datalink())
    except (dpkt.Error, ValueError, struct.error, TypeError) as error:
        raise Malformed(f"a capture without a whole header: {error}") from error
    for seconds, packet in _packets(reader, stream, counts):
        found = _datagram(link, packet, counts)
        if found is not None:
            yield found._replace(wire_ns=round(seconds * 1_000_000) * 1000)


def _packets(reader: Any, stream: _Stream, counts: Counts) -> Iterator[tuple[float, bytes]]:  # noqa: ANN401  # dpkt has no types
    """Yield time and octets of each packet; of the last one what there is, then Malformed."""
    packets, before = iter(reader), counts.cut
    try:
        for seconds, packet in packets:
            before = counts.cut
            yield float(seconds), bytes(packet)
            stream.whole("the last one")
        stream.whole("the next one", at_end=True)
    except (dpkt.Error, ValueError, struct.error, TypeError) as error:
        counts.cut = max(counts.cut, before + 1)
        why = f": {error}" if isinstance(error, _Absurd) else ""
        raise Malformed(f"the capture breaks off after {counts.packets} packets{why}") from error


def sent_ns(payload: bytes) -> int | None:
    """Return when the header of a NetFlow or IPFIX datagram says it was sent."""
    at = {5: 8, 7: 8, 9: 8, 10: 4}.get(int.from_bytes(payload[:2], "big"))
    if at is None or len(payload) < at + 4:
        return None
    return int.from_bytes(payload[at : at + 4], "big") * 1_000_000_000


def _raw(file: BinaryIO, counts: Counts) -> Datagram:
    payload = file.read(LARGEST_DATAGRAM + 1)
    if not payload:
        raise Malformed("an empty file")
    if len(payload) > LARGEST_DATAGRAM:
        raise Malformed("neither a capture nor, by its size, one datagram")
    counts.packets += 1
    counts.datagrams += 1
    return Datagram(None, "", 0, 0, payload)


def _datagram(link: int, packet: bytes, counts: Counts) -> Datagram | None:
    """Return the packet's datagram; None, and counted, when it holds no whole one."""
    counts.packets += 1
    try:
        version, cursor = _link(link, Cursor(packet))
        address, inner = _IP[version](cursor)
        found = _udp(address, inner, counts)
    except Malformed:
        counts.cut += 1
    except _Skip as skip:
        name = str(skip)
        setattr(counts, name, getattr(counts, name) + 1)
    else:
        counts.datagrams += 1
        return found
    return None


def _link(link: int, cursor: Cursor) -> tuple[int, Cursor]:
    """Pass the link layer's header; return the IP version and what follows."""
    if link == _ETHERNET:
        cursor.take(12)
        kind = cursor.uint(2)
        while kind in _TAGS:
            cursor.take(2)
            kind = cursor.uint(2)
    elif link == _COOKED:
        cursor.take(14)
        kind = cursor.uint(2)
    elif link == _COOKED2:
        kind = cursor.uint(2)
        cursor.take(18)
    elif link in _LINKTYPES_NULL or link in _LINKTYPES_RAW:
        if link in _LINKTYPES_NULL:
            cursor.take(4)
        return _version(cursor)
    else:
        raise _Skip("other")
    if kind not in (_ETHERNET_V4, _ETHERNET_V6):
        raise _Skip("other")
    return _version(cursor)


def _version(cursor: Cursor) -> tuple[int, Cursor]:
    version = cursor.peek() >> 4
    if version not in _IP:
        raise _Skip("other")
    return version, cursor


def _ipv4(cursor: Cursor) -> tuple[str, Cursor]:
    header = cursor.take(20)
    options = (header[0] & 15) * 4 - 20
    total = int.from_bytes(header[2:4], "big")
    if int.from_bytes(header[6:8], "big") & 0x3FFF:
        raise _Skip("fragments")
    if header[9] != _UDP or options < 0:
        raise _Skip("other")
    cursor.take(options)
    return str(ipaddress.IPv4Address(header[12:16])), _body(cursor, total - 20 - options)


def _ipv6(cursor: Cursor) -> tuple[str, Cursor]:
    header = cursor.take(40)
    kind, body = header[6], _body(cursor, int.from_bytes(header[4:6], "big"))
    while kind in _EXTENSIONS:
        kind = body.uint(1)
        body.take(body.uint(1) * 8 + 6)
    if kind == _FRAGMENT:
        raise _Skip("fragments")
    if kind != _UDP:
        raise _Skip("other")
    return ipv6_text(header[8:24]), body


def _body(cursor: Cursor, size: int) -> Cursor:
    """Return what IP says is its payload; 0 is what segmentation offload leaves there."""
    return Cursor(cursor.take(size if 0 < size <= cursor.remaining else cursor.remaining))


def _udp(address: str, cursor: Cursor, counts: Counts) -> Datagram:
    port, local_port, length = cursor.uint(2), cursor.uint(2), cursor.uint(2)
    cursor.take(2)
    size = length - 8 if length else cursor.remaining
    if size < 0:
        raise _Skip("other")
    if size > cursor.remaining:
        # What was captured may still hold whole sets.
        counts.cut += 1
        size = cursor.remaining
    return Datagram(None, address, port, local_port, cursor.take(size))


_IP: dict[int, Callable[[Cursor], tuple[str, Cursor]]] = {4: _ipv4, 6: _ipv6}
