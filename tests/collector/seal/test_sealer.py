"""The sealer from outside: what it writes, and what it refuses."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from collector import durable
from collector.errors import Busy, SealError, StoreError
from collector.seal import ledger, tiles
from collector.seal.chain import ClockState
from collector.seal.course import Position
from collector.seal.fault import Refused
from collector.seal.staging import Parquet
from tests.collector.seal import checking
from tests.collector.seal.school import BEGIN, DAY, DEMO, HOUR, SITE, School, read, table, write

NEW_YEAR_EVE = int(datetime(2027, 12, 31, 22, 30, tzinfo=UTC).timestamp()) * 1_000_000
NEW_YEAR = NEW_YEAR_EVE + HOUR * 3 // 2


@pytest.fixture
def school(tmp_path: Path) -> Iterator[School]:
    made = School(tmp_path)
    made.start()
    yield made
    made.sealer.stop()


def entries_of(home: Path, year: str = "2027") -> list[dict[str, Any]]:
    folder = home / "ledger" / SITE / year
    size = json.loads((folder / "state").read_bytes())["size"]
    reader = tiles.Tiles(folder, size)
    return [json.loads(e) for n in range(-(-size // 256)) for e in reader.entries(n)]


def types_of(home: Path, year: str = "2027") -> list[str]:
    return [entry["type"] for entry in entries_of(home, year)]


def test_an_hour_is_one_commit_of_what_had_rows_and_what_had_none(school: School) -> None:
    sealed = school.hour(12)
    assert [(s.log, s.seq, s.rows) for s in sealed] == [("demo", 0, 12), ("quiet", 0, 0)]
    assert sealed[0].path == f"logs/{SITE}/demo/2027/03/04/0.parquet"
    assert sealed[0].manifest is not None
    assert sealed[0].manifest["spool"] == [0, 12]
    assert read(school.home / sealed[0].path)[0].num_rows == 12
    assert sealed[1].path is None
    assert types_of(school.home) == ["genesis", "clock", "clock", "segment", "empty"]
    assert checking.verify(school.home).whole


def test_the_file_has_the_rows_in_the_order_of_the_tree(school: School) -> None:
    path = school.hour(30)[0].path
    assert path is not None
    (found,) = read(school.home / path)
    arrived = table(30, BEGIN)
    wanted = sorted(map(str, arrived.to_pylist()))
    assert sorted(map(str, found.to_pylist())) == wanted
    people = found["person"].to_pylist()
    changes = sum(a != b for a, b in pairwise(people))
    assert changes == len(set(people)) - 1


def test_positions_go_on_and_say_what_to_skip(school: School) -> None:
    school.hour(12)
    school.hour(0)
    position = school.sealer.position("demo")
    assert position == Position(interval_s=3600, seq=2, start_us=BEGIN + 2 * HOUR, spool=12)
    assert school.start().position("demo") == position
    with pytest.raises(SealError, match="other"):
        school.sealer.position("other")


def test_a_full_log_may_close_before_the_others(school: School) -> None:
    school.now_us += HOUR // 2
    school.sealer.seal([school.interval("demo", 9)])
    school.hour(4, step_us=HOUR // 2)
    assert school.sealer.position("demo").seq == 2
    assert school.sealer.position("quiet").seq == 1
    assert checking.verify(school.home).whole


@pytest.mark.parametrize(
    "bend", [{"start_us": BEGIN + 1}, {"spool_from": 1}, {"document": None}, {"end_us": BEGIN - 1},
             {"end_us": BEGIN + 400 * DAY}, {"rows": lambda: table(5).drop_columns(["mac"])},
             {"document": {**DEMO, "version": 2, "core": DEMO["core"][:-1]}}]
)  # fmt: skip
def test_what_does_not_go_on_is_refused_and_leaves_nothing(
    school: School, bend: dict[str, Any]
) -> None:
    before = entries_of(school.home)
    school.now_us += HOUR
    whole = school.interval("demo", 5)
    with pytest.raises(SealError):
        school.sealer.seal([replace(whole, **bend)])
    assert entries_of(school.home) == before
    assert list((school.home / "stage" / SITE).iterdir()) == []
    assert checking.verify(school.home).whole
    school.sealer.seal([whole, school.interval("quiet", 0)])
    assert checking.verify(school.home).whole


def test_the_same_hour_gives_the_same_bytes_again(tmp_path: Path) -> None:
    trees = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        made = School(tmp_path / name)
        made.start()
        made.hour()
        made.sealer.stop()
        files = sorted(p for p in (tmp_path / name).rglob("*") if p.is_file())
        trees.append({
            str(p.relative_to(tmp_path / name)): hashlib.sha256(p.read_bytes()).hexdigest()
            for p in files if p.suffix != ".lock"
        })  # fmt: skip
    assert trees[0] == trees[1]


def test_two_sealers_at_once_are_one_too_many(school: School) -> None:
    with pytest.raises(Busy):
        school.another().start()
    school.hour()
    school.sealer.stop()
    other = school.another()
    other.start()
    other.stop()


def test_the_time_the_box_was_off_is_a_gap(school: School) -> None:
    school.hour()
    school.now_us += 5 * HOUR
    school.start(cause="power")
    gaps = [e for e in entries_of(school.home) if e["type"] == "gap"]
    assert [(g["start"], g["end"], g["logs"], g["cause"]) for g in gaps] == [
        (BEGIN + HOUR, BEGIN + 6 * HOUR, ["demo", "quiet"], "power")
    ]
    school.hour()
    assert checking.verify(school.home).whole


def test_logs_that_ended_apart_have_gaps_apart(school: School) -> None:
    school.now_us += HOUR // 2
    school.sealer.seal([school.interval("demo", 9)])
    school.now_us += HOUR
    school.start()
    gaps = [(e["logs"], e["start"]) for e in entries_of(school.home) if e["type"] == "gap"]
    assert gaps == [(["quiet"], BEGIN), (["demo"], BEGIN + HOUR // 2)]
    assert checking.verify(school.home).whole


def test_each_day_has_its_epoch_key_and_the_old_one_is_gone(school: School) -> None:
    secret = school.home / "secrets" / f"prathu.epoch.{SITE}"
    first = secret.read_bytes()
    for _ in range(2):
        school.hour(2, step_us=DAY)
    epochs = [e for e in entries_of(school.home) if e["type"] == "epoch"]
    assert [(e["epoch"], e["broken"]) for e in epochs] == [(1, False), (2, False)]
    assert secret.read_bytes() != first
    assert not any(first in p.read_bytes() for p in school.home.rglob("*") if p.is_file())
    handed = school.home / "ledger" / SITE / "2027" / "checkpoints" / str(epochs[0]["index"] + 1)
    names = [line.split()[1] for line in handed.read_text().splitlines()[4:]]
    assert names == [f"{SITE}/ledger/2027", *[f"{SITE}/ledger/2027/epoch"] * 2]
    assert checking.verify(school.home).whole


@pytest.mark.parametrize("step_us", [-DAY, DAY])
def test_a_clock_that_steps_by_a_day_does_not_stop_sealing(school: School, step_us: int) -> None:
    school.hour()
    school.now_us += step_us
    school.hour()
    school.now_us -= step_us
    school.hour()
    found = entries_of(school.home)
    steps = [e["step_us"] for e in found if e["type"] == "clock" and e["step_us"]]
    assert len(steps) == 1
    assert steps[0] < 0
    assert [e["seq"] for e in found if e["type"] == "segment"] == [0, 1, 2]
    assert checking.verify(school.home).whole
    school.start()
    assert checking.verify(school.home).whole


def test_another_clock_source_is_told_before_its_intervals(school: School) -> None:
    school.sealer.tell_clock(ClockState(source="ntp", offset_us=120, stratum=3), step_us=20_000)
    sealed = school.hour()
    assert sealed[0].manifest is not None
    assert sealed[0].manifest["clock"] == {"offset_us": 120, "source": "ntp", "stratum": 3}
    assert checking.verify(school.home).whole


def test_a_year_is_closed_and_the_next_begins_where_it_ended(tmp_path: Path) -> None:
    school = School(tmp_path, begin_us=NEW_YEAR_EVE)
    school.start()
    school.hour()
    school.hour(step_us=HOUR // 2)
    assert school.now_us == NEW_YEAR
    assert types_of(tmp_path)[-1] == "close"
    school.hour()
    assert types_of(tmp_path, "2028")[:2] == ["genesis", "clock"]
    genesis = entries_of(tmp_path, "2028")[0]
    assert genesis["previous"] == (tmp_path / "ledger" / SITE / "2027" / "checkpoint").read_text()
    assert [row[2] for row in genesis["logs"]] == [2, 2]
    assert school.sealer.origin == f"{SITE}/ledger/2028"
    assert checking.verify(tmp_path).whole
    school.now_us += 3 * HOUR
    school.start()
    assert checking.verify(tmp_path).whole


def test_an_interval_across_the_year_is_refused_with_the_place_to_cut(tmp_path: Path) -> None:
    school = School(tmp_path, begin_us=NEW_YEAR_EVE)
    school.start()
    assert school.sealer.latest_end_us("demo") == NEW_YEAR
    school.now_us += 2 * HOUR
    with pytest.raises(Refused) as refused:
        school.sealer.seal([school.interval("demo", 3, end_us=NEW_YEAR + 1)])
    assert refused.value.number == "E-01"
    school.sealer.seal([school.interval("demo", 3)])
    with pytest.raises(SealError):
        school.sealer.seal([replace(school.interval("demo", 3), end_us=NEW_YEAR + HOUR)])
    school.sealer.seal([school.interval("quiet", 0)])
    school.sealer.seal([school.interval("demo", 3, end_us=NEW_YEAR + HOUR)])
    assert checking.verify(tmp_path).whole


def test_a_box_that_slept_over_new_year_closes_the_year(tmp_path: Path) -> None:
    school = School(tmp_path, begin_us=NEW_YEAR_EVE)
    school.start()
    school.hour()
    school.now_us += 800 * DAY
    school.start()
    assert school.sealer.origin == f"{SITE}/ledger/2030"
    school.hour()
    assert checking.verify(tmp_path).whole


def test_a_lost_epoch_key_needs_two_people(school: School) -> None:
    school.hour()
    (school.home / "secrets" / f"prathu.epoch.{SITE}").write_bytes(b"damaged")
    with pytest.raises(SealError, match="epoch key"):
        school.start()
    with pytest.raises(SealError, match="two people"):
        school.start(approvals=("a", "a"))
    school.start(approvals=("a1", "b2"))
    school.hour()
    report = checking.verify(school.home)
    assert report.whole
    assert "epoch key was lost" in report.notes[0]


def test_a_lost_log_key_needs_two_people_and_a_second_ledger(school: School) -> None:
    school.hour()
    (school.home / "secrets" / f"prathu.log.{SITE}").unlink()
    with pytest.raises(SealError, match="log key"):
        school.start()
    for number in (2, 3):
        school.start(approvals=("a1", "b2"))
        assert school.sealer.origin == f"{SITE}/ledger/2027-{number}"
        school.hour()
        school.sealer.stop()
        (school.home / "secrets" / f"prathu.log.{SITE}").unlink()
    report = checking.verify(school.home)
    assert report.whole
    assert len([n for n in report.notes if "log key was lost" in n]) == 2


def test_logs_may_come_change_and_end(school: School) -> None:
    school.hour()
    school.logs = (("demo", 600), ("later", 60))
    school.now_us += HOUR
    school.start(spool=50)
    assert school.sealer.position("later") == Position(
        interval_s=60, seq=0, start_us=school.now_us, spool=50
    )
    assert school.sealer.position("demo").interval_s == 600
    with pytest.raises(SealError):
        school.sealer.position("quiet")
    school.hour(step_us=HOUR // 6)
    assert checking.verify(school.home).whole


def test_what_people_did_is_counted_beside_the_interval(school: School) -> None:
    school.now_us += HOUR
    batch = [school.interval("demo", 3), school.interval("quiet", 0)]
    school.sealer.seal(batch, access={"searches": 4, "signins": 1})
    last = entries_of(school.home)[-1]
    assert (last["type"], last["searches"], last["signins"], last["views"]) == ("access", 4, 1, 0)
    assert last["audit_seq"] is None
    assert checking.verify(school.home).whole


class Liar:
    """A disk that gives other rows back, `times` over."""

    def __init__(self, times: int) -> None:
        self.times = times

    def __call__(self, path: Path) -> list[pa.Table]:
        (rows,) = read(path)
        if self.times:
            self.times -= 1
            rows = rows.set_column(4, "port", pa.array([1] * rows.num_rows, pa.int32()))
        return [rows]


@pytest.mark.parametrize("times", [1, 2])
def test_what_is_read_back_otherwise_is_kept_apart_and_written_again(
    school: School, times: int
) -> None:
    school.sealer._parquet = Parquet(write=write, read=Liar(times))
    school.sealer._segments._parquet = school.sealer._parquet
    if times == 2:
        with pytest.raises(SealError, match="read back"):
            school.hour()
    else:
        assert school.hour()[0].rows == 8
    assert len(school.sealer.alarms) == times
    assert len(list((school.home / "quarantine").iterdir())) == times
    assert checking.verify(school.home).whole


@pytest.mark.parametrize("name", [".parquet", ".ring", "tile", "plan.json", "checkpoints"])
def test_a_failed_fsync_is_raised_and_the_next_start_mends_it(
    school: School, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def fail(point: str) -> None:
        if point.startswith("fsync") and name in point:
            raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(durable, "fault", fail)
        with pytest.raises(StoreError, match="Input/output error"):
            school.hour()
    school.start()
    school.hour()
    assert checking.verify(school.home).whole


def test_an_entry_without_its_segment_stops_the_sealer(school: School) -> None:
    path = school.hour()[0].path
    assert path is not None
    (school.home / path).unlink()
    with pytest.raises(SealError, match=r"0\.parquet is in the ledger but not on the disk"):
        school.start()


def test_a_file_in_the_place_of_the_next_segment_is_moved_away(school: School) -> None:
    school.hour()
    odd = school.home / f"logs/{SITE}/demo/2027/03/04/1.parquet"
    odd.write_bytes(b"who put this here?")
    school.start()
    assert "has no entry" in school.sealer.alarms[0]
    assert not odd.exists()
    school.hour()
    assert checking.verify(school.home).whole


@pytest.mark.parametrize("name", ["state", "checkpoint"])
def test_an_old_copy_put_back_stops_the_sealer(school: School, name: str) -> None:
    folder = school.home / "ledger" / SITE / "2027"
    school.hour()
    kept = (folder / name).read_bytes()
    school.hour()
    (folder / name).write_bytes(kept)
    if name == "checkpoint":
        school.start()  # as after a crash before it was published
        assert checking.verify(school.home).whole
        return
    with pytest.raises(SealError, match="old copy"):
        school.start()


def test_a_ledger_that_lost_its_state_or_tiles_is_not_begun_again(school: School) -> None:
    folder = school.home / "ledger" / SITE / "2027"
    kept = (folder / "state").read_bytes()
    (folder / "state").unlink()
    with pytest.raises(SealError, match="state is missing"):
        school.start()
    (folder / "state").write_bytes(kept)
    shutil.rmtree(folder / "tile" / "0")
    with pytest.raises(Refused, match="is missing"):
        school.start()


def test_nobody_else_may_write_the_state(school: School) -> None:
    folder = school.home / "ledger" / SITE / "2027"
    (folder / "state").write_bytes(ledger.NOTHING.text)
    with pytest.raises(SealError, match="somebody else"):
        school.hour()


def test_old_partial_tiles_go(school: School) -> None:
    for _ in range(4):
        school.hour(2)
    partial = list((school.home / "ledger").rglob("*.p/*"))
    assert len(partial) == 2
