"""One large segment: what sealing it costs beyond Parquet, and how long one person's proof is.

Run: python -m tests.bench.one_segment [rows]
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa

from collector.seal.bundle import history
from collector.seal.bundle.order import Order, Told
from collector.seal.bundle.pack import pack
from collector.seal.chain import Box
from collector.seal.keys import Rings
from collector.seal.sealer import Interval, Sealer, Start
from collector.seal.staging import Parquet
from collector.store import segments
from collector.store.schema import FLOWS
from tests.bench.bench_seal import START_US, flows

SITE, HOUR = "school.example.ac.th", 3_600_000_000
BEGIN = START_US - START_US % HOUR
ROWS = 1_000_000


class _Writer:
    """Writes Parquet as the box does, and remembers what that alone cost."""

    def __init__(self) -> None:
        self.cpu_s = 0.0

    def __call__(self, rows: pa.Table, path: Path) -> None:
        began = time.process_time()
        segments.write_any(rows, path)
        self.cpu_s += time.process_time() - began


def run(folder: Path, rows: int = ROWS) -> dict[str, Any]:
    """Seal a segment and prove one person of it; µs of CPU a row, and bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    home, writer, table = folder / "home", _Writer(), flows(rows)
    person = str(table["person"].drop_null()[0])
    sealing_s = _sealed(home, table, writer)
    kek = (home / "secrets" / "prathu.kek").read_bytes()
    keys = Rings(home, kek, random=bytes, put=lambda *_: None).get
    frozen, _ = history.freeze(home, _order(person), BEGIN + 2 * HOUR)
    out = folder / "case.zip"
    packed = pack(home, _order(person), frozen, keys=keys, out=out)
    with zipfile.ZipFile(out) as bundle:
        proof = bundle.read(f"proofs/{SITE}/flows/0.json")
    return {
        "rows": rows,
        "us_per_row": round((sealing_s - writer.cpu_s) / rows * 1e6, 3),
        "parquet_us_per_row": round(writer.cpu_s / rows * 1e6, 3),
        "groups": json.loads(proof)["groups"],
        "rows_of_the_person": sum(packed.rows.values()),
        "proof_bytes": len(proof),
    }


def _sealed(home: Path, table: pa.Table, writer: _Writer) -> float:
    """Seal a table as one segment; return the seconds of CPU, those of Parquet counted in."""
    clock = {"us": BEGIN}
    box = Box(
        clock=lambda: clock["us"] * 1000,
        boot_id="0c6f8a52-6d1f-4d0e-9c59-3c1f5ad2a001",
        software="prathu/bench",
    )
    parquet = Parquet(write=writer, read=segments.pieces)
    interval = Interval(
        log="flows", start_us=BEGIN, end_us=BEGIN + HOUR, spool_from=0, spool_to=len(table),
        rows=lambda: table, document=FLOWS.document,
    )  # fmt: skip
    with Sealer(home, SITE, logs=[("flows", 3600)], box=box, parquet=parquet) as sealer:
        sealer.start(Start(begin_us=BEGIN))
        clock["us"] += HOUR
        began = time.process_time()
        sealer.seal([interval])
        return time.process_time() - began


def _order(person: str) -> Order:
    told = Told(
        recipient="police", approver="director", exporter="it-head",
        asked_us=BEGIN, approved_us=BEGIN, request="1/2570",
    )  # fmt: skip
    return Order(
        case="bench", site=SITE, levels={"flows": "C1"}, from_us=BEGIN, to_us=BEGIN + HOUR,
        subject=person, told=told,
    )  # fmt: skip


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="prathu-bench-") as place:
        print(json.dumps(run(Path(place), *map(int, sys.argv[1:])), indent=1))
