"""What keeps the box's clock right, and how far it is off: asked of chrony, or of the kernel.

The kernel knows whether some time service holds the clock (`adjtimex`, STA_UNSYNC), and what is
left to correct; chrony tells its stratum and offset besides. A box where nothing holds the clock
says `unsynchronised` in its ledger.
"""

from __future__ import annotations

import csv
import ctypes
import shutil
import subprocess
import threading
from types import TracebackType
from typing import Self

from collector.seal.chain import ClockState

ASK_S = 64.0
"""Time services look at their servers about so often."""
ALARM_US = 10_000
"""The most that the clock may be off (the 2550 notification on traffic data, clause 9)."""
CHRONY, KERNEL, NOTHING = "chrony", "ntp", "unsynchronised"
_CHRONYC_S = 5.0
_LEAST_COLUMNS = 14
_UNSYNCHRONISED, _NANOSECONDS = 0x0040, 0x2000
_MOST_US = 1 << 52


class _Timex(ctypes.Structure):
    """`struct timex` of the kernel, as far as it is read (adjtimex(2))."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("frequency", ctypes.c_long),
        ("max_error", ctypes.c_long),
        ("estimated_error", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 256),
    )


class Timekeeper:
    """Looks every minute, in a thread of its own: chrony may take its time."""

    def __init__(self) -> None:
        self.state = read()
        """As of the last look."""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, name="timekeeper", daemon=True)

    def __enter__(self) -> Self:
        """Look from now on."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Look no more."""
        self._stop.set()
        self._thread.join(_CHRONYC_S)

    def _look(self) -> None:
        while not self._stop.wait(ASK_S):
            self.state = read()


def alarm(state: ClockState) -> str:
    """Return what is wrong with the clock, in words; empty when nothing is."""
    if state.source == NOTHING:
        return "no time service holds the clock: install chrony"
    if abs(state.offset_us) > ALARM_US:
        return f"the clock is {state.offset_us / 1000:+.1f} ms off"
    return ""


def read() -> ClockState:
    """Return what holds the clock now; `offset_us` is how far the box is ahead."""
    held, offset_us = _kernel()
    if not held:
        return ClockState(source=NOTHING, offset_us=0)
    told = chrony(_tracking())
    return told if told is not None else ClockState(source=KERNEL, offset_us=offset_us)


def _kernel() -> tuple[bool, int]:
    """Return whether a time service holds the clock, and by how much it is ahead, µs."""
    timex = _Timex()
    try:
        known = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(timex)) >= 0
    except (OSError, AttributeError):
        return False, 0
    left = timex.offset // 1000 if timex.status & _NANOSECONDS else timex.offset
    return known and not timex.status & _UNSYNCHRONISED, -left


def _tracking() -> str:
    """Return what `chronyc -c tracking` prints; empty without chrony."""
    program = shutil.which("chronyc")
    if program is None:
        return ""
    command = [program, "-c", "tracking"]
    try:
        done = subprocess.run(  # noqa: S603  # no word of it is anybody else's
            command, capture_output=True, text=True, timeout=_CHRONYC_S, check=True
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return ""
    return done.stdout


def chrony(text: str) -> ClockState | None:
    """Return what a line of `chronyc -c tracking` says; None where chrony holds no clock.

    The fields are reference, its name, stratum, time of reference, correction (positive where the
    box is behind), …, leap status.
    """
    try:
        fields = next(csv.reader(text.splitlines()), [])
        stratum, correction = int(fields[2]), float(fields[4])
        offset_us = -round(correction * 1e6)
    except (ValueError, IndexError, OverflowError, csv.Error):
        return None
    if len(fields) < _LEAST_COLUMNS or "Not sync" in fields[-1] or not 0 < stratum < 16:
        return None
    if abs(offset_us) >= _MOST_US:
        return None
    return ClockState(source=CHRONY, offset_us=offset_us, stratum=stratum)
