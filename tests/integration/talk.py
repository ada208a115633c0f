"""What a client and a server of the gateway test say to each other. Run inside a namespace.

`serve` answers TCP with three times what it got, and UDP with the same. The others print one JSON
object: from which port they spoke.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
from collections.abc import Callable


def serve(port: str) -> None:
    """Answer for ever, IPv4 and IPv6."""
    listener = socket.create_server(
        ("::", int(port)), family=socket.AF_INET6, dualstack_ipv6=True, backlog=128
    )
    wire = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    wire.bind(("::", int(port)))
    threading.Thread(target=_echo, args=(wire,), daemon=True).start()
    while True:
        accepted, _ = listener.accept()
        with accepted:
            got = 0
            while chunk := accepted.recv(65536):
                got += len(chunk)
            accepted.sendall(b"x" * (3 * got))


def _echo(wire: socket.socket) -> None:
    while True:
        told, sender = wire.recvfrom(65536)
        wire.sendto(told, sender)


def tcp(address: str, port: str, size: str) -> dict[str, object]:
    """Send so many bytes, and take the answer."""
    with socket.create_connection((address, int(port)), timeout=10) as wire:
        own = wire.getsockname()[1]
        wire.sendall(b"y" * int(size))
        wire.shutdown(socket.SHUT_WR)
        got = 0
        while chunk := wire.recv(65536):
            got += len(chunk)
    return {"port": own, "got": got}


def udp(address: str, port: str, size: str) -> dict[str, object]:
    """Send a datagram of so many bytes, and take the answer."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as wire:
        wire.settimeout(10)
        wire.sendto(b"z" * int(size), (address, int(port)))
        return {"port": wire.getsockname()[1], "got": len(wire.recv(65536))}


def hold(address: str, port: str) -> None:
    """Open a connection, tell its port, and keep it until ended."""
    with socket.create_connection((address, int(port)), timeout=10) as wire:
        print(json.dumps({"port": wire.getsockname()[1]}), flush=True)
        time.sleep(600)


def flood(address: str, count: str, per_second: str) -> dict[str, object]:
    """Send one datagram to each of so many ports: each is a connection to the gateway."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        wire.bind(("", 0))
        begun = time.monotonic()
        for sent in range(int(count)):
            behind = begun + sent / float(per_second) - time.monotonic()
            if behind > 0.001:
                time.sleep(behind)
            wire.sendto(b"flood", (address, 1024 + sent))
        return {"port": wire.getsockname()[1], "seconds": time.monotonic() - begun}


if __name__ == "__main__":
    acts: dict[str, Callable[..., object]] = {
        "serve": serve,
        "tcp": tcp,
        "udp": udp,
        "hold": hold,
        "flood": flood,
    }
    act = acts[sys.argv[1]]
    done = act(*sys.argv[2:])
    if done is not None:
        print(json.dumps(done))
