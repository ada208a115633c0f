"""How long a bundle takes: 100,000 rows of one person over 500 segments, packed and checked.

Run: python -m tests.bench.bundle [segments rows]
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from collector.seal import policy
from collector.seal.bundle import history
from collector.seal.bundle.check import Trust, check
from collector.seal.bundle.order import Order, Told
from collector.seal.bundle.pack import pack
from collector.seal.chain import Box
from collector.seal.keys import Rings
from collector.seal.sealer import Interval, Sealer, Start
from collector.seal.staging import Parquet
from collector.store import segments
from collector.store.schema import FLOWS
from tests.bench.bench_seal import flows
from tests.conftest import REPO

SITE, HOUR = "school.example.ac.th", 3_600_000_000
BEGIN = 1_772_582_400_000_000
SEGMENTS, ROWS = 500, 100_000
OTHERS = 5
"""Times as many rows of other people lie in each segment."""
PERSON = "00000000-0000-4000-8000-00000000abcd"
VERIFIER = REPO / "packaging" / "verify" / "verify_bundle.py"


def run(folder: Path, count: int = SEGMENTS, rows: int = ROWS) -> dict[str, Any]:
    """Seal a school's flows, pack one person's, and check the bundle; seconds of CPU and wall."""
    folder.mkdir(parents=True, exist_ok=True)
    home = folder / "home"
    vkey = _seal(home, count, rows // count)
    order = _order(count)
    kek = (home / "secrets" / "prathu.kek").read_bytes()
    keys = Rings(home, kek, random=bytes, put=lambda *_: None).get
    out = folder / "case.zip"
    figures: dict[str, Any] = {"segments": count}
    with _timed(figures, "packed"):
        frozen, _ = history.freeze(home, order, BEGIN + (count + 1) * HOUR)
        packed = pack(home, order, frozen, keys=keys, out=out)
    figures |= {"rows": sum(packed.rows.values()), "bytes": packed.size}
    told = folder / "policy"
    told.write_text(f"log {vkey}\nquorum none\n")
    with _timed(figures, "checked"):
        result = check(out, Trust(policy=policy.parse(told.read_text())))
    if not result.valid:
        raise RuntimeError(f"the bundle is not valid: {result.failure}")
    if VERIFIER.exists():
        with _timed(figures, "checked_alone"):
            subprocess.run([sys.executable, str(VERIFIER), str(out), "--policy", str(told)],
                           check=True, stdout=subprocess.DEVNULL)  # fmt: skip
    return figures


class _timed:  # reads as a word of the sentence
    """Measures wall and CPU, of this process alone, of what is done within."""

    def __init__(self, figures: dict[str, Any], what: str) -> None:
        self._figures, self._what = figures, what

    def __enter__(self) -> None:
        self._wall, self._cpu = time.monotonic(), time.process_time()

    def __exit__(self, *_: object) -> None:
        self._figures[f"{self._what}_s"] = round(time.monotonic() - self._wall, 2)
        self._figures[f"{self._what}_cpu_s"] = round(time.process_time() - self._cpu, 2)


def _seal(home: Path, count: int, rows: int) -> str:
    clock = {"us": BEGIN}
    box = Box(
        clock=lambda: clock["us"] * 1000,
        boot_id="0c6f8a52-6d1f-4d0e-9c59-3c1f5ad2a001",
        software="prathu/bench",
    )
    parquet = Parquet(write=segments.write_any, read=segments.pieces)
    with Sealer(home, SITE, logs=[("flows", 3600)], box=box, parquet=parquet) as sealer:
        sealer.start(Start(begin_us=BEGIN))
        whole = flows(rows * (1 + OTHERS))
        for _ in range(count):
            position = sealer.position("flows")
            clock["us"] = position.start_us + HOUR
            table = _hour(whole, rows, position.start_us)
            interval = Interval(
                log="flows", start_us=position.start_us, end_us=position.start_us + HOUR,
                spool_from=position.spool, spool_to=position.spool + len(table),
                rows=partial(lambda table: table, table), document=FLOWS.document,
            )  # fmt: skip
            sealer.seal([interval])
        return sealer.log_vkey


def _hour(whole: pa.Table, rows: int, start_us: int) -> pa.Table:
    """Return the flows of an hour, the first of one person."""
    persons = whole["person"].to_pylist()
    persons[:rows] = [PERSON] * rows
    kind = FLOWS.arrow.field("person").type
    coded = pa.array(persons, pa.string()).dictionary_encode().cast(kind)
    place = whole.schema.get_field_index("person")
    table = whole.set_column(place, "person", coded)
    times = start_us + np.sort(np.random.default_rng(7).integers(0, HOUR, len(persons)))
    for name in ("time", "received"):
        column = pa.array(times, pa.int64()).cast(FLOWS.arrow.field(name).type)
        table = table.set_column(whole.schema.get_field_index(name), name, column)
    return table


def _order(count: int) -> Order:
    told = Told(
        recipient="police", approver="director", exporter="it-head",
        asked_us=BEGIN, approved_us=BEGIN, request="1/2570",
    )  # fmt: skip
    return Order(
        case="bench", site=SITE, levels={"flows": "C1"}, from_us=BEGIN,
        to_us=BEGIN + count * HOUR, subject=PERSON, told=told,
    )  # fmt: skip


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="prathu-bench-") as place:
        print(json.dumps(run(Path(place), *map(int, sys.argv[1:])), indent=1))
