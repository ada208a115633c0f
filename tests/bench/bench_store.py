"""Cost and size of parts, segments, rollups: `python -m tests.bench.bench_store` prints JSON."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from collector.store import parts, rebuild, rollup, segments
from collector.store.catalog import Catalog
from collector.store.schema import FLOWS
from tests.collector.store.flows import by_person, flows
from tests.collector.store.test_catalog import clock, entry

PART = 100_000
SEGMENT = 500_000
SEGMENT_PATH = "logs/school-a/flows/2027/01/15/0.parquet"


def best(step: Callable[[], object], rounds: int = 5) -> float:
    """Return the least CPU seconds that `step` took."""
    spent = []
    for _ in range(rounds):
        before = time.process_time()
        step()
        spent.append(time.process_time() - before)
    return min(spent)


def measure(home: Path) -> dict[str, float]:
    found: dict[str, float] = {}
    part, path = flows(PART), home / "open" / "p.parquet"
    small = part.slice(0, 100)
    found["part_write_us_per_row"] = best(lambda: parts.write(part, path)) / PART * 1e6
    found["part_read_us_per_row"] = best(lambda: parts.read([path], FLOWS)) / PART * 1e6
    found["part_bytes_per_row"] = path.stat().st_size / PART
    found["part_of_100_rows_ms"] = best(lambda: parts.write(small, home / "small.parquet")) * 1e3
    table, path = by_person(flows(SEGMENT, clients=1200)), home / SEGMENT_PATH
    found["segment_write_us_per_row"] = (
        best(lambda: segments.write(table, path, FLOWS), 3) / SEGMENT * 1e6
    )
    found["segment_read_us_per_row"] = best(lambda: segments.read(path, FLOWS), 3) / SEGMENT * 1e6
    found["segment_bytes_per_row"] = path.stat().st_size / SEGMENT
    known = rebuild.entry_of(home, SEGMENT_PATH, (0, 1))
    found["rollup_us_per_row"] = best(lambda: rollup.make(home, known), 3) / SEGMENT * 1e6
    found["rollup_bytes_per_row"] = rollup.make(home, known).stat().st_size / SEGMENT
    with Catalog.open(home / "catalog.sqlite", write=True, clock=clock) as catalog:
        catalog.add_part(*(entry(str(n), event_min=n, event_max=n + 5) for n in range(11_000)))
        reader = Catalog.open(home / "catalog.sqlite")
        found["catalog_files_of_an_hour_ms"] = best(lambda: reader.files("flows", end_us=9)) * 1e3
        found["catalog_add_part_ms"] = best(lambda: catalog.add_part(entry("one"))) * 1e3
    return {name: round(value, 3) for name, value in found.items()}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(measure(Path(folder)), indent=1))


if __name__ == "__main__":
    main()
