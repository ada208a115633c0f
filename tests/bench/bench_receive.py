"""Cost of receiving alone, socket to spool: `python -m tests.bench.bench_receive` prints JSON."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from collector.control import ask
from tests.bench import measure, peer, wire
from tests.conftest import REPO
from tests.integration.box import free_ports

RATES = (20_000, 150_000, 1_000_000)
"""Flows a second."""
SECONDS = 5.0
MESSAGES = 200_000
LINE = b"<189>date=2026-11-22 time=12:00:00 devname=fw " + b"key=value " * 45
SETTINGS = """
[[sites]]
id = "bench"
[[exporters]]
address = "127.0.0.0/8"
site = "bench"
[listen]
flows = ["127.0.0.1:{flows}"]
syslog_udp = []
syslog_tcp = ["127.0.0.1:{tcp}"]
syslog_tls = ["127.0.0.1:{tls}"]
ipfix_tcp = []
ipfix_tls = []
"""


class Receiving:
    """The receiving process alone, with a home that goes away."""

    def __init__(self, home: Path, ports: dict[str, int]) -> None:
        self.ports = ports
        self._door = home / "run" / "receive.sock"
        (home / "prathu.toml").write_text(SETTINGS.format(**ports), encoding="utf-8")
        command = [sys.executable, "-m", "collector", "receive", "--home", str(home)]
        self.process = subprocess.Popen(command, cwd=REPO, stderr=subprocess.DEVNULL)
        while not self._door.exists():
            time.sleep(0.05)

    def status(self) -> dict[str, Any]:
        """Return what it tells of itself."""
        return ask(self._door, {"do": "status"})

    def cost_us(self, act: Callable[[], None], count: Callable[[], int]) -> float:
        """Return the CPU that each thing took that `count` counts once `act` is over."""
        before = measure.cpu_s(self.process.pid)
        act()
        time.sleep(0.5)
        return (measure.cpu_s(self.process.pid) - before) / max(count(), 1) * 1e6


@contextmanager
def receiving() -> Iterator[Receiving]:
    """Start it, and stop it."""
    with tempfile.TemporaryDirectory() as home:
        made = Receiving(Path(home), free_ports("flows", "tcp", "tls"))
        try:
            yield made
        finally:
            made.process.terminate()
            made.process.wait()


def datagrams(rate: int) -> dict[str, float]:
    """Offer flows by UDP; return the cost of each datagram, and what the kernel dropped."""
    with receiving() as box:
        cost = box.cost_us(
            lambda: void(peer.offer(box.ports["flows"], rate, SECONDS)),
            lambda: int(box.status()["udp"][0]["datagrams"]),
        )
        udp = box.status()["udp"][0]
        return {
            "flows_per_s": rate,
            "cpu_us_per_datagram": cost,
            "cpu_us_per_flow": cost / wire.RECORDS,
            "kernel_drops": udp["kernel_drops"],
        }


def messages(kind: str) -> dict[str, float]:
    """Send syslog over `tcp` or `tls` as fast as it goes; return the cost of each message."""
    with receiving() as box:
        began = time.monotonic()

        def send() -> None:
            piece = b"%d %s" % (len(LINE), LINE) * 100
            with connect(box.ports[kind], tls=kind == "tls") as sender:
                for _ in range(MESSAGES // 100):
                    sender.sendall(piece)
            while box.status()[kind]["messages"] < MESSAGES:
                time.sleep(0.02)

        cost = box.cost_us(send, lambda: int(box.status()[kind]["messages"]))
        per_s = MESSAGES / (time.monotonic() - began - 0.5)
        return {"cpu_us_per_message": cost, "messages_per_s": per_s}


def connect(port: int, *, tls: bool) -> socket.socket:
    """Return a connection."""
    plain = socket.create_connection(("127.0.0.1", port))
    if not tls:
        return plain
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(plain)


def void(_: object) -> None:
    """Return nothing."""


def main() -> None:
    """Print all figures."""
    found: dict[str, Any] = {"udp": [datagrams(rate) for rate in RATES]}
    found |= {kind: messages(kind) for kind in ("tcp", "tls")}
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
