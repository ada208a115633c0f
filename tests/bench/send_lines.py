"""Sends the lines of a file over TCP from a process of its own; prints how long it took.

python -m tests.bench.send_lines PORT FILE
"""

from __future__ import annotations

import json
import socket
import sys
import time
from pathlib import Path

PIECE = 1 << 16


def send(port: int, data: bytes) -> float:
    """Send all of it as fast as it is taken; return the seconds."""
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", port)) as wire:
        for start in range(0, len(data), PIECE):
            wire.sendall(data[start : start + PIECE])
    return time.monotonic() - began


if __name__ == "__main__":
    print(json.dumps({"seconds": send(int(sys.argv[1]), Path(sys.argv[2]).read_bytes())}))
