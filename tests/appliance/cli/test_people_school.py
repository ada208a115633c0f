"""The yearly step, slips, groups, calendar, bonus, vouchers, devices, one's own data: as verbs."""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from captive_portal.database import open_database
from captive_portal.errors import Refused
from captive_portal.people import dates
from captive_portal.people.accounts import People
from captive_portal.people.devices import Devices
from tests.appliance.cli.boxes import Box

A = ("--site", "school-a")
ROLL = "รหัสนักเรียน,ชื่อ,นามสกุล,ชั้น,ห้อง\n101,สมชาย,ใจดี,ม.1,2\n102,สมหญิง,ดีใจ,ม.1,2\n103,มานะ,อดทน,ม.3,1\n"


@pytest.fixture
def box(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Box:
    box = Box(tmp_path, capsys, monkeypatch)
    (tmp_path / "roll.csv").write_text(ROLL)
    assert box.prathu("people", "import", str(tmp_path / "roll.csv"), *A).status == 0
    assert box.prathu("people", "add", "kru", "--kind", "teacher", *A).status == 0
    return box


def opens(box: Box, account: str, password: str) -> bool:
    engine = open_database(box.home)
    try:
        People(engine).check("school-a", account, password)
    except Refused:
        return False
    finally:
        engine.dispose()
    return True


def classes(box: Box) -> dict[str, str]:
    listed = box.prathu("--json", "people", "list").lines()
    return {one["account"]: one["state"] and one["class"] for one in listed}


def test_the_yearly_step_is_shown_done_and_undone(box: Box) -> None:
    before = classes(box)
    said = box.prathu("--json", "people", "promote", *A)
    assert said.lines() == [
        {"class": "ม.1/2", "becomes": "ม.2/2", "pupils": 2},
        {"class": "ม.3/1", "becomes": "leaves", "pupils": 1},
    ]
    assert "nothing was changed" in said.err
    assert classes(box) == before
    assert box.prathu("people", "promote", "--do", *A).status == 0
    assert classes(box)["101"] == "ม.2/2"
    assert box.prathu("people", "promote", "--do", *A).status == 3
    assert box.prathu("--json", "people", "promote", "--undo", *A).lines()[0]["put_back"] == 3
    assert classes(box) == before


def test_slips_are_written_once_and_open_the_accounts(box: Box, tmp_path: Path) -> None:
    out = tmp_path / "slips.html"
    said = box.prathu(
        "--json", "people", "slips", "--grade", "ม.1", "--room", "2", "--out", str(out), *A
    )
    assert said.lines()[0]["slips"] == 2
    assert out.stat().st_mode & 0o077 == 0
    words = re.findall(r"<dd>(.*?)</dd>", html.unescape(out.read_text()))
    assert words[0] == "101"
    assert opens(box, "101", words[1])
    assert opens(box, "102", words[3])
    assert "<link" not in out.read_text()
    assert words[1] not in "".join(act.target for act in box.audits())
    again = box.prathu("people", "slips", "--grade", "ม.1", "--out", str(out), *A)
    assert (again.status, "name a new file" in again.err) == (2, True)
    empty = box.prathu("people", "slips", "--grade", "ป.1", "--out", str(out) + "2", *A)
    assert (empty.status, "no pupil is in ป.1" in empty.err) == (3, True)


def test_a_class_with_passwords_of_its_own_needs_all(box: Box, tmp_path: Path) -> None:
    with (box.home / "prathu.toml").open() as settings:
        named = settings.read().replace('id = "school-a"', 'id = "school-a"\nname = "โรงเรียน ก"')
    (box.home / "prathu.toml").write_text(named)
    engine = open_database(box.home)
    people = People(engine)
    for account in ("101", "102"):
        found = people.find("school-a", account)
        assert found is not None
        people.set_password(found.id, "correct horse")
    engine.dispose()
    out = tmp_path / "slips.html"
    slips = ("people", "slips", "--grade", "ม.1", "--out", str(out), *A)
    refused = box.prathu(*slips)
    assert "all 2 pupils have a password of their own" in refused.err
    assert "prathu people slips --all gives them new ones" in refused.err
    assert box.prathu(*slips, "--all").status == 0
    assert "<title>โรงเรียน ก ม.1</title>" in out.read_text()


def test_groups_and_days_in_words(box: Box) -> None:
    made = box.prathu(
        *("--json", "groups", "set", "นักเรียน", "kind=pupil", "devices=2"),
        *("hours=จ-ศ 07:30-16:30", *A),
    )
    assert made.lines()[0]["hours"] == "mon-fri 07:30-16:30"
    box.prathu("groups", "set", "นักเรียน", "devices=", *A)
    listed = box.prathu("--json", "groups", "list").lines()
    assert [(g["name"], g["devices"], g["kind"]) for g in listed] == [("นักเรียน", "", "pupil")]
    assert box.prathu("people", "group", "kru", "นักเรียน", *A).status == 0
    wrong = box.prathu("groups", "set", "นักเรียน", "hours=ตลอด", *A)
    assert (wrong.status, wrong.err.count("\n")) == (2, 1)
    assert box.prathu("groups", "set", "นักเรียน", "devices", *A).status == 2
    assert box.prathu("people", "group", "kru", "ไม่มี", *A).status == 2

    assert box.prathu("calendar", "set", "5/12/2569", "holiday", "วันพ่อแห่งชาติ", *A).status == 0
    day = box.prathu("--json", "calendar", "list", *A).lines()[0]
    assert (day["day"], day["date"], day["kind"]) == ("2026-12-05", "5 ธ.ค. 2569", "holiday")
    assert box.prathu("calendar", "drop", "2026-12-05", *A).status == 0
    assert box.prathu("calendar", "list", *A).out.count("\n") <= 1
    assert box.prathu("calendar", "set", "5/12/2569", "party", *A).status == 2
    assert box.prathu("calendar", "set", "31/2/2569", "holiday", *A).status == 2


def test_vouchers_are_shown_once_and_taken_back(box: Box, tmp_path: Path) -> None:
    made = box.prathu(
        *("--json", "voucher", "make", "--sponsor", "kru", "--for", "วิทยากร สมมติ"),
        *("--count", "1", "--minutes", "90", *A),
    )
    codes = [one["code"] for one in made.lines()]
    assert [one["for"] for one in made.lines()] == ["วิทยากร สมมติ", ""]
    listed = box.prathu("--json", "voucher", "list").lines()
    assert sorted(one["for"] for one in listed) == ["", "วิทยากร สมมติ"]
    assert {one["state"] for one in listed} == {"new"}
    assert not [code for code in codes if code in box.prathu("--json", "voucher", "list").out]
    revoked = box.prathu("--json", "voucher", "revoke", listed[0]["batch"])
    assert revoked.lines()[0]["revoked"] == 2
    assert box.prathu("voucher", "revoke", "00000000-0000-4000-8000-000000000000").status == 1
    out = tmp_path / "v.html"
    sheet = box.prathu("voucher", "make", "--sponsor", "kru", "--for", "ก", "--out", str(out), *A)
    assert (sheet.status, "<svg" in out.read_text()) == (0, False)
    assert not [code for code in codes if code in "".join(act.target for act in box.audits())]
    for wrong, said in (
        (("--sponsor", "101", "--for", "ก"), "cannot answer for guests"),
        (("--sponsor", "kru"), "say --for NAME, or --count N"),
        (("--sponsor", "kru", "--count", "1", "--minutes", "-5"), "--minutes"),
        (("--sponsor", "kru", "--count", "1", "--minutes", "9" * 12), "a year at most"),
        (("--sponsor", "kru", "--count", "100000000"), "--count"),
        (("--sponsor", "kru", "--count", "1", "--until", "31/2/2569"), "is no date"),
    ):
        answer = box.prathu("voucher", "make", *wrong, *A)
        assert (answer.status, said in answer.err, answer.err.count("\n")) == (2, True, 1)
    none = box.prathu("voucher", "revoke", "zzz")
    assert (none.status, none.err) == (
        1,
        "prathu: no voucher has the id 'zzz'; prathu voucher list shows ids\n",
    )


def test_a_voucher_that_would_be_of_no_use_is_made_with_a_warning(box: Box, tmp_path: Path) -> None:
    day = dates.today(datetime.now(UTC)) + timedelta(days=3)
    make = ("voucher", "make", "--sponsor", "kru", "--for", "ก", "--until", day.isoformat(), *A)
    said = box.prathu("--json", *make)
    assert "no zone of school-a takes vouchers" in said.err
    assert said.lines()[0]["until"] == f"{day}T23:59:00+07:00"
    assert box.prathu("--json", "voucher", "list").lines()[0]["until"] == said.lines()[0]["until"]
    sheet = box.prathu(*make, "--out", str(tmp_path / "v.html"))
    assert "no QR code: [sign_in] public_url is not set" in sheet.err
    with (box.home / "prathu.toml").open("a") as settings:
        settings.write(
            '[sign_in]\npublic_url = "https://login.school.example"\n'
            '[[zones]]\nid = "guests"\nsite = "school-a"\nnetworks = ["10.9.0.0/16"]\n'
            'ways = ["local", "voucher"]\n'
        )
    quiet = box.prathu(*make, "--out", str(tmp_path / "w.html"))
    assert quiet.err == f"print {tmp_path / 'w.html'} and delete it\n"


def test_a_sheet_of_vouchers_has_codes_to_photograph(box: Box, tmp_path: Path) -> None:
    with (box.home / "prathu.toml").open("a") as settings:
        settings.write('[sign_in]\npublic_url = "https://login.school.example"\n')
    out = tmp_path / "v.html"
    box.prathu("voucher", "make", "--sponsor", "kru", "--for", "ก", "--out", str(out), *A)
    assert "<svg" in out.read_text()


def test_a_printer_has_an_owner(box: Box) -> None:
    add = ("devices", "add", "02-aa-00-00-00-01", "--owner", "kru", "--name", "เครื่องพิมพ์")
    assert box.prathu(*add, *A).status == 0
    assert box.prathu(*add, *A).status == 2
    assert box.prathu("devices", "name", "02:aa:00:00:00:01", "จอ", *A).status == 0
    listed = box.prathu("--json", "devices", "list", "--account", "kru", *A).lines()
    assert [(d["mac"], d["name"], d["kind"]) for d in listed] == [
        ("02:aa:00:00:00:01", "จอ", "owned")
    ]
    told = (*add, *A, "--purpose", "ใบประกาศ")
    assert (box.prathu(*told).status, box.prathu(*told, "--again").status) == (2, 0)
    for way in ("off", "on", "off"):
        assert box.prathu("devices", way, "02:aa:00:00:00:01", *A).status == 0
    one = box.prathu("--json", "devices", "list", *A).lines()[0]
    assert (one["purpose"], one["on"], one["name"]) == ("ใบประกาศ", "no", "เครื่องพิมพ์")
    assert box.prathu("devices", "off", "02:aa:00:00:00:09", *A).status == 1
    assert box.prathu("devices", "remove", "02:aa:00:00:00:01", *A).status == 0
    assert box.prathu("devices", "remove", "02:aa:00:00:00:01", *A).status == 1


def test_one_person_is_told_what_is_kept_and_gets_more(box: Box) -> None:
    assert box.prathu("people", "bonus", "101", "500", *A).status == 0
    told = box.prathu("--json", "people", "data", "101", *A).lines()[0]
    assert (told["full_name"], told["class_name"], len(told["used"])) == ("สมชาย ใจดี", "ม.1/2", 1)
    assert "สมหญิง" not in str(told)
    assert re.fullmatch(r"\S+T\d\d:\d\d:\d\d\+07:00", told["created_at"])
    assert "สมชาย" in box.prathu("people", "data", "101", *A).out
    assert box.prathu("people", "data", "nobody", *A).status == 1
    assert [act.target.split()[0] for act in box.audits()][-3:] == ["bonus", "data", "data"]


def test_a_device_is_seen_when_it_was_seen_and_is_one_device(box: Box) -> None:
    add = ("devices", "add", "--owner", "kru", "--name", "เครื่องพิมพ์", "--until", "30/11/2699", *A)
    for nobody in ("01:aa:00:00:00:02", "ff:ff:ff:ff:ff:ff", "00:00:00:00:00:00"):
        wrong = box.prathu(*add, nobody)
        assert (wrong.status, "no address of one device" in wrong.err) == (2, True)
    assert "come in by itself" not in box.prathu(*add, "00:00:5e:00:53:01").err
    warned = box.prathu(*add, "02:aa:00:00:00:01")
    assert (warned.status, "does not come in by itself" in warned.err) == (0, True)
    listed = box.prathu("--json", "devices", "list").lines()
    assert {(one["seen"], one["until"]) for one in listed} == {("", "2156-11-30T23:59:00+07:00")}
    engine = open_database(box.home)
    devices = Devices(engine)
    known = devices.known("school-a", "00:00:5e:00:53:01", datetime.now(UTC))
    assert known is not None
    devices.saw(known, datetime(2099, 1, 2, 3, 4, 5, 678901, tzinfo=UTC))
    engine.dispose()
    assert box.prathu("--json", "devices", "list").lines()[0]["seen"] == "2099-01-02T10:04:05+07:00"


def test_a_teacher_is_given_classes_to_help(box: Box) -> None:
    assert box.prathu("people", "add", "kru.jaidee", "--kind", "teacher", *A).status == 0
    said = box.prathu("people", "teaches", "kru.jaidee", "ม.3,ม.1/2", *A)
    assert (said.status, "ม.1/2, ม.3" in said.err) == (0, True)
    assert box.prathu("people", "teaches", "kru.jaidee", "ม.9", *A).status == 2
    assert box.prathu("people", "add", "00777", "--kind", "pupil", *A).status == 0
    assert box.prathu("people", "teaches", "00777", "ม.1", *A).status == 2
    assert "nobody" in box.prathu("people", "teaches", "kru.jaidee", "", *A).err
