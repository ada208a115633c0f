"""Passwords that everybody would try first."""

import pytest

from captive_portal.people import passwords
from captive_portal.people.passwords import Fault


@pytest.mark.parametrize(
    "password",
    (
        *("12345678", "0123456789", "87654321", "11111111", "12121212", "abcabcabc", "12341234"),
        *("abcdefgh", "password", "Password123!", "P@ssw0rd", "qwertyui", "qwerty12345"),
        *("asdfghjkl", "1q2w3e4r", "1qaz2wsx", "school2569", "thailand55", "admin1234"),
        *("โรงเรียน1", "สวัสดี2569", "ฟหกด1234", "ฟหกดเ้่าสวง"),
    ),
)
def test_what_everybody_tries_first_is_no_password(password: str) -> None:
    assert passwords.fault(password) is Fault.COMMON


@pytest.mark.parametrize(
    "password",
    (
        *("correct horse", "given-once", "tractor1", "k4m7-q2xy-8rst", "01032551", "kxq29dmm"),
        *("บ้านเลขที่9", "แมวน้อยสีขาว", "my schoolbag is red"),
    ),
)
def test_what_people_think_of_themselves_is_one(password: str) -> None:
    assert passwords.fault(password) is None


@pytest.mark.parametrize(
    ("password", "account", "fault"),
    [
        ("somchai1", "somchai", Fault.OWN_NAME),
        ("SOMCHAIsomchai", "Somchai", Fault.OWN_NAME),
        ("10012345", "10012345", Fault.OWN_NAME),
        ("kru12345678", "kru", Fault.OWN_NAME),
        ("my kru is very kind", "kru", None),
        ("a quiet place", "a", None),
    ],
)
def test_an_accounts_name_is_no_password(password: str, account: str, fault: Fault | None) -> None:
    assert passwords.fault(password, account=account) is fault
