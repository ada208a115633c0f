"""How fast datagrams become columns; prints JSON. Run: python -m tests.bench.bench_decode.

The datagrams are NetFlow v9 of 18 fields, 24 records each, with addresses and ports as varied as
those of a school. `decode_s` is the way from bytes to native columns alone, `flows_s` the whole
way to the columns of the log.
"""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Callable

import numpy as np

from collector.decode.decoder import FlowDecoder
from collector.decode.intake import Intake
from collector.decode.limits import Limits
from collector.records import Frame, FrameKind

FIELDS = (
    (8, 4),
    (12, 4),
    (15, 4),
    (10, 4),
    (14, 4),
    (2, 4),
    (1, 4),
    (22, 4),
    (21, 4),
    (7, 2),
    (11, 2),
    (6, 1),
    (4, 1),
    (5, 1),
    (61, 1),
    (16, 4),
    (17, 4),
    (60, 1),
)
RECORD = np.dtype([(f"f{n}", f">u{size}") for n, (_, size) in enumerate(FIELDS)])
PER_DATAGRAM = 24
SENT_S = 1_790_000_000
UPTIME_MS = 3_000_000_000
TEMPLATE_ID = 256


def records(rows: int, seed: int = 1) -> np.ndarray[tuple[int], np.dtype[np.void]]:
    """Return records of made-up traffic of about 800 clients."""
    random = np.random.default_rng(seed)
    table = np.zeros(rows, RECORD)
    table["f0"] = 0x0A000000 + random.integers(0, 800, rows)
    table["f1"] = 0xCB000000 + (random.zipf(1.3, rows) % 60_000).astype(np.int64)
    table["f2"] = 0x0A000001
    table["f3"], table["f4"] = 2, 5
    table["f5"] = random.integers(1, 400, rows)
    table["f6"] = random.integers(64, 400_000, rows)
    table["f7"] = UPTIME_MS - random.integers(1000, 60_000, rows)
    table["f8"] = UPTIME_MS - random.integers(0, 1000, rows)
    table["f9"] = random.integers(32768, 61000, rows)
    table["f10"] = random.choice([443, 443, 443, 80, 53], rows)
    table["f11"], table["f12"], table["f17"] = 27, 6, 4
    return table


def frames(rows: int) -> list[Frame]:
    """Return the datagrams, the template in the first."""
    table = records(rows)
    found = []
    template = struct.pack(">HH", TEMPLATE_ID, len(FIELDS))
    template += b"".join(struct.pack(">HH", *field) for field in FIELDS)
    template = struct.pack(">HH", 0, len(template) + 4) + template
    for number, at in enumerate(range(0, rows, PER_DATAGRAM)):
        body = table[at : at + PER_DATAGRAM].tobytes()
        payload = struct.pack(">HHIIII", 9, PER_DATAGRAM, UPTIME_MS, SENT_S, number, 0)
        payload += template if number == 0 else b""
        payload += struct.pack(">HH", TEMPLATE_ID, len(body) + 4) + body
        received_ns = SENT_S * 10**9 + number * 1000
        found.append(
            Frame(
                kind=FrameKind.FLOW,
                site="bench",
                received_ns=received_ns,
                wire_ns=received_ns,
                address="192.0.2.1",
                port=2055,
                payload=payload,
                number=number,
            )
        )
    return found


def measure(work: Callable[[], object], repeats: int = 5) -> float:
    """Return the CPU seconds of the fastest run."""
    best = float("inf")
    for _ in range(repeats):
        before = time.process_time()
        work()
        best = min(best, time.process_time() - before)
    return best


def _walk(batches: list[list[Frame]]) -> None:
    intake = Intake(Limits())
    for datagrams in batches:
        for datagram in datagrams:
            intake.add(datagram)
        intake.take()


def _decode(batches: list[list[Frame]]) -> None:
    decoder = FlowDecoder("bench")
    for datagrams in batches:
        for batch, _ in decoder.heaps(datagrams):
            for field in range(len(FIELDS)):
                batch.uint(field)


def _flows(batches: list[list[Frame]]) -> None:
    decoder = FlowDecoder("bench")
    for datagrams in batches:
        decoder.decode(datagrams)


def main() -> None:
    """Measure and print."""
    rows = 240_000
    datagrams = frames(rows)
    batches = [datagrams[at : at + 1000] for at in range(0, len(datagrams), 1000)]

    work = {
        "walk": lambda: _walk(batches),
        "decode": lambda: _decode(batches),
        "flows": lambda: _flows(batches),
    }
    figures = {name: measure(each) for name, each in work.items()}
    report: dict[str, float] = {"flows": rows, "fields": len(FIELDS), "per_datagram": PER_DATAGRAM}
    report |= {f"{name}_s": round(value, 4) for name, value in figures.items()}
    report |= {f"{name}_flows_per_cpu_s": round(rows / value) for name, value in figures.items()}
    print(json.dumps(report))


if __name__ == "__main__":
    main()
