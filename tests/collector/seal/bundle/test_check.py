"""Good bundles are valid, whatever is asked; what nobody vouches for is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from collector.seal import policy
from collector.seal.bundle import history
from collector.seal.bundle.check import Result, Trust, check
from collector.seal.bundle.subject import Subject, keep_subject
from tests.collector.seal.bundle import packing
from tests.collector.seal.school import BEGIN, HOUR, SITE


def checked(path: Path, policy_path: Path | None) -> Result:
    believed = None if policy_path is None else policy.parse(policy_path.read_text())
    return check(path, Trust(policy=believed))


ORDERS: dict[str, dict[str, Any]] = {
    "a person": {},
    "with the details left out": {"withhold": ["demo"]},
    "all groups": {"levels": {"demo": "C2"}},
    "nobody's rows, two logs": {"levels": {"demo": "C1", "plain": "C1"}},
    "a window": {"levels": {"demo": "C0"}, "window": (BEGIN, BEGIN + 400)},
    "rows found": {
        "levels": {"demo": "C0", "plain": "C0"},
        "rows": {f"{SITE}/demo/0": [(0, 1), (5, 17), (20, 21)], f"{SITE}/plain/2": [(3, 5)]},
    },
    "somebody who was not there": {"subject": "p-9999"},
    "a quiet log": {"levels": {"quiet": "C1"}},
    "the second hour": {"from_us": BEGIN + HOUR, "to_us": BEGIN + HOUR + 1},
}


@pytest.mark.parametrize("what", ORDERS)
def test_what_is_packed_is_valid(tmp_path: Path, what: str) -> None:
    school = packing.school(tmp_path / "home")
    packed = packing.packed(school, packing.order(school, **ORDERS[what]), tmp_path / "case.zip")
    result = checked(tmp_path / "case.zip", packing.policy(school, tmp_path / "policy"))
    assert (result.number, result.failure) == (None, None)
    assert result.rows == sum(packed.rows.values())
    valid = {s.id: (s.level, s.rows) for s in result.segments if s.state == "valid"}
    assert valid == {name: (packed.levels[name], packed.rows[name]) for name in packed.levels}


def test_without_a_policy_nothing_is_valid(tmp_path: Path) -> None:
    school = packing.school(tmp_path / "home")
    packing.packed(school, packing.order(school), tmp_path / "case.zip")
    assert checked(tmp_path / "case.zip", None).number == "E-06"
    other = packing.Pupils(tmp_path / "other", seed=9)
    other.start()
    other.sealer.stop()
    assert checked(tmp_path / "case.zip", packing.policy(other, tmp_path / "p")).number == "E-03"


def test_one_person_is_kept_by_themselves(tmp_path: Path) -> None:
    school = packing.school(tmp_path / "home")
    wanted = Subject(
        hold="h20270304-aa", site=SITE, subject="p-0002", logs=("demo",), from_us=BEGIN,
        to_us=school.now_us, actor="uid.1000",
    )  # fmt: skip
    kept = keep_subject(
        school.home,
        wanted,
        keys=packing.keys_of(school),
        out=tmp_path / "bundle.zip",
        now_us=school.now_us,
    )
    result = checked(tmp_path / "bundle.zip", packing.policy(school, tmp_path / "policy"))
    assert result.valid
    assert len([s for s in result.segments if s.level == "C1"]) == len(kept.levels) == 2


def test_what_was_lawfully_destroyed_is_told_and_the_rest_is_shown(tmp_path: Path) -> None:
    school = packing.school(tmp_path / "home")
    wanted = packing.order(school)
    (manifest,) = [
        entry
        for chapter in history.freeze(school.home, wanted, school.now_us)[1]
        for entry in chapter.told.values()
        if entry["type"] == "segment" and entry["seq"] == 0
    ]
    school.now_us += 91 * 24 * HOUR
    sealer = school.start()
    sealer.destroy(
        {
            "type": "destroyed", "segments": [["demo", 0, manifest["root"]]],
            "policy": "retention", "due": school.now_us, "holds_checked": sealer.size,
            "actor": "box", "second": "policy", "method": "unlink",
            "backups_gone_by": school.now_us,
        }
    )  # fmt: skip
    sealer.stop()
    packed = packing.packed(school, wanted, tmp_path / "case.zip")
    assert packed.destroyed == [f"{SITE}/demo/0"]
    result = checked(tmp_path / "case.zip", packing.policy(school, tmp_path / "policy"))
    assert (result.number, result.failure) == (None, None)
    states = {segment.id: segment.state for segment in result.segments}
    assert states == {f"{SITE}/demo/0": "destroyed", f"{SITE}/demo/2": "valid"}
