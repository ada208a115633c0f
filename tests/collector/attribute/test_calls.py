"""A hello's name goes to its very connection; compared with a search row by row."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.attribute import calls as calling
from collector.attribute.calls import NEAR_US, Call, Calls, Pair, Side
from collector.records import Rows

T = 1_795_338_000_000_000
S = 1_000_000
DEVICE, WEB = "10.0.0.5", "203.0.113.9"
_TEXT = pa.dictionary(pa.int32(), pa.string())
Flow = tuple[str | None, int | None, str | None, int | None, int | None, int, int | None, int]
"""Source, its port, destination, its port, protocol, begin, end, frame."""


def rows(flows: list[Flow]) -> Rows:
    src, sport, dst, dport, protocol, begin, end, frame = zip(*flows, strict=True)
    time = pa.timestamp("us", tz="UTC")
    columns: dict[str, Any] = {
        "src_ip": pa.array(src, pa.string()).dictionary_encode().cast(_TEXT),
        "dst_ip": pa.array(dst, pa.string()).dictionary_encode().cast(_TEXT),
        "src_port": pa.array(sport, pa.int32()),
        "dst_port": pa.array(dport, pa.int32()),
        "protocol": pa.array(protocol, pa.int32()),
        "time": pa.array(begin, pa.int64()).cast(time),
        "time_end": pa.array(end, pa.int64()).cast(time),
    }
    return Rows(log="flows", site="school-a", columns=columns, frame=np.array(frame, np.int64))


def found(calls: Calls, flows: list[Flow]) -> list[str | None]:
    words: dict[str, int] = {}
    codes = calls.looked_up(Side.of(rows(flows), "src", "dst"), words)
    names = [*words, None]
    return [names[code] for code in codes.tolist()]


def flow(port: int = 50_000, begin: int = T, end: int | None = None, frame: int = 9) -> Flow:
    return DEVICE, port, WEB, 443, 6, begin, end, frame


def hello(name: str, time: int = T, port: int = 50_000, protocol: int = 6, frame: int = 5) -> Call:
    return Call(time, port, 443, protocol, name, frame)


def test_only_the_connection_itself_gets_the_name() -> None:
    calls = Calls()
    calls.learn((DEVICE, WEB), hello("one"))
    other: Flow = (DEVICE, 50_000, WEB, 443, 17, T, None, 9)
    nothing: Flow = (None, None, WEB, None, None, T, None, 9)
    assert found(calls, [flow(), flow(50_001), other, nothing]) == ["one", None, None, None]


def test_a_port_that_is_used_again_gets_the_name_of_its_time() -> None:
    calls = Calls()
    calls.learn((DEVICE, WEB), hello("one", T + S))
    calls.learn((DEVICE, WEB), hello("two", T + 100 * S))
    flows = [flow(begin=T, end=T + 20 * S), flow(begin=T + 99 * S), flow(begin=T + 50 * S)]
    assert found(calls, flows) == ["one", "two", None]
    assert found(calls, [flow(begin=T + S + NEAR_US), flow(begin=T + S + NEAR_US + 1)]) == [
        "one",
        None,
    ]


def test_an_answer_that_the_nat_passes_on_is_of_the_device_behind_it() -> None:
    calls = Calls()
    calls.learn((DEVICE, WEB), hello("one"))
    public: Flow = (WEB, 443, "198.51.100.7", 61_000, 6, T, None, 9)
    plain = rows([public, public])
    inside: dict[str, Any] = {
        "nat_dst_ip": pa.array([DEVICE, None], pa.string()).dictionary_encode().cast(_TEXT),
        "nat_dst_port": pa.array([50_000, None], pa.int32()),
    }
    flows = replace(plain, columns={**plain.columns, **inside})
    assert calls.looked_up(Side.of(flows, "dst", "src"), {}).tolist() == [0, -1]


def test_what_a_later_frame_tells_is_not_known_yet() -> None:
    calls = Calls()
    calls.learn((DEVICE, WEB), hello("one", T, frame=1))
    calls.learn((DEVICE, WEB), hello("two", T + 1, frame=7))
    flows = [flow(frame=0), flow(frame=1), flow(frame=6), flow(frame=7)]
    assert found(calls, flows) == [None, "one", "one", "two"]


def test_only_so_many_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calling, "MOST_CALLS", 10)
    monkeypatch.setattr(calling, "EACH", 4)
    calls = Calls()
    for number in range(30):
        calls.learn((f"10.0.0.{number // 6}", WEB), hello(str(number), T + number))
    plain = calls.plain()
    assert [(pair, len(some)) for pair, _, some in plain] == [("10.0.0.3", 4), ("10.0.0.4", 4)]
    assert Calls.from_plain(json.loads(json.dumps(plain))).plain() == plain


IPS = st.sampled_from([DEVICE, "10.0.0.6", WEB])
PORTS = st.sampled_from([443, 50_000])
PROTOCOLS = st.sampled_from([6, 17])
TIMES = st.integers(0, 6).map(lambda n: T + n * NEAR_US // 2)
HELLOS = st.tuples(IPS, IPS, TIMES, PORTS, PORTS, PROTOCOLS, st.integers(0, 3))
FLOWS = st.tuples(
    st.none() | IPS, st.none() | PORTS, st.none() | IPS, PORTS, PROTOCOLS, TIMES,
    st.none() | TIMES, st.integers(0, 3),
)  # fmt: skip


@given(st.lists(HELLOS, max_size=8), st.lists(FLOWS, min_size=1, max_size=12))
def test_the_columns_agree_with_row_by_row(
    hellos: list[tuple[str, str, int, int, int, int, int]], flows: list[Flow]
) -> None:
    calls = Calls()
    learnt: list[tuple[Pair, Call]] = []
    for number, (client, server, time, client_port, port, protocol, frame) in enumerate(hellos):
        call = Call(time, client_port, port, protocol, str(number), frame)
        calls.learn((client, server), call)
        learnt.append(((client, server), call))

    def naive(one: Flow) -> set[tuple[int, int]]:
        src, sport, dst, dport, protocol, begin, end, frame = one
        last = max(begin, begin if end is None else end)
        return {
            (call.time_us, call.frame)
            for pair, call in learnt
            if pair == (src, dst)
            and (call.client_port, call.port, call.protocol) == (sport, dport, protocol)
            and begin - NEAR_US <= call.time_us <= last + NEAR_US
            and call.frame <= frame
        }

    for one, name in zip(flows, found(calls, flows), strict=True):
        fits = naive(one)
        assert (name is None) == (not fits)
        if name is not None:
            call = learnt[int(name)][1]
            assert (call.time_us, call.frame) == max(fits)
