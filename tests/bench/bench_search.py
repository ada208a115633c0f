"""How long questions take over 10 million flows in 24 hourly segments, warm and without audit.

Run: `python -m tests.bench.bench_search [FLOWS_PER_HOUR] [FOLDER]`; prints one JSON object. Files
that are in FOLDER already are used again.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from appliance.search import times, who
from appliance.search.duck import Limits
from appliance.search.engine_local import Asker, LocalEngine
from appliance.search.question import COLUMNS, Asked
from collector.store import segments
from collector.store.catalog import FILE, Catalog, FileEntry
from collector.store.schema import LOGS, TEXT

HOURS, PEOPLE, SERVERS, PUBLIC = 24, 2000, 200_000, "198.51.100.7"
BEGIN_US = 1_795_251_600_000_000
SITE = "default"
REPEATS = 15
ASKER = Asker(actor="bench")
Ints = npt.NDArray[np.int64]


def main(flows: int, folder: Path) -> None:
    """Make what is missing, ask, and print."""
    made = _made(folder, flows)
    engine = LocalEngine(
        folder,
        Limits(),
        lambda _: None,
        clock=lambda: (BEGIN_US + HOURS * times.HOUR) * 1000,
        sites={SITE: ("10.0.0.0/8",)},
    )
    with engine:
        print(json.dumps({"flows": flows * HOURS, **made, "questions": _measured(engine, folder)}))


def _measured(engine: LocalEngine, folder: Path) -> dict[str, Any]:
    sample = json.loads((folder / "needle.json").read_text())
    end = BEGIN_US + HOURS * times.HOUR
    asked = Asked(start_us=BEGIN_US, end_us=end, limit=100, columns=COLUMNS["flows"])

    def ask(text: str) -> Callable[[], int]:
        question = engine.parse(text, asked)
        return lambda: engine.ask(question, ASKER).table.num_rows

    def whose(address: str) -> Callable[[], int]:
        question = who.parse(address, at=times.rfc3339(sample["time"]), now_us=end)
        return lambda: len(who.who(engine, question, ASKER).readings[0].persons)

    return {
        "who public address and port": _timed(whose(f"{PUBLIC}:{sample['nat_port']}")),
        "who private address": _timed(whose(sample["src"])),
        "one destination, a day": _timed(ask(f"dst:{sample['dst']}")),
        "one address at either end, a day": _timed(ask(f"ip:{sample['dst']}")),
        "one client, a day": _timed(ask(f"src:{sample['src']}")),
        "absent address, a day": _timed(ask("ip:192.0.2.77")),
        "nat pair, a day": _timed(ask(f"nat:{PUBLIC}:{sample['nat_port']}")),
        "one network, a day": _timed(ask("dst:23.7.9.0/24")),
        "newest rows": _timed(ask("*")),
    }


def _timed(ask: Callable[[], int]) -> dict[str, float]:
    found = ask()
    took = []
    cpu = time.process_time()
    for _ in range(REPEATS):
        begin = time.perf_counter()
        ask()
        took.append((time.perf_counter() - begin) * 1000)
    cpu = (time.process_time() - cpu) * 1000 / REPEATS
    return {
        "rows": found,
        "median_ms": round(float(np.median(took)), 1),
        "least_ms": round(min(took), 1),
        "cpu_ms": round(cpu, 1),
    }


def _made(folder: Path, flows: int) -> dict[str, Any]:
    """Write the segments and the catalogue, unless they are there."""
    begin = time.perf_counter()
    if not (folder / "needle.json").exists():
        chance = np.random.default_rng(42)
        catalog = Catalog.open(folder / FILE, write=True, clock=time.time_ns)
        for hour in range(HOURS):
            _segment(folder, catalog, _hour(chance, flows, hour), hour)
        catalog.close()
    sizes = [path.stat().st_size for path in folder.glob("logs/**/*.parquet")]
    return {
        "bytes_per_flow": round(sum(sizes) / (flows * HOURS), 1),
        "made_s": round(time.perf_counter() - begin, 1),
    }


def _segment(folder: Path, catalog: Catalog, table: pa.Table, hour: int) -> None:
    path = f"logs/{SITE}/flows/{hour}.parquet"
    stats = segments.write(table, folder / path, LOGS["flows"])
    entry = FileEntry(
        path=path,
        kind="segment",
        site=SITE,
        log="flows",
        seq=hour,
        schema_version=1,
        spool_from=hour,
        spool_to=hour + 1,
        **asdict(stats),
    )
    catalog.publish(entry)
    if hour == HOURS // 2:
        row = table.slice(table.num_rows // 2, 1)
        values = {n: row[n][0].as_py() for n in ("src_ip", "dst_ip", "nat_src_port")}
        needle = {
            "src": values["src_ip"],
            "dst": values["dst_ip"],
            "nat_port": values["nat_src_port"],
            "time": row["time"].cast(pa.int64())[0].as_py(),
        }
        (folder / "needle.json").write_text(json.dumps(needle))


def _hour(chance: np.random.Generator, flows: int, hour: int) -> pa.Table:
    """Flows of an hour: people and servers as a few busy and many quiet ones, sorted as sealed."""
    begin = BEGIN_US + hour * times.HOUR
    person = np.minimum(chance.pareto(0.8, flows) * 40, PEOPLE - 1).astype(np.int64)
    at = chance.integers(0, times.HOUR, flows) + begin
    order = np.lexsort((at, person))
    person, at = person[order], at[order]
    server = np.minimum(chance.zipf(1.2, flows), SERVERS) - 1
    nat_port = chance.integers(1024, 65536, flows)
    public = 198 << 24 | 51 << 16 | 100 << 8 | 7
    numbers = {
        "src_port": chance.integers(32768, 61000, flows),
        "dst_port": chance.choice(np.array([443, 80, 53, 123]), flows, p=[0.7, 0.1, 0.15, 0.05]),
        "protocol": chance.choice(np.array([6, 17]), flows),
        "packets": chance.zipf(1.5, flows) % 100_000,
        "bytes": chance.zipf(1.3, flows) % 10_000_000,
        "nat_src_port": nat_port,
        "nat_key": public << 16 | nat_port,
        "tcp_flags": chance.integers(0, 256, flows),
    }
    last = at + chance.integers(0, 30_000_000, flows)
    moments = {"time": at, "time_end": last, "received": last, "exporter_start": at}
    return _table(flows, {**numbers, **moments}, _texts(flows, person, server))


def _texts(flows: int, person: Ints, server: Ints) -> dict[str, pa.Array[Any]]:
    every = np.zeros(flows, np.int32)
    return {
        "person": _coded(person, [str(UUID(int=i)) for i in range(PEOPLE)]),
        "session": _coded(person, [str(UUID(int=i + PEOPLE)) for i in range(PEOPLE)]),
        "src_ip": _coded(person, [f"10.{i >> 8}.{i & 255}.5" for i in range(PEOPLE)]),
        "dst_ip": _coded(server, [_server(i) for i in range(SERVERS)]),
        "nat_src_ip": _coded(every, [PUBLIC]),
        "site": _coded(every, [SITE]),
        "source": _coded(every, ["192.0.2.1"]),
        "via": _coded(every, ["src_ip"]),
        "certainty": _coded(every, ["sure"]),
        "method": _coded(every, ["portal"]),
        "clock": _coded(every, ["ok"]),
    }


def _server(number: int) -> str:
    spread = number * 2_654_435_761 % (1 << 32)
    return f"{spread % 200 + 11}.{spread >> 8 & 255}.{spread >> 16 & 255}.{spread >> 24}"


def _coded(codes: npt.NDArray[Any], values: list[str]) -> pa.Array[Any]:
    return pa.DictionaryArray.from_arrays(codes.astype(np.int32), values)


def _table(flows: int, numbers: dict[str, Ints], texts: dict[str, pa.Array[Any]]) -> pa.Table:
    columns: list[pa.Array[Any]] = []
    for field in LOGS["flows"].arrow:
        if field.name in texts:
            columns.append(texts[field.name].cast(TEXT))
        elif field.name in numbers:
            columns.append(pa.array(numbers[field.name]).cast(field.type))
        else:
            columns.append(pa.nulls(flows, field.type))
    return pa.Table.from_arrays(columns, schema=LOGS["flows"].arrow)


@contextmanager
def _folder(given: list[str]) -> Iterator[Path]:
    if given:
        Path(given[0]).mkdir(parents=True, exist_ok=True)
        yield Path(given[0])
        return
    with tempfile.TemporaryDirectory(prefix="prathu-bench-") as made:
        yield Path(made)


if __name__ == "__main__":
    with _folder(sys.argv[2:]) as place:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 420_000, place)
