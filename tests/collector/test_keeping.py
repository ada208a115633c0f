"""Once a day what is due goes, a hold keeps it, and nobody's name outlives what it explains."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from collector import kept
from collector.errors import CollectorError, SealError, StoreError
from collector.keeping import Keeper
from collector.pipeline import Pipeline
from collector.seal.holds import DAY_US
from collector.seal.verify import Question, Report, verify
from collector.store import segments as store
from collector.store.catalog import Catalog
from tests.collector.homes import BEGIN, Home, flow_frame, ns, session_frame

DAY = timedelta(days=1)
LONG = 180 * DAY
"""The default."""


def fill(home: Home, *, days: int = 0) -> None:
    """Seal an hour with a session and flows of it, some days after the first."""
    home.clock.now = BEGIN + days * DAY
    at = home.clock.now
    home.write([session_frame(at, f"pupil{days}", "10.0.0.1"), flow_frame(at, 1000 + days, 3)])
    home.run()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path)
    fill(home)
    return home


Ask = Callable[..., dict[str, Any]]


def asked(home: Home, **request: Any) -> dict[str, Any]:
    """Have the keeper of a home that rests do something."""
    pipeline, _ = home.start()
    try:
        keeper = Keeper(home.folder, home.settings, clock=home.clock)
        return keeper.handlers(pipeline.worker)[request["do"]](request)
    finally:
        pipeline.stop()


def hold(home: Home, name: str = "h1", **changed: Any) -> dict[str, Any]:
    """Place a hold on everything."""
    request: dict[str, Any] = {
        "do": "hold", "hold": name, "reference": "คำสั่ง 12/2569", "actor": "uid.0",
        "from_us": None, "to_us": None, "logs": [], "sites": [],
        "until_us": us(home) + 400 * DAY_US,
    }  # fmt: skip
    return asked(home, **{**request, **changed})


def us(home: Home) -> int:
    return ns(home.clock.now) // 1000


def overview(home: Home) -> dict[str, Any]:
    return kept.overview(home.folder, home.settings, us(home))


def stored(home: Home) -> set[str]:
    """Return the logs that the catalogue knows files of."""
    with Catalog.open(home.folder / "catalog.sqlite") as catalog:
        logs = {path.split("/")[2] for path in catalog.paths() if path.startswith("logs/")}
    on_disk = {path.parts[-5] for path in (home.folder / "logs").rglob("*.parquet")}
    assert logs == on_disk
    return logs


def names(home: Home) -> set[str]:
    with Catalog.open(home.folder / "catalog.sqlite") as catalog:
        return {one.account for one in catalog.persons()}


def test_what_is_due_is_destroyed_on_demand_and_its_names_are_forgotten(home: Home) -> None:
    assert {"flows", "sessions"} <= stored(home)
    home.clock.now = BEGIN + LONG - DAY
    assert overview(home)["due"]["segments"] == 0
    home.clock.now = BEGIN + LONG + DAY
    due = overview(home)["due"]
    told = asked(home, do="retention", actor="uid.0")
    assert told["destroyed"] == due["segments"] > 0
    assert (told["rows"], told["names"]) == (due["rows"], 1)
    assert "flows" not in stored(home)
    assert not list((home.folder / "rollup").rglob("*.parquet"))
    assert names(home) == set()
    assert home.findings() == []


def test_a_name_stays_while_rows_need_it(home: Home) -> None:
    fill(home, days=100)
    home.clock.now = BEGIN + LONG + DAY
    asked(home, do="retention", actor="uid.0")
    assert names(home) == {"pupil100"}
    assert overview(home)["due"]["segments"] == 0


def test_a_hold_keeps_what_is_due(home: Home) -> None:
    placed = hold(home)
    assert "flows" in {log for log, _, _ in placed["scopes"]["school-a"]}
    home.clock.now = BEGIN + LONG + DAY
    assert asked(home, do="retention", actor="uid.0")["destroyed"] == 0
    (row,) = overview(home)["holds"]
    assert (row["reference"], row["in_force"], row["ends_soon"]) == ("คำสั่ง 12/2569", True, False)
    assert row["keeps"]["segments"] == overview(home)["held_past_due"]["segments"] > 0
    asked(home, do="release", hold="h1")
    assert asked(home, do="retention", actor="uid.0")["destroyed"] > 0
    assert overview(home)["holds"] == []
    assert home.findings() == []


def test_the_ledger_commits_to_the_case_and_does_not_name_it(home: Home) -> None:
    hold(home)
    record = json.loads((home.folder / "holds/h1/hold.json").read_bytes())
    (book,) = kept.read_books(home.folder, ["school-a"]).values()
    salted = bytes.fromhex(record["salt"]) + record["reference"].encode()
    assert book.holds[0].ref_commit == hashlib.sha256(salted).hexdigest()
    entries = b"".join(p.read_bytes() for p in (home.folder / "ledger").rglob("*") if p.is_file())
    assert "คำสั่ง".encode() not in entries
    assert (home.folder / "holds/h1/hold.json").stat().st_mode & 0o777 == 0o600


def test_a_hold_of_a_log_and_a_time_keeps_nothing_else(home: Home) -> None:
    fill(home, days=10)
    later = us(home) - DAY_US
    placed = hold(home, logs=["flows"], from_us=later)
    ((log, first, last),) = placed["scopes"]["school-a"]
    assert (log, first == last, first > 0) == ("flows", True, True)


def test_a_hold_lasts_two_years_at_most_and_is_renewed_before(home: Home) -> None:
    for days in (731, 0):
        with pytest.raises(CollectorError, match="within two years"):
            hold(home, until_us=us(home) + days * DAY_US)
    hold(home, until_us=us(home) + 730 * DAY_US)
    home.clock.now = BEGIN + 705 * DAY
    assert any("hold h1 ends in 25 days" in line for line in overview(home)["alarms"])
    until = us(home) + 200 * DAY_US
    asked(home, do="renew", hold="h2", renewed="h1", until_us=until, actor="uid.0")
    (row,) = overview(home)["holds"]
    assert (row["hold"], row["until_us"], row["reference"]) == ("h2", until, "คำสั่ง 12/2569")
    assert overview(home)["alarms"] == []
    assert asked(home, do="retention", actor="uid.0")["held"] > 0


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"sites": ["school-z"]}, "no site school-z"),
        ({"to_us": 1}, "would keep nothing"),
        ({"name": "../h"}, "is no name for a hold"),
    ],
)
def test_a_hold_that_cannot_be_is_refused(home: Home, wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(CollectorError, match=told):
        hold(home, **wrong)
    assert overview(home)["holds"] == []
    with pytest.raises(CollectorError, match="there is no hold h9"):
        asked(home, do="release", hold="h9")


def daily(home: Home) -> dict[str, Any]:
    """Let the keeper look at the clock, and at what it then did."""
    pipeline, _ = home.start()
    Keeper(home.folder, home.settings, clock=home.clock).tick(pipeline.worker)
    pipeline.stop()
    return kept.state(home.folder)


def test_it_runs_by_itself_once_a_day(home: Home) -> None:
    first = daily(home)
    assert first["ran_us"] == us(home)
    home.clock.now += timedelta(hours=20)
    assert daily(home)["ran_us"] == first["ran_us"]
    home.clock.now += timedelta(hours=5)
    assert daily(home)["ran_us"] == us(home)


def test_a_clock_that_jumped_destroys_nothing_for_a_day(home: Home) -> None:
    daily(home)
    home.clock.now = BEGIN + 5 * LONG
    daily(home)
    assert "flows" in stored(home)
    assert any("nothing is destroyed for a day" in line for line in overview(home)["alarms"])
    home.clock.now = BEGIN + DAY
    home.clock.now += timedelta(minutes=20)
    daily(home)
    assert overview(home)["alarms"] == []
    assert "flows" in stored(home)
    home.clock.now = BEGIN + 5 * LONG
    daily(home)
    home.clock.now += DAY + timedelta(hours=1)
    assert daily(home)["destroyed"] > 0


def test_what_the_ledger_refuses_does_not_stop_the_collecting(
    home: Home, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise SealError("not to be signed")

    monkeypatch.setattr(Keeper, "run", refuse)
    assert daily(home)["ran_us"] == us(home)
    assert "nothing more is destroyed today: not to be signed" in caplog.text


def test_a_crash_between_catalogue_and_ledger_costs_nothing(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.clock.now = BEGIN + LONG + DAY
    pipeline, _ = home.start()

    def fail(*_: object, **__: object) -> None:
        raise StoreError("the disk is gone")

    sealer = next(iter(pipeline.worker._sealers.values()))
    monkeypatch.setattr(sealer, "destroy", fail)
    keeper = Keeper(home.folder, home.settings, clock=home.clock)
    with pytest.raises(StoreError):
        keeper.handlers(pipeline.worker)["retention"]({"do": "retention", "actor": "uid.0"})
    _let_go(pipeline)
    assert asked(home, do="retention", actor="uid.0")["destroyed"] > 0
    assert "flows" not in stored(home)
    assert home.findings() == []


def _let_go(pipeline: Pipeline) -> None:
    """End a pipeline whose worker has ended, as the death of its process does."""
    for sealer in pipeline.worker._sealers.values():
        sealer.stop()
    pipeline._catalog.close()
    pipeline._lock.release()


@pytest.fixture(autouse=True)
def roomy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever disk the tests run on."""

    class Roomy:
        total, free, used = 1000, 600, 350

    monkeypatch.setattr(shutil, "disk_usage", lambda _: Roomy)


def test_the_disk_is_told_of_and_nothing_goes_early(
    home: Home, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Full:
        total, free, used = 1000, 49, 951

    monkeypatch.setattr(shutil, "disk_usage", lambda _: Full)
    daily(home)
    assert "the disk is 95 % full" in caplog.text
    told = overview(home)
    assert told["disk_alarm"] == 5
    assert told["alarms"][0].startswith("the disk is 95 % full")
    assert "flows" in stored(home)


def verified(home: Home) -> Report:
    kek = (home.folder / "secrets" / "prathu.kek").read_bytes()
    return verify(home.folder, Question(deep=True, kek=kek), read=store.pieces)


def test_a_running_box_takes_the_word_of_two_people_on_what_is_gone(home: Home) -> None:
    def lose(**changed: Any) -> dict[str, Any]:
        request = {
            "do": "lose", "segments": [], "cause": "disk-fault", "reason": "จานเสีย",
            "actor": "uid.0", "approvals": ["p1", "p2"],
        }  # fmt: skip
        return keeper.handlers(pipeline.worker)["lose"]({**request, **changed})

    pipeline, _ = home.start()
    keeper = Keeper(home.folder, home.settings, clock=home.clock)
    try:
        with pytest.raises(SealError, match="no segment is gone"):
            lose()
        gone = next((home.folder / "logs" / "school-a" / "flows").rglob("*.parquet"))
        data = gone.read_bytes()
        gone.unlink()
        for segments in (["school-a/flows/77"], ["../../x"], ["school-a/sessions/0"]):
            with pytest.raises(SealError, match="is no segment that is gone"):
                lose(segments=segments)
        with pytest.raises(SealError, match="approvals"):
            lose(approvals=["p1"])
        assert lose(segments=[f"school-a/flows/{gone.stem}"]) == {"lost": 1}
        with pytest.raises(SealError, match="no segment is gone"):
            lose()
    finally:
        pipeline.stop()
    assert "flows" not in stored(home)
    report = verified(home)
    assert report.whole
    assert [(one.log, one.rows) for one in report.lost] == [("flows", 3)]
    gone.write_bytes(data[:-9] + b"\0" * 9)
    assert not verified(home).whole
