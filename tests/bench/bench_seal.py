"""What sealing costs per row beyond Parquet; prints one JSON object.

Run: python tests/bench/bench_seal.py [rows]
"""

from __future__ import annotations

import json
import sys
import time
import uuid
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from collector.seal import canonical, segment
from collector.store.schema import FLOWS, TEXT

SEED = 2027
PERSONS = 1200
START_US = 1_800_000_000_000_000


def flows(rows: int) -> pa.Table:
    """Return made-up flows that fill the columns a router with NAT fills."""
    random = np.random.default_rng(SEED)
    start = START_US + np.sort(random.integers(0, 3_600_000_000, rows))
    people = [str(uuid.UUID(int=n + (1 << 100))) for n in range(PERSONS)]
    person = random.integers(0, PERSONS, rows).astype(np.int32)
    inside = [f"10.1.{n >> 8}.{n & 255}" for n in range(PERSONS)]
    outside = [f"198.{18 + (n >> 16)}.{n >> 8 & 255}.{n & 255}" for n in range(40_000)]
    columns: dict[str, pa.Array[Any]] = {
        "time": times(start),
        "received": times(start + 60_000_000),
        "time_end": times(start + random.integers(0, 60_000_000, rows)),
        "exporter_start": times(start + 7),
        "exporter_end": times(start + 9),
        "exporter_sent": times(start + 11),
        "source": same("192.0.2.1", rows),
        "site": same("school-a", rows),
        "clock": same("ok", rows),
        "src_ip": coded(inside, person),
        "dst_ip": coded(outside, random.zipf(1.2, rows) % 40_000),
        "nat_src_ip": same("203.0.113.7", rows),
        "next_hop": same("203.0.113.1", rows),
        "src_mac": coded(
            [f"02:00:00:00:{n >> 8:02x}:{n & 255:02x}" for n in range(PERSONS)], person
        ),
        "person": coded(people, person, nulls=random.random(rows) < 0.05),
        "session": coded(people, person, nulls=random.random(rows) < 0.05),
        "method": coded(["portal", "accounting"], person % 2),
        "via": same("src_ip", rows),
        "certainty": coded(["sure", "unknown"], (random.random(rows) < 0.05)),
        "app": coded(["https", "dns", "quic"], random.integers(0, 3, rows)),
    }
    for name, high in (
        ("src_port", 1 << 16), ("dst_port", 1 << 16), ("protocol", 18), ("tcp_flags", 64),
        ("in_if", 4), ("out_if", 4), ("packets", 1000), ("bytes", 1 << 20),
        ("nat_src_port", 1 << 16), ("nat_key", 1 << 48), ("direction", 2), ("end_reason", 5),
    ):  # fmt: skip
        columns[name] = pa.array(random.integers(0, high, rows), FLOWS.arrow.field(name).type)
    return pa.table(
        {f.name: columns.get(f.name, pa.nulls(rows, f.type)) for f in FLOWS.arrow},
        schema=FLOWS.arrow,
    )


def times(values: npt.NDArray[Any]) -> pa.Array[Any]:
    """Return microseconds as times."""
    return pa.array(values, pa.int64()).cast(pa.timestamp("us", tz="UTC"))


def same(value: str, rows: int) -> pa.Array[Any]:
    """Return one value in every row."""
    return coded([value], np.zeros(rows))


def coded(
    values: list[str], codes: npt.NDArray[Any], nulls: npt.NDArray[Any] | None = None
) -> pa.Array[Any]:
    """Return texts by code."""
    indices: pa.Int32Array = pa.array(codes.astype(np.int32), pa.int32(), mask=nulls)
    return pa.DictionaryArray.from_arrays(indices, pa.array(values)).cast(TEXT)


def timed(step: Callable[[], object]) -> float:
    """Return the processor seconds of one call."""
    before = time.process_time()
    step()
    return time.process_time() - before


def main() -> None:
    """Measure and print."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 500_000
    table, key = flows(rows), bytes(range(32))
    schema = canonical.read_schema(FLOWS.document)
    order = segment.arrange(table, segment.Tags(schema, key))
    arranged = table.take(pa.array(order, pa.int64()))
    hasher = segment.Hasher(schema, key)
    seconds = {
        "sort": timed(lambda: segment.arrange(table, segment.Tags(schema, key))),
        "encode_salt_and_hash_rows": timed(lambda: hasher.add(arranged)),
        "trees": timed(hasher.finish),
        "total": timed(lambda: segment.build(table, schema, key)),
    }
    figures = {f"{name}_us_per_row": round(s / rows * 1e6, 3) for name, s in seconds.items()}
    print(json.dumps({"bench": "seal", "rows": rows, "columns": len(FLOWS.columns)} | figures))


if __name__ == "__main__":
    main()
