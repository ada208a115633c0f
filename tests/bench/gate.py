"""What the gate costs: packets a second with 20,000 sessions against one, loading, letting in.

The kernel does the work within the sender's own calls, so its rate is that of forwarding. The same
packets go in both cases, from 64 addresses; only what else lies in the maps differs.

Run: python -m tests.bench.gate [sessions rounds seconds]
"""

from __future__ import annotations

import asyncio
import json
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from captive_portal.gate.client import GateClient
from captive_portal.gate.wire import SOCKET
from captive_portal.sessions.passes import Pass
from tests.integration import inside
from tests.integration.box import Box
from tests.integration.gate_school import MACS, SETTINGS, WEB, GateSchool
from tests.integration.machine import Machine

SESSIONS, ROUNDS, SECONDS = 20_000, 5, 2.0
SENDERS = [f"10.20.14.{host}" for host in range(1, 65)]
PAYLOAD = bytes(72)
"""With its headers a packet of 100 bytes."""
UNTIL = timedelta(hours=3)


def run(
    folder: Path, sessions: int = SESSIONS, rounds: int = ROUNDS, seconds: float = SECONDS
) -> dict[str, Any]:
    """Measure in namespaces, with the box's own process; needs root."""
    folder.mkdir(parents=True, exist_ok=True)
    with Machine(folder) as machine:
        school = GateSchool(machine, Box(machine, folder / "home"))
        try:
            school.build()
            wide = SETTINGS.replace('"10.20.0.1/20"', '"10.20.0.1/16"')
            school.box.init(settings=wide)
            school.box.start_alone("privileged")
            school.give("phone", "eth0", *(f"{address}/16" for address in SENDERS))
            return asyncio.run(_measure(school, sessions, rounds, seconds))
        finally:
            school.close()


async def _measure(
    school: GateSchool, sessions: int, rounds: int, seconds: float
) -> dict[str, Any]:
    gate = GateClient(school.box.home / SOCKET, answer_s=60)
    few, many = passes(1), passes(sessions)
    rates: dict[str, list[float]] = {"one": [], "many": []}
    loaded: list[float] = []
    senders = [sender(school, address) for address in SENDERS]
    for _ in range(rounds):
        for name, wanted in (("one", few), ("many", many)):
            await gate.restore([])
            began = time.monotonic()
            await gate.restore(wanted)
            if wanted is many:
                loaded.append(time.monotonic() - began)
            rates[name].append(forwarded(school, senders, seconds))
    one, full = (statistics.median(rates[name]) for name in ("one", "many"))
    in_50, kicked = await _letting_in(gate, sessions)
    gate.close()
    return {
        "sessions": sessions,
        "packets_per_s_one": one,
        "packets_per_s_many": full,
        "ratio": full / one,
        "restored_s": min(loaded),
        "restored_median_s": statistics.median(loaded),
        "let_in_50_ms": in_50 * 1000,
        "kicked_ms": kicked * 1000,
    }


async def _letting_in(gate: GateClient, sessions: int) -> tuple[float, float]:
    """Return the seconds in which 50 are let in by 50 calls at once, and one is ended."""
    fresh = [one(sessions + number) for number in range(1, 51)]
    in_50, kicked = [], []
    for _ in range(5):
        began = time.monotonic()
        await asyncio.gather(*(gate.apply([each], []) for each in fresh))
        in_50.append(time.monotonic() - began)
        began = time.monotonic()
        await gate.apply([], fresh[:1])
        kicked.append(time.monotonic() - began)
        await gate.apply([], fresh[1:])
    return statistics.median(in_50), statistics.median(kicked)


def passes(count: int) -> list[Pass]:
    """Return that of the senders, and others."""
    until = datetime.now(UTC) + UNTIL
    phone = Pass(serial=1, zone="pupils", mac=MACS["phone"], addresses=tuple(SENDERS), until=until)
    return [phone, *(one(serial, until) for serial in range(2, count + 1))]


def one(serial: int, until: datetime | None = None) -> Pass:
    """Return a pass of somebody."""
    high, low = divmod(serial, 250)
    return Pass(
        serial=serial,
        zone="pupils",
        mac=f"02:00:00:{serial >> 16:02x}:{serial >> 8 & 255:02x}:{serial & 255:02x}",
        addresses=(f"10.20.{high + 16}.{low + 1}",),
        until=until or datetime.now(UTC) + UNTIL,
    )


def sender(school: GateSchool, address: str) -> socket.socket:
    """Return a socket that sends from an address of the phone."""
    wire = inside.open_socket(school.spaces["phone"], socket.SOCK_DGRAM)
    wire.bind((address, 0))
    wire.connect((WEB, 9))
    return wire


def forwarded(school: GateSchool, senders: Sequence[socket.socket], seconds: float) -> float:
    """Return the packets a second that leave the box while one process sends as fast as it can."""
    for wire in senders:
        _send(wire, 1)
    began, before = time.monotonic(), _left(school)
    while time.monotonic() - began < seconds:
        for wire in senders:
            _send(wire, 16)
    return (_left(school) - before) / (time.monotonic() - began)


def _send(wire: socket.socket, count: int) -> None:
    for _ in range(count):
        try:
            wire.send(PAYLOAD)
        except OSError:
            continue  # the far side says that nobody listens


def _left(school: GateSchool) -> int:
    path = "/sys/class/net/wan0/statistics/tx_packets"
    return int(school.run("gate", ["cat", path]))


if __name__ == "__main__":
    numbers = [float(word) for word in sys.argv[1:]]
    with tempfile.TemporaryDirectory() as place:
        size = [int(number) for number in numbers[:2]]
        print(json.dumps(run(Path(place), *size, *numbers[2:]), indent=1))
