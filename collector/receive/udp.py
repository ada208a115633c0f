"""Datagrams off one socket: a blocking loop in a thread of its own, which waits for nothing else.

The site and the canonical address come from a dict, the frame goes to memory. The disk, decoding
and whatever takes time are others' work.
"""

from __future__ import annotations

import contextlib
import math
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from collector.errors import CollectorError, SpoolFull
from collector.metrics import SampledLog
from collector.receive import sockets
from collector.receive.admission import Admission, Sender
from collector.receive.losses import Losses, What
from collector.records import Clock, Frame, FrameKind

LARGEST = 65535
DRAIN_S = 2.0
"""At stopping, what lies in the kernel's buffer is taken for so long."""
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

    append: Callable[[Frame], int]
    admission: Admission
    losses: Losses
    log: SampledLog
    clock: Clock
    failed: Callable[[CollectorError], None]


class UdpSocket:
    """Receives on one UDP socket, from start to stop.

    The counts are of the loop's thread; others read them.
    """

    def __init__(
        self, opened: socket.socket, kind: FrameKind | None, sites: list[str], parts: Parts
    ) -> None:
        self.datagrams = 0
        self.bytes = 0
        self.refused = 0
        self.not_stored = 0
        self.kernel_drops = 0
        """Dropped by the kernel since the start, past 32 bits too."""
        self._socket = opened
        self._kind = kind
        self._port: int = opened.getsockname()[1]
        self._sites = sites
        self._parts = parts
        self._drops_seen = 0
        self._drops_told = 0
        self._drops_since = parts.clock()
        self._stopping = False
        self._woke = 0.0
        self._roomy = sockets.buffer_got(opened) >= ROOMY_BYTES
        self._thread = threading.Thread(
            target=self._run, name=f"udp-{self.address[1]}", daemon=True
        )

    @property
    def address(self) -> sockets.Endpoint:
        """Where it is bound."""
        host, port = self._socket.getsockname()[:2]
        return host, port

    def start(self) -> None:
        """Receive from now on."""
        self._thread.start()

    def finish(self) -> None:
        """Take what the kernel still holds and then end; returns at once."""
        self._stopping = True
        with contextlib.suppress(
            OSError
        ):  # it says "not connected", and wakes the loop all the same
            self._socket.shutdown(socket.SHUT_RD)

    def stop(self) -> None:
        """Finish, wait for it, and close."""
        self.finish()
        if self._thread.is_alive():
            self._thread.join()
        self.count_drops()
        self._socket.close()

    def status(self) -> dict[str, object]:
        """Return the counts of this socket."""
        return {
            "socket": f"udp {sockets.shown(self.address)}",
            "buffer_bytes": sockets.buffer_got(self._socket),
            "datagrams": self.datagrams,
            "bytes": self.bytes,
            "kernel_drops": self.kernel_drops,
            "refused": self.refused,
            "not_stored": self.not_stored,
        }

    def count_drops(self) -> None:
        """Turn the kernel's counter into coverage: what it dropped since the last time.

        Called by one thread at a time; the counter in memory serves where the kernel tells only
        with a datagram.
        """
        told = sockets.kernel_drops(self._socket)
        now = self._drops_seen if told is None else told
        lost = (now - self._drops_told) & 0xFFFFFFFF  # it wraps
        since, self._drops_since = self._drops_since, self._parts.clock()
        if not lost or lost >= 1 << 31:  # the two ways of reading may be a step apart
            return
        self._drops_told = now
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
        buffer = bytearray(LARGEST + 1)
        view = memoryview(buffer)
        into = [buffer]
        receive = self._socket.recvmsg_into
        deadline = math.inf
        flags = 0
        while time.monotonic() < deadline:
            try:
                size, told, _, sender = receive(into, _ANCILLARY, flags)
            except BlockingIOError:  # all is taken, or it woke up with nothing there
                size, told, sender = 0, [], None
            if sender:
                self._take(view[:size], told, sender)
                flags = flags or self._rest()
            elif self._stopping and not flags:
                return
            else:
                flags = 0
            if self._stopping and deadline == math.inf:
                deadline = time.monotonic() + DRAIN_S

    def _take(
        self, payload: memoryview, told: list[tuple[int, int, bytes]], sender: tuple[str, int]
    ) -> None:
        admitted = self._parts.admission.admit(sender[0], self._port)
        if admitted is None:
            self.refused += 1
        else:
            self._store(bytes(payload), self._time(told), sender[1], admitted)

    def _rest(self) -> int:
        """Let datagrams gather where they come fast; return the flags to take them all with.

        Waking up costs more than a datagram does. The kernel holds and stamps them meanwhile; a
        small buffer could run over, so there nothing rests.
        """
        since, self._woke = self._woke, time.monotonic()
        if self._woke - since > BUSY_S or not self._roomy:
            return 0
        time.sleep(REST_S)
        return socket.MSG_DONTWAIT

    def _time(self, told: list[tuple[int, int, bytes]]) -> int:
        """Return the kernel's receive time; note its drop counter, which comes with it."""
        received = 0
        for _, kind, data in told:
            if kind == sockets.SO_TIMESTAMPNS:
                seconds, rest = _TIMESPEC.unpack(data)
                received = seconds * 1_000_000_000 + rest
            elif kind == sockets.SO_RXQ_OVFL:
                (self._drops_seen,) = _COUNT.unpack(data)
        return received or self._parts.clock()

    def _store(self, payload: bytes, received_ns: int, port: int, sender: Sender) -> None:
        self.datagrams += 1
        self.bytes += len(payload)
        frame = Frame(
            kind=self._kind or _kind_of(payload),
            site=sender.site,
            received_ns=received_ns,
            wire_ns=received_ns,
            address=sender.address,
            port=port,
            local_port=self._port,
            payload=payload,
        )
        try:
            self._parts.append(frame)
        except SpoolFull as error:
            self.not_stored += 1
            what = What(site=sender.site, kind="disk-full", source=sender.address, unit="datagrams")
            self._parts.losses.add(what, 1)
            self._parts.log.warn("disk full", f"datagrams are refused: {error}")


def _kind_of(payload: bytes) -> FrameKind:
    """Tell flows from syslog on a port that is opened for an exporter, which may send both.

    Every version of NetFlow, IPFIX and sFlow begins with a zero byte, no text does.
    """
    return FrameKind.FLOW if payload[:1] == b"\0" else FrameKind.SYSLOG
