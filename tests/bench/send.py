"""Offers flows at a steady rate to a UDP port, from a process of its own; prints what it did.

python -m tests.bench.send PORT FLOWS_PER_SECOND SECONDS [SEED [READY_S]]

So many seconds' worth of datagrams are made before the first is sent; the rest meanwhile.
"""

from __future__ import annotations

import json
import socket
import sys
import time
from collections import deque

from tests.bench.wire import RECORDS, Flows

SLOT_S = 0.01
MOST_SLOTS = 10
"""What a busy machine held up is made up for so fast: all at once would be another burst."""


def offer(
    port: int, rate: int, seconds: float, seed: int, ready_s: float = 1.0
) -> dict[str, float]:
    """Send `rate` flows a second in slots of 10 ms; return what was sent, and how long it took."""
    flows = Flows(seed)
    sent = refused = 0
    whole = int(rate * seconds)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        wire.connect(("127.0.0.1", port))
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
        made = min(int(rate * ready_s), whole)
        ready = deque(flows.datagrams(made, int(time.time())))
        most = int(MOST_SLOTS * SLOT_S * rate / RECORDS) + 1
        began = time.monotonic()
        while sent + refused < -(-whole // RECORDS):
            due = int((time.monotonic() - began + SLOT_S) * rate / RECORDS) - sent - refused
            due = min(due, most, -(-whole // RECORDS) - sent - refused)
            for _ in range(due):
                if not ready:
                    ready.extend(flows.datagrams(rate // 10, int(time.time())))
                try:
                    wire.send(ready.popleft())
                    sent += 1
                except OSError:
                    refused += 1
            time.sleep(SLOT_S / 2)
        took = time.monotonic() - began
    return {"datagrams": sent, "flows": sent * RECORDS, "refused": refused, "seconds": took}


if __name__ == "__main__":
    numbers = [float(text) for text in sys.argv[1:]]
    numbers += (2027.0, 1.0)[len(numbers) - 3 :]
    port, rate, seconds, seed, ready_s = numbers
    print(json.dumps(offer(int(port), int(rate), seconds, int(seed), ready_s)))
