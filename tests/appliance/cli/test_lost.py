"""A segment is lost: what can still be proven is proven, and bundles say what they leave out."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from collector.records import moment
from collector.settings import SpoolSettings
from collector.spool import SpoolWriter
from tests.appliance.cli import test_hold
from tests.appliance.cli.boxes import PASSWORD, Box, staff
from tests.collector.homes import flow_frame, session_frame
from tests.conftest import REPO

clock, box = test_hold.clock, test_hold.box
VERIFIER = REPO / "packaging" / "verify" / "verify_bundle.py"
CASE = {
    "--person": "malee", "--log": "flows", "--from": "-1d", "--to": "now", "--site": "school-a",
    "--approver": "a1", "--exporter": "e1", "--recipient": "police", "--request": "12/2569",
}  # fmt: skip


def prove(box: Box, case: str) -> Any:
    words = [word for pair in CASE.items() for word in pair]
    return box.prathu("--json", "prove", "--case", case, *words)


@pytest.fixture
def sealed(box: Box, clock: test_hold.Clock) -> Box:
    """Return a box with a second hour, in which malee was there, and two people of the staff."""
    staff(box.home, "mayuree", "somsak", "a1", password=PASSWORD)
    clock.ahead += timedelta(minutes=5)
    with SpoolWriter(box.home / "spool", SpoolSettings(), clock=clock) as spool:
        at = moment(clock() // 1000)
        spool.append(session_frame(at, "malee", "10.0.0.1"))
        spool.wait_durable(spool.append(flow_frame(at, 2000, 4)))
    assert box.prathu("seal", "--now").status == 0
    return box


def test_a_bundle_is_made_without_what_is_lost_and_bears_the_word_of_two_people(
    sealed: Box, tmp_path: Path
) -> None:
    flows = sorted((sealed.home / "logs" / "school-a" / "flows").rglob("*.parquet"))
    assert len(flows) == 2
    flows[0].unlink()
    assert prove(sealed, "c1").status == 3
    two = ("--approve", "mayuree", "--approve", "somsak", "--site", "school-a")
    said = sealed.prathu(
        "retention", "lost", "--all", "--reason", "disk", *two, typed=f"{PASSWORD}\n" * 2
    )
    assert said.status == 0, said.err
    said = prove(sealed, "c2")
    assert said.status == 0, said.err
    assert said.lines()[0]["lost"] == 1
    path = sealed.home / "cases" / "c2" / "case-c2.zip"
    with zipfile.ZipFile(path) as bundle:
        entries = [bundle.read(n) for n in bundle.namelist() if n.startswith("entries/")]
    assert sum(b'"type":"lost"' in entry for entry in entries) == 1
    policy = tmp_path / "policy"
    policy.write_text(sealed.prathu("keys", "policy").out)
    checked = sealed.prathu("verify-bundle", str(path), "--policy", str(policy))
    assert checked.status == 0, checked.out + checked.err
    alone = [sys.executable, str(VERIFIER), str(path), "--policy", str(policy)]
    told = subprocess.run(alone, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout + told.stderr
    assert "not shown" in told.stdout
