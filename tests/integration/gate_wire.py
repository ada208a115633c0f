"""Frames of a device's own making, as it puts them on the wire, and what it hears there."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

from scapy.layers.l2 import Ether
from scapy.packet import Packet

from tests.integration import inside

_ALL = 0x0003
_OUTGOING = 4


class Frames:
    """The interface of a device in a namespace, below its own kernel."""

    def __init__(self, space: str, interface: str = "eth0") -> None:
        self._space = space
        self._interface = interface
        self._wire: socket.socket | None = None

    def __enter__(self) -> Self:
        with inside.namespace(self._space):
            self._wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL))
            self._wire.bind((self._interface, _ALL))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._wire is not None:
            self._wire.close()

    def send(self, *frames: Packet) -> None:
        """Put frames on the wire, as they are."""
        for frame in frames:
            self.send_bytes(bytes(frame))

    def send_bytes(self, frame: bytes) -> None:
        """Put one on the wire that is made already."""
        assert self._wire is not None
        self._wire.send(frame)

    def heard(self, wanted: Callable[[Packet], object], *, seconds: float = 10.0) -> Packet:
        """Return the next frame of that kind that came in. Raises AssertionError: none did."""
        for frame in self.all_heard(seconds):
            if wanted(frame):
                return frame
        raise AssertionError(f"nothing of the kind within {seconds:.0f} s")

    def all_heard(self, seconds: float) -> Iterator[Packet]:
        """Yield what comes in for so long."""
        assert self._wire is not None
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self._wire.settimeout(left)
            try:
                frame, sender = self._wire.recvfrom(65536)
            except TimeoutError:
                return
            if sender[2] != _OUTGOING:
                yield Ether(frame)
