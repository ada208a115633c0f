# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The beginning of a stream, from pieces in any order, some of them twice."""

from __future__ import annotations

from collector.sniff.names.errors import Unreadable

MOST_OCTETS = 17_408
MOST_PIECES = 256


class Pieces:
    """What came of one stream so far."""

    __slots__ = ("_octets", "_parts")

    def __init__(self) -> None:
        self._parts: dict[int, bytes] = {}
        self._octets = 0

    def add(self, offset: int, data: bytes) -> None:
        """Take a piece; of two at one place the longer stays.

        Raises:
            Unreadable: it lies too far out, or there are too many.
        """
        if offset + len(data) > MOST_OCTETS:
            raise Unreadable("hello")
        more = len(data) - len(self._parts.get(offset, b""))
        if more <= 0:
            return
        self._parts[offset] = data
        self._octets += more
        if len(self._parts) > MOST_PIECES or self._octets > 2 * MOST_OCTETS:
            raise Unreadable("hello")

    def beginning(self) -> bytes:
        """Return the stream from its first octet on, as far as nothing is missing."""
        if len(self._parts) == 1:
            return self._parts.get(0, b"")
        stream = bytearray()
        for offset in sorted(self._parts):
            if offset > len(stream):
                break
            stream += self._parts[offset][len(stream) - offset :]
        return bytes(stream)
