"""How fast sFlow samples become columns; prints JSON. Run: python -m tests.bench.bench_sflow.

Datagrams of six samples, each with 128 bytes of a tagged frame and what the switch knew of it, of
24 interfaces and some hundreds of clients. Figures are CPU seconds, from datagrams to the columns
of the log.
"""

from __future__ import annotations

import json
import random
import struct

from collector.decode.decoder import FlowDecoder
from collector.records import Frame, FrameKind
from tests.bench.bench_decode import SENT_S, measure
from tests.collector.decode.sflow import wire as sw

PER_DATAGRAM, INTERFACES, AT_ONCE = 6, 24, 1000


def frames(samples: int, seed: int = 1) -> list[Frame]:
    """Return the datagrams."""
    draw = random.Random(seed)
    numbers = dict.fromkeys(range(1, INTERFACES + 1), 0)
    found = []
    for number in range(samples // PER_DATAGRAM):
        payload = sw.datagram(
            *(_sample(draw, numbers) for _ in range(PER_DATAGRAM)), sequence=number + 1
        )
        received_ns = SENT_S * 10**9 + number * 1000
        found.append(
            Frame(
                kind=FrameKind.FLOW,
                site="bench",
                received_ns=received_ns,
                wire_ns=received_ns,
                address=sw.AGENT,
                port=6343,
                payload=payload,
                number=number,
            )
        )
    return found


def _sample(draw: random.Random, numbers: dict[int, int]) -> bytes:
    source = draw.randrange(1, INTERFACES + 1)
    numbers[source] += 1
    client = struct.pack(">BBBB", 10, 0, draw.randrange(4), draw.randrange(250))
    server = struct.pack(">BBBB", 203, 0, 113, draw.randrange(250))
    ether = bytes((0, 0, 0x5E, 0, 0x53, 1, 0, 0, 0x5E, 0, 0x53, draw.randrange(250)))
    ether += struct.pack(">HHH", 0x8100, 30, 0x0800)
    ip = struct.pack(">BBHHHBBH", 0x45, 0, 1400, 1, 0, 64, 6, 0) + client + server
    tcp = struct.pack(">HHIIBBHHH", draw.randrange(32768, 61000), 443, 1, 2, 0x50, 0x18, 9, 0, 0)
    record = sw.frame((ether + ip + tcp).ljust(128, b"x"), length=1418)
    return sw.flow(
        record, sw.switch(30, 30), sequence=numbers[source], source=source, ends=(source, 9)
    )


def main() -> None:
    """Measure and print."""
    datagrams = frames(120_000)
    batches = [datagrams[at : at + AT_ONCE] for at in range(0, len(datagrams), AT_ONCE)]
    rows = 0

    def decode() -> None:
        nonlocal rows
        decoder = FlowDecoder("bench")
        for batch in batches:
            decoder.decode(batch)
        rows = decoder.counters.records

    seconds = measure(decode, repeats=3)
    report = {"samples": rows, "per_datagram": PER_DATAGRAM, "decode_s": round(seconds, 4)}
    print(json.dumps(report | {"samples_per_cpu_s": round(rows / seconds)}))


if __name__ == "__main__":
    main()
