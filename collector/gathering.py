"""How long frames gather in the spool before the sealing process reads them.

Whatever is done with a batch costs the less for each row the more rows it has, and a part that is
made of one batch has its texts coded once. So while flows come fast, they are read when the next
part is due: nobody could search them sooner. What comes slowly is read twice a second, and so is
all where the portal waits for what lines of syslog say of sign-ins.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from collector.records import Frame, FrameKind

GATHER_S = 0.5
"""What comes slowly gathers so long: a batch of a thousand datagrams costs half of what ten of a
hundred cost."""
READ_BYTES = 8 << 20
"""At most so much is read at once, about."""
FAST_BYTES_S = 1 << 20
"""Datagrams of flows that come faster: some 15,000 flows a second."""


class Gathering:
    """Says when it is time to read, to a loop that does other things between."""

    def __init__(self, *, patient: bool) -> None:
        """Begin; the first reading is due at once.

        Args:
            patient: Whether flows that come fast may gather until the next part.
        """
        self._patient = patient
        self._since = self._until = time.monotonic()
        self._enough_bytes = 0

    def over(self, unread_bytes: int) -> bool:
        """Return whether it is time to read.

        Args:
            unread_bytes: How much has gathered.
        """
        return unread_bytes >= self._enough_bytes or not self.left_s

    @property
    def left_s(self) -> float:
        """How long to wait before asking again."""
        return max(0.0, min(GATHER_S, self._until - time.monotonic()))

    def begin(self, frames: Sequence[Frame], due_s: float) -> None:
        """Gather anew.

        Args:
            frames: What was read since the last time.
            due_s: When the next part is due, by the clock that nobody can set.
        """
        flows = sum(len(frame.payload) for frame in frames if frame.kind is FrameKind.FLOW)
        since, self._since = self._since, time.monotonic()
        if self._patient and flows > FAST_BYTES_S * (self._since - since):
            self._until, self._enough_bytes = due_s, READ_BYTES
        else:
            self._until, self._enough_bytes = self._since + GATHER_S, READ_BYTES // 2
        if not frames:
            self._enough_bytes = sys.maxsize  # whatever lies there is not durable yet
