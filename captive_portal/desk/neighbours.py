"""Which device is at which address, as the kernel of this box learns it (rtnetlink(7)).

The kernel tells each entry of its neighbour tables (ARP, ND) that is new or other than before; when
it had to drop some, and each minute, the whole tables are asked for.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, Self

from captive_portal import rtnetlink

EVERY_S = 0.2
"""Entries are handed on together."""
AGAIN_S = 60.0
AT_MOST = 65_536
"""Addresses that are remembered; the ones heard of least recently go."""
RECEIVE_BYTES = 1 << 20
_READ_BYTES = 1 << 16
_KNOWN = rtnetlink.REACHABLE | rtnetlink.STALE | rtnetlink.DELAY | rtnetlink.PROBE
"""The MAC is one that the device itself has told."""
_TURNS_STALE_S = 45.0
"""What a device has confirmed is reachable for no longer: it was there so long ago, or before."""


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
    ago_s: float = 0.0
    """So long ago the device may have been there last."""


def read(datagram: bytes) -> Iterator[Heard]:
    """Yield the entries of one datagram; whatever is cut short or something else is left out."""
    for one in rtnetlink.entries(datagram):
        if one.state & _KNOWN:
            answers = bool(one.state & rtnetlink.REACHABLE)
            ago_s = one.confirmed_s if answers else _TURNS_STALE_S + one.changed_s
            yield Heard(one.interface, one.address, one.mac, answers, one.listed, ago_s)


See = Callable[[Sequence[tuple[str, str]]], Awaitable[None]]
"""Takes addresses and their MACs in."""
Try = Callable[[str, Callable[[], Awaitable[None]]], Awaitable[None]]
"""Does something that may fail, and counts it then."""


@dataclass(slots=True)
class _Seen:
    """Who is at an address."""

    mac: str
    at: float
    """When it was there last, in seconds of a clock that never goes back."""


class Neighbours:
    """Listens while its context lasts. For the event loop's thread."""

    def __init__(self, interfaces: Sequence[str]) -> None:
        self.dropped = 0
        """Times that the kernel had to drop entries; they were asked for again."""
        self._interfaces = frozenset(interfaces)
        self._table: OrderedDict[str, _Seen] = OrderedDict()
        self._new: dict[tuple[str, str], None] = {}
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)

    def __enter__(self) -> Self:
        """Open.

        Raises:
            OSError: the kernel does not tell.
        """
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
        self._socket.bind((0, rtnetlink.NEIGHBOURS))
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self._socket.close()

    def of(self, mac: str) -> list[str]:
        """Return the addresses that a device is at, the one last where it was heard last."""
        at = {one: seen.at for one, seen in self._table.items() if seen.mac == mac} if mac else {}
        return sorted(at, key=at.__getitem__)

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
                pairs = list(self._new)
                self._new = {}
                if pairs:
                    await attempt("taking in neighbours", partial(see, pairs))
        finally:
            loop.remove_reader(self._socket)

    def ask(self) -> None:
        """Ask for the whole tables; the answers come as everything else does."""
        try:
            self._socket.send(rtnetlink.ask_for_all())
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
        known = self._table.get(heard.address)
        other = known is None or known.mac != heard.mac
        if (heard.answers and (other or not heard.asked)) or (other and not heard.asked):
            # Each device that was there in between, the last one last: who claims an address may do
            # so again at once.
            self._new.pop((heard.address, heard.mac), None)
            self._new[heard.address, heard.mac] = None
        at = time.monotonic() - (heard.ago_s if heard.asked else 0.0)
        if known is None or other:
            self._table[heard.address] = _Seen(heard.mac, at)
        elif heard.answers or heard.asked:  # else it turns stale: nobody has been heard of
            known.at = max(known.at, at)
        self._table.move_to_end(heard.address)
        while len(self._table) > AT_MOST:
            self._table.popitem(last=False)

    def _ours(self, interface: int) -> bool:
        try:
            return socket.if_indextoname(interface) in self._interfaces
        except OSError:
            return False  # it is gone
