"""Speeds have numbers; a number that nobody uses is taken again when all have been given."""

from __future__ import annotations

import pytest

from captive_portal.errors import GateError
from captive_portal.gate.classes import MOST, UNLIMITED, Classes


def test_the_same_speed_is_the_same_class() -> None:
    classes = Classes()
    assert classes.add((2000, 8000), ()) == classes.add((2000, 8000), ()) == 1
    assert classes.add(UNLIMITED, ()) == 0
    assert list(classes.limits()) == [("up", 1, 2000), ("down", 1, 8000)]


def test_numbers_are_given_again_only_when_nobody_uses_them() -> None:
    classes = Classes()
    for kbit in range(1, MOST + 1):
        classes.add((kbit, None), ())
    with pytest.raises(GateError, match="more than 254 different speeds"):
        classes.add((9999, None), range(MOST + 1))
    assert classes.add((9999, None), set(range(MOST + 1)) - {7}) == 7
    assert classes.speed(7) == (9999, None)
    assert classes.number((7, None)) is None
