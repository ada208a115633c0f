"""Files taken in come out of a search, with the times of the capture and the name of the file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from appliance.cli.main import run

CAPTURES = Path(__file__).resolve().parents[2] / "captures"


def prathu(home: Path, *words: str) -> int:
    """Run a command of the box and return its exit status."""
    try:
        run(["-q", "--home", str(home), *words])
    except SystemExit as end:
        return int(end.code or 0)
    return 0


@pytest.fixture
def home(tmp_path: Path) -> Path:
    assert prathu(tmp_path / "home", "init") == 0
    return tmp_path / "home"


def answers(home: Path, capsys: pytest.CaptureFixture[str], *words: str) -> list[dict[str, object]]:
    capsys.readouterr()
    assert prathu(home, "search", *words, "--format", "jsonl", "--from", "2000-01-01") == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_capture_comes_in_with_its_own_times(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert prathu(home, "ingest", str(CAPTURES / "scapy-v5.pcap"), "--log", "flows") == 0
    rows = answers(home, capsys, "*")
    assert rows
    assert {str(row["source"]).split()[0] for row in rows} == {"scapy-v5.pcap"}
    golden = [
        json.loads(line) for line in (CAPTURES / "scapy-v5.golden.jsonl").read_text().splitlines()
    ]
    assert len(rows) == len([record for record in golden if record.get("kind") != "options"])


def test_what_a_switch_counted_is_a_log_of_its_own(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert prathu(home, "ingest", str(CAPTURES / "ovs-sflow.pcap"), "--log", "flows") == 0
    counters = ("--log", "counters")
    rows = answers(home, capsys, "host:va OR host:vc", *counters)
    assert {str(row["name"]) for row in rows} == {"va", "vc"}
    assert len(rows) <= 4  # one of each in five minutes, whatever it sends
    asked = answers(home, capsys, "interface:3 AND bytes_in:>0 AND errors_in:0", *counters)
    assert {row["name"] for row in asked} == {"va"}
    assert answers(home, capsys, "text:AlignmentErrors", *counters)


def test_lines_of_a_file_become_events(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = home.parent / "router.log"
    log.write_bytes("<13>Nov 22 01:02:03 gate prog: สวัสดี\n\nno header\n".encode())
    assert prathu(home, "ingest", str(log), "--log", "events") == 0
    rows = answers(home, capsys, "*", "--log", "events")
    assert sorted(str(row["message"]) for row in rows) == ["no header", "สวัสดี"]


def test_the_same_file_twice_is_refused_unless_said(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("ingest", str(CAPTURES / "scapy-v5.pcap"), "--log", "flows")
    assert prathu(home, *words) == 0
    assert prathu(home, *words) == 2
    assert "taken before" in capsys.readouterr().err
    assert prathu(home, *words, "--again") == 0
    rows = answers(home, capsys, "*")
    assert len(rows) % 2 == 0


@pytest.mark.parametrize("content", [b"", b"root:x:0:0\n", b"\xd4\xc3\xb2\xa1short"])
def test_what_is_no_capture_is_one_clear_line(
    home: Path, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    file = home.parent / "odd"
    file.write_bytes(content)
    assert prathu(home, "ingest", str(file), "--log", "flows") == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
