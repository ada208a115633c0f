"""Syslog of programs on this machine, over a unix socket of datagrams, as `/dev/log` is one.

Its thread is one beside those of UDP. A program that sends waits while the kernel's short queue for
the socket is full, so nothing is lost there; what is past the bounds of one sender is refused and
counted, or a program in a loop would hold up all the others that log.
"""

from __future__ import annotations

import os
import select
import socket
import stat
import threading
import time
from pathlib import Path

from collector.errors import CollectorError, SpoolFull
from collector.receive.losses import What
from collector.receive.udp import Parts
from collector.records import FrameKind
from collector.settings import LocalSyslog
from collector.spool import Draft

ADDRESS = "127.0.0.1"
"""What stands for this machine; the transport of its lines is `local`."""
LONGEST = 64 << 10
_TURN = 256
_DRAIN_S = 2.0
_LONGEST_PATH = 107
_MODES = {False: 0o660, True: 0o666}


class UnixSocket:
    """Receives lines of syslog on one path, from start to stop."""

    def __init__(self, path: Path, site: str, settings: LocalSyslog, parts: Parts) -> None:
        self.path = path
        self.messages = 0
        self.bytes = 0
        self.limited = 0
        """Past the bounds of one sender."""
        self.cut = 0
        self.not_stored = 0
        self._parts = parts
        self._settings = settings
        self._account = parts.accounts.find(ADDRESS, site, ADDRESS, parts.clock())
        self._draft = Draft(kind=FrameKind.SYSLOG, transport="local", site=site, address=ADDRESS)
        self._buffer = bytearray(LONGEST)
        self._socket: socket.socket | None = None
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="syslog-unix", daemon=True)

    def open(self) -> None:
        """Make the socket's file, in place of one that nobody listens on.

        Raises:
            CollectorError: another program has it, or it cannot be made.
        """
        self._socket = _bound(self.path, mode=_MODES[self._settings.everybody])

    def start(self) -> None:
        """Receive from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Take what has come, close, and take the file away."""
        self._stopping.set()
        os.eventfd_write(self._wake, 1)
        if self._thread.is_alive():
            self._thread.join()
        os.close(self._wake)
        if self._socket:
            self._socket.close()
            self.path.unlink(missing_ok=True)

    def status(self) -> dict[str, object]:
        """Return the counts."""
        names = ("messages", "bytes", "limited", "cut", "not_stored")
        return {"socket": f"unix {self.path}", **{name: getattr(self, name) for name in names}}

    def _run(self) -> None:
        try:
            self._receive()
        except CollectorError as error:
            self._parts.failed(error)
        except OSError as error:
            self._parts.failed(CollectorError(f"unix {self.path}: {error}"))

    def _receive(self) -> None:
        opened = self._socket
        if opened is None:
            return
        poll, deadline = select.poll(), float("inf")
        for each in (opened, self._wake):
            poll.register(each, select.POLLIN)
        while time.monotonic() < deadline:
            poll.poll()
            taken = self._drain(opened)
            if self._stopping.is_set():
                deadline = min(deadline, time.monotonic() + _DRAIN_S)
                if not taken:
                    return

    def _drain(self, opened: socket.socket) -> int:
        """Take what the socket holds, at most a turn's worth; return how many lines there were."""
        for taken in range(_TURN):
            try:
                size, _, flags, _ = opened.recvmsg_into([self._buffer])
            except BlockingIOError:
                return taken
            if flags & socket.MSG_TRUNC:
                self.cut += 1
                self._lose("message-cut", "longer than 64 KiB: the beginning was kept")
            if self._parts.accounts.admit(self._account, size):
                self._store(bytes(self._buffer[:size]))
            else:
                self.limited += 1
        return _TURN

    def _store(self, payload: bytes) -> None:
        draft = self._draft
        draft.received_ns = draft.wire_ns = self._account.heard_ns = self._parts.clock()
        draft.payload = payload
        try:
            self._parts.append(draft)
        except SpoolFull as error:
            self.not_stored += 1
            self._lose("disk-full", "")
            self._parts.log.warn("disk full", f"lines of this machine are refused: {error}")
            return
        self.messages += 1
        self.bytes += len(payload)

    def _lose(self, kind: str, note: str) -> None:
        what = What(site=self._draft.site, kind=kind, source=ADDRESS, unit="messages", note=note)
        self._parts.losses.add(what, 1)


def _bound(path: Path, *, mode: int) -> socket.socket:
    if len(os.fsencode(path)) > _LONGEST_PATH:
        raise CollectorError(
            f"cannot listen on unix {path}: longer than {_LONGEST_PATH} bytes",
            hint="set a shorter path in [local_syslog]",
        )
    opened = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        _clear(path)
        opened.bind(str(path))
        path.chmod(mode)
    except OSError as error:
        opened.close()
        raise CollectorError(
            f"cannot listen on unix {path}: {error.strerror}", hint="see [local_syslog]"
        ) from error
    except CollectorError:
        opened.close()
        raise
    opened.setblocking(False)
    return opened


def _clear(path: Path) -> None:
    """Take away a socket that nobody listens on, and nothing else."""
    if not path.is_symlink() and not path.exists():
        return
    if not stat.S_ISSOCK(path.lstat().st_mode):
        raise CollectorError(
            f"cannot listen on unix {path}: something else is there",
            hint="take it away, or set another path in [local_syslog]",
        )
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as trial:
        try:
            trial.connect(str(path))
        except OSError:
            path.unlink(missing_ok=True)
            return
    raise CollectorError(
        f"cannot listen on unix {path}: another program does",
        hint="stop it, or set another path in [local_syslog]",
    )
