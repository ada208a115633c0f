"""What the pipeline keeps of one site: its decoder, its timeline, its open logs."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import Counter, OrderedDict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from collector.attribute.attribute import attribute
from collector.attribute.calls import TCP, UDP, Call
from collector.attribute.change import Change
from collector.attribute.hints import claims, stations
from collector.attribute.hosts import Hosts
from collector.attribute.networks import Networks
from collector.attribute.timeline import Timeline
from collector.decode import datagram_rows, kinds, merged, names, own_events
from collector.decode.believed import Believed
from collector.decode.conntrack.decoder import ConntrackDecoder
from collector.decode.decoder import Decoded, FlowDecoder
from collector.decode.limits import Limits
from collector.decode.names import Named
from collector.decode.sources import told
from collector.decode.sources.book import SourceBook
from collector.decode.syslog import fixed, messages
from collector.decode.syslog.fixed import Fixed
from collector.decode.syslog.messages import Messages
from collector.decode.syslog.patterns import Tally
from collector.errors import SettingsError
from collector.records import Frame, FrameKind, LeaseEvent, Rows, SessionEvent, SignInLine
from collector.settings import CollectorSettings, Site, nearest
from collector.spool.lines import each
from collector.store.open_log import OpenLog

REMEMBERED_CHANGES = 10_000
"""Flows that were attributed longer ago are attributed anew when they are sealed."""
ACCESS = {
    "search": "searches",
    "who": "searches",
    "view": "views",
    "export": "exports",
    "sign-in": "signins",
}
"""Which count of the ledger's `access` entry an act of the audit log is one of."""
SEEN_EVENTS = 20_000
"""Ids of the newest events of each site that are remembered, to store a repeat once."""


@dataclass(slots=True)
class Beside:
    """What the frames at hand told besides flows; a log takes the rows in the order of frames."""

    leases: list[Rows] = field(default_factory=list)
    counters: list[Rows] = field(default_factory=list)
    """What interfaces counted."""
    datagrams: list[Rows] = field(default_factory=list)
    """What exporters sent, byte for byte, where that is kept."""


class SiteLine:
    """Everything that turns the frames of one site into rows, and its open logs."""

    def __init__(self, site: Site, logs: dict[str, OpenLog], settings: CollectorSettings) -> None:
        self.site = site.id
        self.networks = Networks(site.networks, site.shared)
        self.logs = logs
        self.decoder = FlowDecoder(site.id, _limits(site.id, settings))
        self.conntrack = ConntrackDecoder(site.id)
        self.sources = SourceBook(site.id)
        self.tally, self._formats = Tally(), formats(site.id, settings)
        self.believed = Believed(site.id, settings.believed_senders, inside=self.networks.holds)
        self.timeline = Timeline()
        self.hosts = Hosts()
        self._names_kept, self._datagrams_kept = settings.names.reason, settings.datagrams.reason
        self.seen: OrderedDict[str, None] = OrderedDict()
        self.beside = Beside()
        self.access: Counter[str] = Counter()
        """Acts of people since the last full end of an interval, for the `access` entry."""
        self.log_vkey = ""
        """The key that a verifier should be given from outside."""
        self.changes = 0
        """Changes of the timeline so far."""
        self._recent: deque[int] = deque(maxlen=REMEMBERED_CHANGES)
        """From when on the newest changes change answers."""
        self.sealed_until_us = 0
        """Greatest event time of flows that got their last attribution."""
        self.lock = threading.Lock()
        """Held while the timeline is read or changed: the sealing thread reads it too."""
        self.told_lock = threading.Lock()
        """Held while `believed` is: the portal is answered by a thread of its own."""

    @property
    def ended_at(self) -> int:
        """First position past the last end of an interval that all logs had together."""
        return min(log.spool_from for log in self.logs.values())

    def status(self) -> dict[str, Any]:
        """Return what `prathu status` shows of it."""
        return {
            "log_vkey": self.log_vkey,
            "flows": self.decoder.status(),
            "no_room": {
                "leases": self.timeline.refused,
                "blocks": self.timeline.lent.refused,
                "accounts_in_flows": self.timeline.hints.refused,
            },
            "syslog": self.tally.status(),
            "names_malformed": self.hosts.malformed,
            "sign_ins": {
                "waiting": len(self.believed),
                "lost": self.believed.lost,
                "nowhere": self.believed.nowhere,
            },
        }

    def count_acts(self, acts: Iterable[str]) -> None:
        """Count what people did, for the `access` entry."""
        self.access.update(ACCESS[act] for act in acts if act in ACCESS)

    def names(self, frames: Sequence[Frame]) -> Rows:
        """Return which names devices asked for, and remember them for the flows that follow."""
        found = [
            (line.number, line.received_ns // 1000, named)
            for frame in frames
            for line in (each(frame) if names.may_tell(frame) else ())
            for named in self._names_in(line)
        ]
        for number, _, named in found:
            self._learn_name(named, number)
        return own_events.name_rows(self.site, found)

    def _learn_name(self, named: Named, frame: int) -> None:
        if named.client_port is not None and named.port is not None:
            protocol = UDP if named.origin == "quic-sni" else TCP
            ports = named.client_port, named.port, protocol
            call = Call(named.time_us, *ports, named.name, frame)
            self.hosts.calls.learn((named.client, named.answer), call)
            return
        name = self.hosts.asked(named.query, named.name, alias=named.kind == "CNAME")
        if named.answer:
            told = (named.time_us, named.client, name, named.answer)
            self.hosts.learn(told, frame, ttl=named.ttl)

    def _names_in(self, frame: Frame) -> Sequence[Named]:
        if frame.kind is FrameKind.SYSLOG:
            named = names.of_frame(frame)
            return () if named is None else (named,)
        if frame.kind is not FrameKind.NAME:
            return ()
        try:
            return names.captured(frame)
        except ValueError:
            self.hosts.malformed += 1
            return ()

    def read_messages(self, frames: Sequence[Frame]) -> Messages:
        """Decode lines of syslog; nothing is remembered of them."""
        return messages.read(frames, self._formats)

    def take_messages(self, said: Messages, frames: Sequence[Frame]) -> None:
        """Count lines, and remember who signed in.

        Args:
            said: What they say.
            frames: Those that they came in, and perhaps others, in order.
        """
        self.tally.count(said)
        if said.sign_ins:
            with self.told_lock:
                verdicts = self.believed.take(said.sign_ins, frames)
            self.sources.judge(verdicts)

    def sign_ins(self, position: int, received_us: int, most: int) -> list[SignInLine]:
        """Return what believed senders said after what the portal has, from any thread."""
        with self.told_lock:
            return self.believed.after(position, received_us, most)

    def flows(self, frames: Sequence[Frame], said: Rows | None) -> Iterator[Decoded]:
        """Decode what exporters and the kernel told, in order, a bounded bite at a time.

        Args:
            frames: Of flows and of connections.
            said: Flows that lines of syslog told of; they come in the order of their frames.
        """
        exported = kinds.of(frames, (FrameKind.FLOW,))
        tracked = kinds.of(frames, (FrameKind.CONNTRACK,))
        if self._datagrams_kept and exported:
            self.beside.datagrams.append(datagram_rows.rows(self.site, exported))
        while exported:
            decoded, taken = self.decoder.some(exported)
            self.beside.leases += decoded.leases
            self.beside.counters += decoded.counters
            last = exported[taken - 1].number if taken < len(exported) else frames[-1].number
            exported = exported[taken:]
            parts = [decoded]
            if beside := bisect_right(tracked, last, key=lambda frame: frame.number):
                parts.append(self.conntrack.decode(tracked[:beside]))
                tracked = tracked[beside:]
            told, said = merged.until(said, last)
            if told is not None:
                parts.append(Decoded(flows=told, coverage=[]))
            yield merged.join(parts) if len(parts) > 1 else decoded
        parts = [self.conntrack.decode(tracked)] if tracked else []
        if said is not None:
            parts.append(Decoded(flows=said, coverage=[]))
        if parts:
            yield merged.join(parts)

    def take_beside(self) -> list[Rows]:
        """Return and forget what the frames at hand told besides flows, in the order of these."""
        told, self.beside = self.beside, Beside()
        lists = told.leases, told.counters, told.datagrams
        return [merged.in_order(each) for each in lists if each]

    def learn(self, event: SessionEvent | LeaseEvent, frame: int) -> list[Change]:
        """Put an event on the timeline; return the bindings that changed. Hold the lock."""
        if isinstance(event, LeaseEvent):
            changes, from_us = self.timeline.add_lease(event, frame)
            since = [] if from_us is None else [from_us]
        else:
            changes, since = self.timeline.add(event, frame), []
        self._changed([*since, *(change.from_us for change in changes)])
        return self.timeline.take_unlisted() + changes

    def attribute(self, table: pa.Table) -> pa.Table:
        """Return flows with the persons at their ends as known now. Hold the lock."""
        for claim in claims(table, self.networks):
            from_us = self.timeline.hints.add(self.site, claim)
            self._changed([] if from_us is None else [from_us])
        for station in stations(table, self.networks):
            from_us = self.timeline.add_station(self.site, station)
            self._changed([] if from_us is None else [from_us])
        return attribute(table, self.timeline, self.networks)

    def complete(self, table: pa.Table) -> tuple[pa.Table, int]:
        """Return flows with the persons as known now, and the count of changes until now."""
        with self.lock:
            return self.attribute(table), self.changes

    def _changed(self, since: Sequence[int]) -> None:
        """Note from when on changes of the timeline change answers."""
        self._recent.extend(since)
        self.changes += len(since)

    def finish(self, table: pa.Table, known: int, event_max_us: int) -> pa.Table:
        """Return flows with their last attribution, made anew only if it may be another.

        Args:
            table: The flows, with the persons known when `changes` was `known`.
            known: That count.
            event_max_us: Their greatest event time: what changed later is nothing to them.
        """
        with self.lock:
            self.sealed_until_us = max(self.sealed_until_us, event_max_us)
            since = self.changes - known
            told = list(self._recent)[-since:] if since else []
            if len(told) == since and all(from_us > event_max_us for from_us in told):
                return table
            return self.attribute(table)

    def told(self, now_us: int, *, whole: str = "") -> dict[str, list[dict[str, Any]]]:
        """Return what is known of everyone who sends, of drops, and of lines that nobody reads.

        Args:
            now_us: The box's clock.
            whole: Whose templates are told with their fields (`told.ALL`: everyone's).
        """
        unread = [{"site": self.site, **one} for one in self.tally.unread.commonest()]
        return {**_told(self.sources, self.decoder, now_us, whole), "unread": unread}

    def snapshot(self) -> dict[str, Any]:
        """Return all state that a restart needs to go on from here."""
        return {
            "decoder": self.decoder.snapshot(),
            "conntrack": self.conntrack.snapshot(),
            "sources": self.sources.snapshot(),
            "believed": self.believed.snapshot(),
            "timeline": self.timeline.snapshot(),
            "hosts": self.hosts.plain(),
            "seen": list(self.seen),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `snapshot` returned.

        Raises:
            ValueError, KeyError, TypeError: it is of another version; nothing was changed.
        """
        decoder = FlowDecoder(self.site, self.decoder.limits)
        decoder.restore(state["decoder"])
        conntrack = ConntrackDecoder(self.site)
        if "conntrack" in state:
            conntrack.restore(state["conntrack"])
        sources = SourceBook.restore(self.site, state.get("sources", {}))
        timeline = Timeline.restore(state["timeline"])
        seen = OrderedDict.fromkeys(state["seen"])
        if "believed" in state:
            self.believed.restore(state["believed"])
        # Where the reason was taken away, what is remembered names no flow any more.
        self.hosts = Hosts.from_plain(state.get("hosts") or {}) if self._names_kept else Hosts()
        self.decoder, self.timeline, self.seen = decoder, timeline, seen
        self.conntrack, self.sources = conntrack, sources

    def fresh(self, event_id: object) -> bool:
        """Return whether this event was not seen before, and remember it."""
        key = str(event_id)
        if key in self.seen:
            return False
        self.seen[key] = None
        if len(self.seen) > SEEN_EVENTS:
            self.seen.popitem(last=False)
        return True


def _limits(site: str, settings: CollectorSettings) -> Limits:
    """Return what of the settings the decoder of a site goes by."""
    rates = (
        (each.address, each.sampling)
        for each in settings.exporters
        if each.site == site and each.sampling is not None
    )
    return Limits(counters_every_s=settings.sflow.counters_every_s, sampling=tuple(rates))


def formats(site: str, settings: CollectorSettings) -> Fixed:
    """Return the formats of syslog that the settings give senders of a site.

    Raises:
        SettingsError: there is no such format.
    """
    given = [(each.address, each.format) for each in settings.exporters if each.site == site]
    for address, name in given:
        if name and name not in fixed.NAMES:
            told = f"exporters: {address} has the format {name!r}{nearest(name, set(fixed.NAMES))}"
            raise SettingsError(told, hint="see docs/settings.md")
    return Fixed(given)


def told_at_rest(
    site: str, state: Mapping[str, Any], *, whole: str = ""
) -> tuple[int, dict[str, Any]]:
    """Return what a snapshot knows of everyone who sends, and the time it is true at, µs.

    Raises:
        ValueError, KeyError, TypeError: it is of another version.
    """
    decoder = FlowDecoder(site)
    decoder.restore(state["decoder"])
    sources = SourceBook.restore(site, state.get("sources", {}))
    return sources.now_us, _told(sources, decoder, sources.now_us, whole)


def _told(
    sources: SourceBook, decoder: FlowDecoder, now_us: int, whole: str
) -> dict[str, list[dict[str, Any]]]:
    waiting = decoder.waiting.kept()
    return {
        "sources": told.sources(sources, decoder.streams, waiting, now_us, whole=whole),
        "kernel": told.kernel(sources, now_us),
    }
