"""What the gate costs: packets a second with 20,000 sessions against one, restoring, letting in.

The kernel does the work within the sender's own calls, so its rate is that of forwarding. The same
connections go on in both cases, of 64 addresses and both ways; only what else lies in the maps
differs. Both are measured in turns. By the clock the best turns are compared, for others on the
machine only ever take away from a turn; by the sender's processor time each turn is compared with
the one beside it, and the middle one of these ratios counts.

Run: python -m tests.bench.gate [sessions rounds seconds]
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

from sqlalchemy import Engine

from captive_portal.database import open_database
from captive_portal.gate.client import GateClient
from captive_portal.gate.wire import SOCKET
from captive_portal.sessions.passes import Pass
from captive_portal.sessions.rows import Rows
from captive_portal.sessions.session import Person, Session
from tests.integration import inside
from tests.integration.box import Box
from tests.integration.gate_school import MACS, SETTINGS, WEB, GateSchool
from tests.integration.machine import Machine

SESSIONS, ROUNDS, SECONDS = 20_000, 20, 0.6
SENDERS = [f"10.20.14.{host}" for host in range(1, 65)]
PORT = 6000
PAYLOAD = bytes(72)
"""With its headers a packet of 100 bytes."""
UNTIL = timedelta(hours=3)
TOGETHER = 16
"""Packets of one connection and way after each other."""


class Rate(NamedTuple):
    """Packets forwarded."""

    per_s: float
    per_cpu_s: float
    """By a second of the sender's processor time, the kernel's work for it included."""


class Line(NamedTuple):
    """A connection over the box."""

    phone: socket.socket
    far: socket.socket
    at: tuple[str, int]
    """Where the far side sends to."""


def run(
    folder: Path, sessions: int = SESSIONS, rounds: int = ROUNDS, seconds: float = SECONDS
) -> dict[str, Any]:
    """Measure in namespaces, with the box's own process; needs root."""
    folder.mkdir(parents=True, exist_ok=True)
    with Machine(folder) as machine:
        school = GateSchool(machine, Box(machine, folder / "home"))
        engine = open_database(folder / "portal")
        try:
            school.build()
            wide = SETTINGS.replace('"10.20.0.1/20"', '"10.20.0.1/16"')
            school.box.init(settings=wide)
            school.box.start_alone("privileged")
            school.give("phone", "eth0", *(f"{address}/16" for address in SENDERS))
            return asyncio.run(_measure(school, engine, sessions, rounds, seconds))
        finally:
            engine.dispose()
            school.close()


async def _measure(
    school: GateSchool, engine: Engine, sessions: int, rounds: int, seconds: float
) -> dict[str, Any]:
    gate = GateClient(school.box.home / SOCKET, answer_s=60)
    figures = await _forwarding(gate, school, sessions, rounds, seconds)
    figures |= await _restoring(gate, school, engine, sessions)
    in_50, kicked = await _letting_in(gate, sessions)
    gate.close()
    return {
        "sessions": sessions,
        **figures,
        "let_in_50_ms": in_50 * 1000,
        "kicked_ms": kicked * 1000,
    }


async def _forwarding(
    gate: GateClient, school: GateSchool, sessions: int, rounds: int, seconds: float
) -> dict[str, float]:
    cases = {"one": passes(1), "many": passes(sessions)}
    await gate.restore(cases["one"])
    rates: dict[str, list[Rate]] = {name: [] for name in cases}
    with connections(school) as lines, one_processor():
        for turn in range(rounds):
            for name in cases if turn % 2 else reversed(cases):
                await gate.restore(cases[name])  # the connections of the senders go on
                await asyncio.sleep(0.2)
                rates[name].append(forwarded(school, lines, seconds))
    return {**_compared("", "per_s", rates), **_compared("cpu_", "per_cpu_s", rates)}


def _compared(what: str, by: str, rates: dict[str, list[Rate]]) -> dict[str, float]:
    """Return the middle rates, and what one case is to the other."""
    one, many = ([getattr(rate, by) for rate in rates[name]] for name in ("one", "many"))
    ratios = [full / few for few, full in zip(one, many, strict=True)]
    return {
        f"packets_per_{what}s_one": statistics.median(one),
        f"packets_per_{what}s_many": statistics.median(many),
        f"{what}ratio": statistics.median(ratios),
        f"{what}ratio_least": min(ratios),
        f"{what}ratio_most": max(ratios),
        f"{what}ratio_of_best": max(many) / max(one),
    }


async def _restoring(
    gate: GateClient, school: GateSchool, engine: Engine, sessions: int
) -> dict[str, float]:
    """Return the seconds from the database's being asked to the kernel's having all."""
    rows = Rows(engine)
    whole = [_session(each) for each in passes(sessions)]
    for at in range(0, len(whole), 2000):
        rows.write(whole[at : at + 2000])
    helper = school.box.pid("privileged")
    took, worked = [], []
    for _ in range(7):
        await gate.restore([])
        began, before = time.monotonic(), time.process_time() + _worked(helper)
        read = await asyncio.to_thread(rows.passes)
        await gate.restore(read)
        took.append(time.monotonic() - began)
        worked.append(time.process_time() + _worked(helper) - before)
    return {
        "restored_s": min(took),
        "restored_median_s": statistics.median(took),
        "restored_cpu_s": statistics.median(worked),
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


def _session(each: Pass) -> Session:
    """Return a session that has this pass."""
    person = Person(id=uuid4(), account=f"p{each.serial}", full_name="ด.ช. สมมติ ใจดี")
    now = datetime.now(UTC)
    return Session(
        id=uuid4(),
        site="school-a",
        method="portal",
        person=person,
        start=now,
        last_seen=now,
        expires=each.until,
        addresses=each.addresses,
        mac=each.mac,
        serial=each.serial,
        zone=each.zone,
        told=(uuid4(),),
    )


@contextlib.contextmanager
def connections(school: GateSchool) -> Iterator[list[Line]]:
    """Give an established connection of each sender; what arrives is not read."""
    with contextlib.ExitStack() as stack:
        far = stack.enter_context(inside.open_socket(school.spaces["internet"], socket.SOCK_DGRAM))
        far.bind((WEB, PORT))
        lines = []
        for address in SENDERS:
            space = school.spaces["phone"]
            phone = stack.enter_context(inside.open_socket(space, socket.SOCK_DGRAM))
            phone.bind((address, 0))
            phone.connect((WEB, PORT))
            phone.send(PAYLOAD)
            _, at = far.recvfrom(4096)
            far.sendto(PAYLOAD, at)
            phone.recv(4096)
            lines.append(Line(phone, far, at))
        yield lines


@contextlib.contextmanager
def one_processor() -> Iterator[None]:
    """Keep to one processor: the last one that we may use."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def forwarded(school: GateSchool, lines: Sequence[Line], seconds: float) -> Rate:
    """Return how many packets leave the box while one process sends as fast as it can."""
    _send(lines)
    before = _left(school)
    began, worked = time.monotonic(), time.process_time()
    while (took := time.monotonic() - began) < seconds:
        _send(lines)
    worked = time.process_time() - worked
    packets = _left(school) - before
    return Rate(packets / took, packets / worked)


def _send(lines: Sequence[Line]) -> None:
    for line in lines:
        for _ in range(TOGETHER):
            line.phone.send(PAYLOAD)
        for _ in range(TOGETHER):
            line.far.sendto(PAYLOAD, line.at)


def _left(school: GateSchool) -> int:
    """Return the packets that have left the box on both sides."""
    paths = [f"/sys/class/net/{name}/statistics/tx_packets" for name in ("wan0", "to-phone")]
    return sum(int(word) for word in school.run("gate", ["cat", *paths]).split())


def _worked(process: int) -> float:
    """Return the processor time of a process and of those that it has waited for, seconds."""
    told = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return sum(int(ticks) for ticks in told[11:15]) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    numbers = [float(word) for word in sys.argv[1:]]
    with tempfile.TemporaryDirectory() as place:
        size = [int(number) for number in numbers[:2]]
        print(json.dumps(run(Path(place), *size, *numbers[2:]), indent=1))
