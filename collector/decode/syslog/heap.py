"""The lines of frames of syslog behind one another in one buffer, whichever way they are framed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from collector.decode.batch import Bytes, Mask
from collector.records import Frame, FrameKind
from collector.spool import lines as spooled

Ints = npt.NDArray[np.int64]
_END = ord("\n")


class Heap(NamedTuple):
    """Lines in the order of the spool, each with a line feed behind it."""

    frames: Sequence[Frame]
    data: bytes
    begins: Ints
    ends: Ints
    of: Ints
    """The place of each one's frame."""
    number: Ints
    """The position of each in the spool."""
    broken: Mask | None
    """Which have a line feed within; None: none."""

    @property
    def octets(self) -> Bytes:
        """The buffer."""
        return np.frombuffer(self.data, np.uint8)

    def some(self, rows: Ints) -> list[Frame]:
        """Return frames of their own for some of the lines."""
        return [self._single(row) for row in rows.tolist()]

    def _single(self, row: int) -> Frame:
        frame = self.frames[int(self.of[row])]
        if frame.kind is FrameKind.SYSLOG:
            return frame
        message = self.data[self.begins[row] : self.ends[row]]
        return spooled.of(frame, message, int(self.number[row]))


def gather(frames: Sequence[Frame]) -> Heap:
    """Return the lines of frames of syslog, of fewer than 2^30 bytes together.

    Raises:
        SpoolError: a frame does not hold as many lines as it says.
    """
    many = np.array([frame.kind is FrameKind.LINES for frame in frames], np.bool_)
    payloads = [
        memoryview(frame.payload)[spooled.HEAD :] if together else frame.payload
        for frame, together in zip(frames, many.tolist(), strict=True)
    ]
    data = b"\n".join((*payloads, b""))
    stops = np.cumsum(np.fromiter(map(len, payloads), np.int64, len(frames)) + 1) - 1
    counts = np.array([spooled.span(f.kind, f.payload) for f in frames], np.int64)
    ends = np.flatnonzero(np.frombuffer(data, np.uint8) == _END)
    broken = None
    if len(ends) != counts.sum():
        owner = np.searchsorted(stops, ends)
        kept = many[owner] | (ends == stops[owner])
        broken = np.isin(np.arange(len(frames)), owner[~kept])
        ends = ends[kept]
    last = np.cumsum(counts)
    if len(ends) != counts.sum() or not np.array_equal(ends[last - 1], stops):
        raise spooled.not_as_many(next((f for f in frames if f.kind is FrameKind.LINES), frames[0]))
    of = np.repeat(np.arange(len(frames)), counts)
    first = np.fromiter((frame.number for frame in frames), np.int64, len(frames))
    number = (first - last + counts)[of] + np.arange(len(of))
    begins = np.append(0, ends[:-1] + 1)[: len(ends)]
    return Heap(frames, data, begins, ends, of, number, None if broken is None else broken[of])
