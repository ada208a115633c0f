"""A small home for the tests of sealing: a clock one can turn, a random source that repeats."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from collector.seal.chain import Box, ClockState
from collector.seal.sealer import Interval, Sealed, Sealer, Start
from collector.seal.staging import Parquet

SITE = "school.example.ac.th"
BOOT = "0c6f8a52-6d1f-4d0e-9c59-3c1f5ad2a001"
HOUR = 3_600_000_000
DAY = 24 * HOUR
BEGIN = int(datetime(2027, 3, 4, 1, 0, tzinfo=UTC).timestamp()) * 1_000_000
LOGS = (("demo", 3600), ("quiet", 3600))
TEXT = pa.dictionary(pa.int32(), pa.string())
TIME = pa.timestamp("us", tz="UTC")

DEMO: dict[str, Any] = {
    "format": "prathu-row/1",
    "log": "demo",
    "version": 1,
    "subject": "person",
    "core": [
        ["time", "time"],
        ["received", "time"],
        ["person", "str"],
        ["src", "ip"],
        ["port", "u16"],
        ["bytes", "u64"],
        ["seen", "bool"],
    ],
    "detail": [["host", "str"], ["mac", "mac"]],
}
ARROW = {
    "time": TIME,
    "received": TIME,
    "person": TEXT,
    "src": TEXT,
    "port": pa.int32(),
    "bytes": pa.int64(),
    "seen": pa.bool_(),
    "host": TEXT,
    "mac": TEXT,
}


def table(rows: int, start_us: int = BEGIN) -> pa.Table:
    """Return made-up rows in the order of arrival."""
    people = [None, "p-0001", "p-0002", "p-0003"]
    columns: dict[str, list[Any]] = {
        "time": [start_us + (n * 7919) % 1000 for n in range(rows)],
        "received": [start_us + 1000 + n for n in range(rows)],
        "person": [people[n * n % 4] for n in range(rows)],
        "src": [("192.0.2.%d" if n % 3 else "2001:db8::%x") % (n % 200 + 10) for n in range(rows)],
        "port": [n % 65536 if n % 5 else None for n in range(rows)],
        "bytes": [n << 33 for n in range(rows)],
        "seen": [[True, False, None][n % 3] for n in range(rows)],
        "host": [["example.org", "ตัวอย่าง.ไทย", "", None][n % 4] for n in range(rows)],
        "mac": [f"02:00:00:00:00:{n % 256:02x}" if n % 2 else None for n in range(rows)],
    }
    arrays = [
        pa.array(values, pa.string()).dictionary_encode().cast(TEXT)
        if ARROW[name] == TEXT
        else pa.array(values, ARROW[name])
        for name, values in columns.items()
    ]
    return pa.Table.from_arrays(arrays, names=list(columns))


def write(rows: pa.Table, path: Path) -> None:
    """Write a Parquet file."""
    pq.write_table(rows, path, compression="zstd", store_schema=False)


def read(path: Path) -> list[pa.Table]:
    """Read a Parquet file, in pieces of which there is one."""
    return [pq.ParquetFile(path).read()]


class Noise:
    """Bytes that look random and are the same in each run."""

    def __init__(self, seed: int = 1) -> None:
        self._at = seed << 32

    def __call__(self, size: int) -> bytes:
        self._at += 1
        return hashlib.shake_256(self._at.to_bytes(16, "big")).digest(size)


class School:
    """One site and its sealer."""

    def __init__(
        self,
        home: Path,
        *,
        logs: Sequence[tuple[str, int]] = LOGS,
        begin_us: int = BEGIN,
        seed: int = 1,
        wrap: bytes | None = None,
        recovery: str = "",
        ml_dsa: bool = False,
    ) -> None:
        self.home = home
        self.wrap, self.recovery, self.ml_dsa = wrap, recovery, ml_dsa
        self.now_us = begin_us
        self.noise = Noise(seed)
        self.logs = logs
        self.sealer = self.another()

    def another(self, *, state: ClockState | None = None) -> Sealer:
        """Return a sealer of the same home, not started."""
        box = Box(
            clock=lambda: self.now_us * 1000,
            boot_id=BOOT,
            software="prathu/test",
            random=self.noise,
            wrap=self.wrap,
            recovery=self.recovery,
            ml_dsa=self.ml_dsa,
            clock_state=state or ClockState(),
        )
        parquet = Parquet(write=write, read=read)
        return Sealer(self.home, SITE, logs=self.logs, box=box, parquet=parquet)

    def start(self, **told: Any) -> Sealer:
        """Start, or start again as after a crash."""
        self.sealer.stop()
        self.sealer = self.another()
        self.sealer.start(Start(**told))
        return self.sealer

    def interval(self, log: str, rows: int, end_us: int | None = None) -> Interval:
        """Return the next interval of a log, up to now."""
        position = self.sealer.position(log)
        latest = min(self.now_us, self.sealer.latest_end_us(log)) if end_us is None else end_us
        end = max(latest, position.start_us)
        return Interval(
            log=log,
            start_us=position.start_us,
            end_us=end,
            spool_from=position.spool,
            spool_to=position.spool + rows,
            rows=partial(table, rows, position.start_us) if rows else None,
            document=DEMO if rows else None,
        )

    def hour(self, rows: int = 8, *, step_us: int = HOUR) -> list[Sealed]:
        """Let an hour pass and seal every log; only `demo` has rows."""
        self.now_us += step_us
        batch = [self.interval(log, rows if log == "demo" else 0) for log, _ in self.logs]
        return self.sealer.seal(batch)
