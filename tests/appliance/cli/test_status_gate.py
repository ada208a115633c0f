"""The gate in `prathu status`: nothing where there is none, and plain words where it fails."""

from __future__ import annotations

import tomllib
from pathlib import Path

from appliance.cli import status_gate
from appliance.settings import BoxSettings
from tests.integration.gate_school import SETTINGS

SITE = '[[sites]]\nid = "school-a"\n'


def test_a_box_beside_says_nothing_of_a_gate(tmp_path: Path) -> None:
    settings = BoxSettings.model_validate(tomllib.loads(SITE))
    assert status_gate.read(tmp_path, settings) is None
    assert list(status_gate.lines(None)) == []


def test_a_gate_that_does_not_run_is_told(tmp_path: Path) -> None:
    settings = BoxSettings.model_validate(tomllib.loads(SITE + SETTINGS))
    ((name, text),) = status_gate.lines(status_gate.read(tmp_path, settings))
    assert name == "gate"
    assert text.startswith("DOES NOT ANSWER: nobody listens")


def test_what_was_stopped_is_told_by_reason() -> None:
    record = {
        "passes": 1200,
        "daemons": {"dnsmasq-pupils": False},
        "dropped": {"refused": [5, 300], "dot": [0, 0]},
        "mended": 1,
        "failed": 0,
        "adverts": {"sent": 3, "failed": 2},
        "pools": {"pupils": [3800, 4041], "staff-room": [3, 200]},
    }
    told = [text for _, text in status_gate.lines(record)]
    assert told[0] == "1,200 sessions are in"
    assert told[1].startswith("NOT RUNNING: dnsmasq-pupils")
    assert told[2].startswith("ZONE pupils: 3,800 of 4,041 addresses are lent")
    assert told[3] == "5 packets stopped: before sign-in"
    assert "mended" in told[4]
    assert told[5].startswith("2 router advertisements could not be sent")
    assert len(told) == 6


def test_claims_that_were_not_believed_are_told() -> None:
    told = {"alarms": 3, "untold": 0, "refused": 2100, "waiting": 2048, "doubted": {}}
    first, second = (text for _, text in status_gate.claims(told))
    assert first.startswith("3 times two devices claimed one address")
    assert second.startswith("2,100 claims of addresses not believed")
    assert list(status_gate.claims({})) == []
