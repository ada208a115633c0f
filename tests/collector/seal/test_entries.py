"""Entries and their course: one spelling, nothing unknown, nothing that does not follow."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from collector.seal import entries
from collector.seal.course import Course
from collector.seal.fault import Refused
from collector.seal.note import SigningKey
from collector.seal.tree import EMPTY
from tests.collector.seal.school import BEGIN, BOOT, HOUR, SITE

ORIGIN = f"{SITE}/ledger/2027"
HASH = "ab" * 32


def vkey(name: str, seed: int = 1) -> str:
    return SigningKey(name, bytes([seed] * 32)).vkey.text


def entry(kind: str, index: int = 0, **members: Any) -> dict[str, Any]:
    common = {"v": 1, "type": kind, "site": SITE, "index": index, "time": BEGIN, "boot": BOOT}
    return {**common, **SAMPLES[kind], **members}


SAMPLES: dict[str, dict[str, Any]] = {
    "genesis": {
        "log_vkey": vkey(ORIGIN),
        "epoch_vkey": vkey(f"{ORIGIN}/epoch"),
        "mldsa_vkey": None,
        "interval_s": 3600,
        "logs": [["demo", 3600, 0, BEGIN, 7], ["quiet", 60, 0, BEGIN, 7]],
        "software": "prathu/0.1.0",
        "previous": None,
        "approvals": [],
    },
    "segment": {
        "log": "demo",
        "seq": 0,
        "start": BEGIN,
        "end": BEGIN + HOUR,
        "event_min": str(BEGIN),
        "event_max": str(BEGIN),
        "received_max": str(BEGIN),
        "rows": 3,
        "groups": 2,
        "root": HASH,
        "schema": HASH,
        "key_commit": HASH,
        "tag_alg": "hmac",
        "spool": [7, 9],
        "file": {
            "name": f"{SITE}/demo/2027/03/04/0.parquet",
            "size": 100,
            "sha256": HASH,
        },
        "clock": {"offset_us": -3, "source": "system", "stratum": None},
        "software": "prathu/0.1.0",
    },
    "empty": {"start": BEGIN, "end": BEGIN + HOUR, "logs": [["demo", 0, 7, 9]]},
    "gap": {"start": BEGIN, "end": BEGIN + HOUR, "logs": ["demo"], "cause": "power"},
    "epoch": {"epoch": 1, "vkey": vkey(f"{ORIGIN}/epoch", 2), "broken": False, "approvals": []},
    "clock": {"offset_us": 0, "source": "system", "stratum": None, "step_us": 0},
    "hold": {
        "hold": "h1",
        "scope": [["demo", 0, 4]],
        "bundle": None,
        "until": None,
        "ref_commit": HASH,
    },
    "release": {"hold": "h1", "ref_commit": HASH},
    "destroyed": {
        "segments": [["demo", 0, HASH]],
        "policy": "90-days",
        "due": BEGIN,
        "holds_checked": 0,
        "actor": "a1",
        "second": "policy",
        "method": "unlink",
        "backups_gone_by": BEGIN,
    },
    "lost": {
        "segments": [["demo", 0, HASH]],
        "cause": "disk-fault",
        "reason_commit": HASH,
        "approvals": ["p1", "p2"],
    },
    "export": {
        "bundle": {"sha256": HASH, "size": 9},
        "request_commit": HASH,
        "rows": [["demo", 0, 3, "C1"]],
        "approver": "a1",
        "exporter": "a2",
        "recipient": "police",
    },
    "access": {
        "start": BEGIN,
        "end": BEGIN + HOUR,
        "searches": 1,
        "views": 0,
        "exports": 0,
        "signins": 2,
        "audit_seq": None,
    },
    "config": {"before": HASH, "after": HASH, "actor": "box", "logs": None},
    "anchor": {"origin": ORIGIN, "size": 4, "text_sha256": HASH, "proofs": [HASH], "renewal": None},
    "close": {"next": f"{SITE}/ledger/2028"},
}  # fmt: skip


@pytest.mark.parametrize("kind", sorted(SAMPLES))
def test_every_type_is_written_and_read_back(kind: str) -> None:
    written = entries.encode(entry(kind))
    assert entries.parse(written, index=0, site=SITE) == entry(kind)


def test_every_type_of_the_format_has_a_sample() -> None:
    assert set(SAMPLES) == set(entries.TYPES)


@pytest.mark.parametrize("kind", sorted(SAMPLES))
def test_members_missing_unknown_or_of_another_type_are_refused(kind: str) -> None:
    whole = entry(kind)
    wrong = [
        {**whole, "more": 1},
        *({k: v for k, v in whole.items() if k != name} for name in whole),
    ]
    wrong += [{**whole, name: 1.5} for name in whole]
    wrong += [{**whole, name: [[]]} for name in whole]
    wrong += [{**whole, name: True} for name in whole if whole[name] is not False]
    for bent in wrong:
        if bent.get("broken") is True and kind == "epoch":
            continue
        with pytest.raises(Refused):
            entries.encode(bent)


@pytest.mark.parametrize(
    ("members", "number"),
    [
        ({"rows": 0}, "E-17"),
        (
            {"rows": 0, "groups": 0, "event_min": None, "event_max": None, "received_max": None},
            "E-17",
        ),
        ({"groups": 0}, "E-17"),
        ({"groups": 4}, "E-17"),
        ({"event_min": None}, "E-17"),
        ({"event_max": "13569465600000000"}, "E-23"),
        ({"event_max": "01"}, "E-11"),
        ({"event_max": BEGIN}, "E-11"),
        ({"end": BEGIN - 1}, "E-01"),
        ({"start": BEGIN + 24 * HOUR, "end": BEGIN + 25 * HOUR}, "E-11"),
        ({"seq": 1}, "E-11"),
        ({"seq": 1 << 53}, "E-11"),
        ({"root": HASH.upper()}, "E-11"),
        ({"spool": [9, 7]}, "E-01"),
        ({"tag_alg": "vrf"}, "E-11"),
    ],
)
def test_a_manifest_that_cannot_be_is_refused(members: dict[str, Any], number: str) -> None:
    with pytest.raises(Refused) as refused:
        entries.encode(entry("segment", **members))
    assert refused.value.number == number


def test_a_segment_of_no_rows_has_the_empty_root() -> None:
    nothing: dict[str, Any] = {"event_min": None, "event_max": None, "received_max": None}
    entries.encode(entry("segment", rows=0, groups=0, root=EMPTY.hex(), **nothing))


@pytest.mark.parametrize(
    ("kind", "members"),
    [
        ("epoch", {"broken": True}),
        ("epoch", {"approvals": ["a", "b"]}),
        ("epoch", {"broken": True, "approvals": ["a", "a"]}),
        ("hold", {"scope": None}),
        ("destroyed", {"actor": "a1", "second": "a1"}),
        ("destroyed", {"holds_checked": 1}),
        ("gap", {"cause": "unsure"}),
        ("gap", {"logs": ["quiet", "demo"]}),
        ("empty", {"logs": []}),
        ("empty", {"logs": [["demo", 0, 9, 7]]}),
        ("genesis", {"approvals": ["a"]}),
        ("close", {"next": "elsewhere"}),
    ],
)
def test_an_entry_that_contradicts_itself_is_refused(kind: str, members: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        entries.encode(entry(kind, **members))


@pytest.mark.parametrize(
    "bend",
    [
        lambda t: t.replace('"v":1', '"v":1,"v":1'),
        lambda t: t.replace('"v":1', '"v":1.0'),
        lambda t: t.replace('"v":1', '"v": 1'),
        lambda t: t.replace('"index":0', '"index":-0'),
        lambda t: t.replace("clock", "cl\\u006fck"),
        lambda t: t + "\n",
        lambda t: "[" + t + "]",
        lambda t: t.replace('"offset_us":0', '"offset_us":1e3'),
        lambda t: t.replace('"offset_us":0', '"offset_us":NaN'),
        lambda t: json.dumps(dict(reversed(json.loads(t).items()))),
    ],
)
def test_another_spelling_of_an_entry_is_refused(bend: Any) -> None:
    text = entries.encode(entry("clock")).decode()
    assert bend(text) != text
    with pytest.raises(Refused) as refused:
        entries.parse(bend(text).encode(), index=0, site=SITE)
    assert refused.value.number == "E-11"


def test_an_entry_at_another_place_or_of_another_site_is_refused() -> None:
    data = entries.encode(entry("clock", index=4))
    for index, site in ((5, SITE), (4, "other.example")):
        with pytest.raises(Refused, match="the entry says"):
            entries.parse(data, index=index, site=site)


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_any_bytes_are_an_entry_or_refused(data: bytes) -> None:
    with pytest.raises(Refused):
        entries.parse(data, index=0, site=SITE)


@given(
    st.dictionaries(
        st.sampled_from(sorted(SAMPLES["segment"])), st.integers() | st.text() | st.none()
    )
)
def test_any_members_are_an_entry_or_refused(members: dict[str, Any]) -> None:
    with contextlib.suppress(Refused):
        data = entries.encode(entry("segment", **members))
        assert data == rfc8785.dumps(json.loads(data))


# The course.


def course(*told: dict[str, Any]) -> Course:
    taken = Course(ORIGIN)
    for index, one in enumerate((entry("genesis"), entry("clock"), *told)):
        taken.take({**one, "index": index})
    return taken


def test_intervals_and_gaps_that_tile_are_taken() -> None:
    after = course(
        entry("segment"),
        entry("gap", start=BEGIN + HOUR, end=BEGIN + 2 * HOUR),
        entry("empty", start=BEGIN + 2 * HOUR, end=BEGIN + 3 * HOUR, logs=[["demo", 1, 9, 20]]),
    )
    position = after.positions["demo"]
    assert (position.seq, position.start_us, position.spool) == (2, BEGIN + 3 * HOUR, 20)
    assert after.behind() == "quiet"


@pytest.mark.parametrize(
    ("wrong", "number"),
    [
        (entry("segment", start=BEGIN + 1), "E-01"),
        (entry("segment", seq=1), "E-01"),
        (entry("segment", spool=[8, 9]), "E-01"),
        (entry("segment", log="other"), "E-01"),
        (entry("segment", end=BEGIN + 400 * 24 * HOUR), "E-01"),
        (entry("gap", start=BEGIN - 1), "E-01"),
        (entry("empty", logs=[["demo", 0, 7, 9], ["quiet", 1, 7, 9]]), "E-01"),
        (entry("segment", clock={"offset_us": 0, "source": "ntp", "stratum": 2}), "E-23"),
        (entry("clock", time=BEGIN - 1), "E-23"),
        (entry("config", logs=[["demo", 3600, 1, BEGIN, 7]]), "E-01"),
        (entry("config", logs=[["new", 3600, 1, BEGIN, 7]]), "E-01"),
        (entry("epoch", epoch=2), "E-03"),
        (entry("epoch", vkey=vkey(f"{ORIGIN}/epoch")), "E-03"),
        (entry("epoch", vkey=vkey("other/epoch")), "E-22"),
        (entry("close", next=f"{SITE}/ledger/2027"), "E-22"),
        (entry("close", next="other.example/ledger/2028"), "E-22"),
        (entry("genesis"), "E-22"),
    ],
)
def test_what_does_not_follow_is_refused(wrong: dict[str, Any], number: str) -> None:
    with pytest.raises(Refused) as refused:
        course(wrong)
    assert refused.value.number == number


def test_a_clock_that_says_it_steps_back_may() -> None:
    assert course(entry("clock", time=BEGIN - HOUR, step_us=-HOUR)).time_us == BEGIN - HOUR


def test_nothing_comes_behind_close_and_nothing_before_genesis() -> None:
    with pytest.raises(Refused, match="behind close"):
        course(entry("close"), entry("clock"))
    with pytest.raises(Refused, match="genesis"):
        Course(ORIGIN).take(entry("clock"))


def test_an_interval_needs_a_clock_before_it() -> None:
    early = Course(ORIGIN)
    early.take(entry("genesis"))
    with pytest.raises(Refused) as refused:
        early.take(entry("segment", index=1))
    assert refused.value.number == "E-23"


def test_a_next_ledger_begins_where_the_last_ended() -> None:
    handed = course(entry("segment"), entry("close")).positions
    following = Course(f"{SITE}/ledger/2028", positions=dict(handed))
    with pytest.raises(Refused, match="demo does not stand"):
        following.take(entry("genesis"))
