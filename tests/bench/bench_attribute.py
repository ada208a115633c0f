"""CPU time of attribution per flow: `python -m tests.bench.bench_attribute`, prints JSON.

A school with 5,000 live sessions and 50,000 changes an hour, two hours of them known. Flows come in
parts as the pipeline makes them, of two seconds (`part_s`), or sooner when they are many, with the
changes of that time between two parts; what the changes cost is part of the figure.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Any
from uuid import UUID

import numpy as np
import pyarrow as pa

from collector.attribute.attribute import attribute
from collector.attribute.ends import ADDRESSES
from collector.attribute.networks import Networks
from collector.attribute.timeline import Timeline
from collector.records import SessionEvent
from tests.collector.store.flows import START_US, flows

LIVE = 5000
CHANGES_H = 50_000
HISTORY_H = 2
SERVERS = 20_000
RATES = {"20k/s": 20_000, "150k/s": 150_000}
PART_S = {"20k/s": 2.0, "150k/s": 1.0}
"""When a part is written: `part_s`, or with `open_log.PENDING_ROWS` of batches of half a second."""
ROUNDS = 12


def changes(until_us: int) -> Iterator[SessionEvent]:
    """Give the events of a school, one stop and one start at a time, without end.

    Each client has an IPv4 and an IPv6 address; a session that stops is followed by another
    person's on the same addresses at once.
    """
    random = np.random.default_rng(3)
    step_us = int(3600e6 / CHANGES_H)
    at = until_us - HISTORY_H * 3_600_000_000
    serial = LIVE
    holder = list(range(LIVE))
    for client in range(LIVE):
        yield _event("start", at - 1_000_000, client, client)
    while True:
        for client in random.permutation(LIVE).tolist():
            yield _event("stop", at, holder[client], client)
            serial += 1
            holder[client] = serial
            yield _event("start", at + step_us, serial, client)
            at += 2 * step_us


def _event(kind: str, at_us: int, session: int, client: int) -> SessionEvent:
    at = datetime.fromtimestamp(at_us / 1e6, UTC)
    inside = f"{client >> 16}.{client >> 8 & 255}.{client & 255}"
    return SessionEvent(
        event_id=UUID(int=1),
        session=UUID(int=1 + session),
        event=kind,
        time=at,
        start=at if kind == "start" else None,
        site="school-a",
        method="portal",
        person=UUID(int=1 + session),
        addresses=(f"10.{inside}", f"2001:db8:ffff::{client + 1:x}"),
    )


def measure(
    told: Timeline, source: Iterator[SessionEvent], rate: int, part_s: float
) -> dict[str, Any]:
    """Return CPU µs per flow, of parts of so many seconds at `rate` flows a second."""
    count = round(rate * part_s)
    networks = Networks(("10.0.0.0/8", "172.16.0.0/12", "fc00::/7", "2001:db8:ffff::/48"))
    batches = [_batch(count, seed, part_s) for seed in range(ROUNDS)]
    few = round(CHANGES_H / 3600 * part_s)
    spent, learning = [], []
    certainty: Counter[str] = Counter()
    for table in batches:
        events = list(islice(source, few))
        before = time.process_time()
        for event in events:
            told.add(event, 1)
        learnt = time.process_time()
        result = attribute(table, told, networks)
        spent.append(time.process_time() - before)
        learning.append(learnt - before)
        certainty.update(str(value) for value in result["certainty"].to_pylist())
    scale = 1e6 / count
    return {
        "us_per_flow_median": round(float(np.median(spent)) * scale, 4),
        "us_per_flow_best": round(min(spent) * scale, 4),
        "us_per_flow_first": round(spent[0] * scale, 4),
        "of_which_changes": round(float(np.median(learning)) * scale, 4),
        "certainty": dict(certainty),
    }


def _batch(count: int, seed: int, part_s: float) -> pa.Table:
    """Return flows whose columns list the addresses that are in them, as decoding leaves them."""
    table = flows(
        count,
        seed=seed,
        clients=LIVE,
        servers=SERVERS,
        span_us=round(part_s * 1e6),
        attributed=False,
    )
    for name in ADDRESSES:
        texts = table[name].cast(pa.string()).dictionary_encode()
        table = table.set_column(table.column_names.index(name), name, texts)
    return table


def run() -> dict[str, Any]:
    """Return the figures of both rates."""
    told, source = Timeline(), changes(START_US)
    before = time.process_time()
    known = LIVE + HISTORY_H * CHANGES_H
    for event in islice(source, known):
        told.add(event, 0)
    report: dict[str, Any] = {
        "us_per_change": round((time.process_time() - before) / known * 1e6, 1),
        "live": LIVE,
        "changes_per_hour": CHANGES_H,
    }
    for name, rate in RATES.items():
        report[name] = measure(told, source, rate, PART_S[name])
    return report


if __name__ == "__main__":
    print(json.dumps(run(), indent=1))
