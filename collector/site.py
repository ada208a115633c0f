"""What the pipeline keeps of one site: its decoder, its timeline, its open logs."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Mapping
from typing import Any

from collector.attribute.networks import Networks
from collector.attribute.timeline import Timeline
from collector.decode.decoder import FlowDecoder
from collector.settings import Site
from collector.store.open_log import OpenLog

SEEN_EVENTS = 20_000
"""Ids of the newest events of each site that are remembered, to store a repeat once."""


class SiteLine:
    """Everything that turns the frames of one site into rows, and its open logs."""

    def __init__(self, site: Site, logs: dict[str, OpenLog]) -> None:
        self.site = site.id
        self.networks = Networks(site.networks)
        self.logs = logs
        self.decoder = FlowDecoder(site.id)
        self.timeline = Timeline()
        self.seen: OrderedDict[str, None] = OrderedDict()
        self.access: Counter[str] = Counter()
        """Acts of people since the last full end of an interval, for the `access` entry."""
        self.log_vkey = ""
        """The key that a verifier should be given from outside."""
        self.sealed_until_us = 0
        """Greatest event time of flows that got their last attribution."""
        self.lock = threading.Lock()
        """Held while the timeline is read or changed: the sealing thread reads it too."""

    @property
    def ended_at(self) -> int:
        """First position past the last end of an interval that all logs had together."""
        return min(log.spool_from for log in self.logs.values())

    def snapshot(self) -> dict[str, Any]:
        """Return all state that a restart needs to go on from here."""
        return {
            "decoder": self.decoder.snapshot(),
            "timeline": self.timeline.snapshot(),
            "seen": list(self.seen),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `snapshot` returned.

        Raises:
            ValueError, KeyError, TypeError: it is of another version; nothing was changed.
        """
        decoder = FlowDecoder(self.site)
        decoder.restore(state["decoder"])
        timeline = Timeline.restore(state["timeline"])
        seen = OrderedDict.fromkeys(state["seen"])
        self.decoder, self.timeline, self.seen = decoder, timeline, seen

    def fresh(self, event_id: object) -> bool:
        """Return whether this event was not seen before, and remember it."""
        key = str(event_id)
        if key in self.seen:
            return False
        self.seen[key] = None
        if len(self.seen) > SEEN_EVENTS:
            self.seen.popitem(last=False)
        return True
