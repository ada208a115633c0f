"""Two schools with the same private addresses on one box never see each other's people."""

from __future__ import annotations

import csv
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.integration.box import PORTS, Box, free_ports, loopback_settings
from tests.integration.load import netflow5
from tests.integration.machine import Machine, wait_for

ADDRESS = "10.21.0.1"
"""The address of the flow whose byte counter is 1, at both schools (`netflow5`)."""
COLUMNS = ("site", "person", "address", "mac", "nas", "method", "start", "stop")


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    folder: Path = tmp_path_factory.mktemp("two-sites")
    with Machine(folder) as machine:
        box = Box(machine, folder / "home")
        ports = free_ports(*PORTS, "school_b")
        box.init(site="school-a", settings=loopback_settings(ports, more=_school_b(ports)))
        box.up()
        _sign_in(box, folder / "sessions.csv", {"school-a": "anong", "school-b": "boonmee"})
        for port in (ports["flows"], ports["school_b"]):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
                wire.sendto(netflow5(1, 0, int(time.time())), ("127.0.0.1", port))
        wait_for("both datagrams", lambda: len(_flows(box, "*")) == 20)
        yield box


def test_each_flow_names_the_person_of_its_own_school(box: Box) -> None:
    rows = _flows(box, f"src:{ADDRESS}")
    assert {(row["site"], row["account"]) for row in rows} == {
        ("school-a", "anong"), ("school-b", "boonmee"),
    }  # fmt: skip


@pytest.mark.parametrize(("site", "person"), [("school-a", "anong"), ("school-b", "boonmee")])
def test_who_answers_for_the_school_that_is_asked(box: Box, site: str, person: str) -> None:
    at = _flows(box, f"src:{ADDRESS} AND site:{site}")[0]["time"]
    [answer] = box.rows("who", f"{ADDRESS}:40000", "--at", at, "--site", site)
    [reading] = answer["readings"]
    assert reading["verdict"] == "person"
    assert [suspect["account"] for suspect in reading["persons"]] == [person]


def test_who_gives_candidates_and_no_name_when_no_school_is_asked(box: Box) -> None:
    at = _flows(box, f"src:{ADDRESS}")[0]["time"]
    [answer] = box.rows("who", f"{ADDRESS}:40000", "--at", at)
    [reading] = answer["readings"]
    assert reading["verdict"] == "candidates"
    assert {s["site"]: s["account"] for s in reading["persons"]} == {
        "school-a": "anong", "school-b": "boonmee",
    }  # fmt: skip


def test_each_school_has_a_ledger_of_its_own_and_both_are_whole(box: Box) -> None:
    box.prathu("seal", "--now")
    ledgers = {path.parent.name for path in (box.home / "ledger").glob("*/2*") if path.is_dir()}
    assert ledgers == {"school-a", "school-b"}
    box.prathu("verify", "--deep")


def _school_b(ports: dict[str, int]) -> str:
    return f"""
[[sites]]
id = "school-b"

[[exporters]]
address = "127.0.0.1"
port = {ports["school_b"]}
site = "school-b"
"""


def _sign_in(box: Box, path: Path, people: dict[str, str]) -> None:
    start = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    with path.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out)
        writer.writerow(COLUMNS)
        for site, person in people.items():
            writer.writerow([site, person, ADDRESS, "", "", "import", start, ""])
    box.prathu("sessions", "import", str(path))


def _flows(box: Box, question: str) -> list[dict[str, Any]]:
    return box.rows("search", question, "--from", "-2h", "--format", "jsonl")
