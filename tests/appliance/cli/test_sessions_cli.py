"""`prathu sessions`: who is on, and sessions taken in from a file."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import update

from appliance.cli import sessions_file
from appliance.cli.sessions_file import PastSession, read
from appliance.errors import WrongUse
from captive_portal.database import open_database
from captive_portal.report import SOCKET
from captive_portal.sessions.rows import SessionRow
from tests.appliance.cli.boxes import Box
from tests.captive_portal.collector_stub import CollectorStub

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
HEAD = "site,person,address,mac,nas,method,start,stop\n"
FILE = (
    HEAD
    + "school-a,somchai,10.0.0.5,02-00-00-00-00-05,ap-1,accounting,"
    + "2026-11-21T10:00,2026-11-21T11:00\n"
    + "school-a,สมหญิง,10.0.0.6 2001:DB8::6,,,,2569-11-21T10:00:00+07:00,\n"
    + "school-b,somchai,10.0.0.5,,,portal,2026-11-21T03:00Z,2026-11-21T04:00Z\n"
)


@pytest.fixture
def box(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Box:
    return Box(tmp_path, capsys, monkeypatch)


def taken(box: Box, text: str = FILE) -> Path:
    file = box.home / "sessions.csv"
    file.write_text(text, encoding="utf-8-sig")
    return file


def test_sessions_are_told_to_the_spool_of_a_box_that_is_down(box: Box) -> None:
    file = taken(box)
    said = box.prathu("--json", "sessions", "import", str(file))
    assert said.lines() == [{"sessions": 3, "bad_rows": 0, "dry_run": False}]
    events = box.sessions()
    assert [(e.site, e.account, e.event, e.method) for e in events] == [
        ("school-a", "somchai", "start", "accounting"),
        ("school-a", "somchai", "stop", "accounting"),
        ("school-a", "สมหญิง", "start", "import"),
        ("school-b", "somchai", "start", "portal"),
        ("school-b", "somchai", "stop", "portal"),
    ]
    assert events[1].time == datetime(2026, 11, 21, 4, tzinfo=UTC)
    assert events[2].addresses == ("10.0.0.6", "2001:db8::6")
    assert events[2].start == datetime(2026, 11, 21, 3, tzinfo=UTC)
    assert events[2].expires is not None
    assert events[0].person != events[3].person
    assert [act.act for act in box.audits()] == ["sessions import"]


def test_the_same_file_twice_changes_nothing(box: Box) -> None:
    file = taken(box)
    for _ in range(2):
        assert box.prathu("sessions", "import", str(file)).status == 0
    assert len(box.sessions()) == 5


def test_a_running_box_is_told_over_its_socket(box: Box) -> None:
    with CollectorStub(box.home / SOCKET) as stub:
        assert box.prathu("sessions", "import", str(taken(box))).status == 0
        assert len(stub.sessions) == 5
        stub.mode = "refuse"
        said = box.prathu("sessions", "import", str(taken(box)))
        assert (said.status, "the disk is full" in said.err) == (3, True)
    assert box.sessions() == []


def test_who_is_on_is_shown_and_the_look_written_down(box: Box) -> None:
    box.prathu("sessions", "import", str(taken(box)))
    live = box.prathu("--json", "sessions", "--live").lines()
    assert [(one["account"], one["addresses"]) for one in live] == [
        ("สมหญิง", "10.0.0.6 2001:db8::6")
    ]
    assert len(box.prathu("--json", "sessions").lines()) == 3
    assert [act.target for act in box.audits()][1:] == ["live, 1 shown", "latest, 3 shown"]


def test_where_nobody_is_on_it_says_where_else_to_look(box: Box) -> None:
    said = box.prathu("sessions", "--live")
    assert said.status == 0
    assert said.err == "no session here; what others reported: prathu search '*' --log sessions\n"
    assert box.prathu("-q", "sessions").err == ""


def test_a_dry_run_does_nothing(box: Box) -> None:
    said = box.prathu("--json", "sessions", "import", str(taken(box)), "--dry-run")
    assert said.lines()[0]["dry_run"] is True
    assert box.sessions() == []
    assert not (box.home / "database" / "session.key").exists()


def faults(rows: str) -> list[str]:
    found = read(HEAD + rows, sites={"school-a", "school-b"}, now=NOW)
    return [one for one in found if isinstance(one, str)]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("nowhere,a,10.0.0.1,,,,-1h,", "no site 'nowhere'"),
        (",a,10.0.0.1,,,,-1h,", "no site ''"),
        ("school-a,,10.0.0.1,,,,-1h,", "account name is empty"),
        ("school-a,a,,,,,-1h,", "no address"),
        ("school-a,a,300.0.0.1,,,,-1h,", "300.0.0.1"),
        ("school-a,a,10.0.0.1,zz,,,-1h,", "'zz' is not a MAC"),
        ("school-a,a,10.0.0.1,,,magic,-1h,", "no method 'magic'"),
        ("school-a,a,10.0.0.1,,,,soon,", "soon"),
        ("school-a,a,10.0.0.1,,,,-1h,-2h", "before it starts"),
        ("school-a,a,10.0.0.1,,,,2570-01-01,", "yet to come"),
    ],
)
def test_a_bad_row_is_named_by_its_line_and_the_others_are_read(row: str, said: str) -> None:
    good = "school-a,ok,10.0.0.1,,,,-1h,\n"
    found = list(read(HEAD + good + row + "\n" + good, sites={"school-a", "b"}, now=NOW))
    assert [isinstance(one, PastSession) for one in found] == [True, False, True]
    assert len(faults(good + row + "\n")) == 1
    assert faults(good + row + "\n")[0].startswith("line 3: ")
    assert said in faults(good + row + "\n")[0]


@pytest.mark.parametrize("text", ["", "person\nx\n", HEAD.replace("nas", "nass"), HEAD + '"x'])
def test_a_file_that_is_not_one_is_refused_in_a_line(text: str) -> None:
    with pytest.raises(WrongUse, match=r"line \d"):
        list(read(text, sites={"school-a"}, now=NOW))


def test_rows_past_the_bound_are_refused(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions_file, "MAX_ROWS", 2)
    said = box.prathu("sessions", "import", str(taken(box)))
    assert (said.status, said.err.strip().count("\n")) == (2, 0)
    assert "more than 2 rows; split the file" in said.err
    assert box.sessions() == []


def test_a_bad_row_cannot_speak_to_the_terminal(box: Box) -> None:
    row = "school-a,somchai,10.0.0.5,\x1b]0;owned\x07,,,2026-11-21T10:00,\n"
    said = box.prathu("sessions", "import", str(taken(box, HEAD + row)))
    assert (said.status, "\x1b" in said.err, r"owned\x07" in said.err) == (1, False, True)


def test_a_session_is_kicked_without_the_box(box: Box) -> None:
    box.prathu("sessions", "import", str(taken(box)))
    (live,) = box.prathu("--json", "sessions", "--live").lines()
    assert (live["zone"], live["group"], live["bytes_in"]) == ("", "", None)
    (said,) = box.prathu("--json", "kick", live["session"][:8]).lines()
    assert said == {"session": live["session"], "account": "สมหญิง"}
    assert box.prathu("--json", "sessions", "--live").lines() == []
    last = box.sessions()[-1]
    assert (last.event, last.cause, str(last.session)) == ("stop", "Admin-Reset", live["session"])
    assert [act.act for act in box.audits()][-2:] == ["kick", "sessions"]
    again = box.prathu("kick", live["session"])
    assert (again.status, "is over since" in again.err) == (3, True)
    assert re.search(r"is over since \S+T\d\d:\d\d:\d\d\+07:00\n", again.err)


def test_a_kick_that_nobody_at_the_gate_hears_is_not_done(box: Box) -> None:
    box.prathu("sessions", "import", str(taken(box)))
    engine = open_database(box.home)
    with engine.begin() as db:
        db.execute(update(SessionRow).values(serial=7, mac="00:00:5e:00:53:01"))
    engine.dispose()
    (live,) = box.prathu("--json", "sessions", "--live").lines()
    assert re.fullmatch(r"\S+T\d\d:\d\d:\d\d\+07:00", live["start"])
    said = box.prathu("--json", "kick", live["session"])
    assert (said.status, said.lines()[0]["gate"].partition(";")[0]) == (3, "not reached")
    assert "its device may go on until gate and NAS are told; prathu up" in said.err
    assert box.prathu("--json", "sessions", "--live").lines() == []


@pytest.mark.parametrize("word", ["", "abc", "nobody", "00000000", "*"])
def test_a_kick_of_nobody_is_one_line(box: Box, word: str) -> None:
    said = box.prathu("kick", word)
    assert said.status == 3
    assert said.err.startswith("prathu: no session has an id that begins")
    assert len(said.err.splitlines()) == 1
