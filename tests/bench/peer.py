"""The peers that the box is measured against: nfcapd, and nfdump over what nfcapd wrote."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.bench import measure
from tests.conftest import REPO

QUEUE = 32 << 10
"""Bytes that may wait at nfcapd's socket: it shall lose nothing, however slow."""


def offer(
    port: int, rate: int, seconds: float, *, seed: int = 2027, ready_s: float = 1.0
) -> dict[str, Any]:
    """Run the sender in its own process and return what it says."""
    numbers = [str(n) for n in (port, rate, seconds, seed, ready_s)]
    command = [sys.executable, "-m", "tests.bench.send", *numbers]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=True)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def nfcapd(folder: Path, rate: int, seconds: float, *, options: tuple[str, ...]) -> dict[str, Any]:
    """Let nfcapd take the same datagrams; return its CPU per flow, bytes per flow and losses."""
    folder.mkdir(parents=True)
    port = free_port()
    command = ["nfcapd", "-w", str(folder), "-p", str(port), "-t", "3600", "-B", str(32 << 20)]
    process = subprocess.Popen(
        [*command, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        time.sleep(1.0)
        sent = offer(port, rate, seconds)
        time.sleep(1.0)
        cpu, drops = measure.cpu_s(process.pid), measure.kernel_drops(port)
    finally:
        process.terminate()
        process.wait(30)
    kept = flows_in(folder)
    return {
        "flows": kept,
        "offered": sent["flows"],
        "cpu_us_per_flow": cpu / max(kept, 1) * 1e6,
        "bytes_per_flow": measure.size_bytes(folder, "nfcapd.*") / max(kept, 1),
        "kernel_drops": drops,
    }


def take(folder: Path, datagrams: list[bytes]) -> int:
    """Let nfcapd write datagrams into a folder, none lost; return how many flows it kept."""
    folder.mkdir(parents=True)
    port = free_port()
    command = ["nfcapd", "-w", str(folder), "-p", str(port), "-t", "3600", "-y"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        time.sleep(0.3)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
            for n, datagram in enumerate(datagrams):
                wire.sendto(datagram, ("127.0.0.1", port))
                while n % 20 == 0 and measure.kernel_queue(port) > QUEUE:
                    time.sleep(0.002)
        while measure.kernel_queue(port):
            time.sleep(0.01)
        time.sleep(0.2)
        if dropped := measure.kernel_drops(port):
            raise RuntimeError(
                f"the kernel dropped {dropped} datagrams for nfcapd: not the same flows"
            )
    finally:
        process.terminate()
        process.wait(30)
    return flows_in(folder)


def flows_in(folder: Path) -> int:
    """Return how many flows nfdump counts in a folder."""
    command = ["nfdump", "-R", str(folder), "-q", "-A", "proto", "-o", "fmt:%fl"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return sum(int(line) for line in done.stdout.split() if line.isdigit())


def nfdump(folder: Path, condition: str) -> None:
    """Let nfdump look for flows in a folder, and print none of those it finds."""
    command = ["nfdump", "-R", str(folder), "-q", "-N", "-o", "null", condition]
    subprocess.run(command, capture_output=True, check=True)


def free_port() -> int:
    """Return a UDP port nobody listens at just now."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        wire.bind(("127.0.0.1", 0))
        port: int = wire.getsockname()[1]
        return port
