"""The same datagrams through nfcapd and nfdump, and through ours, give the same flows.

Three kinds: the bench's own generator, recordings of real exporters, and random flows written by
scapy's encoder. What differs must be a rule of `differential.py`; nothing else may.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from collector.decode import capture
from tests.bench import wire
from tests.collector.decode import wire as packets
from tests.conftest import REPO
from tests.integration import differential, peer_nfdump, scapy_flows
from tests.integration.machine import require

SHARED = REPO.parent / "shared" / "data" / "netflow"
CAPTURES = sorted((REPO / "tests" / "captures").glob("*.pcap"))
VERSIONS = (5, 7, 9, 10)
"""NetFlow v1 is nfdump's alone, sFlow and others have tests of their own."""
SECONDS_NS = 10**9


def recorded() -> Iterator[tuple[str, list[bytes]]]:
    """Yield name and datagrams of every recording that both read."""
    told = [(path.stem, _captured(path)) for path in CAPTURES]
    if (SHARED / "cases.json").is_file():
        for case in json.loads((SHARED / "cases.json").read_text(encoding="utf-8")):
            told.append(
                (case["case"], [d for name in case["datagrams"] for d in _read(case, name)])
            )
    for name, datagrams in told:
        if all(int.from_bytes(datagram[:2]) in VERSIONS for datagram in datagrams):
            yield name, datagrams


def _read(case: dict[str, Any], name: str) -> Iterator[bytes]:
    if name.endswith(".pcap"):
        yield from _captured(SHARED / name)
        return
    content = (SHARED / name).read_bytes()
    while content:
        size = len(content)
        if case.get("split"):
            count = int.from_bytes(content[2:4])
            size = 24 + 48 * count if content[1] == 5 else count
        yield content[:size]
        content = content[size:]


def _captured(path: Path) -> list[bytes]:
    with path.open("rb") as file:
        return [one.payload for one in capture.datagrams(file, capture.Counts())]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    require("nfcapd", "nfdump", root=False)
    return tmp_path_factory.mktemp("nfdump")


def differences(
    datagrams: list[bytes], kept: list[dict[str, Any]]
) -> tuple[list[str], Counter[str]]:
    """Return where nfdump's records are not what ours make one expect, and the rules used."""
    told = differential.decoded(datagrams, time.time_ns(), differential.FORGETFUL)
    wrong = [] if len(told) == len(kept) else [f"{len(told)} rows, nfdump has {len(kept)}"]
    used: Counter[str] = Counter()
    for at, ((row, elements), record) in enumerate(zip(told, kept, strict=False)):
        expected, rules = differential.as_nfdump(row, elements)
        found = differential.theirs(record)
        used.update(rules)
        wrong += [
            f"record {at}, {name}: {value}, nfdump {found[name]}"
            for name, value in expected.items()
            if value != found[name]
        ]
    return wrong, used


def test_recordings_of_real_exporters_are_read_alike(folder: Path) -> None:
    cases = dict(recorded())
    by_address = {f"127.9.0.{n}": name for n, name in enumerate(cases, 1)}

    kept = peer_nfdump.take(folder / "recorded", {a: cases[n] for a, n in by_address.items()})

    wrong, used = {}, Counter[str]()
    for address, name in by_address.items():
        found, rules = differences(cases[name], kept[address])
        used += rules
        if found:
            wrong[name] = found
    assert wrong == {}
    if SHARED.is_dir():
        idle = [rule.name for rule in differential.RULES if rule.name not in used]
        assert idle == [], "rules that nothing needs explain nothing: take them out"


def test_what_waited_for_its_template_is_all_that_nfdump_lacks(folder: Path) -> None:
    """Sets that come before their template: we keep them (F-03), nfdump drops them."""
    fields = [(8, 4), (12, 4), (2, 4), (1, 4), (22, 4), (21, 4)]
    data = packets.a_set(256, b"".join(n.to_bytes(4) for n in range(1, 13)))
    datagrams = [packets.v9(data), packets.v9(data, packets.v9_template(256, fields), data)]

    kept = peer_nfdump.take(folder / "waiting", {"127.9.1.1": datagrams})["127.9.1.1"]

    assert differences(datagrams, kept)[0] == []
    assert len(kept) == 2
    assert len(differential.decoded(datagrams, packets.SENT_S * SECONDS_NS)) == 6


def test_the_school_of_the_bench_is_read_alike(folder: Path) -> None:
    datagrams = list(wire.Flows(2028).datagrams(5000, int(time.time())))

    kept = peer_nfdump.take(folder / "bench", {"127.9.2.1": datagrams})["127.9.2.1"]

    assert len(kept) >= 5000
    assert differences(datagrams, kept) == ([], Counter())


@pytest.mark.parametrize("version", [5, 9])
def test_what_nfdump_has_stored_comes_to_us_whole(folder: Path, version: int) -> None:
    require("nfreplay", root=False)
    datagrams = list(wire.Flows(2029).datagrams(2000, int(time.time())))
    place = folder / f"replay-{version}"
    kept = peer_nfdump.take(place, {"127.9.4.1": datagrams})["127.9.4.1"]

    found = differential.decoded(peer_nfdump.replayed(place, version), time.time_ns())

    assert len(kept) >= 2000
    assert [differential.ours(row) for row, _ in found] == [
        differential.theirs(record) for record in kept
    ]


@pytest.mark.parametrize("version", [5, 7, 9, 10])
def test_random_flows_of_another_encoder_are_what_was_put_in(folder: Path, version: int) -> None:
    exporters = {f"127.9.3.{n}": scapy_flows.exporter(n, version) for n in range(1, 21)}

    kept = peer_nfdump.take(
        folder / f"scapy-{version}", {a: told.datagrams for a, told in exporters.items()}
    )

    for address, told in exporters.items():
        found = differential.decoded(told.datagrams, scapy_flows.SENT_S * SECONDS_NS)
        both = {"packets_reverse": 0, "bytes_reverse": 0}
        assert [differential.ours(row) for row, _ in found] == [{**f, **both} for f in told.flows]
        assert {row["clock"] for row, _ in found} == {"ok"}
        assert differences(told.datagrams, kept[address]) == ([], Counter())
