"""Offers flows at a steady rate to a UDP port, from a process of its own; prints what it did.

python -m tests.bench.send PORT FLOWS_PER_SECOND SECONDS [SEED]
"""

from __future__ import annotations

import json
import socket
import sys
import time

from tests.bench.wire import RECORDS, Flows

SLOT_S = 0.01


def offer(port: int, rate: int, seconds: float, seed: int) -> dict[str, float]:
    """Send `rate` flows a second in slots of 10 ms; return what was sent, and how long it took."""
    flows = Flows(seed)
    sent = refused = 0
    whole = int(rate * seconds)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        wire.connect(("127.0.0.1", port))
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
        ready = list(flows.datagrams(min(rate, whole), int(time.time())))
        began = time.monotonic()
        while sent + refused < -(-whole // RECORDS):
            due = int((time.monotonic() - began + SLOT_S) * rate / RECORDS) - sent - refused
            for _ in range(due):
                if not ready:
                    ready = list(flows.datagrams(rate // 10, int(time.time())))
                try:
                    wire.send(ready.pop(0))
                    sent += 1
                except OSError:
                    refused += 1
            time.sleep(SLOT_S / 2)
        took = time.monotonic() - began
    return {"datagrams": sent, "flows": sent * RECORDS, "refused": refused, "seconds": took}


if __name__ == "__main__":
    numbers = [float(text) for text in sys.argv[1:]] + [2027.0]
    print(json.dumps(offer(int(numbers[0]), int(numbers[1]), numbers[2], int(numbers[3]))))
