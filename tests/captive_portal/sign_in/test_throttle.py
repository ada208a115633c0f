"""Guessing is slowed, and nobody locks anybody else out."""

from hypothesis import given
from hypothesis import strategies as st

from captive_portal.sign_in.throttle import HOUR_NS, MINUTE_NS, Limit, Throttle, Try

NOW = 10**18


def failed(throttle: Throttle, device: str, account: str, times: int, now: int = NOW) -> int:
    """Try so often, each time when allowed; return how many tries were let through."""
    done = 0
    for _ in range(times):
        if not throttle.wait_s(device, account, now):
            throttle.tried(device, account, now)
            done += 1
    return done


def test_a_device_may_fail_so_often_a_minute_and_then_waits() -> None:
    throttle = Throttle(10)
    assert failed(throttle, "phone", "a", 50) == 10
    assert 0 < throttle.wait_s("phone", "b", NOW) <= 61
    assert throttle.wait_s("phone", "a", NOW + MINUTE_NS) == 0


def test_a_device_may_fail_less_often_for_hours() -> None:
    throttle = Throttle(10)
    let = sum(failed(throttle, "phone", "a", 50, NOW + n * MINUTE_NS) for n in range(60))
    assert let <= 60 + 60


def test_another_device_is_not_held_up() -> None:
    throttle = Throttle(10)
    failed(throttle, "phone", "a", 50)
    assert throttle.wait_s("laptop", "b", NOW) == 0


def test_many_accounts_from_one_device_are_stopped() -> None:
    throttle = Throttle(10)
    tried = 0
    for minute in range(60):
        for n in range(10):
            tried += failed(throttle, "phone", f"pupil{minute}-{n}", 1, NOW + minute * MINUTE_NS)
    assert tried <= 40


def test_an_account_guessed_at_from_all_sides_is_slow_but_open_to_its_person() -> None:
    throttle = Throttle(10)
    tries = sum(failed(throttle, f"phone{n}", "victim", 10) for n in range(100))
    assert tries < 100 * 3 + 30
    assert throttle.wait_s("hers", "victim", NOW) == 0
    assert throttle.wait_s("hers", "other", NOW) == 0


def test_a_device_of_hers_is_not_held_up_by_what_others_do_to_the_account() -> None:
    throttle = Throttle(10)
    throttle.befriend("hers", "teacher")
    for n in range(200):
        failed(throttle, f"phone{n}", "teacher", 10)
    assert failed(throttle, "hers", "teacher", 10) == 10


def test_where_accounts_are_locked_strangers_stay_below_it_and_her_device_has_its_own() -> None:
    throttle = Throttle(10)
    throttle.befriend("hers", "teacher")

    def spent(device: str) -> int:
        tries = (throttle.spare("ldap", device, "teacher", 10, NOW) for _ in range(10))
        return sum(isinstance(one, Try) for one in tries)

    strangers = sum(spent(f"phone{n}") for n in range(20))
    hers = spent("hers")
    assert hers == strangers == 4
    assert strangers + hers < 10
    wait = throttle.spare("ldap", "phone", "teacher", 10, NOW)
    assert isinstance(wait, int)
    assert 0 < wait <= HOUR_NS // 10**9


def test_a_right_password_is_no_try() -> None:
    throttle = Throttle(2)
    for number in range(20):
        assert throttle.wait_s("phone", "a", NOW + number) == 0
        throttle.forgive(throttle.tried("phone", "a", NOW + number))


def test_memory_is_bounded() -> None:
    throttle = Throttle(10)
    for number in range(30_000):
        throttle.tried(f"10.{number}", "a", NOW)
        throttle.befriend(f"10.{number}", "a")
    assert len(throttle) <= 40_000


@given(st.integers(1, 50), st.lists(st.integers(0, MINUTE_NS), max_size=200))
def test_a_limit_lets_no_more_through_than_twice_its_number_in_its_time(
    times: int, at: list[int]
) -> None:
    limit, paid, let = Limit(times, MINUTE_NS), 0, 0
    for now in sorted(at):
        if not limit.wait_ns(paid, now):
            paid = limit.after(paid, now)
            let += 1
    assert let <= 2 * times + 1
