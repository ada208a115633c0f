"""Tells the collector what happened, over its local socket, and waits until it is on disk.

One line of JSON each way: `{"do":"event","kind":"session","event":{…}}`, or `frames` where there
are many; the answer is `{"ok":true,…}`.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Self

from captive_portal.errors import ReportError, ReportRefused
from captive_portal.sessions.telling import Told, nothing
from collector.records import AuditEvent, CoverageEvent, SessionEvent, microseconds

Event = SessionEvent | AuditEvent | CoverageEvent

SOCKET = Path("run") / "receive.sock"
"""Where the collector's receiving process listens in a home."""
SEALER = Path("run") / "seal.sock"
"""Where its sealing process does: it has what lines of syslog say of sign-ins."""
_MAX_REPLY = 1 << 18
_TOGETHER = 500
_LONGEST_PATH = 107


class Reporter:
    """A connection to the collector, made when it is needed. Not for more than one thread."""

    def __init__(self, path: Path, *, timeout: float = 5.0) -> None:
        self._path = path
        self._timeout = timeout
        self._socket: socket.socket | None = None
        self._left = b""
        self._owes = False
        """Whether the answer to what was sent last was not read yet."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Drop the connection; the next event makes another."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.close()
        self._socket, self._left, self._owes = None, b"", False

    def sessions(self, events: Sequence[SessionEvent]) -> Told:
        """Hand these over; return what waits until all are on disk, in their order.

        Raises:
            ReportError: they cannot be handed over.
        """
        return self._all("session", events)

    def audit(self, events: Sequence[AuditEvent]) -> None:
        """Return when the collector has all of these on disk, in their order.

        Raises:
            ReportError: it has not, or it is not known that it has.
        """
        self._all("audit", events)()

    def coverage(self, events: Sequence[CoverageEvent]) -> None:
        """Return when the collector has all of these on disk, in their order.

        Raises:
            ReportError: it has not, or it is not known that it has.
        """
        self._all("coverage", events)()

    def _all(self, kind: str, events: Sequence[Event]) -> Told:
        if not events:
            return nothing
        if len(events) == 1:
            event = json.loads(events[0].to_json())
            return _without_answer(self._begin({"do": "event", "kind": kind, "event": event}))
        # Many wait for the disk together.
        frames = [_frame(kind, event) for event in events]
        *firsts, last = range(0, len(frames), _TOGETHER)
        for at in firsts:
            self.ask({"do": "frames", "frames": frames[at : at + _TOGETHER]})
        return _without_answer(self._begin({"do": "frames", "frames": frames[last:]}))

    def ask(self, request: dict[str, object]) -> dict[str, object]:
        """Ask a process of the collector, and return its answer.

        Raises:
            ReportError: there is none, or it refuses.
        """
        return self._begin(request)()

    def _begin(self, request: dict[str, object]) -> _Answer:
        """Send a request, and return what waits for its answer. Raises ReportError."""
        if self._owes:
            self.close()  # whoever asked before did not wait: that answer is not this one's
        kept = self._socket is not None
        line = json.dumps(request, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
        try:
            self._connected().sendall(line)
        except OSError as error:
            self._hang_up(error, kept=kept)
            return self._begin(request)
        self._owes = True
        return partial(self._answer, request, kept=kept)

    def _answer(self, request: dict[str, object], *, kept: bool) -> dict[str, object]:
        try:
            reply = self._read()
        except (OSError, ValueError) as error:
            self._hang_up(error, kept=kept)
            return self.ask(request)
        self._owes = False
        if reply.get("ok") is not True:
            raise ReportRefused(
                f"the collector refused: {reply.get('error', 'it does not say why')}"
            )
        return reply

    def _hang_up(self, error: OSError | ValueError, *, kept: bool) -> None:
        """Drop the connection; return where another one may do better. Raises ReportError."""
        self.close()
        if isinstance(error, TimeoutError):
            raise self._failed(f"no answer in {self._timeout:g} s") from error
        if not kept:
            raise self._failed(str(error)) from error
        # The collector was started anew since: events bear ids, so twice is stored once.

    def _read(self) -> dict[str, object]:
        connection = self._connected()
        while b"\n" not in self._left:
            more = connection.recv(_MAX_REPLY)
            if not more:
                raise ConnectionResetError("the collector hung up")
            self._left += more
            if len(self._left) > _MAX_REPLY:
                raise ValueError("the collector's answer is too long")
        reply, _, self._left = self._left.partition(b"\n")
        record = json.loads(reply)
        if not isinstance(record, dict):
            raise ValueError("the collector's answer is not an object")  # noqa: TRY004  # one kind
        return record

    def _connected(self) -> socket.socket:
        if self._socket is None:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connection.settimeout(self._timeout)
            try:
                with short_name(self._path) as name:
                    connection.connect(name)
            except OSError:
                connection.close()
                raise
            self._socket = connection
        return self._socket

    def _failed(self, why: str) -> ReportError:
        return ReportError(
            f"the collector cannot be told over {self._path}: {why}",
            hint="is prathu up running, and is the disk not full?",
        )


_Answer = Callable[[], dict[str, object]]
"""Returns the answer to what was sent. Raises ReportError."""


def _without_answer(answer: _Answer) -> Told:
    def told() -> None:
        answer()

    return told


def _frame(kind: str, event: Event) -> dict[str, object]:
    return {
        "kind": kind,
        "site": event.site,
        "wire_ns": microseconds(event.time) * 1000,
        "transport": "local",
        "payload": base64.b64encode(event.to_json()).decode("ascii"),
    }


@contextlib.contextmanager
def short_name(path: Path) -> Iterator[str]:
    """Give a name for a socket file that fits in an address: at most 107 bytes.

    A longer path goes through the folder's descriptor.
    """
    if len(os.fsencode(path)) <= _LONGEST_PATH:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
