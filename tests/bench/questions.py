"""Questions over a day of 10 million flows in 24 hourly segments, and nfdump over the same flows.

The day is made by the real pipeline with a clock that we set. What is asked of the box is asked of
a warm engine in this process, without process start and without the audit's fsync.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from appliance import settings as box_settings
from appliance.search.duck import Limits
from appliance.search.engine_local import Asker, LocalEngine
from appliance.search.question import COLUMNS, Asked
from appliance.search.who import parse as parse_who
from appliance.search.who import who
from collector.pipeline import Pipeline
from collector.records import Frame, FrameKind, SessionEvent
from tests.bench import peer, wire
from tests.integration.box import PORTS, Box, free_ports, loopback_settings
from tests.integration.machine import Machine

SITE = "bench"
DAY = datetime(2026, 6, 15, tzinfo=UTC)
HOURS = 24
CHUNK = 24_000
"""Flows that leave the router in one go; the hour is filled evenly with such chunks."""
SEED = 2569
ASKED = 20
BOOT = "00000000-0000-4000-8000-000000000001"


class Took(NamedTuple):
    """Milliseconds of the same questions, one after the other."""

    first: list[float]
    warm: list[float]
    """When each was asked the second time: files have been read, their footers are known."""


def chunks(flows: int) -> Iterator[tuple[int, list[bytes]]]:
    """Yield (seconds since the epoch, datagrams) over the day, the same at each call."""
    supply = wire.Flows(SEED)
    count = -(-flows // CHUNK)
    for n in range(count):
        at = int(DAY.timestamp() + (n + 0.5) * HOURS * 3600 / count)
        yield at, list(supply.datagrams(CHUNK, at))


def make_day(home: Path, flows: int) -> float:
    """Fill a home with the day through the real pipeline; return flows made per second."""
    now = [int(DAY.timestamp()) * 10**9]
    settings = box_settings.load(home)
    pipeline = Pipeline(home, settings, clock=lambda: now[0], boot_id=BOOT)
    began = time.monotonic()
    pipeline.start(0)
    frames = list(_sign_ins())
    pipeline.feed(frames)
    number = len(frames)
    for at, datagrams in chunks(flows):
        now[0] = at * 10**9
        for i in range(0, len(datagrams), 500):
            part = datagrams[i : i + 500]
            pipeline.feed([_frame(number + k, now[0], d) for k, d in enumerate(part)])
            number += len(part)
        pipeline.flush()
    now[0] = int((DAY + timedelta(hours=HOURS)).timestamp()) * 10**9 + 2_000_000_000
    pipeline.tick(idle=True)
    pipeline.stop()
    return flows / (time.monotonic() - began)


def _frame(number: int, at_ns: int, payload: bytes) -> Frame:
    return Frame(
        kind=FrameKind.FLOW, site=SITE, received_ns=at_ns, wire_ns=at_ns, address="127.0.0.1",
        port=40000, local_port=2055, payload=payload, number=number,
    )  # fmt: skip


def _sign_ins() -> Iterator[Frame]:
    at_ns = int(DAY.timestamp()) * 10**9
    for n in range(wire.CLIENTS):
        event = SessionEvent(
            event_id=UUID(int=(1 << 64) + n), session=UUID(int=(2 << 64) + n), event="start",
            time=DAY, start=DAY, expires=DAY + timedelta(days=2), site=SITE, method="portal",
            person=UUID(int=(3 << 64) + n), addresses=(wire.client(n),),
            account=f"pupil{n}", full_name=f"Pupil {n}",
        )  # fmt: skip
        yield Frame(
            kind=FrameKind.SESSION, site=SITE, received_ns=at_ns, wire_ns=at_ns,
            transport="local", payload=event.to_json(), number=n,
        )  # fmt: skip


def make_peer(folder: Path, flows: int) -> None:
    """Hand the same datagrams to nfcapd, an hour of them to a file."""
    folder.mkdir(parents=True)
    supply = chunks(flows)
    hour, held = 0, list[tuple[int, list[bytes]]]()
    for at, datagrams in supply:
        if (at - int(DAY.timestamp())) // 3600 != hour:
            peer.take(folder / f"{hour:02}", [d for _, many in held for d in many])
            hour, held = (at - int(DAY.timestamp())) // 3600, []
        held.append((at, datagrams))
    peer.take(folder / f"{hour:02}", [d for _, many in held for d in many])


def ask(home: Path, nfdump_folder: Path) -> dict[str, Any]:
    """Ask the box and nfdump the same questions; return milliseconds, middle of many."""
    settings = box_settings.load(home)
    sites = {site.id: site.networks for site in settings.sites}
    limits = Limits(memory_mb=settings.admin.query_memory_mb)
    end_ns = int((DAY + timedelta(hours=HOURS)).timestamp()) * 10**9
    with LocalEngine(home, limits, lambda _: None, clock=lambda: end_ns, sites=sites) as engine:
        # What the command line and the pages ask when nobody chooses columns or a limit.
        end = DAY + timedelta(hours=HOURS)
        day = Asked(start_us=_us(DAY), end_us=_us(end), columns=COLUMNS["flows"])
        samples = _translations(engine, replace(day, columns=None))
        who_ms = _twice(samples, lambda s: _who(engine, s))
        inside_ms = _twice(samples, lambda s: _one(engine, f"ip:{s['src_ip']}", day))
        outside_ms = _twice(samples, lambda s: _one(engine, f"ip:{s['dst_ip']}", day))
        nat_ms = _twice(samples, lambda s: _one(engine, _nat(s), day))
    few = samples[:3]
    who_peer = _twice(few, lambda s: peer.nfdump(nfdump_folder, _nfdump_who(s)))
    inside_peer = _twice(few, lambda s: peer.nfdump(nfdump_folder, f"ip {s['src_ip']}"))
    outside_peer = _twice(few, lambda s: peer.nfdump(nfdump_folder, f"ip {s['dst_ip']}"))
    return {
        "who": _row(who_ms, who_peer),
        "one address inside": _row(inside_ms, inside_peer),
        "one address outside": _row(outside_ms, outside_peer),
        "one translation, any time": _row(nat_ms, who_peer),
    }


def _row(ours: Took, theirs: Took) -> dict[str, float]:
    mine, other = statistics.median(ours.warm), statistics.median(theirs.warm)
    return {
        "ms": mine,
        "worst_ms": max(ours.warm),
        "first_ms": statistics.median(ours.first),
        "nfdump_ms": other,
        "times_faster": other / mine,
    }


def _translations(engine: LocalEngine, day: Asked) -> list[dict[str, Any]]:
    """Return flows from inside to ask about, spread over the day."""
    found = []
    for n in range(ASKED):
        at = day.start_us + (day.end_us - day.start_us) * (2 * n + 1) // (2 * ASKED)
        asked = Asked(start_us=at, end_us=at + 3_600_000_000, limit=200)
        question = engine.parse("src:10.20.0.0/16 AND dst_port:443", asked)
        table = engine.ask(question, Asker(actor="bench")).table
        rows = [row for row in table.to_pylist() if row["nat_src_ip"]]
        found.append(rows[n % len(rows)])
    return found


def _nat(row: dict[str, Any]) -> str:
    return f"nat:{row['nat_src_ip']}\\:{row['nat_src_port']}"


def _nfdump_who(row: dict[str, Any]) -> str:
    return f"src xip {ip_address(row['nat_src_ip'])} and src xport {row['nat_src_port']}"


def _who(engine: LocalEngine, row: dict[str, Any]) -> None:
    address = f"{row['nat_src_ip']}:{row['nat_src_port']}"
    question = parse_who(address, at=row["time"].isoformat(), now_us=engine.now_us)
    who(engine, question, Asker(actor="bench"))


def _one(engine: LocalEngine, text: str, day: Asked) -> None:
    engine.ask(engine.parse(text, day), Asker(actor="bench"))


def _twice(items: list[Any], ask_one: Callable[[Any], object]) -> Took:
    """Ask about each item, and then about each again."""
    first, warm = ([_took(ask_one, item) for item in items] for _ in range(2))
    return Took(first, warm)


def _took(ask_one: Callable[[Any], object], item: object) -> float:
    began = time.perf_counter()
    ask_one(item)
    return (time.perf_counter() - began) * 1000


def _us(moment: datetime) -> int:
    return int(moment.timestamp()) * 1_000_000


def run(folder: Path, flows: int) -> dict[str, Any]:
    """Make the day twice and ask; return the figures."""
    folder.mkdir(parents=True)
    with Machine(folder) as machine:
        box = Box(machine, folder / "home")
        box.init(site=SITE, settings=loopback_settings(free_ports(*PORTS)))
        speed = make_day(box.home, flows)
        make_peer(folder / "nfdump", flows)
        return {"flows": flows, "made_per_s": speed, **ask(box.home, folder / "nfdump")}
