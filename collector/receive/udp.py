"""Datagrams off one port: a loop in a thread of its own, which waits for nothing else.

Several sockets share the port, each with a buffer of its own in the kernel, which brings all of one
sender's datagrams to one of them: what an exporter sends stays in order. One loop takes from them
in turn, so that what floods one of them takes no turn of the others. A thread for each was
measured: no faster, for only one of them runs Python at a time.

The site and the canonical address come from a dict, the frame goes to memory. The disk, decoding
and whatever takes time are others' work.
"""

from __future__ import annotations

import contextlib
import math
import os
import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from collector.errors import CollectorError, SpoolFull
from collector.metrics import SampledLog
from collector.receive import drops, sockets
from collector.receive.accounts import Accounts
from collector.receive.admission import Admission, Sender
from collector.receive.losses import Losses, What
from collector.records import Clock, Frame, FrameKind
from collector.spool import Draft

LARGEST = 65535
TURN = 256
"""Datagrams taken from one socket before the next one has its turn."""
DRAIN_S = 2.0
"""At stopping, what lies in the kernel's buffers is taken for so long."""
BUSY_S = 0.1
"""Datagrams that come closer to one another are taken in handfuls."""
REST_S = 0.02
"""Handfuls gather so long."""
ROOMY_BYTES = 16 << 20
"""A kernel buffer that holds what a hundred thousand datagrams a second bring in three rests."""
_TIMESPEC = struct.Struct("@qq")
_COUNT = struct.Struct("@I")
_ANCILLARY = socket.CMSG_SPACE(_TIMESPEC.size) + socket.CMSG_SPACE(_COUNT.size)


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What every receiving thread is given."""

    append: Callable[[Frame | Draft], int]
    append_all: Callable[[Draft, Sequence[bytes]], int]
    admission: Admission
    accounts: Accounts
    losses: Losses
    log: SampledLog
    clock: Clock
    failed: Callable[[CollectorError], None]


@dataclass(slots=True, eq=False)
class _Socket:
    """One of the sockets of a port, and the kernel's count of what it dropped there."""

    opened: socket.socket
    seen: int = 0
    """As told with the newest datagram."""
    told: int = 0
    """As written down."""


class UdpPort:
    """Receives on the UDP sockets of one port, from start to stop.

    The counts are of the loop's thread; others read them.
    """

    def __init__(
        self,
        opened: Sequence[socket.socket],
        kind: FrameKind | None,
        sites: list[str],
        parts: Parts,
    ) -> None:
        self.datagrams = 0
        self.bytes = 0
        self.refused = 0
        """Of unknown senders."""
        self.limited = 0
        """Past the bounds of one sender."""
        self.not_stored = 0
        self.kernel_drops = 0
        """Dropped by the kernel since the start, past 32 bits too, at all sockets together."""
        self._sockets = [_Socket(each) for each in opened]
        self._kind = kind
        self._port: int = opened[0].getsockname()[1]
        self._sites = sites
        self._parts = parts
        self._drops_since = parts.clock()
        self._stopping = False
        self._woke = 0.0
        self._roomy = min(sockets.buffer_got(each) for each in opened) >= ROOMY_BYTES
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._buffer = bytearray(LARGEST + 1)
        self._view = memoryview(self._buffer)
        self._draft = Draft(kind=kind or FrameKind.FLOW, local_port=self._port)
        self._thread = threading.Thread(
            target=self._run, name=f"udp-{self.address[1]}", daemon=True
        )

    @property
    def address(self) -> sockets.Endpoint:
        """Where it is bound."""
        host, port = self._sockets[0].opened.getsockname()[:2]
        return host, port

    def start(self) -> None:
        """Receive from now on."""
        self._thread.start()

    def finish(self) -> None:
        """Take what the kernel still holds and then end; returns at once."""
        self._stopping = True
        os.eventfd_write(self._wake, 1)

    def stop(self) -> None:
        """Finish, wait for it, and close."""
        self.finish()
        if self._thread.is_alive():
            self._thread.join()
        self.tell_drops(self.new_drops())
        os.close(self._wake)
        for each in self._sockets:
            each.opened.close()

    def status(self) -> dict[str, object]:
        """Return the counts of this port."""
        return {
            "socket": f"udp {sockets.shown(self.address)}",
            "sockets": len(self._sockets),
            "buffer_bytes": sum(sockets.buffer_got(each.opened) for each in self._sockets),
            "datagrams": self.datagrams,
            "bytes": self.bytes,
            "kernel_drops": self.kernel_drops,
            "refused": self.refused,
            "limited": self.limited,
            "not_stored": self.not_stored,
        }

    @property
    def sockets(self) -> list[socket.socket]:
        """All that share the port."""
        return [each.opened for each in self._sockets]

    def new_drops(self) -> int:
        """Return what the kernel dropped since the last time.

        Called by one thread at a time. What came with the newest datagram serves where the kernel
        tells nothing else.
        """
        return sum(_dropped(each) for each in self._sockets)

    def tell_drops(self, lost: int) -> None:
        """Turn what the kernel dropped since the last time into coverage."""
        since, self._drops_since = self._drops_since, self._parts.clock()
        if not lost:
            return
        self.kernel_drops += lost
        here = sockets.shown(self.address)
        shared = "" if len(self._sites) == 1 else ", shared by several sites: whose is unknown"
        for site in self._sites:
            what = What(
                site=site,
                kind="kernel-drop",
                source="",
                unit="datagrams",
                note=f"udp {here}{shared}",
            )
            self._parts.losses.add(what, lost, since_ns=since)
        self._parts.log.warn(
            f"drop {here}", f"udp {here}: the kernel dropped {lost} datagrams, its buffer was full"
        )

    def _run(self) -> None:
        try:
            self._receive()
        except CollectorError as error:
            self._parts.failed(error)
        except OSError as error:
            self._parts.failed(CollectorError(f"udp {sockets.shown(self.address)}: {error}"))

    def _receive(self) -> None:
        deadline = math.inf
        with contextlib.closing(select.epoll()) as poll:
            poll.register(self._wake, select.EPOLLIN)
            waiting = {each.opened.fileno(): each for each in self._sockets}
            for number in waiting:
                poll.register(number, select.EPOLLIN)
            full = False
            while time.monotonic() < deadline:
                ready = poll.poll()
                if self._stopping:
                    deadline = min(deadline, time.monotonic() + DRAIN_S)
                elif not full:
                    self._rest()
                taken = [self._drain(waiting[n]) for n, _ in ready if n in waiting]
                full = max(taken, default=0) == TURN
                if self._stopping and not any(taken):
                    return

    def _drain(self, each: _Socket) -> int:
        """Take what a socket holds, at most a turn's worth; return how many there were."""
        receive, into, view = each.opened.recvmsg_into, [self._buffer], self._view
        for taken in range(TURN):
            try:
                size, told, _, sender = receive(into, _ANCILLARY)
            except BlockingIOError:
                return taken
            admitted = self._parts.admission.admit(sender[0], self._port)
            if admitted is None:
                self.refused += 1
            elif self._parts.accounts.admit(admitted.account, size):
                self._store(bytes(view[:size]), self._time(told, each), sender[1], admitted)
            else:
                self.limited += 1
        return TURN

    def _rest(self) -> None:
        """Let datagrams gather where they come fast.

        Waking up costs more than a datagram does. The kernel holds and stamps them meanwhile; a
        small buffer could run over, so there nothing rests.
        """
        since, self._woke = self._woke, time.monotonic()
        if self._roomy and self._woke - since <= BUSY_S:
            time.sleep(REST_S)

    def _time(self, told: list[tuple[int, int, bytes]], each: _Socket) -> int:
        """Return the kernel's receive time; note its drop counter, which comes with it."""
        received = 0
        for _, kind, data in told:
            if kind == sockets.SO_TIMESTAMPNS:
                seconds, rest = _TIMESPEC.unpack(data)
                received = seconds * 1_000_000_000 + rest
            elif kind == sockets.SO_RXQ_OVFL:
                (each.seen,) = _COUNT.unpack(data)
        return received or self._parts.clock()

    def _store(self, payload: bytes, received_ns: int, port: int, sender: Sender) -> None:
        self.datagrams += 1
        self.bytes += len(payload)
        sender.account.heard_ns = received_ns
        draft = self._draft
        draft.kind = self._kind or _kind_of(payload)
        draft.site = sender.site
        draft.address = sender.address
        draft.port = port
        draft.received_ns = draft.wire_ns = received_ns
        draft.payload = payload
        try:
            self._parts.append(draft)
        except SpoolFull as error:
            self.not_stored += 1
            what = What(site=sender.site, kind="disk-full", source=sender.address, unit="datagrams")
            self._parts.losses.add(what, 1)
            self._parts.log.warn("disk full", f"datagrams are refused: {error}")


def _dropped(each: _Socket) -> int:
    """Return what the kernel dropped at a socket since the last time."""
    told = drops.at_socket(each.opened)
    now = each.seen if told is None else told
    lost = (now - each.told) & 0xFFFFFFFF  # it wraps
    if lost >= 1 << 31:  # the two ways of reading may be a step apart
        return 0
    each.told = now
    return lost


def _kind_of(payload: bytes) -> FrameKind:
    """Tell flows from syslog on a port that is opened for an exporter, which may send both.

    Every version of NetFlow, IPFIX and sFlow begins with a zero byte, no text does.
    """
    return FrameKind.FLOW if payload[:1] == b"\0" else FrameKind.SYSLOG
