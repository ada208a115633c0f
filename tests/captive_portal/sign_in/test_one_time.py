"""A password for one use works once, for a minute, on its device, through its gateway."""

from dataclasses import replace
from uuid import uuid4

from captive_portal.sign_in import one_time
from captive_portal.sign_in.one_time import VALID_NS, Bound, OneTime

PHONE = Bound(site="a", nas="192.0.2.1/32", mac="02:00:5e:10:00:01", address="10.0.0.5")
WHO = uuid4()


def store() -> tuple[OneTime, list[int]]:
    now = [10**18]
    return OneTime(lambda: now[0]), now


def give(kept: OneTime, user: str = "somchai") -> str:
    return kept.give(user, WHO, PHONE, notice="v1")


def took(kept: OneTime, password: str, bound: Bound = PHONE, user: str = "SOMCHAI") -> bool:
    return kept.take(user, bound, lambda given: given == password) == (WHO, "v1")


def test_it_is_taken_once() -> None:
    kept, _ = store()
    password = give(kept)
    assert len(password) >= 24
    assert took(kept, password)
    assert not took(kept, password)
    assert kept.counts == {"given": 1, "taken": 1}


def test_another_device_gateway_site_or_name_does_not_get_in_and_does_not_use_it_up() -> None:
    kept, _ = store()
    password = give(kept)
    for other in (
        replace(PHONE, mac="02:00:5e:10:00:02"),
        replace(PHONE, nas="192.0.2.2/32"),
        replace(PHONE, site="b"),
        replace(PHONE, mac="", address="10.0.0.6"),
        replace(PHONE, mac="", address=""),
    ):
        assert not took(kept, password, other)
    assert not took(kept, password, user="wipa")
    assert not took(kept, password + "x")
    assert kept.counts["other-device"] == 3
    assert took(kept, password, replace(PHONE, mac=""))


def test_it_lives_a_minute_and_a_new_one_ends_the_one_before() -> None:
    kept, now = store()
    first = give(kept)
    second = give(kept)
    assert not took(kept, first)
    now[0] += VALID_NS
    assert not took(kept, second)
    assert kept.counts["too-late"] == 1
    third = give(kept)
    assert took(kept, third)


def test_what_waits_is_bounded() -> None:
    kept, _ = store()
    first = give(kept, "0")
    for number in range(1, one_time.MOST + 1):
        give(kept, str(number))
    assert kept.counts["pushed-out"] == 1
    assert not took(kept, first, user="0")
