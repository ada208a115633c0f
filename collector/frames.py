"""The frames of one site to the rows of all logs, in the order in which the logs take them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from operator import attrgetter

from collector.decode import blocks, kinds, own_events
from collector.decode.own_events import Released
from collector.records import Frame, FrameKind, Rows
from collector.site import SiteLine
from collector.store.catalog import Catalog

_FLOWS = (FrameKind.FLOW, FrameKind.CONNTRACK)
_OWN = (FrameKind.SESSION, FrameKind.AUDIT, FrameKind.COVERAGE, FrameKind.LEASE)
_SYSLOG = (FrameKind.SYSLOG, FrameKind.LINES)

_Telling = Generator[Rows, None, list[Released]]
"""Gives rows, and in the end what was told of losses."""


class FrameReader:
    """Reads frames with what is kept of their site."""

    def __init__(self, catalog: Catalog, counts: Counter[str], *, names: bool) -> None:
        """Make it.

        Args:
            catalog: Where bindings go that reach into sealed time.
            counts: Of frames that are malformed or repeated.
            names: Whether names of hosts are kept.
        """
        self._catalog = catalog
        self._counts = counts
        self._names = names

    def rows(self, line: SiteLine, frames: Sequence[Frame]) -> Iterator[Rows]:
        """Yield the rows of a site's frames; each is to be stored before the next is asked for."""
        said = line.read_messages(kinds.of(frames, _SYSLOG))
        # Syslog tells of leases, too.
        telling = [*kinds.of(frames, _OWN), *said.others]
        told = yield from self._own(line, sorted(telling, key=attrgetter("number")))
        told += line.sources.see(frames, told)
        if self._names and (asked := line.names(frames)):
            yield asked
        line.take_messages(said, frames)
        told += yield from self._flows(line, kinds.of(frames, _FLOWS), said.flows)
        if len(said.events):
            told += line.sources.read(said.events)
            yield said.events
        yield from line.take_beside()
        if told := line.sources.settle(told):
            yield own_events.coverage_rows(line.site, told)

    def _own(self, line: SiteLine, frames: Sequence[Frame]) -> _Telling:
        """Yield what the box told of itself."""
        if not frames:
            return []
        found = own_events.read(frames)
        self._counts["malformed"] += found.malformed
        sessions = [told for told in found.sessions if line.fresh(told[2].event_id)]
        audits = [told for told in found.audits if line.fresh(told[2].event_id)]
        told_again = len(found.sessions) + len(found.audits) - len(sessions) - len(audits)
        self._counts["repeated"] += told_again
        if sessions or found.leases:
            self._learn(line, [*sessions, *found.leases])
        if sessions:
            yield own_events.session_rows(line.site, sessions)
        if audits:
            line.count_acts(event.act for at, _, event in audits if at >= line.ended_at)
            yield own_events.audit_rows(line.site, audits)
        if found.leases:
            line.beside.leases.append(own_events.lease_rows(line.site, found.leases))
        return found.coverage

    def _flows(self, line: SiteLine, frames: Sequence[Frame], said: Rows | None) -> _Telling:
        """Yield flows, also those that lines told of."""
        received: dict[int, int] = {}
        told: list[Released] = []
        for decoded in line.flows(frames, said):
            if decoded.coverage and not received:
                received = {frame.number: frame.received_ns // 1000 for frame in frames}
            told += [(number, received[number], event) for number, event in decoded.coverage]
            if decoded.leases:
                self._learn(line, list(blocks.learnt(decoded.leases)))
            if decoded.flows is not None:
                yield line.hosts.named(decoded.flows)
        return told

    def _learn(self, line: SiteLine, told: Sequence[own_events.Learnt]) -> None:
        """Put sessions and leases on the timeline; keep what reaches into sealed time."""
        with line.lock:
            changes = [c for number, _, event in told for c in line.learn(event, number)]
            late = [change for change in changes if change.from_us < line.sealed_until_us]
        self._catalog.add_late_bindings(
            [change.new for change in late if change.new is not None],
            withdrawn=[change.old for change in late if change.old is not None],
        )
