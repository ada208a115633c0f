"""The cases of another collector: what was on the wire, and what it read."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from collector.decode.syslog.messages import decode
from collector.receive.framing import Splitter
from collector.records import Frame, FrameKind
from collector.store.schema import EVENTS
from tests.collector.decode.syslog import golden

CASES = Path(__file__).resolve().parents[5] / "shared" / "data" / "syslog" / "telegraf"
NAMES = sorted(path.name for path in CASES.glob("*") if (path / "expected.out").is_file())
_NAMES = "appname|hostname|procid|msgid|message|facility_code|severity_code|timestamp"
_FIELD = re.compile(rf'({_NAMES})=("(?:[^"\\]|\\.)*"|[^ ,]+)')
_COLUMNS = {
    "appname": "app_name",
    "hostname": "hostname",
    "procid": "proc_id",
    "msgid": "msg_id",
    "message": "message",
    "facility_code": "facility",
    "severity_code": "severity",
}


def _messages(case: Path) -> list[bytes]:
    wire = (case / "input.txt").read_bytes()
    if "udp" in case.name:
        return [wire]
    splitter = Splitter()
    return splitter.feed(wire) + splitter.finish()


def _value(text: str) -> Any:
    if text.startswith('"'):
        return text[1:-1].replace('\\"', '"').replace("\\\\", "\\").replace("\\n", "\n")
    return int(text[:-1]) if re.fullmatch(r"\d+i", text) else text.replace("\\", "")


def _plain(value: Any) -> str:
    """Return a value as text without the blanks at its ends, which the two keep differently."""
    return "" if value is None else str(value).strip()


@pytest.mark.skipif(not NAMES, reason="no telegraf cases in ../shared/data")
@pytest.mark.parametrize("name", NAMES or ["absent"])
def test_a_case_gives_what_the_other_collector_read(name: str) -> None:
    out = (CASES / name / "expected.out").read_text(encoding="utf-8")
    expected = [line for line in re.split(r"\n(?=syslog,)", out.strip()) if line]
    messages = _messages(CASES / name)
    rows = EVENTS.table(
        decode(
            [
                Frame(kind=FrameKind.SYSLOG, site="s", received_ns=0, wire_ns=0, payload=message)
                for message in messages
            ]
        )
    ).to_pylist()
    rows = [{**row, "message": golden.message(row)} for row in rows]
    assert len(rows) >= len(expected)
    for row, line in zip(rows, expected, strict=False):
        for field, text in _FIELD.findall(line):
            if field in _COLUMNS:
                assert _plain(row[_COLUMNS[field]]) == _plain(_value(text)), field
            elif "Dec" not in row["raw"]:  # a year guessed from the day of the test, there
                assert isinstance(row["sender_time"], datetime)
                assert int(row["sender_time"].timestamp() * 1000) == int(text[:-1]) // 1_000_000
