"""nfcapd takes datagrams over loopback, nfdump tells what it kept: a decoder that is not ours."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.bench import measure, peer

QUEUE = 32 << 10
"""Bytes that may wait at nfcapd's socket: it shall lose nothing."""
PACE_S = 0.0005
REPLAY_US = 200
"""Between two datagrams of nfreplay."""
SILENCE_S = 0.5


def take(folder: Path, told: Mapping[str, Iterable[bytes]]) -> dict[str, list[dict[str, Any]]]:
    """Let one nfcapd take the datagrams of many exporters; return nfdump's records of each.

    Args:
        folder: Where nfcapd writes; made.
        told: Datagrams by the loopback address (127/8) they are sent from.
    """
    folder.mkdir(parents=True)
    port = peer.free_port()
    command = ["nfcapd", "-w", str(folder), "-p", str(port), "-t", "3600", "-B", str(8 << 20)]
    log = (folder.parent / f"{folder.name}.log").open("ab")
    process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        _listening(port, process)
        for address, datagrams in told.items():
            _send(address, port, datagrams)
        while measure.kernel_queue(port):
            time.sleep(0.01)
        time.sleep(0.2)
        dropped = measure.kernel_drops(port)
    finally:
        process.terminate()
        process.wait(30)
        log.close()
    if dropped:
        raise RuntimeError(f"the kernel dropped {dropped} datagrams for nfcapd")
    found: dict[str, list[dict[str, Any]]] = {address: [] for address in told}
    for record in records(folder):
        found[record["ip4_router"]].append(record)
    return found


def records(folder: Path) -> list[dict[str, Any]]:
    """Return what nfdump prints of a folder, in the order of the files; times are UTC."""
    command = ["nfdump", "-R", str(folder), "-q", "-o", "json"]
    zone = {**os.environ, "TZ": "UTC"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=zone)
    text = done.stdout.strip().removeprefix("[").removesuffix("]").strip().removesuffix(",")
    told: list[dict[str, Any]] = json.loads(f"[{text}]")
    return told


def replayed(folder: Path, version: int) -> list[bytes]:
    """Return the datagrams that nfreplay sends of a folder, as NetFlow v5 or v9."""
    found: list[bytes] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        wire.bind(("127.0.0.1", 0))
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        wire.settimeout(SILENCE_S)
        to = ["-H", "127.0.0.1", "-p", str(wire.getsockname()[1]), "-v", str(version)]
        for path in sorted(folder.glob("nfcapd.*")):
            command = ["nfreplay", "-r", str(path), *to, "-d", str(REPLAY_US)]
            subprocess.run(command, check=True, capture_output=True, timeout=60)
        try:
            while True:
                found.append(wire.recv(65535))
        except TimeoutError:
            return found


def _listening(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 10
    while f":{port:04X} " not in Path("/proc/net/udp").read_text(encoding="ascii"):
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError("nfcapd does not listen")
        time.sleep(0.02)


def _send(address: str, port: int, datagrams: Iterable[bytes]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        wire.bind((address, 0))
        for n, datagram in enumerate(datagrams):
            wire.sendto(datagram, ("127.0.0.1", port))
            while n % 20 == 0 and measure.kernel_queue(port) > QUEUE:
                time.sleep(PACE_S)
