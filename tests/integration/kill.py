"""kill -9 at chosen moments, and the reckoning: what was promised is there exactly once.

A tap reads the spool beside the sealer, so every frame that it has seen was durable. After the run
the rows of all sealed segments are counted: each durable or acknowledged item once, nothing twice,
nothing that was never sent.
"""

from __future__ import annotations

import contextlib
import random
import re
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from typing_extensions import override

from collector.records import Frame, FrameKind
from collector.spool import SpoolReader
from collector.spool.lines import each
from tests.integration import load
from tests.integration.box import Box, free_ports, loopback_settings

SITE = "school-a"
SETTINGS = """
rows = 512
interval_s = 60
part_grace_s = 2.0
"""
"""Small segments: many of them are sealed, and so interrupted, in a short run."""

SOURCES = ("udp-flow", "local-flow", "udp-line", "tcp-line", "session")
LINE = re.compile(rb"(udp|tcp)-line ([0-9]+) end")


@dataclass
class Reckoning:
    """What each source promised, and how often each of its items is stored."""

    promised: dict[str, set[int]]
    sent: dict[str, set[int]]
    stored: dict[str, Counter[int]]
    kills: dict[str, int] = field(default_factory=dict)

    def faults(self) -> list[str]:
        """Return a line for each source that lost, doubled or invented something."""
        found = []
        for source, stored in self.stored.items():
            lost = sorted(self.promised[source] - stored.keys())
            double = sorted(item for item, times in stored.items() if times > 1)
            strange = sorted(stored.keys() - self.sent[source])
            for what, items in (("lost", lost), ("stored twice", double), ("never sent", strange)):
                if items:
                    found.append(f"{source}: {len(items)} {what}, first {items[:5]}")
        return found


class Tap:
    """Reads the spool as it grows and notes the items of every durable frame."""

    def __init__(self, folder: Path) -> None:
        self._reader = SpoolReader(folder, 0)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tap", daemon=True)
        self.seen: dict[str, set[int]] = {"udp-flow": set(), "local-flow": set()}
        self.seen |= {"udp-line": set(), "tcp-line": set()}
        self.frames = 0
        self.error: Exception | None = None

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stop(self) -> None:
        """Read what is there and end.

        Raises:
            Exception: the spool could not be read.
        """
        self._stop.set()
        self._thread.join(60)
        if self.error:
            raise self.error

    def _run(self) -> None:
        try:
            last = False
            while not last:
                last = self._stop.wait(0.05)
                while frames := self._reader.read(1 << 20):
                    self._note(frames)
        except Exception as error:  # noqa: BLE001  # told to the test by stop()
            self.error = error

    def _note(self, frames: Iterable[Frame]) -> None:
        for frame in (one for many in frames for one in each(many)):
            self.frames += 1
            if frame.kind == FrameKind.FLOW:
                first = int.from_bytes(frame.payload[24 + 20 : 24 + 24], "big")
                source = "local-flow" if first >= load.LOCAL_BASE else "udp-flow"
                self.seen[source].update(range(first, first + load.RECORDS))
            elif line := LINE.search(frame.payload):
                self.seen[f"{line[1].decode()}-line"].add(int(line[2]))


class Killer(threading.Thread):
    """Kills one process again and again at moments of a seeded chance, and starts it anew."""

    def __init__(self, box: Box, name: str, times: int, seed: int) -> None:
        super().__init__(name=f"killer-{name}", daemon=True)
        self._box = box
        self._process = name
        self._times = times
        self._random = random.Random(f"{seed} {name}")
        self.done = 0
        self.error: BaseException | None = None

    @override
    def run(self) -> None:
        """Kill so many times; each time wait, kill, wait, start."""
        try:
            while self.done < self._times:
                # Some kills come while the process is still recovering from the last.
                time.sleep(self._random.choice((0.05, 0.3, 0.8, 1.5)) * self._random.random() * 2)
                self._box.kill(self._process)
                self.done += 1
                time.sleep(self._random.random() * 0.2)
                self._box.start_alone(self._process)
        except BaseException as error:  # noqa: BLE001  # told to the test by its starter
            self.error = error


def run(box: Box, *, times: int, seed: int, processes: Iterable[str]) -> Reckoning:
    """Load the box, kill each of `processes` so many times, and reckon."""
    ports = free_ports("flows", "syslog", "sign_in", "accounting", "admin")
    box.init(site=SITE, settings=loopback_settings(ports, more=SETTINGS))
    secret = (box.home / "nas" / "loopback").read_bytes().strip()
    for name in ("receive", "seal", "portal", "web"):
        box.start_alone(name)
    tap = Tap(box.home / "spool")
    tap.start()
    streams: dict[str, load.Stream] = {
        "udp-flow": load.UdpFlows(0.02, port=ports["flows"]),
        "local-flow": load.LocalFlows(0.05, path=box.home / "run" / "receive.sock", site=SITE),
        "udp-line": load.UdpSyslog(0.02, port=ports["syslog"]),
        "tcp-line": load.TcpSyslog(0.02, port=ports["syslog"]),
        "session": load.Accounting(0.1, port=ports["accounting"], secret=secret),
    }
    with contextlib.ExitStack() as running:
        for stream in streams.values():
            running.enter_context(stream)
        kills = _kill_all(box, times, seed, processes)
        time.sleep(2.0)
    box.prathu("seal", "--now")
    tap.stop()
    box.stop_alone("web", "portal", "receive", "seal")
    return Reckoning(
        promised={n: s.acknowledged | tap.seen.get(n, set()) for n, s in streams.items()},
        sent={name: stream.sent for name, stream in streams.items()},
        stored=stored(box.home),
        kills=kills,
    )


def _kill_all(box: Box, times: int, seed: int, processes: Iterable[str]) -> dict[str, int]:
    killers = {name: Killer(box, name, times, seed) for name in processes}
    for killer in killers.values():
        killer.start()
    for name, killer in killers.items():
        killer.join()
        if killer.error:
            told = f"{name} after {killer.done} kills, seed {seed}: {box.words(name)}"
            raise AssertionError(told) from killer.error
    return {name: killer.done for name, killer in killers.items()}


def stored(home: Path) -> dict[str, Counter[int]]:
    """Count every numbered item in the sealed segments of a home."""
    counts: dict[str, Counter[int]] = {name: Counter() for name in SOURCES}
    for number in _values(home, "flows", "bytes"):
        counts["local-flow" if number >= load.LOCAL_BASE else "udp-flow"][number] += 1
    for raw in _values(home, "events", "raw"):
        if line := LINE.search((raw or "").encode()):
            counts[f"{line[1].decode()}-line"][int(line[2])] += 1
    starts = zip(
        _values(home, "sessions", "event"),
        _values(home, "sessions", "acct_session_id"),
        strict=True,
    )
    for event, name in starts:
        if event == "start" and (name or "").startswith("kill-"):
            counts["session"][int(name[5:])] += 1
    return counts


def _values(home: Path, log: str, column: str) -> Iterator[Any]:
    """Yield a column of all sealed segments of a log, segment by segment in one order."""
    for path in sorted((home / "logs").glob(f"*/{log}/**/*.parquet")):
        yield from pq.ParquetFile(path).read(columns=[column])[column].to_pylist()
