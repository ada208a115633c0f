"""Any bytes at all end in fields or in Malformed."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.decode.cursor import Cursor
from collector.errors import Malformed


@given(st.binary(max_size=64), st.lists(st.integers(0, 16)))
def test_a_cursor_never_leaves_its_payload(payload: bytes, sizes: list[int]) -> None:
    cursor, taken = Cursor(payload), b""
    with contextlib.suppress(Malformed):
        for size in sizes:
            taken += cursor.take(size)
    assert payload.startswith(taken)
    assert cursor.remaining == len(payload) - len(taken)


def test_a_short_payload_is_named_with_its_place() -> None:
    cursor = Cursor(b"\x01\x02\x03")
    assert cursor.uint(2) == 0x0102
    assert cursor.peek() == 3
    with pytest.raises(Malformed, match="wanted 2 bytes at offset 2, 1 left"):
        cursor.uint(2)
    with pytest.raises(Malformed):
        cursor.take(-1)
