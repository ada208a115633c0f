"""Holds and retention at the command line, on a box that rests."""

from __future__ import annotations

import json
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pyrage import decrypt, x25519

from appliance.cli import context, hold, offline, report, retention
from collector.records import moment
from collector.seal import recovery
from collector.settings import SpoolSettings
from collector.spool import SpoolWriter
from tests.appliance.cli.boxes import Box, staff
from tests.collector.homes import flow_frame, session_frame

NOW = datetime.now(UTC).replace(microsecond=0)
"""The signing clock of the box is the real one until a test moves it."""


class Clock:
    """A clock of the command line that a test moves."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> int:
        return time.time_ns() + self.ahead // timedelta(microseconds=1) * 1000


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in (context, hold, offline, report, retention):
        monkeypatch.setattr(module, "wall_clock", clock)
    return clock


@pytest.fixture
def box(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    clock: Clock,
) -> Box:
    monkeypatch.setattr(os, "fsync", lambda _: None)
    box = Box(tmp_path, capsys, monkeypatch)
    (tmp_path / "run").mkdir()
    assert box.prathu("seal", "--now").status == 0
    with SpoolWriter(tmp_path / "spool", SpoolSettings(), clock=clock) as spool:
        last = spool.append(flow_frame(moment(clock() // 1000), 1000, 5))
        spool.wait_durable(last)
    assert box.prathu("seal", "--now").status == 0
    return box


def test_what_a_hold_keeps_survives_its_day_and_goes_when_released(box: Box, clock: Clock) -> None:
    said = box.prathu("--json", "hold", "add", "--case", "12/2569", "--log", "flows")
    assert said.status == 0, said.err
    name = said.lines()[0]["hold"]
    assert "flows" in said.out
    (row,) = box.prathu("--json", "hold", "list").lines()
    assert (row["reference"], row["logs"], row["keeps"]["rows"]) == ("12/2569", ["flows"], 5)
    assert "12/2569" in box.prathu("hold", "list").out
    clock.ahead = timedelta(days=200)
    would = box.prathu("--json", "retention", "run", "--dry-run").lines()[0]
    assert would["held"]["rows"] == 5
    assert would["would_destroy"]["segments"] > 0
    done = box.prathu("--json", "retention", "run").lines()[0]
    assert done["destroyed"] >= would["would_destroy"]["segments"]
    assert done["held"] == 1
    assert box.prathu("hold", "release", name).status == 0
    assert box.prathu("--json", "retention", "run").lines()[0]["rows"] == 5
    assert box.prathu("verify", "--deep").status == 0
    verified = box.prathu("verify").out
    assert "lawfully destroyed" in verified
    acts = {(event.act, event.target.split()[0]) for event in box.audits() if event.act != "seal"}
    assert acts <= {("hold", "list"), ("hold", "hold"), ("hold", "release"), ("retention", "run")}


def test_the_status_tells_what_is_kept_and_how_long_the_disk_lasts(box: Box) -> None:
    said = box.prathu("retention", "status")
    assert said.status == 0
    assert "flows: 180 days; oldest row" in said.out
    assert "enough for" in said.out
    told = json.loads(box.prathu("--json", "retention", "status").out)
    assert told["days"]["flows"] == 180
    assert told["forecast"]["oldest_us"] is not None
    assert told["due"]["segments"] == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--until", "2600-01-01", "--days", "3"], "--until and --days say the same thing"),
        (["--days", "731"], "a hold ends within two years"),
        (["--log", "flow"], "no log flow"),
        (["--site", "school-z"], "no site school-z"),
        (["--to", "2600-01-01"], "--to is to come"),
        (["--from", "-1d", "--to", "-2d"], "--from is not before --to"),
        (["--until", "2569-01-01"], "would end before it begins"),
        (["--days", "0"], "would end before it begins"),
    ],
)
def test_a_wrong_hold_is_refused_in_one_line(box: Box, words: list[str], told: str) -> None:
    said = box.prathu("hold", "add", "--case", "1", *words)
    assert said.status == 2
    assert told in said.err
    assert said.err.count("\n") == 1
    assert box.prathu("--json", "hold", "list").lines() == []


def test_one_person_is_kept_in_a_bundle_and_the_segments_go(box: Box, clock: Clock) -> None:
    public, paper = recovery.pair()
    (box.home / "prathu.d").mkdir()
    (box.home / "prathu.d/recovery.toml").write_text(f'[keys]\nrecovery = "{public}"\n')
    with SpoolWriter(box.home / "spool", SpoolSettings(), clock=clock) as spool:
        at = moment(clock() // 1000)
        spool.append(session_frame(at, "malee", "10.0.0.1"))
        spool.wait_durable(spool.append(flow_frame(at, 2000, 4)))
    assert box.prathu("seal", "--now").status == 0
    staff(box.home, "a1")
    words = {
        "--case": "c1", "--person": "malee", "--log": "flows", "--from": "-1d", "--to": "now",
        "--site": "school-a", "--approver": "a1", "--exporter": "e1", "--recipient": "police",
        "--request": "12/2569", "--authority": "สภ.เมือง", "--legal-basis": "s.18(2)",
    }  # fmt: skip
    said = box.prathu("prove", *(word for pair in words.items() for word in pair))
    assert said.status == 0, said.err
    said = box.prathu("--json", "hold", "person", "--case", "c1", "--days", "700")
    assert said.status == 0, said.err
    held = said.lines()[0]
    sealed = box.home / "holds" / held["hold"] / "bundle.age"
    identity = x25519.Identity.from_str(paper)
    assert (
        decrypt(sealed.read_bytes(), [identity]) == (box.home / "cases/c1/case-c1.zip").read_bytes()
    )
    clock.ahead = timedelta(days=200)
    assert box.prathu("--json", "retention", "run").lines()[0]["rows"] >= 9
    assert box.prathu("verify", "--deep").status == 0
    data = sealed.read_bytes()
    sealed.write_bytes(data[:-1] + b"x")
    assert "E-25" in box.prathu("verify").out
    assert "is not there, or is another" in box.prathu("hold", "renew", held["hold"]).err
    sealed.write_bytes(data)
    # Thirty days before its end the box asks; the renewal has the number of the new order.
    clock.ahead = timedelta(days=675)
    assert f"the hold {held['hold']} ends in 24 days" in box.prathu("hold", "list").err
    said = box.prathu("--json", "hold", "renew", held["hold"], "--case", "77/2571")
    assert said.status == 0, said.err
    (row,) = box.prathu("--json", "hold", "list").lines()
    assert (row["hold"], row["reference"]) == (said.lines()[0]["hold"], "77/2571")
    assert row["bundle"] == held["bundle"]["sha256"]
    assert not sealed.exists()
    again = box.home / "holds" / row["hold"] / "bundle.age"
    assert again.read_bytes() == data
    assert box.prathu("hold", "renew", held["hold"]).err.startswith("prathu: there is no hold")
    assert box.prathu("verify", "--deep").status == 0
    # A hold that nobody renews ends, and with it what only it kept.
    clock.ahead = timedelta(days=675 + 731)
    assert box.prathu("retention", "run").status == 0
    assert not again.exists()
    assert box.prathu("--json", "hold", "list").lines() == []
    assert box.prathu("verify").status == 0


def test_a_person_is_held_only_from_a_packed_case(box: Box) -> None:
    said = box.prathu("hold", "person", "--case", "c9")
    assert (said.status, "no key on paper" in said.err) == (2, True)
    (box.home / "prathu.d").mkdir()
    key = f'[keys]\nrecovery = "{recovery.pair()[0]}"\n'
    (box.home / "prathu.d/recovery.toml").write_text(key)
    said = box.prathu("hold", "person", "--case", "c9")
    assert (said.status, "no bundle of c9 is packed" in said.err) == (2, True)
