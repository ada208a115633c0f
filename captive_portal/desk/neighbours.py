"""Which device is at which address, as the kernel of this box learns it (rtnetlink(7)).

The kernel tells each entry of its neighbour tables (ARP, ND) that is new or other than before; when
it had to drop some, and each minute, the whole tables are asked for.
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import socket
import struct
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple, Self

EVERY_S = 0.2
"""Entries are handed on together."""
AGAIN_S = 60.0
AT_MOST = 65_536
"""Addresses that are remembered; the ones heard of least recently go."""
RECEIVE_BYTES = 1 << 20
_READ_BYTES = 1 << 16
_GROUP = 1 << (3 - 1)  # RTNLGRP_NEIGH
_NEWNEIGH, _GETNEIGH, _DUMP = 28, 30, 0x301
_HEADER = struct.Struct("=IHHII")
_NEIGHBOUR = struct.Struct("=BBHiHBB")
_ATTRIBUTE = struct.Struct("=HH")
_ADDRESS, _LINK = 1, 2
_MULTI, _REACHABLE = 0x2, 0x02
_KNOWN = 0x02 | 0x04 | 0x08 | 0x10
"""Reachable, stale, delay, probe: the MAC is one that the device itself has told."""


class Heard(NamedTuple):
    """One entry."""

    interface: int
    """Its number."""
    address: str
    mac: str
    answers: bool
    """The device has just confirmed it; else it was only heard of, perhaps a while ago."""
    asked: bool
    """It is part of a whole table that was asked for."""


def read(datagram: bytes) -> Iterator[Heard]:
    """Yield the entries of one datagram; whatever is cut short or something else is left out."""
    at = 0
    while at + _HEADER.size <= len(datagram):
        length, kind, flags, *_ = _HEADER.unpack_from(datagram, at)
        if length < _HEADER.size or at + length > len(datagram):
            return
        if kind == _NEWNEIGH:
            yield from _entry(datagram[at + _HEADER.size : at + length], bool(flags & _MULTI))
        at += (length + 3) & ~3


def _entry(body: bytes, asked: bool) -> Iterator[Heard]:
    if len(body) < _NEIGHBOUR.size:
        return
    _, _, _, interface, state, _, _ = _NEIGHBOUR.unpack_from(body)
    told = dict(_attributes(body[_NEIGHBOUR.size :]))
    address, link = told.get(_ADDRESS, b""), told.get(_LINK, b"")
    if state & _KNOWN and len(address) in (4, 16) and len(link) == 6:
        where, mac = str(ipaddress.ip_address(address)), link.hex(":")
        yield Heard(interface, where, mac, bool(state & _REACHABLE), asked)


def _attributes(body: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + _ATTRIBUTE.size <= len(body):
        length, kind = _ATTRIBUTE.unpack_from(body, at)
        if length < _ATTRIBUTE.size or at + length > len(body):
            return
        yield kind, body[at + _ATTRIBUTE.size : at + length]
        at += (length + 3) & ~3


See = Callable[[Sequence[tuple[str, str]]], Awaitable[None]]
"""Takes addresses and their MACs in."""
Try = Callable[[str, Callable[[], Awaitable[None]]], Awaitable[None]]
"""Does something that may fail, and counts it then."""


class Neighbours:
    """Listens while its context lasts. For the event loop's thread."""

    def __init__(self, interfaces: Sequence[str]) -> None:
        self.dropped = 0
        """Times that the kernel had to drop entries; they were asked for again."""
        self._interfaces = frozenset(interfaces)
        self._table: OrderedDict[str, str] = OrderedDict()
        self._new: dict[str, str] = {}
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)

    def __enter__(self) -> Self:
        """Open.

        Raises:
            OSError: the kernel does not tell.
        """
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
        self._socket.bind((0, _GROUP))
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self._socket.close()

    def of(self, mac: str) -> list[str]:
        """Return the addresses that a device is at."""
        return [address for address, at in self._table.items() if at == mac] if mac else []

    async def follow(self, see: See, attempt: Try) -> None:
        """Hand on what is heard, until cancelled."""
        loop = asyncio.get_running_loop()
        loop.add_reader(self._socket, self.take)
        asked = loop.time() - AGAIN_S
        try:
            while True:
                if loop.time() - asked >= AGAIN_S:
                    self.ask()
                    asked = loop.time()
                await asyncio.sleep(EVERY_S)
                pairs = list(self._new.items())
                self._new = {}
                if pairs:
                    await attempt("taking in neighbours", partial(see, pairs))
        finally:
            loop.remove_reader(self._socket)

    def ask(self) -> None:
        """Ask for the whole tables; the answers come as everything else does."""
        body = _NEIGHBOUR.pack(0, 0, 0, 0, 0, 0, 0)
        header = _HEADER.pack(_HEADER.size + len(body), _GETNEIGH, _DUMP, 1, 0)
        try:
            self._socket.send(header + body)
        except OSError:
            self.dropped += 1  # asked again in a minute

    def take(self) -> None:
        """Take in what the kernel has for us."""
        while True:
            try:
                datagram = self._socket.recv(_READ_BYTES)
            except BlockingIOError:
                return
            except OSError as error:
                self.dropped += 1
                if error.errno == errno.ENOBUFS:
                    self.ask()
                    continue
                return
            for heard in read(datagram):
                self._hear(heard)

    def _hear(self, heard: Heard) -> None:
        if not self._ours(heard.interface):
            return
        # What a device left behind in another zone turns stale there, and is listed on: that does
        # not say that it is back.
        other = self._table.get(heard.address) != heard.mac
        if (heard.answers and (other or not heard.asked)) or (other and not heard.asked):
            self._new[heard.address] = heard.mac
        self._table[heard.address] = heard.mac
        self._table.move_to_end(heard.address)
        while len(self._table) > AT_MOST:
            self._table.popitem(last=False)

    def _ours(self, interface: int) -> bool:
        try:
            return socket.if_indextoname(interface) in self._interfaces
        except OSError:
            return False  # it is gone
