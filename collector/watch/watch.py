"""The process `watch`: looks at everything once a second, and hands over what changed."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from collector.records import Clock
from collector.settings import CollectorSettings
from collector.watch.door import Door, Event
from collector.watch.lease_files import LeaseFileWatch
from collector.watch.tables import NeighbourWatch
from collector.watch.uplink import UplinkWatch

LOOK_S = 1.0
COMPLAIN_NS = 60 * 10**9
_log = logging.getLogger(__name__)


class Watch(Protocol):
    """Something that is looked at."""

    def look(self, now_ns: int) -> Iterator[Event]:
        """Give what changed since last looked."""
        ...


def watch(
    home: Path,
    settings: CollectorSettings,
    stop: threading.Event,
    *,
    clock: Clock,
    ready: Callable[[], None],
) -> None:
    """Look until `stop` is set."""
    watches: list[Watch] = [LeaseFileWatch(each) for each in settings.lease_files]
    watches += [UplinkWatch(each) for each in settings.uplinks]
    watches += [NeighbourWatch(settings.neighbours)] if settings.neighbours else []
    door = Door(home / "run" / "receive.sock", clock=clock)
    complained = 0
    ready()
    while not stop.wait(LOOK_S):
        now = clock()
        for each in watches:
            for event in each.look(now):
                door.put(event)
        complaint = door.flush()
        if complaint and abs(now - complained) >= COMPLAIN_NS:
            complained = now
            _log.warning("%s", complaint)
