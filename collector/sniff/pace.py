# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""When to stop, and how much at a time: shared by the programs that watch a wire."""

from __future__ import annotations

import ctypes
import os
import signal
from types import FrameType

_PR_SET_PDEATHSIG = 1


class Stop:
    """Set by a signal, or by the end of the process that started this one."""

    def __init__(self) -> None:
        parent = os.getppid()
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        self.asked = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._ask)
        self.asked = self.asked or os.getppid() != parent

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        self.asked = True


class Bucket:
    """So many a second, and so many at once after a quiet time."""

    def __init__(self, per_s: float, at_once: int) -> None:
        self._per_s, self._at_once, self._room = per_s, at_once, float(at_once)
        self._filled_ns = 0

    def take(self, now_ns: int) -> bool:
        """Return whether there is room for one more."""
        passed_s = max(0, now_ns - self._filled_ns) / 10**9
        self._filled_ns = now_ns
        self._room = min(self._at_once, self._room + passed_s * self._per_s)
        if self._room < 1:
            return False
        self._room -= 1
        return True
