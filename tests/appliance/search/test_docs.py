"""What the pages about searching say is run as it stands there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import duckdb
import pytest

from appliance.search import question as questions
from appliance.search.fields import FIELDS
from appliance.search.question import Asked
from tests.appliance.cli.asking import filled, prathu_at
from tests.appliance.search.homes import NOW_US, Home, flow
from tests.appliance.search.test_question import Directory
from tests.conftest import REPO

SEARCHING = (REPO / "docs" / "searching.md").read_text(encoding="utf-8")
SEALED = (REPO / "docs" / "reading-sealed-files.md").read_text(encoding="utf-8")
HALF_PAST_TWO = NOW_US - 91 * 60_000_000
SESSION = "00000000-0000-4000-9000-000000000001"


def blocks(page: str, kind: str) -> list[tuple[str, str]]:
    found = re.findall(rf"^```{kind}(?: (\w+))?\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    return [(word, text) for word, text in found]


QUESTIONS = [
    (log or "flows", line)
    for log, text in blocks(SEARCHING, "question")
    for line in text.splitlines()
]
COMMANDS = [
    line for _, text in blocks(SEARCHING, "sh") for line in text.splitlines() if line.strip()
]


@pytest.mark.parametrize(("log", "text"), QUESTIONS)
def test_every_question_on_the_page_can_be_asked(log: str, text: str) -> None:
    asked = Asked(log=log, start_us=0, end_us=NOW_US)
    assert not questions.parse(text, asked, Directory(), now_us=NOW_US).notes


@pytest.mark.parametrize(
    "field", re.findall(r"`(\w+)`", SEARCHING.split("| field |")[1].split("\n\n")[0])
)
def test_every_field_on_the_page_is_one(field: str) -> None:
    known = FIELDS["flows"].keys() | {"tcp", "udp", "icmp"}
    assert field in known or re.fullmatch(r"\d+Mi?B", field)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_on_the_page_runs(
    command: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:

    filled(tmp_path)
    monkeypatch.chdir(tmp_path)
    said = prathu_at(tmp_path, capsys)(*shlex.split(command)[1:])
    assert said.status == 0, said.err


def test_the_statements_for_auditors_run_on_a_folder_of_segments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _sealed(tmp_path)
    monkeypatch.chdir(tmp_path)
    with duckdb.connect() as auditor:
        answers = [
            auditor.execute(text).to_arrow_table().to_pylist() for _, text in blocks(SEALED, "sql")
        ]
    files, _, _, who, signed_in, late, gaps, acts, lines, parsed, _ = answers
    assert files[0]["rows"] == 2
    assert [(row["full_name"], row["certainty"]) for row in who] == [("สมชาย ใจดี", "sure")]
    assert signed_in[0]["full_name"] == "สมชาย ใจดี"
    assert [(r["full_name"], r["how"]) for r in late] == [("สมชาย ใจดี", "learnt after sealing")]
    assert (gaps[0]["kind"], gaps[0]["lost"]) == ("sequence-gap", 5)
    assert acts[0]["actor"] == "local:admin"
    assert lines[0]["message"] == "Failed password for root"
    assert [(row["account"], row["rule"]) for row in parsed] == [("somchai", "5")]
    assert (tmp_path / "flows.csv").read_text().count("\n") == 3


def _sealed(path: Path) -> None:
    home, at = Home(path), HALF_PAST_TWO
    whose = {"person": "p-1", "session": SESSION, "via": "src_ip", "certainty": "sure"}
    natted = {"nat_src_ip": "198.51.100.7", "nat_src_port": 40211}
    home.segment(
        [
            flow(at, "10.0.0.5", "203.0.113.9", **natted, **whose),
            flow(at + 1, "10.0.0.5", "203.0.113.9"),
        ]
    )
    told = {"session": SESSION, "person": "p-1", "ip": "10.0.0.5", "account": "somchai"}
    start = {"time": at - 60, "start": at - 60, "event": "start", "full_name": "สมชาย ใจดี"}
    home.segment([{**told, **start}], log="sessions")
    gap = {"time": at, "time_end": at, "kind": "sequence-gap", "lost": 5, "unit": "records"}
    home.segment([gap], log="coverage")
    home.segment([{"time": at, "actor": "local:admin", "act": "who"}], log="audit")
    parsed = {"account": "somchai", "fields": '{"rule":"5"}', "raw": "…"}
    failed = {"raw": "<38>sshd: Failed password for root", "message_at": 10}
    home.segment([{"time": at, **failed}, {"time": at, **parsed}], log="events")
