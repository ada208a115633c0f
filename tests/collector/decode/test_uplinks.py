"""Whether an uplink's address is translated again."""

from __future__ import annotations

import pytest

from collector.decode.uplinks import translated_again


@pytest.mark.parametrize(
    ("ip", "outside", "again"),
    [
        ("198.51.100.7", "", False),
        ("198.51.100.7", "198.51.100.7", False),
        ("198.51.100.7", "203.0.113.9", True),
        ("192.168.1.2", "", True),
        ("172.31.0.9", "", True),
        ("10.0.0.1", "10.0.0.1", True),
        ("100.64.0.9", "", True),
        ("100.128.0.9", "", False),
        ("192.0.0.2", "", True),
        ("2001:db8::7", "203.0.113.9", False),
        ("2001:db8::7", "2001:db8::8", True),
        ("fd00::7", "", False),
    ],
)
def test_an_address_that_the_outside_does_not_see(ip: str, outside: str, *, again: bool) -> None:
    assert bool(translated_again(ip, outside)) is again
