"""Flows get the name under which their device found the far end, and no other."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.attribute import hosts as hosting
from collector.attribute.calls import Call
from collector.attribute.hosts import EACH, EARLY_US, HOLDS_US, LATE_US, LONGEST_US, Hosts
from collector.records import Rows

T = 1_795_338_000_000_000
S = 1_000_000
WEB, OTHER = "203.0.113.9", "203.0.113.10"
_TEXT = pa.dictionary(pa.int32(), pa.string())


def flows(*rows: tuple[str | None, str | None, int], host: list[str | None] | None = None) -> Rows:
    src, dst, time = zip(*rows, strict=True)
    columns: dict[str, Any] = {
        "src_ip": pa.array(src, pa.string()).dictionary_encode().cast(_TEXT),
        "dst_ip": pa.array(dst, pa.string()).dictionary_encode().cast(_TEXT),
        "time": pa.array(time, pa.int64()).cast(pa.timestamp("us", tz="UTC")),
    }
    if host is not None:
        columns["host"] = pa.array(host, pa.string()).dictionary_encode().cast(_TEXT)
    return Rows(log="flows", site="school-a", columns=columns, frame=np.arange(len(rows)))


def named(hosts: Hosts, *rows: tuple[str | None, str | None, int]) -> list[str | None]:
    found = hosts.named(flows(*rows)).columns.get("host")
    return [None] * len(rows) if found is None else found.to_pylist()


def test_a_flow_in_either_direction_gets_the_name() -> None:
    hosts = Hosts()
    hosts.learn((T, "10.0.0.5", "www.example.org", WEB), 0)
    there, back = ("10.0.0.5", WEB, T + S), (WEB, "10.0.0.5", T + S)
    others = [
        ("10.0.0.6", WEB, T + S),
        ("10.0.0.5", OTHER, T + S),
        (None, WEB, T),
        ("10.0.0.5", None, T),
    ]
    assert named(hosts, there, back, *others) == ["www.example.org"] * 2 + [None] * 4


def test_a_name_holds_from_its_answer_until_it_is_old_or_another_comes() -> None:
    hosts = Hosts()
    hosts.learn((T, "10.0.0.5", "one.example.org", WEB), 0)
    hosts.learn((T + 600 * S, "10.0.0.5", "two.example.org", WEB), 0)
    times = [T - EARLY_US - 1, T - EARLY_US, T + 60 * S, T + 700 * S, T + 600 * S + HOLDS_US]
    one, two = "one.example.org", "two.example.org"
    assert named(hosts, *(("10.0.0.5", WEB, at) for at in times)) == [None, one, one, two, None]


def test_an_answer_heard_again_holds_longer_but_not_over_a_gap() -> None:
    hosts = Hosts()
    for at in (T, T + HOLDS_US // 2, T + 4 * HOLDS_US):
        hosts.learn((at, "10.0.0.5", "www.example.org", WEB), 0)
    times = [T + S, T + HOLDS_US + S, T + 2 * HOLDS_US, T + 4 * HOLDS_US]
    found = named(hosts, *(("10.0.0.5", WEB, at) for at in times))
    assert [name is not None for name in found] == [True, True, False, True]


def test_an_answer_with_a_ttl_holds_as_long_and_a_little_longer() -> None:
    hosts = Hosts()
    hosts.learn((T, "10.0.0.5", "one.example.org", WEB), 0, ttl=60)
    hosts.learn((T + 600 * S, "10.0.0.5", "two.example.org", WEB), 0, ttl=1 << 31)
    times = [T + 60 * S, T + 60 * S + LATE_US, T + 601 * S, T + 599 * S + LONGEST_US]
    found = named(hosts, *(("10.0.0.5", WEB, at) for at in times))
    assert found == ["one.example.org", None, "two.example.org", "two.example.org"]


def test_an_answer_that_holds_long_is_not_cut_by_a_later_one_of_the_same_name() -> None:
    hosts = Hosts()
    hosts.learn((T, "10.0.0.5", "www.example.org", WEB), 0, ttl=600)
    hosts.learn((T + 10 * S, "10.0.0.5", "www.example.org", WEB), 0, ttl=1)
    assert named(hosts, ("10.0.0.5", WEB, T + 500 * S)) == ["www.example.org"]


def test_a_connection_that_began_with_a_name_has_that_one_and_others_the_answer() -> None:
    hosts = Hosts()
    hosts.learn((T, "10.0.0.5", "www.example.org", WEB), 0)
    hosts.calls.learn(("10.0.0.5", WEB), Call(T + S, 50_000, 443, 6, "called.example.org", 0))
    rows = flows(("10.0.0.5", WEB, T + S), (WEB, "10.0.0.5", T + S), ("10.0.0.5", WEB, T + S))
    columns: dict[str, Any] = {
        "src_port": pa.array([50_000, 443, 50_001], pa.int32()),
        "dst_port": pa.array([443, 50_000, 443], pa.int32()),
        "protocol": pa.array([6, 6, 6], pa.int32()),
    }
    found = hosts.named(replace(rows, columns={**rows.columns, **columns})).columns["host"]
    assert found.to_pylist() == ["called.example.org"] * 2 + ["www.example.org"]
    again = Hosts.from_plain(json.loads(json.dumps(hosts.plain())))
    assert again.plain() == hosts.plain()


def test_a_name_that_the_exporter_told_stays() -> None:
    hosts = Hosts()
    hosts.learn((T, "10.0.0.5", "www.example.org", WEB), 0)
    rows = flows(("10.0.0.5", WEB, T), ("10.0.0.5", WEB, T), host=["told.example.org", None])
    assert hosts.named(rows).columns["host"].to_pylist() == ["told.example.org", "www.example.org"]


def test_only_so_many_pairs_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosting, "MOST_PAIRS", 3)
    hosts = Hosts()
    for i in range(5):
        for name in range(EACH + 2):
            hosts.learn((T + name, f"10.0.0.{i}", f"{name}.example.org", WEB), 0)
    hosts.asked("1 10.0.0.5/7", "www.example.org", alias=True)
    plain = hosts.plain()
    assert [pair[0] for pair in plain["pairs"]] == ["10.0.0.2", "10.0.0.3", "10.0.0.4"]
    assert {len(pair[2]) for pair in plain["pairs"]} == {EACH}
    assert Hosts.from_plain(json.loads(json.dumps(plain))).plain() == plain


def test_a_device_that_asks_for_very_many_names_makes_those_of_no_other_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hosting, "MOST_PAIRS", 100)
    monkeypatch.setattr(hosting, "MOST_OF_ONE", 10)
    hosts = Hosts()
    hosts.learn((T, "10.0.0.5", "www.example.org", WEB), 0)
    for i in range(1000):
        hosts.learn((T, "10.0.0.66", "x.example.org", f"198.51.{i >> 8}.{i & 255}"), 1 + i)
    assert hosts.named(flows(("10.0.0.5", WEB, T))).columns["host"].to_pylist() == [
        "www.example.org"
    ]
    plain = hosts.plain()
    assert len(plain["pairs"]) == 11
    assert Hosts.from_plain(json.loads(json.dumps(plain))).plain() == plain


def test_an_answer_behind_aliases_is_of_the_name_that_was_asked_for() -> None:
    hosts = Hosts()
    assert hosts.asked("1 10.0.0.5/7", "www.example.org", alias=True) == "www.example.org"
    assert hosts.asked("1 10.0.0.5/7", "cdn.example.net", alias=True) == "www.example.org"
    assert hosts.asked("1 10.0.0.5/7", "edge.example.net", alias=False) == "www.example.org"
    assert hosts.asked("2 10.0.0.5/7", "edge.example.net", alias=False) == "edge.example.net"
    for number in range(hosting.MOST_QUESTIONS):
        hosts.asked(f"{number} 10.0.0.6/7", "x.example.org", alias=True)
    assert hosts.asked("1 10.0.0.5/7", "edge.example.net", alias=False) == "edge.example.net"


IPS = st.sampled_from(["10.0.0.5", "10.0.0.6", WEB, OTHER])
AT = st.integers(0, 20).map(lambda n: T + n * HOLDS_US // 8)
ANSWERS = st.lists(st.tuples(AT, IPS, st.sampled_from("ab"), IPS), max_size=EACH)


@given(ANSWERS, st.lists(st.tuples(IPS, IPS, AT), min_size=1, max_size=12))
def test_the_columns_agree_with_row_by_row(
    answers: list[tuple[int, str, str, str]], rows: list[tuple[str, str, int]]
) -> None:
    hosts = Hosts()
    for answer in sorted(answers):
        hosts.learn(answer, 0)

    def naive(near: str, far: str, at: int) -> str | None:
        fits = [
            (time, name)
            for time, client, name, ip in sorted(answers)
            if (client, ip) == (near, far) and time - EARLY_US <= at < time + HOLDS_US
        ]
        return max(fits)[1] if fits else None

    found = named(hosts, *rows)
    for (src, dst, at), name in zip(rows, found, strict=True):
        assert (name is None) == ((naive(src, dst, at) or naive(dst, src, at)) is None)
