"""`prathu who` from outside."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from appliance.search import times
from tests.appliance.cli.asking import PUBLIC, Prathu, audited, filled, now_us, prathu_at
from tests.appliance.search.homes import MINUTE


@pytest.fixture
def prathu(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Prathu:
    filled(tmp_path)
    return prathu_at(tmp_path, capsys)


def at(minutes_ago: int) -> str:
    return times.rfc3339(now_us() - minutes_ago * MINUTE)


def test_the_answer_is_in_thai_and_english_with_what_says_so(prathu: Prathu) -> None:
    said = prathu("who", f"{PUBLIC}:40211", "--at", at(15))
    assert said.status == 0
    assert "คือ สมชาย ใจดี (somchai)" in said.out
    assert "it was สมชาย ใจดี (somchai) (" in said.out
    assert "src_ip=10.0.0.5" in said.out


def test_json_has_everything(prathu: Prathu) -> None:
    whole = json.loads(prathu("--json", "who", f"{PUBLIC}:40211", "--at", at(15)).out)
    (reading,) = whole["readings"]
    assert (whole["verdict"], reading["size"]) == ("person", 1)
    assert reading["persons"][0]["account"] == "somchai"
    assert reading["flows"][0]["nat_src_port"] == 40211


def test_before_the_sign_in_it_was_nobody(prathu: Prathu) -> None:
    said = prathu("who", "10.0.0.5", "--at", at(31))
    assert "nobody was signed in there" in said.out
    assert "it was สมชาย" not in said.out


def test_a_time_without_offset_is_read_twice(prathu: Prathu) -> None:
    local = at(15).removesuffix("+07:00")
    said = prathu("who", f"{PUBLIC}:40211", "--at", local)
    assert "read as +07:00" in said.out
    assert "read as UTC" in said.out


def test_now_is_meant_where_no_time_is_given(prathu: Prathu) -> None:
    whole = json.loads(prathu("--json", "who", "10.0.0.5").out)
    assert (whole["verdict"], whole["readings"][0]["read_as"]) == ("person", "now")


def test_the_act_is_in_the_audit_log(prathu: Prathu, tmp_path: Path) -> None:
    prathu("who", f"{PUBLIC}:40211", "--at", at(15), "--within", "90s")
    (event,) = audited(tmp_path)
    assert event["act"] == "who"
    assert event["question"].startswith(f"who {PUBLIC}:40211 --at ")
    assert event["question"].endswith("--within 90s")


@pytest.mark.parametrize(
    "arguments",
    [
        ["10.0.0"],
        ["10.0.0.1:99999"],
        ["10.0.0.1", "--at", "soon"],
        ["10.0.0.1", "--within", "long"],
        ["10.0.0.1", "--proto", "tpc"],
        ["10.0.0.1", "--dst", "example.org"],
        ["10.0.0.1", "--site", "school-c"],
    ],
)
def test_wrong_use_is_one_clear_line(prathu: Prathu, arguments: list[str]) -> None:
    said = prathu("who", *arguments)
    assert (said.status, said.out) == (2, "")
    assert len(said.err.strip().splitlines()) == 1
