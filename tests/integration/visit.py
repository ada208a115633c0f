"""What a host does: fetch a page, ask for a name, send a datagram. Run inside a namespace.

Prints one JSON object: when it began (seconds since the epoch), from which port, and the answer.
"""

from __future__ import annotations

import json
import socket
import struct
import sys
import time
from urllib.parse import urlsplit


def http(url: str) -> dict[str, object]:
    """Fetch a page over HTTP/1.0."""
    where = urlsplit(url)
    began = time.time()
    with socket.create_connection((where.hostname or "", where.port or 80), timeout=10) as wire:
        port = wire.getsockname()[1]
        wire.sendall(f"GET {where.path or '/'} HTTP/1.0\r\nHost: {where.netloc}\r\n\r\n".encode())
        answer = b""
        while chunk := wire.recv(65536):
            answer += chunk
    status = int(answer.split(b" ", 2)[1])
    return {"time": began, "port": port, "status": status, "bytes": len(answer)}


def dns(server: str, name: str) -> dict[str, object]:
    """Ask a DNS server for the IPv4 address of a name."""
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    question = struct.pack("!6H", 0x2A2A, 0x0100, 1, 0, 0, 0) + labels + b"\0\0\1\0\1"
    began = time.time()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        wire.settimeout(10)
        wire.sendto(question, (server, 53))
        port = wire.getsockname()[1]
        answer = wire.recv(4096)
    return {"time": began, "port": port, "address": socket.inet_ntoa(answer[-4:])}


def send(address: str, port: str, payload: str) -> dict[str, object]:
    """Send one datagram, given in hex."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        return {"sent": wire.sendto(bytes.fromhex(payload), (address, int(port)))}


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["http", url]:
            print(json.dumps(http(url)))
        case ["dns", server, name]:
            print(json.dumps(dns(server, name)))
        case ["send", address, port, payload]:
            print(json.dumps(send(address, port, payload)))
