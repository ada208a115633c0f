"""How fast packets become names, and names rows: CPU seconds on one core.

The mixture is that of a school: of eight packets four are DNS answers over an alias, two are hellos
over TCP (one in two segments), one a QUIC hello in two packets, one the tail of an upload.
"""

from __future__ import annotations

import json
import time
from typing import Any

from collector.records import Frame, FrameKind, NameEvent
from collector.settings import CollectorSettings, Names, Site
from collector.site import SiteLine
from collector.sniff.names.ear import Ear
from tests.collector.sniff.names import wire

SITE = "bench"
BEGIN_NS = 1_795_338_000 * 10**9


def packets(rounds: int) -> list[bytes]:
    """Return the packets, eight a round, of different names and ports."""
    found: list[bytes] = []
    for number in range(rounds):
        name, port = f"host-{number % 997}.example.org", 1024 + number % 60_000
        said = wire.hello(name, ech=True, pad=1300)
        record, cut = wire.record(wire.hello(name)), wire.record(said)
        alias = (name, "CNAME", "cdn.example.net.", 300)
        for kind, address in (("A", "203.0.113.9"), ("AAAA", "2001:db8::9")) * 2:
            told = [alias, ("cdn.example.net.", kind, address, 60)]
            found.append(wire.answer(*told, name=name, kind=kind))
        found.append(wire.tls(record, port=port))
        found += [wire.tls(cut[:1400], port=port, dport=8443)]
        found += [wire.tls(cut[1400:], 2400, port=port, dport=8443)]
        connection = number.to_bytes(8, "big")
        for at, some in ((0, 1000), (1000, None)):
            frames = wire.crypto(said, at, some)
            found.append(wire.udp(wire.initial(frames, connection=connection), port=port))
        found.append(wire.tls(b"the tail of an upload" * 20, 9000, port=1000))
    return found


def run(rounds: int) -> dict[str, Any]:
    """Return the figures; QUIC packets also by themselves, for they cost most."""
    mixed = packets(rounds)
    quic = [packet for packet in mixed if packet[9] == 17 and packet[22:24] == b"\1\xbb"]
    dns = [packet for packet in mixed if packet[20:22] == b"\0\x35"]
    frames, spent = _heard(mixed)
    began = time.process_time()
    settings = CollectorSettings(sites=(Site(id=SITE),), names=Names(reason="a trial"))
    named = SiteLine(settings.sites[0], {}, settings).names(frames)
    rows_s = time.process_time() - began
    return {
        "packets": len(mixed),
        "names": len(frames),
        "packets_per_s": len(mixed) / spent,
        "dns_per_s": len(dns) / _heard(dns)[1],
        "quic_per_s": len(quic) / _heard(quic)[1],
        "rows_per_s": len(named) / rows_s,
    }


def _heard(packets: list[bytes]) -> tuple[list[Frame], float]:
    """Return the events as frames of the spool, and what the packets cost with them."""
    ear, told = Ear(SITE, "eth1"), []
    began = time.process_time()
    for number, packet in enumerate(packets):
        told += ear.hear(packet, BEGIN_NS + number * 10**6)
    texts = [json.dumps(members).encode() for _, members in told]
    spent = time.process_time() - began
    events = [NameEvent.from_json(text) for text in texts]
    return [_frame(number, event) for number, event in enumerate(events)], spent


def _frame(number: int, event: NameEvent) -> Frame:
    return Frame(
        kind=FrameKind.NAME,
        site=SITE,
        received_ns=BEGIN_NS,
        wire_ns=BEGIN_NS,
        transport="local",
        payload=event.to_json(),
        number=number,
    )
