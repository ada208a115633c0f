"""Syslog and IPFIX over TCP or TLS: one thread for all connections of a kind.

While the spool has no room nothing is read: the senders hold back their messages then, and none
is lost. Who sends faster than the settings say is not read for a while either. A connection holds
at most one bounded message in memory. An idle one stays, for a sender whose connection is closed
loses what it writes next; it goes when its place is needed.

Connections that are through with their handshake go first in every turn; those under way share a
few steps each turn, so that a flood of them costs the others milliseconds.
"""

from __future__ import annotations

import selectors
import socket
import ssl
import threading
import time
from collections import Counter
from dataclasses import replace

from collector.errors import CollectorError, SpoolFull
from collector.receive import sockets
from collector.receive.accounts import Account
from collector.receive.admission import Sender
from collector.receive.connection import Connection, Speech
from collector.receive.handshakes import Handshakes
from collector.receive.losses import What
from collector.receive.pace import PAUSE_S
from collector.receive.tls import Session
from collector.receive.udp import Parts
from collector.records import FrameKind
from collector.spool import Draft, lines

MOST = 512
"""Connections at once."""
MOST_EACH = 64
"""Connections at once from one address."""
IDLE_S = 60.0
"""Idle for longer, a connection gives way to a new one."""
ACCEPTS = 32
"""Connections let in before those that are there have their turn."""
STEPS = 8
"""Steps of handshakes in one turn; each may take a millisecond."""
_PIECE = 1 << 16
_TICK_S = 0.25
_DRAIN_S = 2.0
_SHOWN = 100


class StreamServer:
    """Receives on listening TCP sockets, from start to stop."""

    def __init__(
        self, parts: Parts, *, context: ssl.SSLContext | None = None, name: str = "syslog"
    ) -> None:
        self.messages = 0
        self.bytes = 0
        self.refused = 0
        self.crowded_out = 0
        """Connections closed or not taken because there were too many."""
        self.not_stored = 0
        self.refused_tls = 0
        """Connections that ended with a fault of TLS: handshakes above all."""
        self.malformed = 0
        """Connections that ended because what came was of another protocol, or none."""
        self._counts = {"bad_lengths": 0, "cut": 0, "skipped_bytes": 0}
        self._kind = "tls" if context else "tcp"
        self._name = f"{name} over {self._kind}"
        self._context = context
        self._listeners: dict[socket.socket, Speech] = {}
        self._parts = parts
        self._connections: dict[socket.socket, Connection] = {}
        self._handshakes = Handshakes()
        self._selector = selectors.DefaultSelector()
        self._buffer = bytearray(_PIECE)
        self._draft = Draft(kind=FrameKind.SYSLOG, transport=self._kind)
        self._wake, self._woken = socket.socketpair()
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"{name}-{self._kind}", daemon=True)

    def add(self, listener: socket.socket, speech: Speech) -> None:
        """Take over a listening, non-blocking socket, before the start; say what it hears."""
        self._listeners[listener] = speech
        self._selector.register(listener, selectors.EVENT_READ, listener)

    def renew(self, context: ssl.SSLContext) -> None:
        """Use other certificates for connections from now on."""
        self._context = context

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
        told: dict[str, object] = {
            "sockets": [f"{self._kind} {sockets.shown(s.getsockname())}" for s in self._listeners],
            "connections": len(self._connections),
            "waiting": sum(bool(c.held) for c in list(self._connections.values())),
            "held_back": sum(c.held_back for c in list(self._connections.values())),
            "messages": self.messages,
            "bytes": self.bytes,
            "refused": self.refused,
            "crowded_out": self.crowded_out,
            "not_stored": self.not_stored,
            "malformed": self.malformed,
            **self._counts,
        }
        if self._context:
            told |= {"refused_tls": self.refused_tls, "handshakes": len(self._handshakes)}
            told["peers"] = [
                {"address": c.name, "peer": c.peer, "messages": c.messages}
                for c in list(self._connections.values())[:_SHOWN]
                if not c.shaking_hands
            ]
        return told

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._turn(_TICK_S)
            self._drain()
        except CollectorError as error:
            self._parts.failed(error)
        except OSError as error:
            self._parts.failed(CollectorError(f"{self._name}: {error}"))

    def _turn(self, wait_s: float) -> bool:
        """Handle what is ready; tell whether there was anything."""
        for connection in [c for c in self._connections.values() if c.held]:
            if self._store(connection):
                self._selector.register(connection.socket, selectors.EVENT_READ, connection)
            else:
                wait_s = min(wait_s, PAUSE_S)
        ready = self._selector.select(wait_s)
        steps = []
        for key, _ in ready:
            if isinstance(key.data, Connection):
                if key.data in self._handshakes:
                    steps.append(key.data)
                elif key.data.socket in self._connections:  # else it gave way in this very turn
                    self._read(key.data)
            elif key.data is None:
                self._woken.recv(1)
            else:
                self._accept(key.data)
        self._go_on(steps)
        return bool(ready)

    def _go_on(self, ready: list[Connection]) -> None:
        """Take a few handshakes a step further; end those that take too long."""
        for connection in [each for each in ready if each in self._handshakes][:STEPS]:
            self._read(connection)
        for late in self._handshakes.late(time.monotonic()):
            self._fail(late, "its handshake took too long")

    def _drain(self) -> None:
        """Read what has arrived, from callers still waiting too; count what cannot be kept."""
        deadline = time.monotonic() + _DRAIN_S
        while self._turn(0) and time.monotonic() < deadline:
            pass
        for connection in list(self._connections.values()):
            self._end(connection)

    def _accept(self, listener: socket.socket) -> None:
        """Let in some of those who wait."""
        for _ in range(ACCEPTS):
            try:
                accepted, (host, port, *_) = listener.accept()
            except BlockingIOError:
                return
            except OSError:
                self._stopping.wait(0.05)  # gone again, or out of descriptors
                return
            self._let_in(accepted, host, port, listener)

    def _let_in(
        self, accepted: socket.socket, host: str, port: int, listener: socket.socket
    ) -> None:
        local_port: int = listener.getsockname()[1]
        sender = self._parts.admission.admit(host, local_port)
        if sender is None:
            self.refused += 1
        if sender is None or not self._make_place(sender):
            accepted.close()
            return
        accepted.setblocking(False)
        accepted.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        now = time.monotonic()
        connection = Connection(
            socket=accepted,
            sender=sender,
            port=port,
            local_port=local_port,
            begun=now,
            heard=now,
            speech=self._listeners[listener],
            session=Session(self._context) if self._context else None,
        )
        self._connections[accepted] = connection
        self._selector.register(accepted, selectors.EVENT_READ, connection)
        gone = self._handshakes.add(connection) if self._context else None
        if gone:
            self._fail(gone, "too many handshakes at once")

    def _make_place(self, sender: Sender) -> bool:
        """Whether one more may come; the longest idle one goes for it.

        Where the places are all taken, who has far more of them than the newcomer gives one up,
        idle or not: nobody shall keep others out by holding what it does not need.
        """
        settled = [c for c in self._connections.values() if c not in self._handshakes]
        same = [c for c in settled if c.sender == sender]
        if len(settled) < MOST and len(same) < MOST_EACH:
            return True
        crowd, patience_s = settled, IDLE_S
        if len(same) >= MOST_EACH:
            crowd = same
        else:
            hog, count = Counter(c.sender for c in settled).most_common(1)[0]
            if count > len(same) + 1:
                crowd, patience_s = [c for c in settled if c.sender == hog], 0.0
        oldest = min(crowd, key=lambda c: c.heard)
        refused = oldest.held or time.monotonic() - oldest.heard < patience_s
        self._count_crowded(sender if refused else oldest.sender, len(crowd))
        if not refused:
            self._end(oldest)
        return not refused

    def _count_crowded(self, sender: Sender, crowd: int) -> None:
        """Count a connection that was not taken, or had to go."""
        self.crowded_out += 1
        what = What(
            site=sender.site,
            kind="exporter-limit",
            source=sender.address,
            unit="connections",
            note=f"{self._name}: too many at once",
        )
        self._parts.losses.add(what, 1)
        told = f"{self._name}: {crowd} connections at once, too many for one more"
        self._parts.log.warn("crowd", told)

    def _read(self, connection: Connection) -> None:
        self.bytes += connection.read(self._buffer)
        connection.heard = time.monotonic()
        connection.received_ns = self._parts.clock()
        self._note(connection)
        if connection in self._handshakes and not connection.shaking_hands:
            self._handshakes.done(connection)
        if connection.fault:
            self._fail(connection, connection.fault)
        elif connection.over:
            self._end(connection)
        elif not self._store(connection):
            self._selector.unregister(connection.socket)

    def _fail(self, connection: Connection, fault: str) -> None:
        """End a connection for a fault of its sender's: one line, counted, written down."""
        connection.fault = fault
        malformed = bool(connection.splitter and connection.splitter.fault)
        self.malformed += malformed
        self.refused_tls += not malformed
        what = What(
            site=connection.sender.site,
            kind="malformed" if malformed else "tls-refused",
            source=connection.name,
            unit="connections",
            note=fault,
        )
        self._parts.losses.add(what, 1)
        self._parts.log.warn("tls", f"{self._name}: {connection.name} is refused: {fault}")
        self._end(connection)

    def _store(self, connection: Connection, *, last: bool = False) -> bool:
        """Give what is held to the spool; tell whether all of it was taken."""
        accounts, account = self._parts.accounts, connection.sender.account
        draft, taken = self._draft, 0
        if connection.splitter:
            draft.kind = connection.splitter.kind
        draft.site, draft.address = connection.sender.site, connection.sender.address
        draft.port, draft.local_port = connection.port, connection.local_port
        draft.sender_name = connection.peer
        draft.received_ns = draft.wire_ns = account.heard_ns = connection.received_ns
        try:
            if not self._store_together(connection, last=last):
                connection.spread()
            while held := self._portion(account, connection.held[taken:], last=last):
                count = self._append(draft, held)
                accounts.take(account, sum(map(len, held[:count])), count)
                accounts.pace(account).took(count)
                taken += count
        except SpoolFull as error:
            connection.spread()
            self._parts.log.warn("disk full", f"{self._name} waits: {error}")
        messages = taken - connection.held[:taken].count(b"")  # which mark a session's ends
        self.messages += messages
        connection.messages += messages
        del connection.held[:taken]
        return not connection.held

    def _store_together(self, connection: Connection, *, last: bool) -> bool:
        """Give lines that came at once to the spool as they are, if there is room for them all."""
        data, account = connection.together, connection.sender.account
        count, accounts = connection.count, self._parts.accounts
        if not data or count == 1:
            return False
        pace, now = accounts.pace(account), time.monotonic()
        if last or self._stopping.is_set():
            pace.release(now)
        elif pace.allowed(count, now) < count:
            return False
        fits = len(data) <= lines.MOST_BYTES and (last or accounts.room(account, len(data)))
        if not fits or not self._append_lines(self._draft, lines.packed(data, count)):
            return False
        accounts.take(account, len(data), count)
        pace.took(count)
        connection.together = b""
        self.messages += count
        connection.messages += count
        return True

    def _append(self, draft: Draft, held: list[bytes]) -> int:
        """Give messages to the spool, lines as one frame; return how many of the first it took."""
        if draft.kind is not FrameKind.SYSLOG or len(held) == 1 or b"\n" in b"".join(held):
            return self._parts.append_all(draft, held)
        while sum(map(len, held)) > lines.MOST_BYTES and len(held) > 1:
            held = held[: len(held) // 2]
        return len(held) * self._append_lines(draft, lines.pack(held))

    def _append_lines(self, draft: Draft, payload: bytes) -> int:
        return self._parts.append_all(replace(draft, kind=FrameKind.LINES), [payload])

    def _portion(self, account: Account, held: list[bytes], *, last: bool) -> list[bytes]:
        """Return what there is room for; none when others need it more: this sender waits.

        So it does when it is too fast, but for what comes last before the box stops.
        """
        pace, now = self._parts.accounts.pace(account), time.monotonic()
        if last or self._stopping.is_set():
            pace.release(now)
        elif held:
            held = held[: pace.allowed(len(held), now)]
        while held and not (last or self._parts.accounts.room(account, sum(map(len, held)))):
            held = held[: len(held) // 2]
        return held

    def _note(self, connection: Connection) -> None:
        """Count what the splitter had to cut."""
        splitter = connection.splitter
        if splitter is None:
            return
        if splitter.cut:
            what = What(
                site=connection.sender.site,
                kind="message-cut",
                source=connection.name,
                unit=splitter.unit,
                note=splitter.cut_note,
            )
            self._parts.losses.add(what, splitter.cut)
        for name in self._counts:
            self._counts[name] += getattr(splitter, name)
            setattr(splitter, name, 0)

    def _end(self, connection: Connection) -> None:
        """Keep what is left of a connection and close it."""
        connection.finish()
        self._note(connection)
        if not self._store(connection, last=True):
            self._count_lost(connection, len(connection.held) - connection.held.count(b""))
        self._handshakes.done(connection)
        del self._connections[connection.socket]
        if connection.socket in self._selector.get_map():
            self._selector.unregister(connection.socket)
        connection.close()

    def _count_lost(self, connection: Connection, lost: int) -> None:
        """Count messages that the spool did not take before their connection ended."""
        self.not_stored += lost
        if lost and connection.splitter:
            what = What(
                site=connection.sender.site,
                kind="disk-full",
                source=connection.name,
                unit=connection.splitter.unit,
            )
            self._parts.losses.add(what, lost)
