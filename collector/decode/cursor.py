"""A bounds-checked reader over one datagram.

Headers, template records and options are read through a Cursor, so a short or lying packet ends
in Malformed, whatever the exporter sent.
"""

from __future__ import annotations

import struct

from collector.errors import Malformed


class Cursor:
    """Reads big-endian fields from a payload, left to right."""

    __slots__ = ("_at", "_payload")

    def __init__(self, payload: bytes) -> None:
        self._payload = payload
        self._at = 0

    @property
    def remaining(self) -> int:
        """How many bytes are left."""
        return len(self._payload) - self._at

    def take(self, size: int) -> bytes:
        """Return the next bytes and move past them.

        Raises:
            Malformed: fewer are left.
        """
        if not 0 <= size <= self.remaining:
            raise Malformed(f"wanted {size} bytes at offset {self._at}, {self.remaining} left")
        start, self._at = self._at, self._at + size
        return self._payload[start : self._at]

    def peek(self) -> int:
        """Return the next byte and stay before it.

        Raises:
            Malformed: none is left.
        """
        if not self.remaining:
            raise Malformed(f"wanted a byte at offset {self._at}, none left")
        return self._payload[self._at]

    def uint(self, size: int) -> int:
        """Return the next unsigned integer."""
        return int.from_bytes(self.take(size), "big")

    def u16s(self, count: int) -> tuple[int, ...]:
        """Return the next `count` 16-bit integers."""
        return struct.unpack(f">{count}H", self.take(2 * count))
