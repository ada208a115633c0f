"""Integers at any place of joined bytes, many at once, and never outside of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Places = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_BEYOND = 64
"""Zeros behind the end, so that what begins at the end can be read."""


class Octets:
    """Big-endian integers by their places, which lie anywhere: XDR with wrong padding does.

    A place past the end reads as 0; whoever asks keeps to the bounds of its own record, and masks
    what it read outside of them.
    """

    def __init__(self, joined: bytes) -> None:
        self.raw = padded = joined + bytes(_BEYOND)
        self.size = len(joined)
        self.data = np.frombuffer(padded, np.uint8)
        self._words = {
            size: np.ndarray((self.size + 1,), f">u{size}", padded, strides=(1,))
            for size in (1, 2, 4, 8)
        }

    def u8(self, at: Places) -> Places:
        """Return the bytes at these places."""
        return self._read(1, at).astype(np.int64)

    def u16(self, at: Places) -> Places:
        """Return the integers of two bytes that begin there."""
        return self._read(2, at).astype(np.int64)

    def u32(self, at: Places) -> Places:
        """Return the integers of four bytes that begin there."""
        return self._read(4, at).astype(np.int64)

    def u64(self, at: Places) -> npt.NDArray[np.uint64]:
        """Return the integers of eight bytes that begin there."""
        return self._read(8, at).astype(np.uint64)

    def some(self, at: Places, size: int) -> npt.NDArray[np.uint8]:
        """Return (rows, size) bytes, of at most 64."""
        start = np.minimum(at, self.size)
        found: npt.NDArray[np.uint8] = self.data[start[:, None] + np.arange(size)]
        return found

    def _read(self, size: int, at: Places) -> npt.NDArray[Any]:
        found: npt.NDArray[Any] = self._words[size][np.minimum(at, self.size)]
        return found
