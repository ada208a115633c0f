"""What the kernel of a gateway told of its connections, to rows of the `flows` log.

A connection makes two rows: one when it begins, without counters and without end, and one when the
kernel forgets it, with all. The first is what is known of a connection that is still open, or whose
end nobody saw. What the kernel answers to a question for the whole table makes a row for each
connection that is open then.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from collector.decode.conntrack import columns, message, spans, values
from collector.decode.conntrack.opened import Opened
from collector.decode.conntrack.spans import Kinds
from collector.decode.conntrack.values import Values
from collector.decode.decoder import Decoded
from collector.decode.losses import Loss, Losses
from collector.records import Frame, Rows

WINDOW_S = 60
"""Losses of one kind within so long share a row of coverage, after the first."""
_FORMAT = "prathu-conntrack/1"

Ints = npt.NDArray[np.int64]


@dataclass(slots=True)
class Counters:
    """Sums since the decoder was first made."""

    messages: int = 0
    created: int = 0
    seen: int = 0
    destroyed: int = 0
    malformed: int = 0
    other: int = 0
    """About something else than a connection: the end of an answer, for instance."""


class ConntrackDecoder:
    """Decodes the messages of one site; remembers when connections began if the kernel does not."""

    def __init__(self, site: str) -> None:
        self.site = site
        self.counters = Counters()
        self._opened = Opened()
        self._losses = Losses(site, WINDOW_S)

    def decode(self, frames: Sequence[Frame]) -> Decoded:
        """Return the rows and coverage events of these frames; never raises for what they hold."""
        heap = _gather(frames)
        found = values.read(heap.data, heap.starts, heap.sizes)
        index = np.repeat(np.arange(len(frames)), heap.counts)
        self._account(frames, heap.faults, [(int(index[row]), found.bad[row]) for row in found.bad])
        kinds = _kinds(found)
        self._count(found, kinds)
        kept = np.flatnonzero(kinds.created | kinds.seen | kinds.destroyed)
        rows = None
        if len(kept):
            kinds = Kinds(*(kind[kept] for kind in kinds))
            rows = self._rows(_only(found, kept), kinds, frames, index[kept])
        return Decoded(flows=rows, coverage=self._losses.take())

    def snapshot(self) -> dict[str, Any]:
        """Return all that is remembered, as JSON values."""
        return {
            "format": _FORMAT,
            "opened": self._opened.snapshot(),
            "losses": self._losses.snapshot(),
            "counters": asdict(self.counters),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where `snapshot` was taken.

        Raises:
            ValueError: the snapshot is of another format.
        """
        if state.get("format") != _FORMAT:
            raise ValueError(f"a conntrack snapshot of format {state.get('format')!r}")
        self._opened.restore(state["opened"])
        self._losses.restore(state["losses"])
        self.counters = Counters(**state["counters"])

    def _account(
        self, frames: Sequence[Frame], cut: list[int], bad: Sequence[tuple[int, str]]
    ) -> None:
        """Tell what could not be read, frame by frame in their order."""
        faults: dict[int, list[str]] = {}
        for at in cut:
            faults.setdefault(at, []).append("a message that is cut short, or lies of its size")
        for at, why in bad:
            faults.setdefault(at, []).append(why)
        for at, frame in enumerate(frames):
            now_us = frame.received_ns // 1000
            self._losses.tick(frame.number, now_us)
            for why in faults.get(at, ()):
                self.counters.malformed += 1
                wire_us = frame.wire_ns // 1000
                loss = Loss("malformed", columns.SOURCE, "messages", 1, wire_us, wire_us, why)
                self._losses.add(loss, frame.number, now_us)

    def _count(self, found: Values, kinds: Kinds) -> None:
        created, seen, destroyed = (int(kind.sum()) for kind in kinds)
        self.counters.messages += found.rows
        self.counters.created += created
        self.counters.seen += seen
        self.counters.destroyed += destroyed
        self.counters.other += found.rows - created - seen - destroyed - len(found.bad)

    def _rows(self, found: Values, kinds: Kinds, frames: Sequence[Frame], index: Ints) -> Rows:
        received = _micros(frame.received_ns for frame in frames)[index]
        wire = _micros(frame.wire_ns for frame in frames)[index]
        told = spans.read(found, kinds, wire, self._opened)
        made = columns.columns(found, kinds, told, received)
        numbers = np.array([frame.number for frame in frames], np.int64)
        return Rows(log="flows", site=self.site, columns=made, frame=numbers[index])


class _Heap(NamedTuple):
    """The payloads of many frames, joined, and the messages in them."""

    data: bytes
    starts: list[int]
    sizes: list[int]
    counts: list[int]
    """Of messages in each frame."""
    faults: list[int]
    """Frames whose end could not be read."""


def _gather(frames: Sequence[Frame]) -> _Heap:
    heap = _Heap(b"".join([frame.payload for frame in frames]), [], [], [], [])
    base = 0
    for at, frame in enumerate(frames):
        starts, sizes, whole = message.split(frame.payload)
        heap.starts.extend([base + start for start in starts])
        heap.sizes.extend(sizes)
        heap.counts.append(len(starts))
        base += len(frame.payload)
        if not whole:
            heap.faults.append(at)
    return heap


def _kinds(found: Values) -> Kinds:
    good = np.ones(found.rows, np.bool_)
    good[list(found.bad)] = False
    told = good & (found.type == message.CREATED)
    new = told & (found.flags & message.CREATE > 0) & (found.flags & message.MULTI == 0)
    return Kinds(new, told & ~new, good & (found.type == message.DESTROYED))


def _only(found: Values, rows: Ints) -> Values:
    """Return the values of some rows, all of them most often."""
    if len(rows) == found.rows:
        return found
    return Values(
        len(rows),
        found.type[rows],
        found.flags[rows],
        {name: column[rows] for name, column in found.columns.items()},
        {name: mask[rows] for name, mask in found.told.items()},
    )


def _micros(times_ns: Iterable[int]) -> Ints:
    return np.fromiter(times_ns, np.int64) // 1000
