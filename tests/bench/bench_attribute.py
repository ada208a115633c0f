"""CPU time of attribution per flow: `python -m tests.bench.bench_attribute`, prints JSON."""

from __future__ import annotations

import json
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import UUID

import numpy as np

from collector.attribute.attribute import attribute
from collector.attribute.networks import Networks
from collector.attribute.timeline import Timeline
from collector.records import SessionEvent
from tests.collector.store.flows import START_US, flows

FLOWS = 100_000
CLIENTS = 1000
SERVERS = 20_000
ROUNDS = 7


def timeline() -> Timeline:
    """Return sessions of all clients, each address handed on twice within the hour."""
    random = np.random.default_rng(3)
    told = Timeline()
    begin = datetime.fromtimestamp(START_US / 1e6, UTC) - timedelta(minutes=30)
    for client in range(CLIENTS):
        for turn in range(3):
            start = begin + timedelta(seconds=2400 * turn + float(random.uniform(0, 60)))
            end = start + timedelta(seconds=2200)
            for number, (kind, at) in enumerate((("start", start), ("stop", end))):
                told.add(
                    SessionEvent(
                        event_id=UUID(int=1 + number),
                        session=UUID(int=1 + client * 3 + turn),
                        event=kind,
                        time=at,
                        start=start,
                        site="school-a",
                        method="portal",
                        person=UUID(int=1 + client * 3 + turn),
                        addresses=(f"10.{client >> 16}.{client >> 8 & 255}.{client & 255}",),
                    ),
                    frame=client,
                )
    return told


def main() -> None:
    told, networks = timeline(), Networks(("10.0.0.0/8", "172.16.0.0/12", "fc00::/7"))
    table = flows(FLOWS, clients=CLIENTS, servers=SERVERS, attributed=False)
    spent = []
    result = table
    for _ in range(ROUNDS):
        before = time.process_time()
        result = attribute(table, told, networks)
        spent.append(time.process_time() - before)
    certainty = Counter(str(value) for value in result["certainty"].to_pylist())
    print(
        json.dumps(
            {
                "attribute_us_per_flow_best": round(min(spent) / FLOWS * 1e6, 4),
                "attribute_us_per_flow_first": round(spent[0] / FLOWS * 1e6, 4),
                "flows": FLOWS,
                "clients": CLIENTS,
                "servers": SERVERS,
                "certainty": dict(certainty),
            }
        )
    )


if __name__ == "__main__":
    main()
