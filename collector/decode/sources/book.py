"""The book of everyone who sends to one site: what frames, rows and losses tell of them.

What is of a capture (`prathu ingest`) is no source.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any

import numpy as np

from collector.decode.believed import Verdict
from collector.decode.own_events import Released
from collector.decode.sources import clocks, columns
from collector.decode.sources.history import COUNTS, History
from collector.decode.sources.rhythm import MINUTE_US, SET_BACK_US
from collector.decode.sources.shelf import Shelf
from collector.decode.sources.source import Key, Source
from collector.decode.stream import CONNECTED
from collector.records import PULSE, CoverageEvent, Frame, FrameKind, Rows, microseconds, moment
from collector.spool.lines import span

_FORMAT = "prathu-sources/1"
SILENCE, SKEW = "exporter-silence", "clock-skew"
HELD = "held-back"
"""A sender waited for as long as the event lasts; nothing is missing."""
_DROPS = ("kernel-drop", "host-drop")
THE_MACHINE = "the machine"
"""In place of a socket: what the kernel dropped before it looked at any."""
_MOST_SOCKETS = 64
_TOGETHER_NS = 60_000_000_000
"""Frames within so long can be looked at together: shorter pauses say nothing."""
_RECEIVED_NS = attrgetter("received_ns")
_SENDER = attrgetter("kind", "address", "label", "transport")
_KINDS: Mapping[int, str] = {
    FrameKind.FLOW: "flows",
    FrameKind.SYSLOG: "syslog",
    FrameKind.LINES: "syslog",
    FrameKind.CONNTRACK: "conntrack",
}
_DATAGRAMS, _RECORDS, _EXPORTER, _OWN, _UNREAD = range(len(COUNTS))
_COUNT_OF = {
    "sequence-gap": _EXPORTER,
    "conntrack-overflow": _EXPORTER,
    "exporter-drop": _EXPORTER,
    "unknown-template": _UNREAD,
    "template-limit": _UNREAD,
    "malformed": _UNREAD,
    "unsupported-version": _UNREAD,
}
"""Which count a kind of loss goes into; what else is lost, the box itself could not keep."""
_TOLD_TWICE = ("sequence-gap", "datagrams")
"""Of sFlow, whose samples in those datagrams are told as records."""
_SENDERS = ("flows", "conntrack", "syslog", "radius", "leases")
_DECODED = ("flows", "conntrack")
"""Whose bytes may be unreadable: every line of syslog is kept as it came."""
_COUNTED = ("events", "flows", "leases", "sessions")
_TOLD_BY_ROWS = {"sessions": "radius", "leases": "leases"}
_MESSAGES = "messages"
_REFUSALS = ("tls-refused", "unknown-sender")
"""What was never let in is no loss of a source."""


class SourceBook:
    """What is known of the sources of one site."""

    def __init__(self, site: str) -> None:
        self.site = site
        self.now_us = 0
        """The newest receipt."""
        self.sockets: dict[str, History] = {}
        """Datagrams that the kernel dropped, by socket: whose they were nobody knows."""
        self._shelf = Shelf()

    def __iter__(self) -> Iterator[Source]:
        return iter(self._shelf)

    @property
    def forgotten(self) -> int:
        """Sources pushed out because there were too many."""
        return self._shelf.forgotten

    @property
    def due_us(self) -> int:
        """When the next source will be silent, unless it is heard before."""
        self._shelf.find_due()
        return self._shelf.due_us

    def see(self, frames: Sequence[Frame], told: Sequence[Released]) -> list[Released]:
        """Take note of who sent these frames; return what is to be told of silence and clocks.

        Args:
            frames: All frames of the site, in the order of the spool.
            told: What the box itself told in them.
        """
        pauses = {
            number: microseconds(event.end)
            for number, _, event in told
            if event.kind == "restart" and event.end is not None
        }
        times = [*map(_RECEIVED_NS, frames)]
        newest, oldest = max(times), min(times)
        together = (
            not pauses
            and newest - oldest <= _TOGETHER_NS
            and newest // 1000 < self._shelf.due_us
            and oldest // 1000 > self.now_us - SET_BACK_US
        )
        found: list[Released] = []
        for bunch in [frames] if together else [[frame] for frame in frames]:
            first = bunch[0]
            if first.number in pauses:
                self._excuse(pauses[first.number])
            if first.received_ns // 1000 >= self._shelf.due_us:
                found += self._overdue(first)
            if first.received_ns // 1000 < self.now_us - SET_BACK_US:
                self._set_back(first.received_ns // 1000)
            for key, group in _grouped(bunch):
                found += self._hear(key, group)
            heard_ns = newest if together else first.received_ns
            self.now_us = max(self.now_us, heard_ns // 1000)
        return sorted(found, key=lambda one: one[0])

    def read(self, rows: Rows) -> list[Released]:
        """Take note of what lines of syslog tell of their senders' clocks; return what to tell.

        Args:
            rows: Of the log `events`.
        """
        sent, received = columns.numbers(rows, "sender_time"), columns.numbers(rows, "received")
        names, codes = columns.words(rows, "source")
        if sent is None or received is None or not names:
            return []
        found: list[Released] = []
        told = np.flatnonzero(sent != columns.NULL)
        buckets = received[told] // clocks.SAMPLE_US
        places = codes[told].astype(np.int64) << 40 | buckets
        for at in np.sort(np.unique(places, return_index=True)[1]).tolist():
            row, bucket = int(told[at]), int(buckets[at])
            source = self._shelf.find([Key("syslog", names[int(codes[row])])])
            if source is not None and bucket > source.clock.bucket:
                frame, now_us = int(rows.frame[row]), int(received[row])
                found += self._sample(source, frame, now_us, now_us - int(sent[row]))
        return found

    def count(self, rows: Rows) -> None:
        """Count rows by their source."""
        names, codes = columns.words(rows, "source")
        if not names or rows.log not in _COUNTED:
            return
        codes = columns.of_senders(rows, codes)
        lines = columns.lines(rows, codes, len(names))
        rates = columns.rates(rows, codes, len(names))
        interfaces = columns.interfaces(rows, codes)
        for code, rows_of in enumerate(np.bincount(codes[codes >= 0], minlength=len(names))):
            source = self._of_rows(rows.log, names[code]) if rows_of else None
            if source is None:
                continue
            source.history.add(self.now_us, _RECORDS, int(rows_of))
            if rows.log in _TOLD_BY_ROWS:
                source.history.add(self.now_us, _DATAGRAMS, int(rows_of))
            for words, counts in lines:
                named = zip(words, counts[code].tolist(), strict=True)
                source.count_formats({name: count for name, count in named if count})
            for origin, of_source in rates.items():
                source.tell_rate(origin, int(of_source[code]))
            source.use_interfaces(interfaces.get(code, ()))

    def judge(self, verdicts: Iterable[Verdict]) -> None:
        """Count lines that tell who signed in, by sender and what became of them."""
        for verdict in verdicts:
            source = self._shelf.find([Key("syslog", verdict.source)])
            if source is not None:
                source.sign_ins[verdict.word] += 1
                source.signed_in = max(source.signed_in, (verdict.time_us, verdict.word))

    def settle(self, told: Sequence[Released]) -> list[Released]:
        """Count what is missing by its source; return what is a row, in the order of frames.

        Several stages tell of the same frames, and a log takes its rows in their order.
        """
        self._lose(told)
        rows = [one for one in told if one[2].kind != PULSE]
        return sorted(rows, key=lambda one: one[0])

    def _lose(self, told: Sequence[Released]) -> None:
        for _, received_us, event in told:
            if event.kind in _DROPS and event.lost:
                self._drop(event, received_us)
                continue
            source = self._named(event)
            if source is not None:
                _take_loss(source, event, received_us)

    # Being heard

    def _hear(self, key: Key, group: list[Frame]) -> list[Released]:
        first_us, last_us = group[0].received_ns // 1000, _newest_us(group)
        found: list[Released] = []
        source = self._shelf.heard(key, first_us)
        if source.rhythm.silent:
            found.append(_silence(self.site, source, group[0], back=True))
        source.rhythm.hear(first_us)
        source.rhythm.hear(last_us)
        source.last_us = max(source.last_us, last_us)
        messages = len(group)
        if key.kind == "syslog":
            messages = sum(span(frame.kind, frame.payload) for frame in group)
        source.history.add(last_us, _DATAGRAMS, messages)
        if last_us // clocks.SAMPLE_US > source.clock.bucket:
            found += self._look(source, group)
        self._shelf.keep(source)
        return found

    def _look(self, source: Source, group: list[Frame]) -> list[Released]:
        """Look into the first frame of each ten seconds."""
        found: list[Released] = []
        for frame in group:
            now_us = frame.received_ns // 1000
            if now_us // clocks.SAMPLE_US <= source.clock.bucket:
                continue
            if source.key.kind == "flows":
                source.protocols.add(clocks.protocol(frame))
                sent = clocks.sent_us(frame.payload)
                if sent is not None:
                    late = frame.wire_ns // 1000 - sent
                    found += self._sample(source, frame.number, now_us, late)
            else:
                source.protocols.add(frame.transport)
                return found
        return found

    def _sample(self, source: Source, frame: int, now_us: int, late_us: int) -> list[Released]:
        if not source.clock.learn(now_us, late_us):
            return []
        seconds = round((source.clock.offset_us or 0) / 1e6)
        way = "behind" if seconds >= 0 else "ahead"
        note = f"its clock is {abs(seconds)} s {way}"
        event = CoverageEvent(
            time=moment(now_us),
            site=self.site,
            kind=SKEW,
            source=source.key.name,
            note=note if source.clock.wrong else f"its clock is right again ({note})",
        )
        return [(frame, now_us, event)]

    def _overdue(self, frame: Frame) -> list[Released]:
        """Tell of the sources that are silent as of this frame; find the next one."""
        now_us = frame.received_ns // 1000
        found = []
        for source in list(self):
            if source.rhythm.due_us <= now_us:
                found.append(_silence(self.site, source, frame, back=False))
                source.rhythm.silent = True
        self._shelf.forget_silent(now_us)
        self._shelf.find_due()
        return found

    def _excuse(self, now_us: int) -> None:
        for source in self:
            source.rhythm.excuse(now_us)
        self._shelf.find_due()

    def _set_back(self, now_us: int) -> None:
        """Wait for everybody from now on: what came last was stamped by a clock that was wrong."""
        self.now_us = now_us
        for source in self:
            source.last_us = min(source.last_us, now_us)
            source.rhythm.at_us = min(source.rhythm.at_us, now_us)
            source.rhythm.minute = min(source.rhythm.minute, now_us // MINUTE_US)
            source.clock.bucket = min(source.clock.bucket, now_us // clocks.SAMPLE_US)
        self._shelf.find_due()

    # Whose rows and losses these are

    def _of_rows(self, log: str, name: str) -> Source | None:
        """Return whose rows these are; those that send no frames of their own are made."""
        kind = _TOLD_BY_ROWS.get(log)
        if kind is None:
            first = "syslog" if log == "events" else "flows"
            keys = [Key(kind, name) for kind in (first, *_SENDERS)]
            return self._shelf.find(keys)
        if name in ("portal", "box"):
            return None
        source = self._shelf.heard(Key(kind, name), self.now_us)
        source.last_us = self.now_us
        self._shelf.keep(source)
        return source

    def _named(self, event: CoverageEvent) -> Source | None:
        if not event.source or event.kind in _REFUSALS:
            return None
        first = "syslog" if event.unit == _MESSAGES or event.kind == HELD else "flows"
        senders = _DECODED if _COUNT_OF.get(event.kind) == _UNREAD else (first, *_SENDERS)
        return self._shelf.find(Key(kind, event.source) for kind in senders)

    def _drop(self, event: CoverageEvent, now_us: int) -> None:
        name = THE_MACHINE if event.kind == "host-drop" else event.note.partition(",")[0]
        if name not in self.sockets and len(self.sockets) >= _MOST_SOCKETS:
            name = "many sockets"
        history = self.sockets.setdefault(name, History())
        history.add(now_us, _OWN, event.lost or 0)

    def snapshot(self) -> dict[str, Any]:
        """Return the state as JSON values."""
        return {
            "format": _FORMAT,
            "now": self.now_us,
            "sockets": {name: history.snapshot() for name, history in self.sockets.items()},
            **self._shelf.snapshot(),
        }

    @classmethod
    def restore(cls, site: str, state: Mapping[str, Any]) -> SourceBook:
        """Return the book that `snapshot` described; an empty one for what is of another version.

        Raises:
            ValueError, KeyError, TypeError: it is damaged.
        """
        book = cls(site)
        if state.get("format") != _FORMAT:
            return book
        book.now_us = state["now"]
        book.sockets = {name: History.restore(x) for name, x in state["sockets"].items()}
        book._shelf = Shelf.restore(state)
        return book


def _grouped(frames: Sequence[Frame]) -> list[tuple[Key, list[Frame]]]:
    """Return the frames of live sources by who sent them, who was heard last at the end."""
    raw: dict[tuple[str | None, str, str], list[Frame]] = {}
    for (of, address, label, transport), run in groupby(frames, _SENDER):
        heard = list(run)
        if transport in CONNECTED:  # the beginning and the end of a connection say nothing
            heard = [frame for frame in heard if frame.payload]
        raw.setdefault((_KINDS.get(of), address, label), []).extend(heard)
    found = []
    for (kind, address, label), group in raw.items():
        if kind and group and not label:
            found.append((Key(kind, address or kind), group))
    return sorted(found, key=lambda one: one[1][-1].number)


def _newest_us(group: list[Frame]) -> int:
    newest_ns: int = max(map(_RECEIVED_NS, group))
    return newest_ns // 1000


def _take_loss(source: Source, event: CoverageEvent, received_us: int) -> None:
    """Count what a source lost, and remember what else was told of it."""
    if event.kind == HELD and event.end is not None:
        source.held_us += microseconds(event.end) - microseconds(event.time)
        source.held_at_us = received_us
    if event.kind in ("exporter-restart", "sequence-gap"):
        source.frozen = False
    if event.kind == "exporter-restart":
        source.restarts, source.restarted_us = source.restarts + 1, received_us
    elif event.kind == "sequence-frozen":
        source.frozen = True
    elif event.lost and (event.kind, event.unit) != _TOLD_TWICE:
        count = _COUNT_OF.get(event.kind, _OWN)
        source.history.add(received_us, count, event.lost)


def _silence(site: str, source: Source, frame: Frame, *, back: bool) -> Released:
    now_us = frame.received_ns // 1000
    usual = round(source.rhythm.threshold_us / 60e6)
    began = f"silent: as a rule it is heard at least every {usual} min"
    event = CoverageEvent(
        time=moment(source.last_us),
        end=moment(max(now_us, source.last_us)),
        site=site,
        kind=SILENCE,
        source=source.key.name,
        note=f"heard again: {source.key.kind}" if back else f"{began}: {source.key.kind}",
    )
    return frame.number, now_us, event
