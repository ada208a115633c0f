"""One connection of a sender: bytes of TCP or TLS in, whole messages out."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from collector.receive.admission import Sender
from collector.receive.framing import Splitter
from collector.receive.ipfix import VERSION, Messages
from collector.receive.tls import Session
from collector.records import FrameKind

MOST_UNSENT = 64 << 10
"""A sender that does not read what TLS has to tell it is hung up on."""


class Framing(Protocol):
    """Whole messages out of the bytes of a connection: `framing.py`, `ipfix.py`."""

    kind: FrameKind
    """What the messages are."""
    fault: str
    """Why nothing more can be read; empty while it can."""
    cut: int
    bad_lengths: int
    skipped_bytes: int
    unit: str
    """What they are called where some are lost."""
    cut_note: str

    def feed(self, data: bytes | memoryview) -> list[bytes]:
        """Return the messages that `data` completes."""

    def finish(self) -> list[bytes]:
        """Return what is left when nothing more comes."""


Speech = Callable[[bytes], Framing]
"""Makes it, when the first two bytes have come."""


def syslog(_: bytes) -> Framing:
    """Return what takes messages of syslog."""
    return Splitter()


def ipfix(_: bytes) -> Framing:
    """Return what takes messages of IPFIX."""
    return Messages()


def either(first: bytes) -> Framing:
    """Return what takes that of both which the first bytes are of: no line begins with NUL."""
    return Messages() if first[:1] == VERSION[:1] else Splitter()


@dataclass(slots=True, eq=False, kw_only=True)
class Connection:
    """What is known of it, and what it holds."""

    socket: socket.socket
    sender: Sender
    port: int
    local_port: int
    begun: float
    heard: float
    session: Session | None = None
    """TLS, where that is spoken."""
    speech: Speech = syslog
    splitter: Framing | None = None
    """None before anything came in the clear."""
    received_ns: int = 0
    """When what is held came."""
    together: bytes = b""
    """Lines that came at once, a line feed between; they go before what is held."""
    count: int = 0
    """How many."""
    held: list[bytes] = field(default_factory=list)
    """Read, but the spool had no room; while there are any, nothing more is read."""
    came: int = 0
    """Bytes so far."""
    messages: int = 0
    fault: str = ""
    """Why it has to end, when that is the sender's or the network's fault."""
    over: bool = False
    """Nothing more comes."""
    unsent: bytes = b""

    @property
    def name(self) -> str:
        """Who it is from."""
        return self.sender.address

    @property
    def held_back(self) -> bool:
        """Whether it is not read because its sender is too fast."""
        pace = self.sender.account.pace
        return bool(self.held and pace and pace.holds)

    @property
    def peer(self) -> str:
        """The name in the sender's certificate, if it showed one."""
        return self.session.peer if self.session else ""

    @property
    def shaking_hands(self) -> bool:
        """Whether TLS is not settled yet."""
        return self.session is not None and not self.session.established

    def read(self, buffer: bytearray) -> int:
        """Read once, hold the messages that it completes, and return how many bytes came."""
        try:
            size = self.socket.recv_into(buffer)
        except BlockingIOError:
            return 0
        except OSError:
            size = 0  # reset: what came before it counts
        if not size:
            self.over = True
            if self.shaking_hands and self.came:
                self.fault = "it hung up during the handshake"
            return 0
        self.came += size
        data = memoryview(buffer)[:size]
        if self.session is None:
            self._split(data)
        else:
            self._read_tls(self.session, data)
        return size

    def close(self) -> None:
        """Say good-bye and close."""
        if self.session and not self.fault:
            self.session.close()
            self._send(self.session)
        self.socket.close()

    def spread(self) -> None:
        """Hold one by one the lines that came at once."""
        if self.together:
            self.held[:0] = self.together.split(b"\n")
            self.together = b""

    def finish(self) -> None:
        """Hold what is left when nothing more comes."""
        if self.splitter:
            self.held += self.splitter.finish()

    def _split(self, data: bytes | memoryview) -> None:
        if self.splitter is None:
            self.splitter = self.speech(bytes(data[:2]))
        if isinstance(self.splitter, Splitter) and not (self.held or self.together):
            self.together, self.count, self.held = self.splitter.together(data)
        else:
            self.spread()
            self.held += self.splitter.feed(data)
        if self.splitter.fault:
            self.over, self.fault = True, self.splitter.fault

    def _read_tls(self, session: Session, data: memoryview) -> None:
        for piece in session.feed(data):
            self._split(piece)
        if not self.fault:
            self.over, self.fault = session.ended, session.fault
        self._send(session)
        if len(self.unsent) > MOST_UNSENT:
            self.over, self.fault = True, "it does not read what TLS tells it"

    def _send(self, session: Session) -> None:
        """Send what TLS has to tell; what the kernel does not take waits for the next time."""
        self.unsent += session.outgoing()
        if not self.unsent:
            return
        try:
            sent = self.socket.send(self.unsent)
        except BlockingIOError:
            sent = 0
        except OSError:
            sent = len(self.unsent)  # nobody is there any more
        self.unsent = self.unsent[sent:]
