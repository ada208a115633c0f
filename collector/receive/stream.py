"""Syslog over TCP: one thread for all connections.

While the spool has no room nothing is read: the senders hold back their messages then, and none
is lost. A connection holds at most one bounded message in memory. An idle one stays, for a sender
whose connection is closed loses what it writes next; it goes when its place is needed.
"""

from __future__ import annotations

import selectors
import socket
import threading
import time
from dataclasses import dataclass, field

from collector.errors import CollectorError, SpoolFull
from collector.receive import sockets
from collector.receive.admission import Sender
from collector.receive.framing import Splitter
from collector.receive.losses import What
from collector.receive.udp import Parts
from collector.records import Frame, FrameKind

MOST = 512
"""Connections at once."""
MOST_EACH = 64
"""Connections at once from one address."""
IDLE_S = 60.0
"""Idle for longer, a connection gives way to a new one."""
_PIECE = 1 << 16
_TICK_S = 0.25
_DRAIN_S = 2.0


@dataclass(slots=True, eq=False)
class _Connection:
    socket: socket.socket
    sender: Sender
    port: int
    local_port: int
    heard: float
    splitter: Splitter = field(default_factory=Splitter)
    held: list[Frame] = field(default_factory=list)
    """Read, but the spool had no room; while there are any, nothing more is read."""


class StreamServer:
    """Receives on listening TCP sockets, from start to stop."""

    def __init__(self, parts: Parts) -> None:
        self.messages = 0
        self.bytes = 0
        self.refused = 0
        self.crowded_out = 0
        """Connections closed or not taken because there were too many."""
        self.not_stored = 0
        self._counts = {"bad_lengths": 0, "cut": 0, "skipped_bytes": 0}
        self._listeners: list[socket.socket] = []
        self._parts = parts
        self._connections: dict[socket.socket, _Connection] = {}
        self._selector = selectors.DefaultSelector()
        self._buffer = bytearray(_PIECE)
        self._wake, self._woken = socket.socketpair()
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="syslog-tcp", daemon=True)

    def add(self, listener: socket.socket) -> None:
        """Take over a listening, non-blocking socket, before the start."""
        self._listeners.append(listener)
        self._selector.register(listener, selectors.EVENT_READ, listener)

    def start(self) -> None:
        """Receive from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Read what has come, and close all connections."""
        self._stopping.set()
        self._wake.send(b"!")
        if self._thread.is_alive():
            self._thread.join()
        for each in (*self._listeners, self._wake, self._woken):
            each.close()
        self._selector.close()

    def status(self) -> dict[str, object]:
        """Return the counts of all connections together, and where it listens."""
        return {
            "sockets": [f"tcp {sockets.shown(s.getsockname())}" for s in self._listeners],
            "connections": len(self._connections),
            "messages": self.messages,
            "bytes": self.bytes,
            "refused": self.refused,
            "crowded_out": self.crowded_out,
            "not_stored": self.not_stored,
            **self._counts,
        }

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._turn(_TICK_S)
            self._drain()
        except CollectorError as error:
            self._parts.failed(error)
        except OSError as error:
            self._parts.failed(CollectorError(f"syslog over tcp: {error}"))

    def _turn(self, wait_s: float) -> bool:
        """Handle what is ready; tell whether there was anything."""
        for connection in [c for c in self._connections.values() if c.held]:
            if self._store(connection):
                self._selector.register(connection.socket, selectors.EVENT_READ, connection)
        ready = self._selector.select(wait_s)
        for key, _ in ready:
            if isinstance(key.data, _Connection):
                if key.data.socket in self._connections:  # else it gave way in this very turn
                    self._read(key.data)
            elif key.data is None:
                self._woken.recv(1)
            else:
                self._accept(key.data)
        return bool(ready)

    def _drain(self) -> None:
        """Read what has arrived, from callers still waiting too; count what cannot be kept."""
        deadline = time.monotonic() + _DRAIN_S
        while self._turn(0) and time.monotonic() < deadline:
            pass
        for connection in list(self._connections.values()):
            self._end(connection)

    def _accept(self, listener: socket.socket) -> None:
        try:
            accepted, (host, port, *_) = listener.accept()
        except OSError:
            self._stopping.wait(0.05)  # gone again, or out of descriptors
            return
        local_port = listener.getsockname()[1]
        sender = self._parts.admission.admit(host, local_port)
        if sender is None:
            self.refused += 1
        if sender is None or not self._make_place(sender):
            accepted.close()
            return
        accepted.setblocking(False)
        accepted.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        connection = _Connection(accepted, sender, port, local_port, time.monotonic())
        self._connections[accepted] = connection
        self._selector.register(accepted, selectors.EVENT_READ, connection)

    def _make_place(self, sender: Sender) -> bool:
        """Whether one more may come; the longest idle one goes for it."""
        same = [c for c in self._connections.values() if c.sender == sender]
        crowd = same if len(same) >= MOST_EACH else list(self._connections.values())
        if len(self._connections) < MOST and len(same) < MOST_EACH:
            return True
        self.crowded_out += 1
        self._parts.log.warn(
            "crowd", f"syslog over tcp: {len(crowd)} connections at once, too many for one more"
        )
        oldest = min(crowd, key=lambda c: c.heard)
        if time.monotonic() - oldest.heard < IDLE_S or oldest.held:
            return False
        self._end(oldest)
        return True

    def _read(self, connection: _Connection) -> None:
        try:
            size = connection.socket.recv_into(self._buffer)
        except BlockingIOError:
            return
        except OSError:
            size = 0  # reset: what came before it counts
        if not size:
            self._end(connection)
            return
        self.bytes += size
        connection.heard = time.monotonic()
        self._hold(connection, connection.splitter.feed(memoryview(self._buffer)[:size]))
        self._note(connection)
        if not self._store(connection):
            self._selector.unregister(connection.socket)

    def _hold(self, connection: _Connection, messages: list[bytes]) -> None:
        now = self._parts.clock()
        connection.held += [
            Frame(
                kind=FrameKind.SYSLOG,
                site=connection.sender.site,
                received_ns=now,
                wire_ns=now,
                address=connection.sender.address,
                port=connection.port,
                local_port=connection.local_port,
                transport="tcp",
                payload=message,
            )
            for message in messages
        ]

    def _store(self, connection: _Connection) -> bool:
        """Give what is held to the spool; tell whether all of it was taken."""
        taken = 0
        try:
            for frame in connection.held:
                self._parts.append(frame)
                taken += 1
        except SpoolFull as error:
            self._parts.log.warn("disk full", f"syslog over tcp waits: {error}")
        self.messages += taken
        del connection.held[:taken]
        return not connection.held

    def _note(self, connection: _Connection) -> None:
        """Count what the splitter had to cut."""
        splitter = connection.splitter
        if splitter.cut:
            what = What(
                site=connection.sender.site,
                kind="message-cut",
                source=connection.sender.address,
                unit="messages",
                note="longer than 64 KiB: the beginning was kept",
            )
            self._parts.losses.add(what, splitter.cut)
        for name in self._counts:
            self._counts[name] += getattr(splitter, name)
            setattr(splitter, name, 0)

    def _end(self, connection: _Connection) -> None:
        """Keep what is left of a connection and close it."""
        self._hold(connection, connection.splitter.finish())
        self._note(connection)
        if not self._store(connection):
            self.not_stored += len(connection.held)
            what = What(
                site=connection.sender.site,
                kind="disk-full",
                source=connection.sender.address,
                unit="messages",
            )
            self._parts.losses.add(what, len(connection.held))
        del self._connections[connection.socket]
        if connection.socket in self._selector.get_map():
            self._selector.unregister(connection.socket)
        connection.socket.close()
