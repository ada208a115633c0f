"""No sender has more than its share."""

from captive_portal.radius.endpoint import Shares


def test_a_share_runs_out_and_grows_again() -> None:
    shares = Shares(10)
    assert [shares.take("a", 0) for _ in range(12)] == [True] * 10 + [False] * 2
    assert shares.take("b", 0)
    assert not shares.take("a", 10**7)
    assert shares.take("a", 2 * 10**8)


def test_a_clock_set_back_gives_nobody_more() -> None:
    shares = Shares(1)
    assert shares.take("a", 10**18)
    assert not shares.take("a", 0)
