"""Write down the datagrams that arrive: python -I catch.py ADDRESS PORT FILE, until stopped.

Each line is the time in nanoseconds, the sender's address and port, and the payload in hex.
"""

from __future__ import annotations

import socket
import sys
import time
from pathlib import Path


def main(address: str, port: int, path: Path) -> None:
    """Listen and write."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire,
        path.open("w", encoding="ascii", buffering=1) as file,
    ):
        wire.bind((address, port))
        file.write("listening\n")
        while True:
            payload, (sender, sent_from) = wire.recvfrom(65535)
            file.write(f"{time.time_ns()} {sender} {sent_from} {payload.hex()}\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
