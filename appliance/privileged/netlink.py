"""As much of netlink as the gate needs: elements of nft's maps, and ending connections.

nft lists whole maps only, and takes longer the more there is; the kernel itself finds one element
at once. Layouts: linux/netlink.h, nfnetlink.h, nf_tables.h, nfnetlink_conntrack.h.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Callable, Collection, Iterator, Sequence
from types import TracebackType
from typing import NamedTuple, Self

from appliance.privileged.batch import batch
from captive_portal.gate.elements import Order

NETFILTER = 12
REQUEST, ACK, DUMP = 0x1, 0x4, 0x300
INTERRUPTED = 0x10
"""NLM_F_DUMP_INTR: things changed while they were listed."""
_ERROR, _DONE = 2, 3
_HEADER = struct.Struct("=IHHII")
_GENERAL = struct.Struct(">BBH")
_NESTED = 0x8000
NFTABLES, CONNTRACK = 10 << 8, 1 << 8
GET_TABLE = NFTABLES | 1
GET_ELEMENT = NFTABLES | 13
GET_CONNECTION, DELETE_CONNECTION = CONNTRACK | 1, CONNTRACK | 2
_INET = 1
_SNDBUFFORCE = 32
_SOL_NETLINK, _CAP_ACK = 270, 10
"""The last: an error does not bring back what was wrong."""
BUFFER = 1 << 20
PAGE = 0xFE
"""Mark of connections to the sign-in page. They are never forgotten by address or session: on one
of them its device is told what came of a sign-in, and it could not be answered any more."""


class Counted(NamedTuple):
    """An element of a map, as the kernel has it."""

    mark: int
    expires_ms: int | None
    """Milliseconds left; None: for ever."""
    packets: int
    octets: int


class Netlink:
    """A socket to the kernel's packet filter. Not for more than one thread at a time."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETFILTER)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        self._socket.setsockopt(_SOL_NETLINK, _CAP_ACK, 1)
        self._socket.settimeout(10)
        self._number = 0

    def __enter__(self) -> Self:
        """Return itself; the socket is open."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""
        self._socket.close()

    def has_table(self, table: str) -> bool:
        """Return whether there is such a table. Raises OSError: the kernel does not answer."""
        try:
            return bool(list(self._ask(GET_TABLE, _INET, _text(1, table))))
        except FileNotFoundError:
            return False

    def element(self, table: str, name: str, key: bytes) -> Counted | None:
        """Return one element of a map, or None: it is not there.

        Raises:
            OSError: the kernel does not answer.
        """
        wanted = _nest(1, _nest(1, _nest(1, _attribute(1, key))))  # KEY in LIST_ELEM
        body = _text(1, table) + _text(2, name) + wanted[:2] + _kind(3) + wanted[4:]
        try:
            found = [each for reply in self._ask(GET_ELEMENT, _INET, body) for each in _read(reply)]
        except FileNotFoundError:
            return None
        return found[0][1] if found else None

    def elements(self, table: str, name: str) -> dict[bytes, Counted]:
        """Return all elements of a map by key.

        Raises:
            FileNotFoundError: there is no such map.
            OSError: the kernel does not answer.
        """
        body = _text(1, table) + _text(2, name)
        for _ in range(10):
            try:
                replies = self._ask(GET_ELEMENT, _INET, body, dump=True)
                return {key: each for reply in replies for key, each in _read(reply)}
            except InterruptedError:
                continue
        raise OSError(errno.EBUSY, f"the map {name} changes faster than it can be listed")

    def change(self, table: str, orders: Sequence[Order]) -> None:
        """Do all of these orders or none.

        Raises:
            OSError: none is done: an element that must go is not there, one that comes stands
                there with another mark, there is no room, no such map.
        """
        if not any(order.elements for order in orders):
            return
        first = self._number + 1
        messages, self._number = batch(table, orders, first)
        # Sent in one piece or not at all, so that the kernel must let us have so much on its way.
        self._socket.setsockopt(socket.SOL_SOCKET, _SNDBUFFORCE, max(BUFFER, len(messages)))
        self._socket.send(messages)
        while True:
            for kind, _, number, payload in _messages(self._socket.recv(BUFFER)):
                if kind != _ERROR or not first <= number <= self._number:
                    continue
                status = struct.unpack_from("=i", payload)[0] if len(payload) >= 4 else 0
                if status:
                    self._number += 1  # the end of the batch has one too
                    raise OSError(-status, os.strerror(-status))
                if number == self._number:
                    self._number += 1
                    return

    def end_marked(self, mark: int, mask: int) -> None:
        """Forget all connections with this mark, of both families."""
        body = _attribute(8, struct.pack(">I", mark)) + _attribute(21, struct.pack(">I", mask))
        for _ in self._ask(DELETE_CONNECTION, socket.AF_UNSPEC, body):
            pass

    def end_from4(self, address: bytes) -> int:
        """Forget all connections that this IPv4 address began; return how many."""
        # CTA_TUPLE_ORIG { CTA_TUPLE_IP { source } }, CTA_FILTER { ORIG_FLAGS: source }
        body = _nest(1, _nest(1, _attribute(1, address)))
        body += _nest(25, _attribute(1, struct.pack("=I", 1)) + _attribute(2, struct.pack("=I", 0)))
        return self._end_each(socket.AF_INET, body, lambda source, _mark: source == address)

    def end_from6(self, addresses: Collection[bytes]) -> int:
        """Forget all connections that any of these IPv6 addresses began; return how many.

        The kernel's own filter is of no use: in Linux 6.18 it lists all but the address asked for.
        """
        return self._end_each(socket.AF_INET6, b"", lambda source, _mark: source in addresses)

    def end_many(self, sources: Collection[bytes], serials: Collection[int]) -> int:
        """Forget connections of any of these addresses or session marks, in one look at all."""
        return self._end_each(
            socket.AF_UNSPEC, b"", lambda source, mark: source in sources or mark >> 8 in serials
        )

    def _end_each(self, family: int, body: bytes, meant: Callable[[bytes, int], bool]) -> int:
        found: list[tuple[int, bytes]] = []
        for _ in range(10):
            try:
                replies = self._ask(GET_CONNECTION, family, body, dump=True)
                found = [
                    (reply[0], tuple_) for reply in replies if (tuple_ := _meant(reply, meant))
                ]
                break
            except InterruptedError:
                continue
        ended = 0
        for family_of, which in found:
            try:
                for _ in self._ask(DELETE_CONNECTION, family_of, which):
                    pass
                ended += 1
            except FileNotFoundError:
                continue  # it ended by itself
        return ended

    def _ask(self, kind: int, family: int, body: bytes, *, dump: bool = False) -> Iterator[bytes]:
        """Send a request; yield the replies from their general header on."""
        self._number += 1
        flags = REQUEST | (DUMP if dump else ACK)
        size = _HEADER.size + _GENERAL.size + len(body)
        message = _HEADER.pack(size, kind, flags, self._number, 0)
        self._socket.send(message + _GENERAL.pack(family, 0, 0) + body)
        interrupted, replies, done = False, [], False
        while not done:
            data = self._socket.recv(BUFFER)
            for kind_of, flags_of, number, payload in _messages(data):
                if number != self._number:
                    continue  # what an earlier request that failed has left
                interrupted = interrupted or bool(flags_of & INTERRUPTED)
                if kind_of in (_ERROR, _DONE):
                    status = struct.unpack_from("=i", payload)[0] if len(payload) >= 4 else 0
                    if status:
                        raise OSError(-status, os.strerror(-status))
                    done = True
                else:
                    replies.append(payload)
        if interrupted:
            raise InterruptedError
        return iter(replies)


def _messages(data: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    at = 0
    while at + _HEADER.size <= len(data):
        size, kind, flags, number, _ = _HEADER.unpack_from(data, at)
        if size < _HEADER.size:
            return
        yield kind, flags, number, data[at + _HEADER.size : at + size]
        at += size + 3 & ~3


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + 4 <= len(data):
        size, kind = struct.unpack_from("=HH", data, at)
        if size < 4:
            return
        yield kind & 0x3FFF, data[at + 4 : at + size]
        at += size + 3 & ~3


def _read(reply: bytes) -> Iterator[tuple[bytes, Counted]]:
    """Yield key and element of each in a message about a map."""
    for kind, listed in _attributes(reply[_GENERAL.size :]):
        if kind == 3:
            for _, element in _attributes(listed):
                yield _element(dict(_attributes(element)))


def _element(parts: dict[int, bytes]) -> tuple[bytes, Counted]:
    key, mark = _value(parts.get(1, b"")), _value(parts.get(2, b""))
    packets = octets = 0
    expression = parts.get(7) or next((e for _, e in _attributes(parts.get(11, b""))), b"")
    named = dict(_attributes(expression))
    if named.get(1, b"").rstrip(b"\0") == b"counter":
        counter = dict(_attributes(named.get(2, b"")))
        octets, packets = (int.from_bytes(counter.get(kind, b""), "big") for kind in (1, 2))
    expires = parts.get(5)
    return key, Counted(
        mark=struct.unpack("=I", mark)[0] if len(mark) == 4 else 0,
        expires_ms=None if expires is None else int.from_bytes(expires, "big"),
        packets=packets,
        octets=octets,
    )


def _value(data: bytes) -> bytes:
    return dict(_attributes(data)).get(1, b"")


def _meant(reply: bytes, meant: Callable[[bytes, int], bool]) -> bytes:
    """Return what names a connection to the kernel, or nothing: it is not meant."""
    parts = dict(_attributes(reply[_GENERAL.size :]))
    ends = dict(_attributes(dict(_attributes(parts.get(1, b""))).get(1, b"")))
    source = ends.get(1) or ends.get(3) or b""
    mark = int.from_bytes(parts.get(8, b""), "big")
    if mark == PAGE or not meant(source, mark):
        return b""
    named = _nest(1, parts[1])
    for kind in (12, 18):  # CTA_ID, CTA_ZONE
        named += _attribute(kind, parts[kind]) if kind in parts else b""
    return named


def _attribute(kind: int, payload: bytes) -> bytes:
    filled = payload + bytes(-len(payload) % 4)
    return struct.pack("=HH", 4 + len(payload), kind) + filled


def _nest(kind: int, payload: bytes) -> bytes:
    return _attribute(kind | _NESTED, payload)


def _text(kind: int, text: str) -> bytes:
    return _attribute(kind, text.encode() + b"\0")


def _kind(kind: int) -> bytes:
    return struct.pack("=H", kind | _NESTED)
