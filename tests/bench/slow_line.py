"""A slow cable: what comes in at one end leaves at the other later, so many bits a second.

    python -I slow_line.py ONE OTHER BITS_PER_S DELAY_S

Both are interfaces of the namespace that this runs in. Frames keep their order; those that the
queue of a cheap access point (256 KiB) has no room for are lost, as they would be there.
"""

import selectors
import socket
import sys
import time
from collections import deque

ETH_P_ALL = 3
SOL_PACKET, PACKET_VNET_HDR, PACKET_IGNORE_OUTGOING = 263, 15, 23
VNET_HEADER = 10
"""Goes along with each frame: checksums and sizes that a virtual cable leaves for later."""
QUEUE_BYTES = 256 * 1024


class Way:
    """One direction of the cable."""

    def __init__(self, wire: socket.socket, bits_per_s: float, delay_s: float) -> None:
        self._wire = wire
        self._octet_s = 8 / bits_per_s
        self._delay_s = delay_s
        self._sent_by = 0.0
        self._on_the_way: deque[tuple[float, bytes]] = deque()

    def take(self, frame: bytes, now: float) -> None:
        """Put a frame on the cable, or lose it."""
        begins = max(now, self._sent_by)
        if (begins - now) / self._octet_s > QUEUE_BYTES:
            return
        self._sent_by = begins + (len(frame) - VNET_HEADER) * self._octet_s
        self._on_the_way.append((self._sent_by + self._delay_s, frame))

    def give(self, now: float) -> float | None:
        """Hand over what has arrived; return when the next one will."""
        while self._on_the_way and self._on_the_way[0][0] <= now:
            self._wire.send(self._on_the_way.popleft()[1])
        return self._on_the_way[0][0] if self._on_the_way else None


def end_of(name: str) -> socket.socket:
    """Return one end of the cable."""
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    wire.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    wire.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    wire.bind((name, ETH_P_ALL))
    wire.setblocking(False)
    return wire


def main() -> None:
    """Pass frames on until killed."""
    one, other = end_of(sys.argv[1]), end_of(sys.argv[2])
    bits_per_s, delay_s = float(sys.argv[3]), float(sys.argv[4])
    ways = {one: Way(other, bits_per_s, delay_s), other: Way(one, bits_per_s, delay_s)}
    ends = selectors.DefaultSelector()
    for end, way in ways.items():
        ends.register(end, selectors.EVENT_READ, (end, way))
    wait: float | None = None
    while True:
        for key, _ in ends.select(wait):
            end, way = key.data
            way.take(end.recv(1 << 17), time.monotonic())
        now = time.monotonic()
        due = [at for way in ways.values() if (at := way.give(now)) is not None]
        wait = max(0.0, min(due) - now) if due else None


if __name__ == "__main__":
    main()
