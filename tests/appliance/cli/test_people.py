"""`prathu people`: accounts at the command line, each act written down."""

from __future__ import annotations

import csv
import zipfile
from pathlib import Path

import pytest

from captive_portal.database import open_database
from captive_portal.errors import Refused
from captive_portal.people.accounts import People
from captive_portal.report import SOCKET
from tests.appliance.cli.boxes import Box
from tests.captive_portal.collector_stub import CollectorStub

A = ("--site", "school-a")


@pytest.fixture
def box(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Box:
    return Box(tmp_path, capsys, monkeypatch)


def opens(box: Box, account: str, password: str) -> bool:
    engine = open_database(box.home)
    try:
        People(engine).check("school-a", account, password)
    except Refused:
        return False
    finally:
        engine.dispose()
    return True


def test_an_account_is_made_with_a_password_shown_once(box: Box) -> None:
    said = box.prathu("--json", "people", "add", "somchai", "--name", "สมชาย ใจดี", *A)
    made = said.lines()[0]
    assert (said.status, made["full_name"], made["state"]) == (0, "สมชาย ใจดี", "must change")
    assert opens(box, "SomChai", made["one_time_password"])
    listed = box.prathu("--json", "people", "list").out
    assert "somchai" in listed
    assert made["one_time_password"] not in listed


def test_every_act_is_written_down_before_it_is_done_and_no_password_with_it(box: Box) -> None:
    box.prathu("people", "add", "somchai", "--password-stdin", *A, typed="correct horse\n")
    box.prathu("people", "passwd", "somchai", "--password-stdin", *A, typed="another horse\n")
    box.prathu("people", "disable", "somchai", *A)
    box.prathu("people", "list")
    acts = box.audits()
    assert [act.target.split()[0] for act in acts] == ["add", "passwd", "disable", "list"]
    assert {act.act for act in acts} == {"people"}
    assert all(act.actor.startswith("local:") for act in acts)
    assert "horse" not in "".join(act.to_json().decode() for act in acts)


def test_the_running_box_is_told_and_without_its_word_nothing_is_done(box: Box) -> None:
    with CollectorStub(box.home / SOCKET) as stub:
        assert box.prathu("people", "add", "somchai", *A).status == 0
        assert [act.act for act in stub.audits] == ["people"]
        stub.mode = "refuse"
        said = box.prathu("people", "add", "malee", *A)
        assert (said.status, "the disk is full" in said.err) == (3, True)
    assert "malee" not in box.prathu("people", "list").out


def test_a_disabled_account_and_a_new_password(box: Box) -> None:
    box.prathu("people", "add", "somchai", "--password-stdin", *A, typed="correct horse\n")
    box.prathu("people", "passwd", "somchai", "--password-stdin", *A, typed="another horse\n")
    assert opens(box, "somchai", "another horse")
    assert box.prathu("people", "disable", "somchai", *A).status == 0
    assert not opens(box, "somchai", "another horse")
    assert "disabled" in box.prathu("people", "list").out
    said = box.prathu("people", "passwd", "somchai", *A)
    assert "somchai is disabled all the same, and cannot sign in" in said.err


def test_the_only_admin_is_not_disabled(box: Box) -> None:
    admin = ("--kind", "staff", "--role", "admin")
    assert box.prathu("people", "add", "suda", *admin, *A).status == 0
    said = box.prathu("people", "disable", "suda", *A)
    assert (said.status, said.err.count("\n")) == (2, 1)
    assert "suda is the only admin" in said.err


ROLL = "ชื่อผู้ใช้,ชื่อ-สกุล,ประเภท,ศาสนา\nmalee,มาลี ดี,นักเรียน,x\n,ไม่มี,นักเรียน,x\nkrit,กฤษ,ครู,x\n"


def test_a_roll_is_taken_in_and_its_bad_rows_named(box: Box) -> None:
    file, secrets = box.home / "roll.csv", box.home / "passwords.csv"
    file.write_text(ROLL, encoding="utf-8-sig")
    dry = box.prathu("--json", "people", "import", str(file), "--dry-run", *A)
    assert {name: count for name, count in dry.lines()[0].items() if count} == {
        "new": 2,
        "bad_rows": 1,
        "dry_run": True,
    }
    assert box.audits() == []
    said = box.prathu("--json", "people", "import", str(file), "--passwords", str(secrets), *A)
    assert (said.status, said.lines()[0]["new"]) == (1, 2)
    assert "line 3: the account name is empty" in said.err
    assert "ศาสนา" in said.err
    assert secrets.stat().st_mode & 0o077 == 0
    with secrets.open(encoding="utf-8-sig", newline="") as stream:
        made = {row["account"]: row["password"] for row in csv.DictReader(stream)}
    assert opens(box, "malee", made["malee"])
    again = box.prathu("--json", "people", "import", str(file), *A)
    assert again.lines()[0]["same"] == 2


DMC = (
    "เลขประจำตัวนักเรียน,เลขประจำตัวนักเรียน,ชั้น,ห้อง,คำนำหน้าชื่อ,ชื่อ,นามสกุล,ศาสนา,ชื่อบิดา\n"
    "1101700230700,00101,ป.4,1,ด.ช.,สมชาย,ใจดี,ลับ,ลับ\n"
    "1101700230710,00102,ป.4,1,ด.ญ.,สมหญิง,ดีใจ,ลับ,ลับ\n"
    "1.1017E+12,00103,ป.4,1,ด.ญ.,มาลี,ดีใจ,ลับ,ลับ\n"
)


def test_nothing_secret_of_a_roll_reaches_any_file_of_the_home(box: Box, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    file, bad = outside / "dmc.csv", outside / "bad.xlsx"
    file.write_text(DMC, encoding="cp874")
    said = box.prathu("people", "import", str(file), "--bad-rows", str(bad), *A)
    assert (said.status, "identifier" in said.err) == (1, True)
    box.prathu("people", "import", str(file), "--dry-run", *A)
    written = said.out + said.err
    for path in (path for path in box.home.rglob("*") if path.is_file() and path != file):
        written += path.read_bytes().decode("utf-8", "replace")
    with zipfile.ZipFile(bad) as archive:
        written += "".join(archive.read(name).decode() for name in archive.namelist())
    assert "rounded" in said.err
    assert "โปรแกรมตารางปัดเศษเลขประจำตัว" in written
    assert "สมหญิง" in written
    for secret in ("110170023", "1.1017E+12", "ลับ"):
        assert secret not in written


def test_the_whole_school_closes_who_left_and_the_next_roll_opens_it(box: Box) -> None:
    file = box.home / "roll.csv"
    file.write_text("รหัสนักเรียน,ชื่อ,ชั้น\n101,ก,ม.1/2\n102,ข,ม.1/2\n")
    assert box.prathu("--json", "people", "import", str(file), *A).lines()[0]["new"] == 2
    file.write_text("รหัสนักเรียน,ชื่อ,ชั้น\n101,ก,ม.2/2\n")
    said = box.prathu("--json", "people", "import", str(file), *A)
    assert (said.lines()[0]["left"], said.lines()[0]["closed"]) == (1, 0)
    assert "--close-left" in said.err
    said = box.prathu("--json", "people", "import", str(file), "--close-left", *A)
    assert (said.lines()[0]["left"], said.lines()[0]["closed"]) == (1, 1)
    listed = {one["account"]: one for one in box.prathu("--json", "people", "list").lines()}
    assert (listed["102"]["state"], listed["101"]["class"]) == ("disabled", "ม.2/2")


def test_a_list_of_teachers_closes_no_pupil(box: Box) -> None:
    file = box.home / "roll.csv"
    file.write_text("รหัสนักเรียน,ชื่อ,ชั้น\n101,ก,ม.1/2\n102,ข,ม.1/2\n")
    assert box.prathu("people", "import", str(file), *A).status == 0
    file.write_text("account,full_name,kind\nkrit,กฤษ ดี,ครู\n")
    said = box.prathu("--json", "people", "import", str(file), *A)
    assert (said.lines()[0]["left"], "not in the file" in said.err) == (0, False)
    for more in ((), ("--dry-run",)):
        refused = box.prathu("people", "import", str(file), "--close-left", *more, *A)
        assert (refused.status, "the file has no pupil" in refused.err) == (2, True)
    states = {
        one["account"]: one["state"] for one in box.prathu("--json", "people", "list").lines()
    }
    assert states["101"] == states["102"] == "no password"


def test_a_password_that_everybody_tries_first_is_refused(box: Box) -> None:
    box.prathu("people", "add", "somchai", *A)
    for poor, said in (("12345678", "everybody tries first"), ("somchai1", "own name")):
        wrong = box.prathu("people", "passwd", "somchai", "--password-stdin", *A, typed=f"{poor}\n")
        assert (wrong.status, said in wrong.err) == (2, True)
    assert not opens(box, "somchai", "12345678")


def test_an_account_is_closed_from_a_day_on_and_opened_again(box: Box) -> None:
    box.prathu("people", "add", "somchai", "--password-stdin", *A, typed="correct horse\n")
    assert box.prathu("people", "disable", "somchai", "--from", "31/3/2699", *A).status == 0
    assert opens(box, "somchai", "correct horse")
    assert "closed from 31 มี.ค. 2699" in box.prathu("people", "list").out
    assert box.prathu("people", "disable", "somchai", "--from", "soon", *A).status == 2
    box.prathu("people", "disable", "somchai", *A)
    assert not opens(box, "somchai", "correct horse")
    box.prathu("people", "enable", "somchai", *A)
    assert opens(box, "somchai", "correct horse")


def test_an_account_name_is_no_formula_in_the_file_of_passwords(box: Box) -> None:
    file, secrets = box.home / "roll.csv", box.home / "passwords.csv"
    formula = "=HYPERLINK(A1)"
    file.write_text(f"account,full_name\n{formula},มาลี สมมติสกุล\nplain,สมหญิง สมมติสกุล\n")
    said = box.prathu("people", "import", str(file), "--passwords", str(secrets), *A)
    assert said.status == 0
    with secrets.open(encoding="utf-8-sig", newline="") as stream:
        made = {row["account"]: row["password"] for row in csv.DictReader(stream)}
    assert set(made) == {f"'{formula}", "plain"}
    assert opens(box, formula, made[f"'{formula}"])


def test_a_file_of_passwords_is_never_written_over(box: Box) -> None:
    file = box.home / "roll.csv"
    file.write_text(ROLL)
    said = box.prathu("people", "import", str(file), "--passwords", str(file), *A)
    assert (said.status, file.read_text()) == (2, ROLL)
    assert "malee" not in box.prathu("people", "list").out


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("add", "x"), 2, "which site?"),
        (("add", "x", "--site", "nowhere"), 2, "no site nowhere"),
        (("add", "", *A), 2, "empty"),
        (("add", "x", "--kind", "shadow", *A), 2, "shadow"),
        (("passwd", "nobody", *A), 1, "no account nobody"),
        (("disable", "nobody", *A), 1, "no account nobody"),
        (("import", "/nowhere.csv", *A), 2, "cannot read /nowhere.csv"),
        (("add", "x", "--password-stdin", *A), 2, "shorter than 8"),
        (("add", "1103700000001", *A), 2, "a citizen id would be the account's name"),
        (("add", "๑๑๐๓๗๐๐๐๐๐๐๐๑", *A), 2, "a citizen id would be the account's name"),
    ],
)
def test_wrong_use_is_one_line(box: Box, words: tuple[str, ...], status: int, said: str) -> None:
    answer = box.prathu("people", *words)
    assert (answer.status, answer.err.count("\n")) == (status, 1)
    assert said in answer.err
