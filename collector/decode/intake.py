"""Datagrams to heaps of set bodies: headers, templates and options are read, records are not yet.

What is told of losses is written into a journal, datagram by datagram, and accounted for when the
records are counted (`account.py`): those of variable size can only be counted by decoding them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from collector.decode import ipfix, netflow5, netflow9, options, times
from collector.decode.head import Chunk, Head
from collector.decode.layout import Layout, Template
from collector.decode.limits import Limits
from collector.decode.losses import Loss
from collector.decode.message import Message
from collector.decode.streams import Stream, StreamKey, Streams
from collector.decode.waiting import Waiting, WaitingSets
from collector.errors import Malformed
from collector.records import Frame

_READERS: dict[int, Callable[[bytes], Message]] = {
    netflow5.VERSION: netflow5.read,
    netflow9.VERSION: netflow9.read,
    ipfix.VERSION: ipfix.read,
}
_TEMPLATES: dict[int, Callable[[int, bytes, int], Iterator[Template]]] = {
    netflow9.VERSION: netflow9.templates,
    ipfix.VERSION: ipfix.templates,
}
_TEMPLATE_SETS = {
    netflow9.VERSION: (netflow9.TEMPLATE_SET, netflow9.OPTIONS_SET),
    ipfix.VERSION: (ipfix.TEMPLATE_SET, ipfix.OPTIONS_SET),
}
_FIRST_DATA_SET = 256
_OLD_VERSIONS = (1, 6, 7, 8)
_SFLOW = b"\0\0\0\5"
_S = 1_000_000
_RESTART_MS = 1000
_ROW_CELLS = 16
"""What a row costs besides its fields, in fields."""


@dataclass(slots=True)
class Counters:
    """Sums since the decoder was first made, for status and summaries."""

    datagrams: int = 0
    malformed: int = 0
    unsupported: int = 0
    records: int = 0
    option_records: int = 0
    templates: int = 0
    """Announced, repeated ones too."""
    withdrawals: int = 0
    """Counted and ignored: datagrams cannot withdraw (RFC 7011 section 8.4)."""
    waited_sets: int = 0
    """Came before their template."""
    late_sets: int = 0
    """Of these, decoded when it came."""
    lost_sets: int = 0
    """Of these, given up."""
    broken_sets: int = 0
    broken_templates: int = 0
    reserved_sets: int = 0
    lost_records: int = 0
    """By sequence numbers; estimated where datagrams are counted."""


class Numbered(NamedTuple):
    """A datagram's sequence number, to be judged when its records are counted."""

    stream: Stream
    number: int
    records: int
    """Those that were counted already; -1: they cannot be."""
    chunks: tuple[int, ...]
    """Ranks of its chunks that are still to be counted."""
    restarted: bool
    """Whether the exporter's uptime went back."""
    source: str
    before_us: int
    """When the stream's last datagram was on the wire."""
    wire_us: int


@dataclass(slots=True)
class Entry:
    """What is to be accounted for one datagram."""

    frame: int
    now_us: int
    losses: list[Loss] = field(default_factory=list)
    numbered: Numbered | None = None


class Intake:
    """Reads the datagrams of one site up to their sets."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.counters = Counters()
        self.streams = Streams(limits)
        self.waiting = WaitingSets(limits, self._gave_up)
        self.chunks: list[Chunk] = []
        self.cells = 0
        """Bound of what the chunks become in memory: records by fields, as if all were small."""
        self.journal: list[Entry] = []
        self._entry = Entry(-1, 0)

    def take(self) -> tuple[list[Chunk], list[Entry]]:
        """Return and forget the chunks, in order of release, and the journal."""
        taken = self.chunks, self.journal
        self.chunks, self.journal, self.cells = [], [], 0
        return taken

    def add(self, frame: Frame) -> None:
        """Read one datagram; never raises for what it holds."""
        self._entry = Entry(frame.number, frame.received_ns // 1000)
        self.journal.append(self._entry)
        self.counters.datagrams += 1
        self.waiting.expire(self._entry.now_us)
        version = int.from_bytes(frame.payload[:2], "big")
        reader = _READERS.get(version)
        if reader is None:
            self._unreadable(frame, version)
            return
        try:
            message = reader(frame.payload)
        except Malformed as error:
            self.counters.malformed += 1
            self._lose("malformed", frame, 1, "datagrams", str(error))
            return
        self._message(frame, message)

    def _unreadable(self, frame: Frame, version: int) -> None:
        sflow = frame.payload.startswith(_SFLOW)
        if sflow or version in _OLD_VERSIONS:
            self.counters.unsupported += 1
            name = "sFlow" if sflow else f"NetFlow v{version}"
            self._lose("unsupported-version", frame, 1, "datagrams", f"{name} is not read")
        else:
            self.counters.malformed += 1
            self._lose("malformed", frame, 1, "datagrams", f"no flow protocol: version {version}")

    def _message(self, frame: Frame, message: Message) -> None:
        wire_us = frame.wire_ns // 1000
        key = StreamKey(message.version, frame.address, frame.port, message.domain)
        stream = self.streams.get(key, self.counters.datagrams)
        if message.sampling:
            stream.rates = stream.rates._replace(header=message.sampling)
        head = self._head(frame, message, stream)
        first, records = len(self.chunks), 0
        to_count: list[int] = []
        for set_id, body in message.sets:
            found = self._set(stream, head, set_id, body, to_count)
            records = -1 if found < 0 or records < 0 else records + found
        if message.broken_sets:
            records = -1
            self.counters.broken_sets += message.broken_sets
            self._lose("malformed", frame, message.broken_sets, "sets", "a set of wrong length")
        self._place_boot(stream, first)
        self._entry.numbered = Numbered(
            stream,
            message.sequence,
            records,
            tuple(to_count),
            0 <= message.uptime_ms < stream.uptime_ms - _RESTART_MS,
            head.source,
            stream.last_us,
            wire_us,
        )
        stream.uptime_ms, stream.last_us = message.uptime_ms, wire_us

    def _place_boot(self, stream: Stream, first: int) -> None:
        """Let records know when their exporter started, even if its options came after them."""
        if stream.boot_us < 0:
            return
        for rank in range(first, len(self.chunks)):
            chunk = self.chunks[rank]
            if chunk.head.boot_us < 0:
                self.chunks[rank] = chunk._replace(head=chunk.head._replace(boot_us=stream.boot_us))

    def _head(self, frame: Frame, message: Message, stream: Stream) -> Head:
        offset, wire_us = 0, frame.wire_ns // 1000
        if times.is_plausible(message.sent_us):
            offset = stream.exporter.skew.learn(wire_us - message.sent_us)
            if abs(offset) <= self.limits.skew_s * _S:
                offset = 0
        return Head(
            message.version,
            frame.address,
            frame.port,
            message.domain,
            source_of(frame),
            frame.received_ns // 1000,
            wire_us,
            message.sent_us,
            message.uptime_ms,
            offset,
            stream.boot_us,
            stream.rates,
        )

    def _set(
        self, stream: Stream, head: Head, set_id: int, body: bytes, to_count: list[int]
    ) -> int:
        """Take one set; return how many records it holds, -1 if that cannot be told.

        Chunks whose records only decoding can count are added to `to_count`.
        """
        if head.version == netflow5.VERSION:
            layout: Layout | None = netflow5.LAYOUT
            set_id = 0
        elif set_id < _FIRST_DATA_SET:
            self._own_set(stream, set_id, body)
            return 0
        else:
            layout = self.streams.find(stream, set_id, len(body))
        if layout is None:
            self.counters.waited_sets += 1
            self.waiting.add(Waiting(stream.key, set_id, body, head))
            return -1
        if len(body) < layout.least_bytes:
            return 0
        if layout.variable:
            to_count.append(len(self.chunks))
        if head.rates is not stream.rates:
            head = head._replace(rates=stream.rates)
        self._data(stream, head, layout, set_id, body)
        return 0 if layout.variable else len(body) // layout.least_bytes

    def _own_set(self, stream: Stream, set_id: int, body: bytes) -> None:
        """Learn from a set of templates; other ids are reserved."""
        if set_id not in _TEMPLATE_SETS[stream.key.version]:
            self.counters.reserved_sets += 1
            return
        try:
            for template in _TEMPLATES[stream.key.version](
                set_id, body, self.limits.fields_per_template
            ):
                self._template(stream, template)
        except Malformed as error:
            self.counters.broken_templates += 1
            at = self._entry.now_us
            loss = Loss("malformed", stream.key.address, "templates", 1, at, at, str(error))
            self._entry.losses.append(loss)

    def _template(self, stream: Stream, template: Template) -> None:
        layout = template.layout
        if layout is None:
            self.counters.withdrawals += 1
            return
        if not layout.least_bytes:
            raise Malformed(f"template {template.id} has records of no length")
        self.counters.templates += 1
        self.streams.learn(stream, template.id, layout)
        for waiting in self.waiting.take(stream.key, template.id):
            if self.cells >= self.limits.cells:
                self.waiting.add(waiting)  # too much for one bite: the template will be repeated
                continue
            self.counters.late_sets += 1
            if len(waiting.body) >= layout.least_bytes:
                self._data(stream, waiting.head, layout, template.id, waiting.body)

    def _data(self, stream: Stream, head: Head, layout: Layout, template: int, body: bytes) -> None:
        stream.proven = True
        if layout.scopes and options.teaches(layout):
            options.learn(stream, layout, body, self.limits)
        names = stream.exporter.names
        rank = len(self.chunks)
        self.chunks.append(Chunk(layout, body, head, self._entry.frame, rank, template, names))
        self.cells += len(body) // layout.least_bytes * (len(layout.fields) + _ROW_CELLS)

    def _lose(self, kind: str, frame: Frame, lost: int, unit: str, note: str) -> None:
        wire_us = frame.wire_ns // 1000
        loss = Loss(kind, source_of(frame), unit, lost, wire_us, wire_us, note)
        self._entry.losses.append(loss)

    def _gave_up(self, waiting: Waiting) -> None:
        """A waiting set is lost: its template did not come in time or within the bounds."""
        self.counters.lost_sets += 1
        key, at = waiting.key, waiting.head.wire_us
        note = f"template {waiting.template} of domain {key.domain}, port {key.port} never came"
        loss = Loss("unknown-template", waiting.head.source, "sets", 1, at, at, note)
        self._entry.losses.append(loss)


def source_of(frame: Frame) -> str:
    """Return the exporter as it is stored: for a capture with the file's name before it."""
    return f"{frame.label} {frame.address}".strip() if frame.label else frame.address
