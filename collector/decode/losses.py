"""What was lost or could not be read, as coverage events: prompt, but not one per datagram.

The first loss of a kind from an exporter is told at once. What follows within the window is added
up and told in one event by the first datagram after it, so a flood of losses stays a few rows per
minute. Everything hangs on the datagrams alone, so that decoding them again tells the same.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from collector.decode.head import Head
from collector.records import CoverageEvent, moment

Ints = npt.NDArray[np.int64]

_MOST_KEYS = 4096
_FAR = 1 << 62
_MOST_NOTE = 400
"""No more is added to a note that is so long."""


class Loss(NamedTuple):
    """One thing that is missing."""

    kind: str
    source: str
    unit: str
    lost: int | None
    from_us: int
    to_us: int
    note: str


def _both(note: str, loss: Loss) -> str:
    """Return the note of several losses: the first one's, of sets that of each template."""
    more = loss.unit == "sets" and loss.note not in note and len(note) < _MOST_NOTE
    return f"{note}; {loss.note}" if note and more else note or loss.note


def unread(template: int, head: Head) -> Loss:
    """Return the loss of what follows the last whole record of a set."""
    note = f"bytes behind the last record of template {template}: the set does not fit it"
    return Loss("malformed", head.source, "sets", 1, head.wire_us, head.wire_us, note)


@dataclass(slots=True)
class _Open:
    """What came within the window after an event."""

    until_us: int
    times: int = 0
    lost: int | None = None
    from_us: int = _FAR
    to_us: int = 0
    note: str = ""


class Losses:
    """The losses of one site."""

    def __init__(self, site: str, window_s: int) -> None:
        self._site = site
        self._window_us = window_s * 1_000_000
        self._open: dict[tuple[str, str, str], _Open] = {}
        self._due_us = _FAR
        self._events: list[tuple[int, CoverageEvent]] = []

    def add(self, loss: Loss, frame: int, now_us: int) -> None:
        """Tell a loss, now or with the others of its window."""
        if len(self._open) >= _MOST_KEYS and (loss.kind, loss.source, loss.unit) not in self._open:
            loss = loss._replace(source="", note="many exporters")
        key = (loss.kind, loss.source, loss.unit)
        pending = self._open.get(key)
        if pending is None:
            self._emit(loss, frame)
            self._open[key] = _Open(now_us + self._window_us)
            self._due_us = min(self._due_us, now_us + self._window_us)
            return
        pending.times += 1
        pending.from_us = min(pending.from_us, loss.from_us)
        pending.to_us = max(pending.to_us, loss.to_us)
        pending.note = _both(pending.note, loss)
        if loss.lost is not None:
            pending.lost = (pending.lost or 0) + loss.lost

    def tick(self, frame: int, now_us: int) -> None:
        """Tell what windows have gathered that are over."""
        if now_us < self._due_us:
            return
        for key, pending in list(self._open.items()):
            if pending.until_us > now_us:
                continue
            if not pending.times:
                del self._open[key]
                continue
            note = f"{pending.times} times; {pending.note}" if pending.times > 1 else pending.note
            kind, source, unit = key
            span = pending.from_us, pending.to_us
            self._emit(Loss(kind, source, unit, pending.lost, *span, note), frame)
            self._open[key] = _Open(now_us + self._window_us)
        self._due_us = min((p.until_us for p in self._open.values()), default=_FAR)

    def tick_all(self, frames: Ints, now_us: Ints) -> None:
        """Do the same for many frames, in order."""
        if int(now_us.max()) >= self._due_us:
            for frame, now in zip(frames.tolist(), now_us.tolist(), strict=True):
                self.tick(frame, now)

    def take(self) -> list[tuple[int, CoverageEvent]]:
        """Return and forget the events told since the last call, by frame."""
        events, self._events = self._events, []
        return events

    def _emit(self, loss: Loss, frame: int) -> None:
        event = CoverageEvent(
            time=moment(loss.from_us),
            end=moment(max(loss.from_us, loss.to_us)),
            site=self._site,
            kind=loss.kind,
            source=loss.source,
            lost=loss.lost,
            unit=loss.unit,
            note=loss.note,
        )
        self._events.append((frame, event))

    def snapshot(self) -> list[Any]:
        """Return the open windows as JSON values."""
        return [[list(key), asdict(pending)] for key, pending in self._open.items()]

    def restore(self, state: list[Any]) -> None:
        """Go on with the windows that `snapshot` described."""
        self._open = {(k[0], k[1], k[2]): _Open(**pending) for k, pending in state}
        self._due_us = min((p.until_us for p in self._open.values()), default=_FAR)
