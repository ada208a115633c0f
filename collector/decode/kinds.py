"""Frames by their kind: as a rule a batch has one, and is not gone through for all the others."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from operator import attrgetter

from collector.records import Frame, FrameKind

_KIND = attrgetter("kind")


def of(frames: Sequence[Frame], kinds: Collection[FrameKind]) -> Sequence[Frame]:
    """Return the frames of some kinds, in their order."""
    present = set(map(_KIND, frames))
    if present.isdisjoint(kinds):
        return ()
    if present.issubset(kinds):
        return frames
    return [frame for frame in frames if frame.kind in kinds]
