"""Guessing is slowed, and nobody locks anybody else out."""

from captive_portal.sign_in.throttle import MINUTE_NS, Throttle

NOW = 10**18


def failed(throttle: Throttle, address: str, account: str, times: int, now: int = NOW) -> int:
    """Try so often, each time when allowed; return how many tries were let through."""
    done = 0
    for _ in range(times):
        if not throttle.wait_s(address, account, now):
            throttle.tried(address, account, now)
            done += 1
    return done


def test_an_address_may_fail_so_often_a_minute_and_then_waits() -> None:
    throttle = Throttle(10)
    assert failed(throttle, "10.0.0.5", "a", 50) == 10
    assert 0 < throttle.wait_s("10.0.0.5", "b", NOW) <= 61
    assert throttle.wait_s("10.0.0.5", "a", NOW + MINUTE_NS) == 0


def test_another_address_is_not_held_up() -> None:
    throttle = Throttle(10)
    failed(throttle, "10.0.0.5", "a", 50)
    assert throttle.wait_s("10.0.0.6", "b", NOW) == 0


def test_an_account_guessed_at_from_all_sides_is_slow_but_open_to_its_person() -> None:
    throttle = Throttle(10)
    tries = sum(failed(throttle, f"10.0.1.{n}", "victim", 10) for n in range(100))
    assert tries < 100 * 3 + 30
    assert throttle.wait_s("10.0.9.9", "victim", NOW) == 0
    assert throttle.wait_s("10.0.9.9", "other", NOW) == 0


def test_a_right_password_is_no_try() -> None:
    throttle = Throttle(2)
    for number in range(20):
        assert throttle.wait_s("10.0.0.5", "a", NOW + number) == 0
        throttle.tried("10.0.0.5", "a", NOW + number)
        throttle.forgive("10.0.0.5", "a", NOW + number)


def test_memory_is_bounded() -> None:
    throttle = Throttle(10)
    for number in range(30_000):
        throttle.tried(f"10.{number}", "a", NOW)
    assert len(throttle._failures) <= 20_000
