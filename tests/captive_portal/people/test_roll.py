"""A school's roll is read as spreadsheets write it, and taken in row by row."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captive_portal.errors import PortalError
from captive_portal.people import roll
from captive_portal.people.accounts import Kind, People
from tests.captive_portal.conftest import NOW, SITE

THAI = "ชื่อผู้ใช้,คำนำหน้า,ชื่อ,นามสกุล,ประเภท,เลขประจำตัวประชาชน\nmalee,ด.ญ.,มาลี,ดีใจ,นักเรียน,x\n"


@pytest.mark.parametrize(
    "octets",
    [
        THAI.encode(),
        b"\xef\xbb\xbf" + THAI.encode(),
        THAI.encode("utf-16"),
        THAI.encode("cp874"),
        THAI.replace(",", ";").replace("\n", "\r\n").encode(),
        THAI.replace(",", "\t").encode(),
    ],
)
def test_the_ways_in_which_spreadsheets_write_give_the_same(octets: bytes) -> None:
    read = roll.read(octets, site=SITE)
    assert [(line.number, line.new.account, line.new.full_name) for line in read.lines] == [
        (2, "malee", "ด.ญ.มาลี ดีใจ")
    ]
    assert read.lines[0].new.kind is Kind.PUPIL
    assert list(read.ignored) == ["เลขประจำตัวประชาชน"]


def test_english_headers_in_any_case_are_known() -> None:
    text = "User Name,FULL_NAME,Type,Password\nkrit,Krit Dee,teacher,long enough\n"
    line = roll.read(text.encode(), site=SITE).lines[0]
    assert (line.new.full_name, line.new.kind, line.new.password) == (
        "Krit Dee",
        Kind.TEACHER,
        "long enough",
    )


def test_bad_rows_are_named_by_line_and_good_ones_read() -> None:
    text = (
        'account,name,kind,password\na,"two\nlines",,\n,nobody,,\n\nb,B,headmaster,\n'
        "c,C,,short\na,A,,\nd,D,pupil,\n"
    )
    read = roll.read(text.encode(), site=SITE)
    assert [(line.number, line.new.account) for line in read.lines] == [(3, "a"), (9, "d")]
    assert [fault.split(":")[0] for fault in read.faults] == [
        "line 4",
        "line 6",
        "line 7",
        "line 8",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no column for the account"),
        ("name\nx\n", "no column for the account"),
        ("account,user\na,b\n", "two columns for account"),
        ('account\n"a\n', "line"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(text: str, said: str) -> None:
    with pytest.raises(PortalError, match=said):
        roll.read(text.encode(), site=SITE)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_roll_or_an_error(octets: bytes) -> None:
    try:
        roll.read(b"account,name\n" + octets, site=SITE)
        roll.read(octets, site=SITE)
    except PortalError as error:
        assert "\n" not in str(error)[:20]


def taken(people: People, text: str, *, dry_run: bool = False) -> roll.Outcome:
    taker = roll.Taker(people, now=NOW, make_passwords=True, dry_run=dry_run)
    for line in roll.read(text.encode(), site=SITE).lines:
        taker.take(line)
    return taker.outcome


def test_the_same_file_twice_changes_nothing(people: People) -> None:
    text = "account,name,kind\nmalee,มาลี,pupil\nsomchai,สมชาย ใหม่,teacher\n"
    first, second = taken(people, text), taken(people, text)
    assert (first.new, first.changed, first.same) == (1, 1, 0)
    assert (second.new, second.changed, second.same) == (0, 0, 2)
    assert people.check(SITE, "somchai", "correct horse").kind is Kind.TEACHER


def test_a_dry_run_says_the_same_and_does_nothing(people: People) -> None:
    before = people.list()
    outcome = taken(people, "account,name\nmalee,มาลี\nsomchai,x\n", dry_run=True)
    assert (outcome.new, outcome.changed) == (1, 1)
    assert people.list() == before


def test_a_missing_kind_leaves_what_is_known(people: People) -> None:
    taken(people, "account,kind\nkrit,teacher\n")
    taken(people, "account,name\nkrit,กฤษ\n")
    found = people.find(SITE, "krit")
    assert found is not None
    assert (found.kind, found.full_name, found.must_change) == (Kind.TEACHER, "กฤษ", True)


def test_a_long_roll_takes_no_time_to_look_for_doubles() -> None:
    rows = "".join(f"pupil{n}\n" for n in range(30_000))
    began = time.process_time()
    read = roll.read(f"account\n{rows}pupil7\n".encode(), site=SITE)
    assert time.process_time() - began < 3
    assert len(read.lines) == 30_000
    assert read.faults == ["line 30002: account pupil7 stands in the file twice"]


def test_rows_past_the_bound_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roll, "MAX_ROWS", 3)
    assert len(roll.read(b"account\na\nb\nc\n", site=SITE).lines) == 3
    with pytest.raises(PortalError, match="more than 3 rows"):
        roll.read(b"account\na\na\na\na\n", site=SITE)
