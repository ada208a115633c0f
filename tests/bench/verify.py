"""How fast a home is verified: every row of large segments, and the ledger of a whole retention."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any
from unittest import mock

import pyarrow as pa

from appliance.cli import verify_run
from appliance.cli.verify import tables
from collector import durable
from collector.seal import files
from collector.seal.canonical import read_schema
from collector.seal.chain import Box
from collector.seal.sealer import Interval, Sealer, Start
from collector.seal.staging import Parquet
from collector.seal.tree import EMPTY
from collector.seal.verify import Question, verify
from collector.store import segments
from collector.store.schema import FLOWS
from tests.bench.bench_seal import START_US, flows

SITE = "bench"
HOUR_US = 3_600_000_000
DAYS, LOGS = 90, 7
SEGMENTS = 8
_SIZE = 10
"""Bytes of a file that stands for a segment; nobody opens it."""


def run(folder: Path, rows: int) -> dict[str, Any]:
    """Verify `rows` rows in eight segments, then a ledger of 90 days, hourly, of seven logs."""
    with mock.patch.object(os, "fsync"), mock.patch.object(os, "fdatasync"):
        deep_home, ledger_home = folder / "deep", folder / "ledger"
        _fill(deep_home, rows // SEGMENTS)
        _entries(ledger_home)
    kek = (deep_home / "secrets" / "prathu.kek").read_bytes()
    with verify_run.pool() as each:
        deep = _timed(deep_home, Question(deep=True, kek=kek, each=each))
    plain = _timed(ledger_home, Question())
    return {
        "rows": deep["rows"],
        "rows_per_s": deep["rows"] / deep["seconds"],
        "cores": os.cpu_count(),
        "ledger_entries": plain["entries"],
        "ledger_s": plain["seconds"],
    }


def _timed(home: Path, question: Question) -> dict[str, Any]:
    began = time.perf_counter()
    report = verify(home, question, read=tables)
    spent = time.perf_counter() - began
    if report.findings:
        raise RuntimeError(f"the home is not whole: {report.findings[0]}")
    return {"rows": report.rows, "entries": report.entries, "seconds": spent}


class _Clock:
    def __init__(self) -> None:
        self.now_us = START_US

    def __call__(self) -> int:
        return self.now_us * 1000


def _sealer(home: Path, logs: list[str], clock: _Clock) -> Sealer:
    durable.make_dir(home)
    box = Box(clock=clock, boot_id="3e0b7a52-54f3-4a8e-9a7e-0c8b8c1d2e3f", software="prathu/bench")
    parquet = Parquet(write=segments.write_any, read=segments.pieces)
    sealer = Sealer(home, SITE, logs=[(log, 3600) for log in logs], box=box, parquet=parquet)
    sealer.start(Start())
    return sealer


def _fill(home: Path, rows: int) -> None:
    """Seal segments of flows."""
    clock, table = _Clock(), flows(rows)
    with _sealer(home, ["flows"], clock) as sealer:
        for _ in range(SEGMENTS):
            clock.now_us += HOUR_US
            place = sealer.position("flows")

            def given(table: pa.Table = table) -> pa.Table:
                return table

            interval = Interval(
                log="flows",
                start_us=place.start_us,
                end_us=clock.now_us,
                spool_from=place.spool,
                spool_to=place.spool + rows,
                rows=given,
                document=FLOWS.document,
            )
            sealer.seal([interval])


def _entries(home: Path) -> None:
    """Write the ledger of a retention, and empty files where its segments would be."""
    clock, logs = _Clock(), [f"log{number}" for number in range(LOGS)]
    with _sealer(home, logs, clock) as sealer:
        schema = _schema(home)
        for _ in range(DAYS * 24):
            clock.now_us += HOUR_US
            told = [_manifest(sealer, log, clock.now_us, schema) for log in logs]
            with sealer._chain.locked():
                sealer._chain.commit(told)
            sealer._chain.turn()
            for entry in told:
                for place, size in zip(files.paths(entry), (_SIZE, 44), strict=True):
                    path = home / place
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(bytes(size))


def _schema(home: Path) -> str:
    schema = read_schema(FLOWS.document)
    path = home / "ledger" / "schema" / f"{schema.sha256}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(schema.text)
    return schema.sha256


def _manifest(sealer: Sealer, log: str, end_us: int, schema: str) -> dict[str, Any]:
    place = sealer.position(log)
    entry = sealer._manifest(
        Interval(
            log=log,
            start_us=place.start_us,
            end_us=end_us,
            spool_from=place.spool,
            spool_to=place.spool + 1,
        )
    )
    when = str(place.start_us)
    return {
        **entry,
        "event_min": when,
        "event_max": when,
        "received_max": when,
        "rows": 1,
        "groups": 1,
        "root": EMPTY.hex(),
        "schema": schema,
        "key_commit": EMPTY.hex(),
        "tag_alg": "hmac",
        "file": {"name": entry["file"]["name"], "size": _SIZE, "sha256": EMPTY.hex()},
    }
