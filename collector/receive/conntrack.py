"""The connections of this machine's kernel, as it tells of them over netlink.

One socket is told of every connection that begins or ends (`linux/netfilter/nfnetlink_compat.h`:
the groups NEW and DESTROY), a second one asks for the whole table: at the start, and whenever the
kernel could not tell something because our buffer was full (netlink(7), "ENOBUFS"). Nothing is
parsed but the end of an answer; messages that come together travel as one frame.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import socket
import struct
import sys
import threading
import time
from pathlib import Path

from collector.errors import CollectorError, SpoolFull
from collector.receive import drops, sockets
from collector.receive.losses import What, coverage
from collector.receive.udp import Parts
from collector.records import CoverageEvent, Frame, FrameKind, moment
from collector.settings import Conntrack

SOURCE = "conntrack"
FRAME_BYTES = 64 << 10
"""Messages that come together share frames of about this size."""
WAKE_S = 0.25
"""A blocking receive looks up so often, to see whether it should stop."""
DRAIN_S = 2.0
"""At stopping, what lies in the kernel's buffer is taken for so long."""
REST_S = 0.02
"""Messages gather so long: waking up costs more than a message does."""
ROOMY_BYTES = 4 << 20
"""In a smaller buffer nothing gathers: it could run over."""
ASK_EVERY_S = 10.0
"""The whole table is asked for no more often than this."""
ANSWER_S = 60.0
"""An answer that is not whole by then is given up, and asked for again."""
ANSWER_REST_S = 0.001
"""Between two parts of an answer others get their turn, and the spool's disk keeps up."""
MESSAGE_BYTES = 1 << 14
"""A message about one connection takes some hundred bytes."""
PART_BYTES = 1 << 18
"""A part of an answer takes 32 KiB at most."""
PROC = Path("/proc/sys/net/netfilter")

_NETFILTER = 12
_NEW, _DESTROY = 1, 4
_GET, _ASK_ALL = 0x101, 0x301
"""IPCTNL_MSG_CT_GET of the subsystem CTNETLINK; NLM_F_REQUEST | NLM_F_DUMP."""
_HEADER = struct.Struct("=IHHII")
_ERROR, _DONE = 2, 3
_WANTED = {
    "nf_conntrack_acct": "flows have no packets and bytes",
    "nf_conntrack_timestamp": "flows begin and end when we were told, not when they did",
    "nf_conntrack_events": "the kernel tells of no connection at all",
}

_log = logging.getLogger(__name__)


class ConntrackSocket:
    """Receives what the kernel tells of connections, from start to stop.

    The counts are of the loop's thread; others read them.
    """

    def __init__(
        self, opened: tuple[socket.socket, socket.socket], site: str, parts: Parts
    ) -> None:
        self.messages = 0
        self.bytes = 0
        self.overflows = 0
        """How often the kernel said that it could not tell everything."""
        self.lost = 0
        """Messages that it could not tell."""
        self.asked = 0
        """How often the whole table was asked for."""
        self.answers = 0
        """Of these, how often all of it came."""
        self.not_stored = 0
        self._events, self._table = opened
        self._site = site
        self._parts = parts
        self._thread = threading.Thread(target=self._run, name="conntrack", daemon=True)
        self._stopping = False
        self._roomy = sockets.buffer_got(self._events) >= ROOMY_BYTES
        self._drops = drops.at_socket(self._events) or 0
        """As the kernel's counter stood when it was last read."""
        self._whole_ns = parts.clock()
        """Up to here nothing is missing."""
        self._wanted = True
        """Whether the table is to be asked for."""
        self._drained = True
        """Whether all was read: what goes on to be lost would be missing in the answer too."""
        self._asked_at = -ASK_EVERY_S
        self._answering = False

    def start(self) -> None:
        """Receive from now on; write down what the kernel is set to leave out."""
        for setting in switched_off():
            self._tell(f"{setting.replace('nf_', '').replace('_', '-')}-off", _WANTED[setting])
        self._thread.start()

    def stop(self) -> None:
        """Take what the kernel still holds, and close."""
        self._stopping = True
        if self._thread.is_alive():
            self._thread.join()
        self._events.close()
        self._table.close()

    def status(self) -> dict[str, object]:
        """Return the counts."""
        names = ("messages", "bytes", "overflows", "lost", "asked", "answers", "not_stored")
        return {
            "site": self._site,
            "buffer_bytes": sockets.buffer_got(self._events),
            "switched_off": switched_off(),
            **{name: getattr(self, name) for name in names},
        }

    def _run(self) -> None:
        try:
            while not self._stopping:
                self._turn()
            deadline = time.monotonic() + DRAIN_S
            while self._take(socket.MSG_DONTWAIT) and time.monotonic() < deadline:
                pass
            self._count_lost()
        except CollectorError as error:
            self._parts.failed(error)
        except OSError as error:
            self._parts.failed(CollectorError(f"conntrack: {error.strerror}"))

    def _turn(self) -> None:
        """Take what was told, then a part of the answer to what was asked."""
        due = time.monotonic() >= self._asked_at + ASK_EVERY_S
        if self._wanted and self._drained and due and not self._answering:
            self._ask()
        found = self._take(socket.MSG_DONTWAIT if self._answering else 0)
        self._count_lost()
        if self._answering:
            self._take_answer()
        if self._roomy and (found or self._answering):
            time.sleep(ANSWER_REST_S if self._answering else REST_S)

    def _take(self, flags: int) -> bool:
        """Store what was told by now, waiting a moment for the first; tell if there was any."""
        held: list[bytes] = []
        size = 0
        while size < FRAME_BYTES:
            told = self._receive(flags)
            if not told:
                break
            held.append(told)
            size += len(told)
            flags = socket.MSG_DONTWAIT
        self.messages += len(held)
        if held:
            self._store(b"".join(held))
        return bool(held)

    def _receive(self, flags: int) -> bytes:
        """Return the next message; nothing when there is none, or when some were lost."""
        try:
            told, sender = self._events.recvfrom(MESSAGE_BYTES, flags)
        except BlockingIOError:
            self._drained = True
            return b""
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise
            self.overflows += 1
            self._wanted, self._drained = True, False
            return b""
        return told if sender[0] == 0 else b""  # processes may send too: only the kernel knows

    def _store(self, payload: bytes) -> None:
        self.bytes += len(payload)
        now = self._parts.clock()
        frame = Frame(
            kind=FrameKind.CONNTRACK,
            site=self._site,
            received_ns=now,
            wire_ns=now,
            transport="local",
            payload=payload,
        )
        try:
            self._parts.append(frame)
        except SpoolFull as error:
            self.not_stored += 1
            self._wanted = True
            what = What(site=self._site, kind="disk-full", source=SOURCE, unit="frames")
            self._parts.losses.add(what, 1)
            self._parts.log.warn("disk full", f"what the kernel tells is refused: {error}")

    def _count_lost(self) -> None:
        """Turn the kernel's count of what it could not tell into coverage.

        Once the buffer is full it tells nothing until all of it was read, so the count goes on for
        a while after the error.
        """
        since, self._whole_ns = self._whole_ns, self._parts.clock()
        counted = drops.at_socket(self._events)
        if counted is None:
            return
        lost = (counted - self._drops) & 0xFFFFFFFF  # it wraps
        self._drops = counted
        if not lost:
            return
        self.lost += lost
        self._wanted = True
        what = What(
            site=self._site,
            kind="conntrack-overflow",
            source=SOURCE,
            unit="messages",
            note="our buffer was full: beginnings and ends of connections; the table is asked for",
        )
        self._parts.losses.add(what, lost, since_ns=since)
        self._parts.log.warn(
            "conntrack overflow",
            f"conntrack: {lost} messages were lost, the buffer of "
            f"{sockets.buffer_got(self._events)} bytes was full: [conntrack] receive_buffer",
        )

    def _ask(self) -> None:
        """Ask for the whole table."""
        self.asked += 1
        self._wanted = False
        self._answering = True
        self._asked_at = time.monotonic()
        request = _HEADER.pack(_HEADER.size + 4, _GET, _ASK_ALL, self.asked, 0) + bytes(4)
        self._table.send(request)

    def _take_answer(self) -> None:
        """Store the next part of the table, or what there is of it without waiting."""
        try:
            part, sender = self._table.recvfrom(PART_BYTES, socket.MSG_DONTWAIT)
        except BlockingIOError:
            part, sender = b"", (0, 0)
        if sender[0]:
            return  # not the kernel's, as above
        kind, failed = _last(part, self.asked)
        if kind == _DONE:
            self.answers += 1
            self._answering = False
        elif kind == _ERROR or time.monotonic() > self._asked_at + ANSWER_S:
            self._answering, self._wanted = False, True
            why = os.strerror(failed) if kind == _ERROR else "no answer"
            self._parts.log.warn("conntrack table", f"conntrack: cannot read the table: {why}")
        if len(part) > _HEADER.size + 4:
            self._store(part)

    def _tell(self, kind: str, note: str) -> None:
        now = self._parts.clock()
        at = moment(now // 1000)
        event = CoverageEvent(time=at, site=self._site, kind=kind, source=SOURCE, note=note)
        with contextlib.suppress(SpoolFull):
            self._parts.append(coverage(event, received_ns=now))


def switched_off() -> list[str]:
    """Return the settings of the kernel that are off and should be on."""
    found = []
    for name in _WANTED:
        with contextlib.suppress(OSError):
            if (PROC / name).read_text(encoding="ascii").strip() == "0":
                found.append(name)
    return found


def listen_to_kernel(settings: Conntrack) -> tuple[socket.socket, socket.socket]:
    """Return the socket that is told of connections, and the one that asks for all of them.

    What the kernel is set to leave out is logged.

    Raises:
        CollectorError: not allowed, or the kernel has no connection tracking.
    """
    events = _open(_NEW | _DESTROY)
    seconds, fraction = divmod(WAKE_S, 1)
    wake = struct.pack("@qq", int(seconds), int(fraction * 1_000_000))
    events.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, wake)
    _ask_buffer(events, settings.receive_buffer)
    for name in switched_off():
        why = _WANTED[name]
        _log.warning("conntrack: %s is off: %s; sysctl -w net.netfilter.%s=1", name, why, name)
    return events, _open(0)


def _open(groups: int) -> socket.socket:
    """Return a socket that is told of these groups.

    Raises:
        CollectorError: not allowed, or there is no such thing.
    """
    try:
        opened = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETFILTER)
    except OSError as error:
        raise CollectorError(
            f"cannot listen to conntrack: {error.strerror}",
            hint="modprobe nf_conntrack_netlink, or set enabled = false in [conntrack]",
        ) from error
    try:
        opened.bind((0, groups))
    except OSError as error:
        opened.close()
        raise CollectorError(
            f"cannot listen to conntrack: {error.strerror}",
            hint="it needs CAP_NET_ADMIN: run as root or by systemd, or set enabled = false there",
        ) from error
    return opened


def _ask_buffer(opened: socket.socket, wanted: int) -> None:
    """Ask for a large buffer, past the limit of the system; say what was got."""
    wanted = min(wanted, (1 << 30) - 1)
    with contextlib.suppress(OSError):
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, wanted)
        opened.setsockopt(socket.SOL_SOCKET, sockets.SO_RCVBUFFORCE, wanted)
    got = sockets.buffer_got(opened)
    level = logging.INFO if got >= wanted else logging.WARNING
    _log.log(level, "conntrack: asked for a buffer of %d bytes, got %d", wanted, got)


def _last(part: bytes, asked: int) -> tuple[int, int]:
    """Return the type of the last message in a part of an answer, and its error if it is one.

    What answers an earlier question ends nothing.
    """
    at, last, failed = 0, 0, 0
    while at + _HEADER.size <= len(part):
        size, last, _, sequence, _ = _HEADER.unpack_from(part, at)
        if size < _HEADER.size or sequence != asked:
            return 0, 0
        if last == _ERROR and at + _HEADER.size + 4 <= len(part):
            failed = -int.from_bytes(part[at + 16 : at + 20], sys.byteorder, signed=True)
        at += size + 3 & ~3
    return last, failed
