"""Arrays and lists of texts that things are put behind, batch after batch."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

_FEW = 1 << 12
Number = TypeVar("Number", np.int64, np.int32)


class Grown(Generic[Number]):
    """An array that values are put behind, in few calls of NumPy: these cost more than a value."""

    def __init__(self, kind: type[Number]) -> None:
        self._room: npt.NDArray[Number] = np.zeros(_FEW, kind)
        self._full = 0
        self._waiting: list[int] = []

    def __len__(self) -> int:
        return self._full + len(self._waiting)

    @property
    def values(self) -> npt.NDArray[Number]:
        """What was put in; not to be kept."""
        if self._waiting:
            end = len(self)
            self._room = widened(self._room, end)
            self._room[self._full : end] = self._waiting
            self._full = end
            self._waiting.clear()
        values: npt.NDArray[Number] = self._room[: self._full]
        return values

    def put(self, values: Iterable[int]) -> None:
        """Put values behind the others."""
        self._waiting.extend(values)


class Texts:
    """Distinct texts by number."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._waiting: list[str] = []
        self._ends = np.zeros(_FEW, np.int32)
        """Where each text ends; before the first, 0."""
        self._octets = np.zeros(_FEW, np.uint8)
        self._full = 0

    def __len__(self) -> int:
        return len(self._numbers)

    def number(self, text: str) -> int:
        """Return the number of a text, a new one if it was not seen before."""
        number = self._numbers.setdefault(text, len(self._numbers))
        if number == self._full + len(self._waiting):
            self._waiting.append(text)
        return number

    def array(self) -> pa.Array[Any]:
        """Return all texts, without copying those that were there before."""
        if self._waiting:
            fresh = [text.encode() for text in self._waiting]
            begin, base = int(self._ends[self._full]), self._full + 1
            self._full += len(fresh)
            self._ends = widened(self._ends, self._full + 1)
            self._ends[base : self._full + 1] = begin + np.cumsum([len(text) for text in fresh])
            end = int(self._ends[self._full])
            self._octets = widened(self._octets, end)
            self._octets[begin:end] = np.frombuffer(b"".join(fresh), np.uint8)
            self._waiting = []
        arrays: Any = (self._ends, self._octets)
        buffers: Any = [None, *(pa.py_buffer(array) for array in arrays)]
        return pa.Array.from_buffers(pa.string(), self._full, buffers)


def widened(room: npt.NDArray[Any], wanted: int, fill: int = 0) -> npt.NDArray[Any]:
    """Return an array at least so long, with the values of `room` first and `fill` behind them."""
    if wanted <= len(room):
        return room
    more = np.full((1 << (wanted - 1).bit_length()) - len(room), fill, room.dtype)
    return np.concatenate([room, more])
