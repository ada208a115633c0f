"""Groups are read as people write them, and shown so that they are read again."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captive_portal.errors import PortalError
from captive_portal.people import groups, groups_text
from captive_portal.people.groups import AtQuota, Hours
from tests.captive_portal.conftest import SITE

WEEK = ("mon", "tue", "wed", "thu", "fri")
GROUP = groups.new(SITE, "นักเรียน")


@pytest.mark.parametrize(
    ("text", "spans"),
    [
        ("", []),
        ("จ-ศ 07:30-16:30", [(WEEK, 450, 990)]),
        ("mon-fri 7.30 - 16.30", [(WEEK, 450, 990)]),
        ("จันทร์ พุธ, วันศุกร์ ๐๘:๐๐-๑๒:๐๐", [(("mon", "wed", "fri"), 480, 720)]),
        ("08:00-24:00", [((*WEEK, "sat", "sun"), 480, 1440)]),
        ("ส-อา หยุด 9:00-12:00", [(("sat", "sun", "holiday"), 540, 720)]),
        ("ศ-จ 9:00-10:00", [(("mon", "fri", "sat", "sun"), 540, 600)]),
        (
            "จ-ศ 07:30-12:00, จ-ศ 13:00-16:30; สอบ 6:00-18:00",
            [(WEEK, 450, 720), (WEEK, 780, 990), (("exam",), 360, 1080)],
        ),
    ],
)
def test_hours_as_people_write_them(
    text: str, spans: list[tuple[tuple[str, ...], int, int]]
) -> None:
    found = groups_text.hours(text)
    assert [(h.days, h.first_minute, h.last_minute) for h in found] == spans
    for thai in (True, False):
        assert groups_text.hours(groups_text.hours_shown(found, thai=thai)) == found


@pytest.mark.parametrize(
    "text", ["จ-ศ", "16:30-07:30", "07:30-25:00", "7:60-8:00", "x 7:00-8:00", "หยุด-สอบ 7:00-8:00"]
)
def test_hours_that_are_none(text: str) -> None:
    with pytest.raises(PortalError, match=r"hours|ends before|time of day|no day|no days"):
        groups_text.hours(text)


def test_what_is_not_named_stays_and_empty_takes_a_limit_away() -> None:
    words = {"devices": "๒", "down_kbit": "10,000", "at_quota": "slow", "ssids": "ก, ข"}
    group = groups_text.changed(GROUP, words)
    assert (group.devices, group.down_kbit, group.at_quota) == (2, 10_000, AtQuota.SLOW)
    assert group.ssids == ("ก", "ข")
    again = groups_text.changed(group, {"devices": "", "roams": "no"})
    assert (again.devices, again.down_kbit, again.roams) == (None, 10_000, False)
    assert groups_text.changed(GROUP, groups_text.shown(again)).hours == ()
    assert groups_text.shown(groups_text.changed(GROUP, groups_text.shown(again))) == (
        groups_text.shown(again)
    )


@pytest.mark.parametrize(
    "words",
    [
        {"devices": "0"}, {"devices": "x"}, {"devices": "-1"}, {"colour": "red"},
        {"kind": "shadow"}, {"at_limit": "x"}, {"roams": "x"}, {"name": ""}, {"vlan": "4095"},
        {"ssids": "x" * 33},
        {"slow_kbit": ""}, {"quota_day_mb": "9" * 30},
    ],
)  # fmt: skip
def test_what_no_group_can_be(words: dict[str, str]) -> None:
    with pytest.raises(PortalError):
        groups_text.changed(GROUP, words)


@given(st.dictionaries(st.sampled_from(groups_text.FIELDS), st.text(max_size=30)))
def test_any_words_are_a_group_or_an_error(words: dict[str, str]) -> None:
    with suppress(PortalError):
        group = groups_text.changed(GROUP, words)
        assert groups_text.changed(group, groups_text.shown(group)) == group


def test_one_span_of_all_days() -> None:
    every = Hours(days=groups_text.DAYS, first_minute=0, last_minute=1440)
    assert groups_text.hours_shown((every,), thai=True) == "จ-อา หยุด สอบ 00:00-24:00"
