"""The first page tells of backups and rehearsals: when, when next, and loudly what failed."""

from __future__ import annotations

import pytest

from appliance.backup import standing
from tests.appliance.web.rooms import NASTY, NOW_US, House


@pytest.fixture
def told(house: House) -> House:
    """Return a house whose settings say where backups go."""
    house.more = {"backup": {"to": "/mnt/usb"}}
    return house


def test_a_box_without_a_place_for_backups_says_so(house: House) -> None:
    page = house.signed_in().get("/?lang=en").text
    assert "Last rehearsal of a restore" in page
    assert "The box makes none by itself" in page


def test_the_last_and_the_next_are_told(told: House) -> None:
    standing.good(told.home, "backup", "prathu-1.tar.age", NOW_US - standing.HOUR_US)
    page = told.signed_in().get("/?lang=en").text
    assert "the next is due" in page
    assert "overdue" not in page


def test_what_failed_or_is_overdue_is_an_alarm_in_both_languages(told: House) -> None:
    standing.bad(told.home, "rehearsal", f"not whole {NASTY}", NOW_US)
    standing.good(told.home, "backup", "prathu-1.tar.age", NOW_US - 9 * standing.DAY_US)
    browser = told.signed_in()
    page = browser.get("/?lang=en").text
    assert "The last rehearsal of a restore failed" in page
    assert NASTY not in page
    assert "A backup is overdue" in page
    thai = browser.get("/?lang=th").text
    assert "การซ้อมกู้คืนครั้งล่าสุดไม่สำเร็จ" in thai
    assert "เลยกำหนดสำรองข้อมูลแล้ว" in thai
