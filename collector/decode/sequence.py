"""What a stream's sequence numbers say about datagrams that never came.

NetFlow v5 and IPFIX count records, v9 counts datagrams, and some exporters of each do it the other
way; the first steps show which. All arithmetic is modulo 2^32.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.int64]

_ROUND = 1 << 32
_HALF = 1 << 31
_SURE = 4
"""After so many right steps the unit is not doubted."""
_FROZEN = 3
"""So often the same number: the exporter does not count."""
_MANY_RECORDS = 10_000_000
_MANY_DATAGRAMS = 500_000
"""A jump beyond is a new beginning, not a loss."""
_REORDERED_DATAGRAMS = 64
_MEAN_OVER = 1 << 16


class Kind(IntEnum):
    """What a step of the sequence was."""

    FIRST = 0
    NEXT = 1
    GAP = 2
    LATE = 3
    RESTART = 4
    FROZEN = 5


class Step(NamedTuple):
    """One datagram's place in the sequence."""

    kind: Kind
    lost: int = 0
    """For GAP and LATE, of the unit."""
    records: int = 0
    """The same as records, estimated where datagrams are counted."""
    in_datagrams: bool = False


NEXT = Step(Kind.NEXT)


class Sequence:
    """The state of one stream's numbers."""

    __slots__ = (
        "by_datagrams", "datagrams", "doubted", "expected", "last", "records", "same", "size",
        "sure",
    )  # fmt: skip

    def __init__(self, by_datagrams: bool = False, *, doubted: bool = True) -> None:
        self.by_datagrams = by_datagrams
        self.doubted = doubted
        """Whether exporters of this protocol may count the other thing."""
        self.sure = 0
        self.last = -1
        self.expected = -1
        """-1 before the first datagram, and when the last one's records could not be counted."""
        self.same = 0
        self.size = 0
        """Records in the last datagram; -1 unknown."""
        self.records = 0
        self.datagrams = 0

    def step(self, number: int, records: int, *, restarted: bool = False) -> Step:
        """Take a datagram's number and how many records it holds (-1: cannot be told)."""
        found = self._place(number, restarted)
        if found.kind is not Kind.LATE:
            self.last, self.size = number, records
            self.expected = self._next(number, records, self.by_datagrams)
        if records > 0:
            self.records += records
            self.datagrams += 1
            if self.datagrams > _MEAN_OVER:
                self.records //= 2
                self.datagrams //= 2
        return found

    def steady(self, numbers: Numbers, records: Numbers) -> bool:
        """Take many datagrams at once, if each is surely the next one; return whether it was so.

        Args:
            numbers: Their sequence numbers.
            records: How many records each holds.
        """
        count = len(numbers)
        if self.sure < _SURE or self.datagrams + count > _MEAN_OVER:
            return False
        ends = (numbers + (1 if self.by_datagrams else records)) % _ROUND
        if int(numbers[0]) != self.expected or (ends[:-1] != numbers[1:]).any():
            return False
        self.last, self.size, self.expected = int(numbers[-1]), int(records[-1]), int(ends[-1])
        self.same = 0
        self.records += int(records.sum())
        self.datagrams += int(np.count_nonzero(records))
        return True

    @staticmethod
    def _next(number: int, records: int, by_datagrams: bool) -> int:
        if not by_datagrams and records < 0:
            return -1
        return (number + (1 if by_datagrams else records)) % _ROUND

    def _place(self, number: int, restarted: bool) -> Step:
        if self.last < 0:
            return Step(Kind.FIRST)
        if number == self.expected and number != self.last:
            self.sure = min(self.sure + 1, _SURE)
            self.same = 0
            return NEXT
        if restarted:
            self.sure = self.same = 0
            return Step(Kind.RESTART)
        if number == self.last:
            return self._repeated()
        self.same = 0
        if self._other_unit(number):
            return NEXT
        return self._jumped(number)

    def _repeated(self) -> Step:
        """The same number again: no records before it, a copy, or an exporter that never counts."""
        if self.expected in (self.last, -1):
            return NEXT
        self.same += 1
        return Step(Kind.FROZEN) if self.same == _FROZEN else NEXT

    def _other_unit(self, number: int) -> bool:
        """Whether the number is right if the exporter counts the other thing."""
        if self.sure >= _SURE or not self.doubted:
            return False
        if number != self._next(self.last, self.size, not self.by_datagrams):
            return False
        self.by_datagrams = not self.by_datagrams
        self.sure = 1
        return True

    def _jumped(self, number: int) -> Step:
        if self.expected < 0:
            return NEXT
        ahead = (number - self.expected) % _ROUND
        mean = max(1, round(self.records / self.datagrams)) if self.datagrams else 1
        per_unit = mean if self.by_datagrams else 1
        if ahead < _HALF:
            if ahead > (_MANY_DATAGRAMS if self.by_datagrams else _MANY_RECORDS):
                return Step(Kind.RESTART)
            return Step(Kind.GAP, ahead, ahead * per_unit, self.by_datagrams)
        behind = _ROUND - ahead
        if behind <= _REORDERED_DATAGRAMS * (1 if self.by_datagrams else mean):
            return Step(Kind.LATE, 1, mean, self.by_datagrams)
        return Step(Kind.RESTART)

    def snapshot(self) -> list[int]:
        """Return the state as integers."""
        return [int(getattr(self, name)) for name in self.__slots__]

    @classmethod
    def restore(cls, state: list[int]) -> Sequence:
        """Return the sequence that `snapshot` described."""
        sequence = cls()
        for name, value in zip(cls.__slots__, state, strict=True):
            setattr(sequence, name, value)
        sequence.by_datagrams = bool(sequence.by_datagrams)
        sequence.doubted = bool(sequence.doubted)
        return sequence
