"""Two hours of a school's day: memory stays flat, and nothing is missing that is not explained.

`PRATHU_SOAK_S` sets how long, `PRATHU_SOAK_FIGURES` where the figures go: a JSON file, and beside
it one line a minute (`.jsonl`).
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import REPO
from tests.integration.box import PORTS, Box, free_ports, loopback_settings
from tests.integration.load import Stream
from tests.integration.machine import Machine, wait_for
from tests.soak import commit, reckoning, senders
from tests.soak.watching import Watch, growth

SECONDS = float(os.environ.get("PRATHU_SOAK_S", "7200"))
FIGURES = Path(os.environ.get("PRATHU_SOAK_FIGURES", REPO / "build" / "soak-steady.json"))
SITE = "school-a"
LONG_ENOUGH_S = 1200
"""Shorter runs say nothing about memory: caches still fill."""
SETTLE_S = 8.0
EXPORTERS = (
    (senders.NetFlow9, 24, 600),
    (senders.NetFlow9, 24, 500),
    (senders.Ipfix, 24, 600),
    (senders.Ipfix, 24, 500),
    (senders.NetFlow5, 10, 200),
    (senders.SFlow, 6, 90),
)
"""What it speaks, records of a datagram, records a second."""
LINES_PER_S = 150
"""Over UDP, and as many over TCP."""
SESSIONS_PER_S = 2.0


@pytest.mark.soak
@pytest.mark.timeout(SECONDS + 3600)
def test_a_long_day_loses_nothing_and_takes_no_more_memory(tmp_path: Path) -> None:
    FIGURES.parent.mkdir(exist_ok=True)
    lines = FIGURES.with_suffix(".jsonl")
    lines.unlink(missing_ok=True)
    with Machine(tmp_path) as machine:
        box = Box(machine, tmp_path / "home")
        ports = free_ports(*PORTS)
        leases = tmp_path / "dnsmasq.leases"
        leases.touch()
        box.init(site=SITE, settings=loopback_settings(ports, part_s=2.0, more=_more(leases)))
        box.up()
        watch = Watch(box, lines, {name: ports[name] for name in ("flows", "syslog")})
        streams = _streams(box, ports, leases)
        watch.start()
        began = time.monotonic()
        with contextlib.ExitStack() as running:
            for stream in streams.values():
                running.enter_context(stream)
            wait_for(
                "the end of the day",
                lambda: time.monotonic() - began >= SECONDS or watch.error or _died(streams),
                seconds=SECONDS + 60,
            )
            dead = _died(streams)
        seconds = time.monotonic() - began
        time.sleep(SETTLE_S)
        watch.done.set()
        watch.join()
        box.prathu("seal", "--now", seconds=900)
        box.down()
        box.prathu("verify", "--deep", seconds=3000)
        figures, faults = _reckon(box, streams, watch, seconds)
        faults += [f"{name}: its thread ended" for name in dead]
    FIGURES.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(figures))
    assert faults == []


def _more(leases: Path) -> str:
    return f"""
[[lease_files]]
site = "{SITE}"
format = "dnsmasq"
path = "{leases}"
server = "10.21.0.1"
"""


def _streams(box: Box, ports: dict[str, int], leases: Path) -> dict[str, Stream]:
    """Return everything that sends, by name."""
    pace = senders.Pace(SECONDS)
    found: dict[str, Stream] = {
        f"exporter {number}": kind(
            records / rate,
            address=f"127.0.1.{number}",
            port=ports["flows"],
            base=number << 28,
            records=records,
            pace=pace,
        )
        for number, (kind, records, rate) in enumerate(EXPORTERS, 1)
    }
    secret = (box.home / "nas" / "loopback").read_bytes().strip()
    found["udp"] = senders.UdpLines(1 / LINES_PER_S, port=ports["syslog"])
    found["tcp"] = senders.TcpLines(1 / LINES_PER_S, port=ports["syslog"])
    found["sessions"] = senders.Sessions(
        1 / SESSIONS_PER_S, port=ports["accounting"], secret=secret
    )
    found["leases"] = senders.Leases(2.0, path=leases)
    return found


def _died(streams: dict[str, Stream]) -> list[str]:
    return [name for name, stream in streams.items() if not stream.alive]


def _reckon(
    box: Box, streams: dict[str, Stream], watch: Watch, seconds: float
) -> tuple[dict[str, Any], list[str]]:
    """Return the figures of the run, and a line for each fault."""
    exporters = [s for s in streams.values() if isinstance(s, senders.Exporter)]
    told = reckoning.coverage(box.home)
    dropped = sum(row["lost"] or 0 for row in told if row["kind"] == "kernel-drop")
    sessions = streams["sessions"]
    assert isinstance(sessions, senders.Sessions)
    parts = {
        "flows": reckoning.flows(box.home, exporters),
        "udp lines": reckoning.lines(box.home, "udp", streams["udp"].sent, dropped),
        "tcp lines": reckoning.lines(box.home, "tcp", streams["tcp"].sent, 0),
        "starts": reckoning.sessions(box.home, "start", sessions.acknowledged),
        "ends": reckoning.sessions(box.home, "stop", sessions.stopped),
        "leases": reckoning.leases(box.home, streams["leases"].sent),
    }
    memory, rose = growth(watch.looks, seconds)
    parts["processes"] = (memory, rose if seconds >= LONG_ENOUGH_S else [])
    figures: dict[str, Any] = {name: part[0] for name, part in parts.items()}
    faults = [fault for _, found in parts.values() for fault in found]
    faults += [f"{name} died and was started again" for name in watch.restarted]
    faults += [f"the watch: {watch.error}"] if watch.error else []
    whole = {
        "commit": commit(),
        "seconds": round(seconds),
        "coverage": _kinds(told),
        "verify_deep": "clean",
        "faults": faults,
    }
    return whole | figures, faults


def _kinds(told: list[dict[str, Any]]) -> dict[str, int]:
    kinds = sorted({row["kind"] for row in told})
    return {kind: sum(1 for row in told if row["kind"] == kind) for kind in kinds}
