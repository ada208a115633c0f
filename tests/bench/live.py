"""The real box under a steady offer of flows: losses, delays, CPU by process, memory, bytes."""

from __future__ import annotations

import csv
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from typing_extensions import override

from collector.spool import size_bytes
from collector.store.catalog import Catalog, FileEntry
from tests.bench import measure, peer, wire
from tests.integration.box import PORTS, PROCESSES, Box, free_ports, loopback_settings
from tests.integration.machine import Machine, wait_for

SITE = "bench"
SAMPLE_S = 0.25
SETTLE_S = 3.0
WAIT_S = 300.0
COLUMNS = ("site", "person", "address", "mac", "nas", "method", "start", "stop")


@dataclass(eq=False)
class Watch(threading.Thread):
    """Looks at the box from outside, four times a second."""

    box: Box
    port: int
    sending: threading.Event = field(default_factory=threading.Event)
    done: threading.Event = field(default_factory=threading.Event)
    searchable_s: float = 0.0
    """The longest time that what was received could not be searched yet."""
    sealed_s: float = 0.0
    """The longest time from the last row of a segment to its being published."""
    spool_bytes: int = 0
    pss_bytes: int = 0
    drops: int = 0
    segments: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Become a thread."""
        super().__init__(name="watch", daemon=True)

    @override
    def run(self) -> None:
        pids = [self.box.pid(name) for name in PROCESSES]
        while not self.done.wait(SAMPLE_S):
            files = flow_files(self.box.home)
            now_us = time.time_ns() // 1000
            newest = max((file.received_max for file in files), default=now_us)
            if self.sending.is_set():
                self.searchable_s = max(self.searchable_s, (now_us - newest) / 1e6)
            for file in files:
                if file.kind == "segment" and file.path not in self.segments:
                    self.segments.add(file.path)
                    self.sealed_s = max(self.sealed_s, (now_us - file.received_max) / 1e6)
            self.spool_bytes = max(self.spool_bytes, size_bytes(self.box.home / "spool"))
            self.pss_bytes = max(self.pss_bytes, measure.pss_bytes(pids))
            self.drops = max(self.drops, measure.kernel_drops(self.port))


def flow_files(home: Path) -> list[FileEntry]:
    """Return the parts and segments of flows that can be searched now."""
    return Catalog.open(home / "catalog.sqlite").files("flows")


def run(folder: Path, rate: int, seconds: float) -> dict[str, Any]:
    """Start a box, offer it `rate` flows a second, seal, and return the figures."""
    folder.mkdir(parents=True)
    with Machine(folder) as machine:
        box = Box(machine, folder / "home")
        ports = free_ports(*PORTS)
        box.init(site=SITE, settings=loopback_settings(ports, part_s=2.0))
        box.up()
        sign_in_everybody(box, folder / "sessions.csv")
        watch = Watch(box, ports["flows"])
        watch.start()
        before = {name: measure.cpu_s(box.pid(name)) for name in PROCESSES}
        threading.Timer(SETTLE_S, watch.sending.set).start()
        sent = peer.offer(ports["flows"], rate, seconds)
        watch.sending.clear()
        wait_for("every flow", lambda: rows(box.home) >= sent["flows"] - lost(box), seconds=WAIT_S)
        began = time.monotonic()
        box.prathu("seal", "--now")
        last_seal_s = time.monotonic() - began
        cpu = {name: measure.cpu_s(box.pid(name)) - before[name] for name in PROCESSES}
        watch.done.set()
        watch.join()
        told = coverage(box)
        box.down()
        return figures(box.home, sent, cpu, watch) | {"seal_now_s": last_seal_s, "coverage": told}


def rows(home: Path) -> int:
    """Return how many flows can be searched."""
    return sum(file.rows for file in flow_files(home))


def lost(box: Box) -> int:
    """Return how many flows the box says that it did not get."""
    return sum(row.get("lost") or 0 for row in coverage(box) if row.get("unit") == "records")


def coverage(box: Box) -> list[dict[str, Any]]:
    """Return what the box says that it did not see."""
    question = ["search", "*", "--log", "coverage", "--from", "-1h", "--format", "jsonl"]
    return [
        {name: row.get(name) for name in ("kind", "lost", "unit", "note")}
        for row in box.rows(*question)
        if row.get("lost") or row.get("kind") == "held-back"
    ]


def sign_in_everybody(box: Box, path: Path) -> None:
    """Give every client a person, since yesterday."""
    start = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 86_400))
    with path.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out)
        writer.writerow(COLUMNS)
        for number in range(wire.CLIENTS):
            address, mac = wire.client(number), f"02:00:00:00:{number >> 8:02x}:{number & 255:02x}"
            writer.writerow([SITE, f"pupil{number}", address, mac, "ap", "import", start, ""])
    box.prathu("sessions", "import", str(path))


def figures(
    home: Path, sent: dict[str, Any], cpu: dict[str, float], watch: Watch
) -> dict[str, Any]:
    """Return the figures of one run."""
    stored = rows(home)
    disk = sum(
        measure.size_bytes(home / "logs" / SITE / "flows", p) for p in ("*.parquet", "*.groups")
    )
    path_us = (cpu["receive"] + cpu["seal"]) / max(stored, 1) * 1e6
    return {
        "offered": sent["flows"],
        "offered_per_s": sent["flows"] / sent["seconds"],
        "refused_by_kernel_at_sender": sent["refused"],
        "stored": stored,
        "lost": sent["flows"] - stored,
        "kernel_drops": watch.drops,
        "searchable_s": watch.searchable_s,
        "sealed_s": watch.sealed_s,
        "segments": len(watch.segments),
        "spool_peak_bytes": watch.spool_bytes,
        "pss_peak_bytes": watch.pss_bytes,
        "cpu_us_per_flow": path_us,
        "cpu_us_per_flow_by_process": {n: s / max(stored, 1) * 1e6 for n, s in cpu.items()},
        "bytes_per_flow": disk / max(stored, 1),
    }
