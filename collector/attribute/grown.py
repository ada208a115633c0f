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

    def some(self, numbers: npt.NDArray[np.int64]) -> pa.Array[Any]:
        """Return the texts of these numbers."""
        self._put()
        begin = self._ends[numbers]
        sizes = self._ends[numbers + 1] - begin
        size = int(sizes[0]) if len(sizes) else 0
        if not size or (sizes != size).any():
            places: Any = pa.array(numbers)
            return self.array().take(places)
        # Ids are all of one length: items that overlap, one at every byte.
        kind = np.dtype((np.void, size))
        count = len(self._octets) - size + 1
        items: Any = np.ndarray((count,), kind, self._octets, strides=(1,))
        ends = np.arange(len(sizes) + 1, dtype=np.int32) * np.int32(size)
        return _strings(ends, items[begin], len(sizes))

    def array(self) -> pa.Array[Any]:
        """Return all texts, without copying those that were there before."""
        self._put()
        return _strings(self._ends, self._octets, self._full)

    def _put(self) -> None:
        """Put the new texts behind those that were there before."""
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


def _strings(ends: Any, octets: Any, count: int) -> pa.Array[Any]:  # noqa: ANN401  # NumPy arrays
    """Return texts that lie in `octets`, one behind the other."""
    buffers: Any = [None, pa.py_buffer(ends), pa.py_buffer(octets.view(np.uint8))]
    return pa.Array.from_buffers(pa.string(), count, buffers)


def widened(room: npt.NDArray[Any], wanted: int, fill: int = 0) -> npt.NDArray[Any]:
    """Return an array at least so long, with the values of `room` first and `fill` behind them."""
    if wanted <= len(room):
        return room
    more = np.full((1 << (wanted - 1).bit_length()) - len(room), fill, room.dtype)
    return np.concatenate([room, more])
