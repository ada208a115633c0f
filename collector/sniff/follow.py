# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The loop of the programs that watch a wire: takes packets, hands over what they are worth."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple, Protocol

from collector.sniff.door import Door
from collector.sniff.listen import Wire
from collector.sniff.pace import Bucket, Stop
from collector.sniff.records import Record

COMPLAIN_NS = 60 * 10**9
REST_S = 0.05
_log = logging.getLogger("sniff")

Clock = Callable[[], int]
"""Returns the time now, ns since the epoch."""


class Listener(Protocol):
    """Knows what packets are worth, and counts what was not told."""

    dropped: int
    """Packets that the kernel dropped, since last told."""
    left_out: int
    """Records that were too many, since last told."""

    def hear(self, packet: bytes, time_ns: int) -> Iterable[Record]:
        """Return what a packet is worth that was on the wire at this time."""
        ...

    def tally(self, now_ns: int, *, last: bool = False) -> Iterable[Record]:
        """Return what was left out since last told, now and then, and at the end."""
        ...


class Pace(NamedTuple):
    """How much at a time, and how often it is handed over."""

    per_s: int
    """Packets; what is more the kernel drops, and counts."""
    at_once: int
    flush_ns: int


def follow(
    wire: Wire, listener: Listener, *, door: Door, stop: Stop, pace: Pace, clock: Clock
) -> None:
    """Take packets off an open wire until stopped.

    Raises:
        OSError: the wire is gone.
    """
    flushed = complained = 0
    room = Bucket(pace.per_s, pace.at_once)
    while not stop.asked:
        heard = wire.next()
        now = clock()
        if heard is not None:
            for kind, event in listener.hear(*heard):
                door.put(kind, event)
            if not room.take(now):
                time.sleep(REST_S)
        if abs(now - flushed) < pace.flush_ns:
            continue
        flushed = now
        complaint = _hand_over(wire, listener, door, now)
        if complaint and abs(now - complained) >= COMPLAIN_NS:
            complained = now
            _log.warning("%s", complaint)
    _hand_over(wire, listener, door, clock(), last=True)


def _hand_over(
    wire: Wire, listener: Listener, door: Door, now_ns: int, *, last: bool = False
) -> str:
    listener.dropped += wire.dropped(last=last)
    listener.left_out, door.lost = listener.left_out + door.lost, 0
    for kind, event in listener.tally(now_ns, last=last):
        door.put(kind, event)
    return door.flush()
