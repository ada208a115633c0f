"""Few flows are counted in memory, many where they lie: both say the same of any flows."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from appliance.search import times, who_flows
from appliance.search.duck import Runner
from collector.decode.addresses import key_of_source
from collector.records import Binding
from tests.appliance.search.homes import MINUTE, NOW_US, SITE, Home

PUBLIC, OTHER, INSIDE, FAR = "198.51.100.7", "198.51.100.8", "10.0.0.5", "203.0.113.9"
KEY = 198 << 24 | 51 << 16 | 100 << 8 | 7
T = NOW_US - 60 * MINUTE
PORTS = (443, 40211, None)
VIA = ("src_ip", "nat_src_ip", "src_block", "dst_ip", "nat_dst_ip", None)
PEOPLE = ("person-1", "person-2", None)
DOUBT = json.dumps([{"end": "src", "person": "person-1"}, {"end": "dst", "person": "person-2"}])


def a_flow(pick: random.Random) -> dict[str, Any]:
    """Return a row with any mixture of what a row may have, so that all rules are met."""
    at = T + pick.randrange(-8, 8) * MINUTE
    row: dict[str, Any] = {
        "time": at,
        "time_end": pick.choice((None, at, at + 3 * MINUTE)),
        "clock": pick.choice(("ok", "far", None)),
        "protocol": pick.choice((6, 17)),
        "candidates": pick.choice((None, DOUBT)),
    }
    for end in ("src", "dst"):
        row[f"{end}_ip"] = pick.choice((INSIDE, FAR, PUBLIC))
        row[f"{end}_port"] = pick.choice(PORTS)
        row[f"nat_{end}_ip"] = pick.choice((None, None, PUBLIC, OTHER, INSIDE))
        row[f"nat_{end}_port"] = row[f"nat_{end}_ip"] and pick.choice(PORTS)
    if row["nat_src_ip"] == PUBLIC:
        row["nat_key"] = KEY << 16 | (row["nat_src_port"] or 0)
    for whose in ("", "peer_"):
        row[f"{whose}via"] = pick.choice(VIA)
        row[f"{whose}person"] = person = pick.choice(PEOPLE)
        row[f"{whose}session"] = person and person.replace("person", "session")
        row[f"{whose}method"] = person and pick.choice(("portal", "radius"))
    return row


def a_question(pick: random.Random) -> dict[str, Any]:
    """Return the values of a question's statement."""
    address, port = pick.choice((PUBLIC, INSIDE, FAR)), pick.choice(PORTS)
    other = pick.choice((None, None, FAR, INSIDE))
    by_other = bool(other) and pick.random() < 0.3
    late = [
        Binding(
            site=pick.choice((SITE, "school-b")),
            address=pick.choice((INSIDE, PUBLIC)),
            start_us=T - pick.randrange(9) * MINUTE,
            end_us=T + pick.randrange(9) * MINUTE,
            person=f"late-{n}",
            session=f"late-session-{n}",
            method="accounting",
        )
        for n in range(pick.randrange(3))
    ]
    return {
        "address": address,
        "port": port,
        "key": key_of_source(KEY, port) if port and address == PUBLIC else None,
        "other": other,
        # Of a flow that only its other end finds, address and port there are looked up as a pair.
        "other_port": pick.choice((None, 443)) if other and not by_other else None,
        "proto": pick.choice((None, None, 6)),
        "by_other": by_other,
        "at": times.aware(T),
        "from": times.aware(T - 5 * MINUTE),
        "until": times.aware(T + 5 * MINUTE + 1),
        **who_flows.learnt(late),
    }


def test_few_flows_are_counted_as_many_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pick = random.Random(2569)
    home = Home(tmp_path)
    files = [home.segment(a_flow(pick) for _ in range(200)) for _ in range(2)]
    paths = [str(tmp_path / file.path) for file in files]
    counted, named_late = 0, 0
    with home.engine() as engine, engine.runner() as run:
        for _ in range(40):
            values = a_question(pick)
            here = answered(run, paths, values)
            with monkeypatch.context() as patch:
                patch.setattr(who_flows, "MAX_HITS", 0)
                assert answered(run, paths, values) == here, values
            counted += len(here[0])
            named_late += any("late=True" in group for group in here[0])
    assert counted > 300
    assert named_late > 5


def answered(
    run: Runner, paths: list[str], values: dict[str, Any]
) -> tuple[list[str], list[tuple[int, int]], list[tuple[bool, Any]], set[str]]:
    """Return groups, their order as far as it is told, and the flows shown as far as they are."""
    groups, rows = who_flows.counted(run, who_flows.find(run, paths, values), values, T)
    order = [(group.running, group.flows) for group in groups]
    nearest = [(row["running"], abs(row["time"] - values["at"])) for row in rows]
    all_told = sum(group.flows for group in groups) <= who_flows.MAX_ROWS
    shown = {str(sorted(row.items())) for row in rows} if all_told else set()
    return sorted(map(repr, groups)), order, nearest, shown
