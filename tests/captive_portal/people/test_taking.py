"""A roll brings accounts in line: repeatable, all or none, and nobody is lost."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, create_engine

from captive_portal.database import Base
from captive_portal.errors import Refused
from captive_portal.people import groups, roll, taking
from captive_portal.people.accounts import Account, Kind, NewAccount, People
from captive_portal.people.groups import Groups
from captive_portal.people.keys import PersonKey
from captive_portal.people.roll import Where
from captive_portal.people.taking import Outcome
from tests.captive_portal.conftest import NOW, SITE

HERE = Where(site=SITE, key=PersonKey(b"k" * 32))
HEAD = "รหัสนักเรียน,เลขประจำตัวประชาชน,ชื่อ,นามสกุล,ชั้น,ห้อง"
LATER = NOW + timedelta(days=1)


def take(engine: Engine, *rows: str, head: str = HEAD, close_left: bool = False) -> Outcome:
    read = roll.read("\n".join([head, *rows]).encode(), HERE)
    seen = taking.preview(engine, read, now=LATER, close_left=close_left)
    done = taking.take(engine, read, now=LATER, close_left=close_left)
    assert seen == done or seen.new  # ids of new accounts differ
    assert counts(seen) == counts(done)
    return done


def counts(out: Outcome) -> tuple[int, ...]:
    return (out.new, out.moved, out.changed, out.same, out.reopened, out.left, out.closed)


def known(engine: Engine, account: str) -> Account:
    found = People(engine).find(SITE, account)
    assert found is not None
    return found


A, B = "101,1101700230700,สมชาย,ใจดี,ม.1,2", "102,1101700230710,สมหญิง,ดีใจ,ม.1,2"


def test_the_same_file_twice_changes_nothing(engine: Engine) -> None:
    assert counts(take(engine, A, B))[:4] == (2, 0, 0, 0)
    before = People(engine).list()
    assert counts(take(engine, A, B, close_left=True)) == (0, 0, 0, 2, 0, 0, 0)
    assert People(engine).list() == before
    assert (known(engine, "101").grade, known(engine, "101").room) == ("ม.1", "2")


def test_who_moved_changed_left_and_came_back_is_told(engine: Engine) -> None:
    take(engine, A, B)
    out = take(engine, A.replace("ม.1,2", "ม.2,1"))
    assert counts(out) == (0, 1, 0, 0, 0, 1, 0)
    assert out.named["moved"] == ["101 สมชาย ใจดี ม.2/1 (ม.1/2 → ม.2/1)"]
    assert known(engine, "102").disabled_at is None
    assert counts(take(engine, A, close_left=True))[5:] == (1, 1)
    assert known(engine, "102").disabled_at == LATER
    assert take(engine, A, B.replace("ดีใจ", "ใจงาม")).reopened == 1
    assert known(engine, "102").disabled_at is None


def test_staff_close_for_good_and_a_roll_does_not_open_it(engine: Engine) -> None:
    take(engine, A)
    People(engine).disable(known(engine, "101").id, now=NOW)
    assert take(engine, A).reopened == 0
    assert known(engine, "101").disabled_at == NOW


def test_nobody_is_closed_while_rows_are_bad(engine: Engine) -> None:
    take(engine, A, B)
    out = take(engine, A, "1.23E+12,,x,y,ม.1,2", close_left=True)
    assert (out.left, out.closed, len(out.bad)) == (1, 0, 1)


def test_who_is_known_by_the_identifier_keeps_the_account(engine: Engine) -> None:
    take(engine, A)
    before = known(engine, "101")
    out = take(engine, A.replace("101,", "909,").replace("สมชาย", "สมชัย"))
    assert (out.new, out.changed) == (0, 1)
    after = known(engine, "101")
    assert (after.id, after.student_code, after.full_name) == (before.id, "909", "สมชัย ใจดี")


def test_zeros_that_a_spreadsheet_dropped_do_not_make_a_second_pupil(engine: Engine) -> None:
    take(engine, "00101,,สมชาย,ใจดี,ม.1,2")
    assert take(engine, "101,,สมชาย,ใจดี,ม.1,2").same == 1
    assert known(engine, "00101").student_code == "00101"


def test_a_code_that_passed_on_is_not_taken_for_the_same_pupil(engine: Engine) -> None:
    take(engine, A)
    out = take(engine, "101,3101234567890,มานะ,อดทน,ม.1,1")
    assert (out.new, out.changed, len(out.bad)) == (0, 0, 1)
    assert "somebody else" in out.bad[0].reason
    crossed = take(engine, A, B).new, take(engine, "101,1101700230710,ก,ข,ม.1,2").bad
    assert "different people: 101 and 102" in crossed[1][0].reason


def test_classes_find_their_groups_and_unknown_groups_are_errors(engine: Engine) -> None:
    book = Groups(engine)
    ours = book.put(groups.new(SITE, "ม.1/2"))
    theirs = book.put(groups.new(SITE, "ชมรมคอมพิวเตอร์"))
    out = take(engine, f"{A},", f"{B},ชมรมคอมพิวเตอร์", "103,,ก,ข,ม.1,2,ไม่มี", head=f"{HEAD},กลุ่ม")
    assert known(engine, "101").group == ours.id
    assert known(engine, "102").group == theirs.id
    assert out.bad[0].reason.startswith("no group ไม่มี")


def test_a_shadow_becomes_the_pupil_and_keeps_its_id(engine: Engine) -> None:
    shadow = People(engine).shadow(SITE, "101", now=NOW)
    assert take(engine, A).new == 1
    found = known(engine, "101")
    assert (found.id, found.kind) == (shadow.id, Kind.PUPIL)


def test_somebody_for_a_time_is_closed_after_the_last_day(engine: Engine) -> None:
    take(engine, "101,,ฝึก,สอน,22/11/2569", head="รหัสนักเรียน,เลขประจำตัวประชาชน,ชื่อ,นามสกุล,ใช้ได้ถึง")
    people = People(engine, clock=lambda: int(NOW.timestamp()) * 10**9)
    people.set_password(known(engine, "101").id, "correct horse")
    assert people.check(SITE, "101", "correct horse").student_code == "101"
    midnight = People(engine, clock=lambda: int((NOW + timedelta(hours=14)).timestamp()) * 10**9)
    with pytest.raises(Refused):
        midnight.check(SITE, "101", "correct horse")


def test_a_status_says_who_has_left(engine: Engine) -> None:
    head = "รหัสนักเรียน,name,สถานะ"
    assert take(engine, "101,ก,กำลังศึกษา", "102,ข,จำหน่าย", head=head).new == 1
    assert take(engine, "101,ก,ย้ายออก", head=head).closed == 1
    assert known(engine, "101").closed(LATER)


def test_passwords_and_hand_made_accounts_are_not_touched(engine: Engine) -> None:
    people = People(engine)
    people.add(
        NewAccount(site=SITE, account="101", full_name="ก ข", password="correct horse"), now=NOW
    )
    people.add(NewAccount(site=SITE, account="byhand"), now=NOW)
    out = take(engine, A, close_left=True)
    assert (out.changed + out.moved, out.left) == (1, 0)
    assert people.check(SITE, "101", "correct horse").student_code == "101"


def test_columns_are_remembered_once_somebody_took_them(engine: Engine) -> None:
    read = roll.read(f"{HEAD}\n{A}".encode(), HERE)
    assert taking.known_layout(engine, SITE, read.layout) is None
    taking.preview(engine, read, now=NOW)
    assert taking.known_layout(engine, SITE, read.layout) is None
    taking.take(engine, read, now=NOW)
    assert taking.known_layout(engine, SITE, read.layout) == NOW
    other = roll.read(b"account,name\na,b\n", HERE)
    assert taking.known_layout(engine, SITE, other.layout) is None


PUPIL = st.tuples(
    st.integers(1, 12), st.sampled_from(["ก", "ข", "ค"]), st.sampled_from(["ป.1", "ม.1/2", "x"])
)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(PUPIL, max_size=12), st.lists(PUPIL, max_size=12), st.randoms(use_true_random=False)
)
def test_any_two_rolls_in_any_order_end_the_same_when_repeated(
    first: list[tuple[int, str, str]],
    second: list[tuple[int, str, str]],
    dice: random.Random,
) -> None:
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    rows: list[str] = []
    for pupils in (first, second):
        rows = [f"{code:03},,{name},ดี,{grade},1" for code, name, grade in pupils]
        out = take(engine, *rows, close_left=bool(rows))
        taken = len({code for code, _, _ in pupils})
        assert out.new + out.moved + out.changed + out.same + out.reopened >= taken - len(out.bad)
    good = {code for code, _, _ in second}
    dice.shuffle(rows)
    again = take(engine, *{row.partition(",")[0]: row for row in reversed(rows)}.values())
    repeated = take(engine, *{row.partition(",")[0]: row for row in reversed(rows)}.values())
    assert (again.new, repeated.new, repeated.moved, repeated.changed) == (0, 0, 0, 0)
    assert repeated.same + len(repeated.bad) == len(good)
    everybody = {account.student_code for account in People(engine).list()}
    assert everybody == {f"{code:03}" for code, _, _ in (*first, *second)}
    engine.dispose()


def test_rows_without_a_name_or_of_no_grade_are_bad(engine: Engine) -> None:
    take(engine, A)
    rows = ("101,1101700230700,,,ม.1,2", "103,,,,ม.9,1", "104,,มานะ,ดี,ม.7,1", "105,,มานี,ดี,ปวส.3,1")
    out = take(engine, *rows, "106,,ปิติ,ดี,ศ.3,1", "107,,ชูใจ,ดี,ปวช.3,1")
    assert [(bad.number, bad.reason.partition(";")[0]) for bad in out.bad] == [
        (2, "the row has no name"),
        (3, "there is no grade ม.9"),
        (4, "there is no grade ม.7"),
        (5, "there is no grade ปวส.3"),
    ]
    assert (out.new, known(engine, "106").grade) == (2, "ศ.3")
    assert known(engine, "101").full_name == "สมชาย ใจดี"
    title = take(engine, "108,เด็กชาย", head="รหัสนักเรียน,คำนำหน้า")
    assert [bad.reason.partition(";")[0] for bad in title.bad] == ["the row has no name"]
