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
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Protocol

from collector.errors import CollectorError, SpoolFull
from collector.metrics import SampledLog
from collector.receive import drops, sockets
from collector.receive.accounts import Accounts
from collector.receive.admission import Admission, Sender
from collector.receive.losses import Losses, What
from collector.receive.many import SLOTS, Many, Run
from collector.records import Clock, Frame, FrameKind
from collector.spool import Draft

HANDFUL_BYTES = 1 << 20
"""So much of one sender's is given to the spool together, and what one call brings."""
TURN = 4 * SLOTS
"""Datagrams taken from one socket before the next one has its turn."""
DRAIN_S = 2.0
"""At stopping, what lies in the kernel's buffers is taken for so long."""
BUSY_S = 0.1
"""Datagrams that come closer to one another are taken in handfuls."""
REST_S, LEAST_REST_S = 0.05, 0.02
"""Handfuls gather so long: every rest ends with a cold start, which costs as much as ten datagrams.
Shorter than the least is no rest."""
REST_BYTES_S = 800 << 20
"""Of kernel buffer for a second's rest: it holds what a hundred thousand datagrams a second bring
in three rests."""


class AppendAll(Protocol):
    """Gives frames of one sender to the spool."""

    def __call__(self, draft: Draft, payloads: Sequence[bytes], times: Sequence[int] = ()) -> int:
        """Return how many of the first ones were taken."""
        ...


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What every receiving thread is given."""

    append: Callable[[Frame | Draft], int]
    append_all: AppendAll
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
        rest_s = min(REST_S, min(map(sockets.buffer_got, opened)) / REST_BYTES_S)
        self._rest_s = rest_s if rest_s >= LEAST_REST_S else 0.0
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._many = Many()
        self._draft = Draft(kind=kind or FrameKind.FLOW, local_port=self._port)
        self._sender: Sender | None = None
        self._payloads: list[bytes] = []
        self._times: list[int] = []
        self._held_bytes = 0
        """Of what is in hand: datagrams of `_sender`, from one port and of one kind."""
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
        number, taken = each.opened.fileno(), 0
        try:
            while taken < TURN:
                runs = self._many.take(number)
                if self._many.dropped is not None:
                    each.seen = self._many.dropped
                for run in runs:
                    self._take(run)
                count = sum(len(run.sizes) for run in runs)
                taken += count
                if count < SLOTS:
                    break
        finally:
            self._store()
        return taken

    def _take(self, run: Run) -> None:
        """Put datagrams of one sender to those in hand, or count them as refused."""
        admitted = self._parts.admission.admit(run.host, self._port)
        if admitted is None:
            for _ in run.sizes[1:]:  # each is counted there
                self._parts.admission.admit(run.host, self._port)
            self.refused += len(run.sizes)
            return
        within = self._parts.accounts.admit_all(admitted.account, run.sizes)
        payloads = self._many.payloads(run)
        times = [time_ns or self._parts.clock() for time_ns in run.times]
        if not all(within):
            self.limited += within.count(False)
            payloads, times = [*compress(payloads, within)], [*compress(times, within)]
        if self._kind is not None:
            self._hold(payloads, times, self._kind, run.port, admitted)
            return
        for payload, time_ns in zip(payloads, times, strict=True):
            self._hold([payload], [time_ns], _kind_of(payload), run.port, admitted)

    def _rest(self) -> None:
        """Let datagrams gather where they come fast.

        Waking up costs more than a datagram does. The kernel holds and stamps them meanwhile; a
        small buffer could run over, so there nothing rests.
        """
        since, self._woke = self._woke, time.monotonic()
        if self._rest_s and self._woke - since <= BUSY_S:
            time.sleep(self._rest_s)

    def _hold(
        self,
        payloads: Sequence[bytes],
        times: Sequence[int],
        kind: FrameKind,
        port: int,
        sender: Sender,
    ) -> None:
        """Put datagrams to those in hand, once these are of the same kind and sender."""
        draft = self._draft
        alike = sender is self._sender and port == draft.port and kind is draft.kind
        if not alike or self._held_bytes > HANDFUL_BYTES:
            self._store()
            self._sender, draft.port, draft.kind = sender, port, kind
        self._payloads += payloads
        self._times += times
        self._held_bytes += sum(map(len, payloads))

    def _store(self) -> None:
        """Give what is in hand to the spool: all together, for half of what each would cost."""
        sender, payloads, times, draft = self._sender, self._payloads, self._times, self._draft
        if sender is None or not payloads:
            return
        self.datagrams += len(payloads)
        self.bytes += self._held_bytes
        self._payloads, self._times, self._held_bytes = [], [], 0
        sender.account.heard_ns = times[-1]
        draft.site, draft.address = sender.site, sender.address
        stored = 0
        try:
            while stored < len(payloads):
                stored += self._parts.append_all(draft, payloads[stored:], times[stored:])
        except SpoolFull as error:
            lost = len(payloads) - stored
            self.not_stored += lost
            what = What(site=sender.site, kind="disk-full", source=sender.address, unit="datagrams")
            self._parts.losses.add(what, lost)
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
