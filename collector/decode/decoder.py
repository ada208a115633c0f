"""NetFlow v5, v9 and IPFIX datagrams of one site to rows of the `flows` log.

Per datagram the decoder reads the header, learns templates and options, and puts the bodies of
data sets on heaps, one per layout. Then each heap is decoded column by column, and all rows are
put into the order in which their sets were released.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from collector.decode import arrow, flows, ipfix, netflow5, netflow9, options, times
from collector.decode.batch import Batch
from collector.decode.head import Chunk, Head, Spread
from collector.decode.layout import Layout, Template
from collector.decode.limits import Limits
from collector.decode.losses import Loss, Losses
from collector.decode.message import Message
from collector.decode.sequence import Kind, Step
from collector.decode.streams import Stream, StreamKey, Streams
from collector.decode.waiting import Waiting, WaitingSets
from collector.errors import Malformed
from collector.records import CoverageEvent, Frame, Rows

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
_FORMAT = "prathu-decoder/1"
_SFLOW = b"\0\0\0\5"
_KINDS = {
    Kind.GAP: "sequence-gap",
    Kind.LATE: "sequence-late",
    Kind.RESTART: "exporter-restart",
    Kind.FROZEN: "sequence-frozen",
}
_STEPS = {
    Kind.FIRST: "",
    Kind.RESTART: "the sequence begins anew: what was lost in between cannot be told",
    Kind.FROZEN: "the exporter does not count: losses cannot be seen",
}
_OLD_VERSIONS = (1, 6, 7, 8)
_RESTART_MS = 1000
_S = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """What one call made of its frames."""

    flows: Rows | None
    coverage: list[tuple[int, CoverageEvent]]
    """With the frame at which each was told; ascending."""


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


class FlowDecoder:
    """Decodes the datagrams of one site; remembers templates, options and sequences."""

    def __init__(self, site: str, limits: Limits | None = None) -> None:
        self.site = site
        self.limits = limits or Limits()
        self.counters = Counters()
        self.streams = Streams(self.limits)
        self.waiting = WaitingSets(self.limits, self._gave_up)
        self._losses = Losses(site, self.limits.event_window_s)
        self._chunks: list[Chunk] = []
        self._frame, self._now_us = -1, 0

    def decode(self, frames: Sequence[Frame]) -> Decoded:
        """Return the rows and coverage events of these frames; never raises for what they hold."""
        chunks = [chunk for chunk in self.read(frames) if not chunk.layout.scopes]
        return Decoded(flows=self._rows(chunks), coverage=self._losses.take())

    def read(self, frames: Sequence[Frame]) -> list[Chunk]:
        """Return the data and options sets of these frames that can be decoded, in order."""
        self._chunks = []
        for frame in frames:
            self._frame, self._now_us = frame.number, frame.received_ns // 1000
            self.counters.datagrams += 1
            self._losses.tick(self._frame, self._now_us)
            self.waiting.expire(self._now_us)
            self._datagram(frame)
        return self._chunks

    def snapshot(self) -> dict[str, Any]:
        """Return all that is remembered, as JSON values."""
        return {
            "format": _FORMAT,
            "streams": self.streams.snapshot(),
            "waiting": self.waiting.snapshot(),
            "losses": self._losses.snapshot(),
            "counters": asdict(self.counters),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where `snapshot` was taken.

        Raises:
            ValueError: the snapshot is of another format.
        """
        if state.get("format") != _FORMAT:
            raise ValueError(f"a decoder snapshot of format {state.get('format')!r}")
        self.streams = Streams.restore(state["streams"], self.limits)
        self.waiting = WaitingSets(self.limits, self._gave_up)
        self.waiting.restore(state["waiting"])
        self._losses.restore(state["losses"])
        self.counters = Counters(**state["counters"])

    def _datagram(self, frame: Frame) -> None:
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
        records = 0
        for set_id, body in message.sets:
            found = self._set(stream, head, set_id, body)
            records = -1 if found < 0 or records < 0 else records + found
        if message.broken_sets:
            records = -1
            self.counters.broken_sets += message.broken_sets
            self._lose("malformed", frame, message.broken_sets, "sets", "a set of wrong length")
        restarted = 0 <= message.uptime_ms < stream.uptime_ms - _RESTART_MS
        step = stream.sequence.step(message.sequence, records, restarted=restarted)
        stream.uptime_ms = message.uptime_ms
        if step.kind > Kind.NEXT:
            self._stepped(frame, step, stream.last_us)
        stream.last_us = wire_us

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
            f"{frame.label} {frame.address}".strip() if frame.label else frame.address,
            frame.received_ns // 1000,
            wire_us,
            message.sent_us,
            message.uptime_ms,
            offset,
            stream.boot_us,
            stream.rates,
        )

    def _set(self, stream: Stream, head: Head, set_id: int, body: bytes) -> int:
        """Take one set; return how many records it holds, -1 if that cannot be told."""
        if head.version == netflow5.VERSION:
            return self._data(stream, head, netflow5.LAYOUT, 0, body)
        if set_id < _FIRST_DATA_SET:
            if set_id in _TEMPLATE_SETS[head.version]:
                self._templates(stream, set_id, body)
            else:
                self.counters.reserved_sets += 1
            return 0
        layout = self.streams.find(stream, set_id)
        if layout is None:
            self.counters.waited_sets += 1
            self.waiting.add(Waiting(stream.key, set_id, body, head))
            return -1
        return self._data(stream, head, layout, set_id, body)

    def _templates(self, stream: Stream, set_id: int, body: bytes) -> None:
        try:
            for template in _TEMPLATES[stream.key.version](
                set_id, body, self.limits.fields_per_template
            ):
                self._template(stream, template)
        except Malformed as error:
            self.counters.broken_templates += 1
            self._lose_of(stream, "malformed", "templates", str(error))

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
            self.counters.late_sets += 1
            self._data(stream, waiting.head, layout, template.id, waiting.body)

    def _data(self, stream: Stream, head: Head, layout: Layout, number: int, body: bytes) -> int:
        if len(body) < layout.least_bytes:
            return 0
        stream.proven = True
        if layout.scopes and options.teaches(layout):
            options.learn(stream, layout, body, self.limits)
        self._chunks.append(
            Chunk(layout, body, head, self._frame, len(self._chunks), number, stream.exporter.names)
        )
        return count(layout, body)

    def _rows(self, chunks: Sequence[Chunk]) -> Rows | None:
        heaps: dict[Layout, list[Chunk]] = {}
        for chunk in chunks:
            heaps.setdefault(chunk.layout, []).append(chunk)
        tables, spreads = [], []
        for layout, heap in heaps.items():
            batch = Batch(layout, [chunk.body for chunk in heap])
            if batch.rows:
                spread = Spread(heap, batch.counts)
                tables.append(flows.columns(batch, spread))
                spreads.append(spread)
        if not spreads:
            return None
        columns, frame = _in_order(tables, spreads)
        return Rows(log="flows", site=self.site, columns=columns, frame=frame)

    def _stepped(self, frame: Frame, step: Step, before_us: int) -> None:
        """Tell what a step of the sequence means."""
        unit, lost, note = "records", step.records, ""
        if step.kind is Kind.GAP:
            self.counters.lost_records += lost
            if step.in_datagrams:
                note = f"{step.lost} datagrams, records estimated by the mean"
        elif step.kind is Kind.LATE:
            note = f"came late: about {step.records} records counted as lost before are there"
        else:
            note = _STEPS[step.kind]
        if step.kind is not Kind.FIRST:
            told = lost if step.kind is Kind.GAP else None
            span = before_us, frame.wire_ns // 1000
            loss = Loss(_KINDS[step.kind], _source(frame), unit, told, *span, note)
            self._losses.add(loss, self._frame, self._now_us)

    def _lose(self, kind: str, frame: Frame, lost: int, unit: str, note: str) -> None:
        wire_us = frame.wire_ns // 1000
        loss = Loss(kind, _source(frame), unit, lost, wire_us, wire_us, note)
        self._losses.add(loss, self._frame, self._now_us)

    def _lose_of(self, stream: Stream, kind: str, unit: str, note: str) -> None:
        loss = Loss(kind, stream.key.address, unit, 1, self._now_us, self._now_us, note)
        self._losses.add(loss, self._frame, self._now_us)

    def _gave_up(self, waiting: Waiting) -> None:
        """A waiting set is lost: its template did not come in time or within the bounds."""
        self.counters.lost_sets += 1
        key, at = waiting.key, waiting.head.wire_us
        note = f"template {waiting.template} of domain {key.domain}, port {key.port} never came"
        loss = Loss("unknown-template", waiting.head.source, "sets", 1, at, at, note)
        self._losses.add(loss, self._frame, self._now_us)


def count(layout: Layout, body: bytes) -> int:
    """Return how many records a set body holds, -1 where only decoding would tell."""
    return -1 if layout.variable else len(body) // layout.least_bytes


def _in_order(
    tables: list[flows.Columns], spreads: list[Spread]
) -> tuple[flows.Columns, npt.NDArray[np.int64]]:
    """Join the heaps' columns and sort the rows by the release of their sets."""
    if len(tables) == 1:
        return tables[0], spreads[0].frame
    order = np.argsort(np.concatenate([s.rank for s in spreads]), kind="stable")
    columns = {}
    for name in dict.fromkeys(name for table in tables for name in table):
        kind = next(table[name].type for table in tables if name in table)
        parts = [
            table[name] if name in table else pa.nulls(spread.rows, kind)
            for table, spread in zip(tables, spreads, strict=True)
        ]
        columns[name] = arrow.take(arrow.concat(parts), order)
    return columns, np.concatenate([s.frame for s in spreads])[order]


def _source(frame: Frame) -> str:
    return f"{frame.label} {frame.address}".strip() if frame.label else frame.address
