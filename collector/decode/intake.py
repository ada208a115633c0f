"""Datagrams to heaps of set bodies: headers, templates and options are read, records are not yet.

What is told of losses is written into a journal, datagram by datagram, and accounted for when the
records are counted (`account.py`): those of variable size can only be counted by decoding them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from collector.decode import (
    ipfix,
    losses,
    netflow5,
    netflow7,
    netflow9,
    options,
    sets,
    steady,
    times,
)
from collector.decode.head import Chunk, Head, Run
from collector.decode.journal import Counters, Entry, Numbered, Steady
from collector.decode.layout import Layout, Template
from collector.decode.limits import Limits
from collector.decode.losses import Loss
from collector.decode.message import Message
from collector.decode.sflow import datagram as sflow
from collector.decode.steady import Headers
from collector.decode.stream import CONNECTED, Stream, StreamKey, session_of
from collector.decode.streams import Streams
from collector.decode.waiting import Waiting, WaitingSets
from collector.errors import Malformed
from collector.records import Frame

_READERS: dict[int, Callable[[bytes], Message]] = {
    sflow.VERSION: sflow.read,
    netflow5.VERSION: netflow5.read,
    netflow7.VERSION: netflow7.read,
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
_FIXED: dict[int, Layout] = {
    sflow.VERSION: sflow.LAYOUT,
    netflow5.VERSION: netflow5.LAYOUT,
    netflow7.VERSION: netflow7.LAYOUT,
}
"""Of protocols without templates."""
_FIRST_DATA_SET = 256
_OLD_VERSIONS = (1, 6, 8)
_OLD_SFLOW = {b"\0\0\0" + bytes([version]): version for version in (1, 2, 3, 4)}
_S = 1_000_000
_ROW_CELLS = 16
"""What a row costs besides its fields, in fields."""


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
        self.journal: list[Entry | Steady] = []
        self._entry = Entry(-1, 0)

    def take(self) -> tuple[list[Chunk], list[Entry | Steady]]:
        """Return and forget the chunks, in order of release, and the journal."""
        taken = self.chunks, self.journal
        self.chunks, self.journal, self.cells = [], [], 0
        return taken

    def add_some(self, frames: Sequence[Frame], most_cells: float) -> int:
        """Read datagrams, at least one, until `cells` reaches `most_cells`; return how many."""
        for start, end, headers in steady.pieces(frames):
            at = start
            while at < end:
                if headers is not None:
                    at += self._run(frames, start, headers, at - start, most_cells)
                if at < end and self.cells < most_cells:
                    self.add(frames[at])
                    at += 1
                if self.cells >= most_cells:
                    return at
        return len(frames)

    def add(self, frame: Frame) -> None:
        """Read one datagram; never raises for what it holds."""
        self._entry = Entry(frame.number, frame.received_ns // 1000)
        self.journal.append(self._entry)
        self.waiting.expire(self._entry.now_us)
        if not frame.payload and frame.transport in CONNECTED:
            self._session(frame)
            return
        self.counters.datagrams += 1
        version = int.from_bytes(frame.payload[:2], "big")
        reader = _READERS.get(version)
        if reader is None or frame.payload[:4] in _OLD_SFLOW:
            self._unreadable(frame, version)
            return
        try:
            message = reader(frame.payload)
        except Malformed as error:
            self.counters.malformed += 1
            self._lose("malformed", frame, 1, "datagrams", str(error))
            return
        self._message(frame, message)

    def _session(self, frame: Frame) -> None:
        """Begin or end a connection: what was told over an earlier one from there is void.

        Its end does not come when the box is killed; the beginning of the next one stands for it.
        """
        ended = frame.address, frame.port, session_of(frame)
        self.waiting.end(*ended)
        self.streams.end(*ended)

    def _unreadable(self, frame: Frame, version: int) -> None:
        old_sflow = _OLD_SFLOW.get(frame.payload[:4])
        if old_sflow or version in _OLD_VERSIONS:
            self.counters.unsupported += 1
            name = f"sFlow v{old_sflow}" if old_sflow else f"NetFlow v{version}"
            self._lose("unsupported-version", frame, 1, "datagrams", f"{name} is not read")
        else:
            self.counters.malformed += 1
            self._lose("malformed", frame, 1, "datagrams", f"no flow protocol: version {version}")

    def _message(self, frame: Frame, message: Message) -> None:
        wire_us = frame.wire_ns // 1000
        session = session_of(frame)
        key = StreamKey(message.version, frame.address, frame.port, message.stream, session)
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
            0 <= message.uptime_ms < stream.uptime_ms - steady.RESTART_MS,
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

    def _run(
        self, frames: Sequence[Frame], start: int, headers: Headers, at: int, most_cells: float
    ) -> int:
        """Read the datagrams of a run from number `at` on; return how many, 0 if they need care.

        Args:
            frames: Of all senders.
            start: Where the run begins among them.
            headers: Of the whole run.
            at: The first to read.
            most_cells: As many datagrams are read as it takes for `cells` to reach this.
        """
        frame = frames[start + at]
        number, session = headers.stream(at), session_of(frame)
        key = StreamKey(headers.version, frame.address, frame.port, number, session)
        stream = self.streams.known(key)
        if stream is None or len(self.waiting):
            return 0
        set_id, sampling = int(headers.set_id[at]), int(headers.sampling[at])
        layout = _FIXED[headers.version] if not set_id else stream.templates.get(set_id)
        if layout is None or layout.scopes or (layout.variable and set_id):
            return 0
        records = headers.body_bytes[at:] // layout.least_bytes
        rests = 0 if layout.variable else headers.body_bytes[at:] - records * layout.least_bytes
        if (
            np.any(rests > sets.MOST_PADDING)
            or sampling not in (0, stream.rates.header)
            or 0 <= headers.uptime[at] < stream.uptime_ms - steady.RESTART_MS
            or not records.all()
        ):
            return 0
        cells = np.cumsum(records) * (len(layout.fields) + _ROW_CELLS) + self.cells
        count = min(int(np.searchsorted(cells, most_cells)) + 1, len(records))
        limit_us, skew = int(self.limits.skew_s * _S), stream.exporter.skew
        taken = frames[start + at : start + at + count]
        run = steady.take(taken, headers, at, records[:count], skew, limit_us)
        self._add_run(stream, layout, taken, headers.body_at, run, set_id)
        self.cells = int(cells[count - 1])
        return count

    def _add_run(
        self,
        stream: Stream,
        layout: Layout,
        frames: Sequence[Frame],
        body_at: int,
        run: Run,
        set_id: int,
    ) -> None:
        """Put the bodies of a run onto one heap, as one chunk."""
        frame, size = frames[0], layout.least_bytes
        ends = (run.sizes if layout.variable else run.records * size + body_at).tolist()
        bodies = [f.payload[body_at:end] for f, end in zip(frames, ends, strict=True)]
        self.counters.datagrams += len(frames)
        self.streams.get(stream.key, self.counters.datagrams, len(frames))
        head = Head(
            stream.key.version,
            frame.address,
            frame.port,
            stream.key.domain & 0xFFFFFFFF,
            source_of(frame),
            int(run.received[0]),
            int(run.wire[0]),
            int(run.sent[0]),
            int(run.uptime[0]),
            int(run.offset[0]),
            stream.boot_us,
            stream.rates,
        )
        names, rank = stream.exporter.names, len(self.chunks)
        body = b"".join(bodies)
        self.chunks.append(Chunk(layout, body, head, frame.number, rank, set_id, names, run))
        self.journal.append(Steady(stream, run, head.source, stream.last_us, rank))
        stream.proven = True
        stream.uptime_ms, stream.last_us = int(run.uptime[-1]), int(run.wire[-1])

    def _head(self, frame: Frame, message: Message, stream: Stream) -> Head:
        offset, wire_us = 0, frame.wire_ns // 1000
        if times.is_plausible(message.sent_us):
            offset = stream.exporter.skew.learn(message.sent_us, wire_us)
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
        layout = _FIXED.get(head.version)
        if layout is not None:
            set_id = 0
        elif set_id < _FIRST_DATA_SET:
            self._own_set(stream, set_id, body)
            return 0
        else:
            layout = self.streams.find(stream, set_id, len(body))
        if layout is None and set_id in stream.refused:
            self._gave_up(Waiting(stream.key, set_id, body, head), "was one too many")
            return -1
        if layout is None:
            self.counters.waited_sets += 1
            self.waiting.add(Waiting(stream.key, set_id, body, head))
            return -1
        self._rest(head, layout, set_id, body)
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
            if stream.key.session:
                self.streams.withdraw(stream, template.id)
            return
        if not layout.least_bytes:
            raise Malformed(f"template {template.id} has records of no length")
        self.counters.templates += 1
        now_us = self._entry.now_us
        if not self.streams.affords(stream, template.id, layout, now_us):
            self._refuse(stream, template.id)
            return
        self.streams.learn(stream, template.id, layout, now_us)
        for waiting in self.waiting.take(stream.key, template.id):
            if self.cells >= self.limits.cells:
                self.waiting.add(waiting)  # too much for one bite: the template will be repeated
                continue
            self.counters.late_sets += 1
            self._rest(waiting.head, layout, template.id, waiting.body)
            if len(waiting.body) >= layout.least_bytes:
                self._data(stream, waiting.head, layout, template.id, waiting.body)

    def _refuse(self, stream: Stream, template_id: int) -> None:
        """Leave a template out until it is repeated; what it was before holds no more."""
        self.counters.refused_templates += 1
        self.streams.refuse(stream, template_id)
        for waiting in self.waiting.take(stream.key, template_id):
            self._gave_up(waiting, "was one too many")
        note = "more new templates in a minute than are learnt: their records are not read"
        at = self._entry.now_us
        self._entry.losses.append(
            Loss("template-limit", stream.key.address, "templates", 1, at, at, note)
        )

    def _data(self, stream: Stream, head: Head, layout: Layout, template: int, body: bytes) -> None:
        stream.proven = True
        if layout.scopes and options.teaches(layout):
            self._entry.losses += options.learn(stream, head, layout, body, self.limits)
        names = stream.exporter.names
        rank = len(self.chunks)
        self.chunks.append(Chunk(layout, body, head, self._entry.frame, rank, template, names))
        self.cells += len(body) // layout.least_bytes * (len(layout.fields) + _ROW_CELLS)

    def _rest(self, head: Head, layout: Layout, template: int, body: bytes) -> None:
        """Tell of a set that does not end with a whole record and padding."""
        if not template:
            return  # of protocols without templates: their readers tell
        rest, least = len(body), layout.least_bytes
        if rest >= least:
            rest = 0 if layout.variable else rest % least  # else decoding tells
        if sets.is_unread(body, rest):
            self.counters.broken_sets += 1
            self._entry.losses.append(losses.unread(template, head))

    def _lose(self, kind: str, frame: Frame, lost: int, unit: str, note: str) -> None:
        wire_us = frame.wire_ns // 1000
        loss = Loss(kind, source_of(frame), unit, lost, wire_us, wire_us, note)
        self._entry.losses.append(loss)

    def _gave_up(self, waiting: Waiting, why: str = "never came") -> None:
        """A set is lost: its template did not come in time or within the bounds."""
        self.counters.lost_sets += 1
        key, at = waiting.key, waiting.head.wire_us
        note = f"template {waiting.template} of domain {key.domain}, port {key.port} {why}"
        loss = Loss("unknown-template", waiting.head.source, "sets", 1, at, at, note)
        self._entry.losses.append(loss)


def source_of(frame: Frame) -> str:
    """Return the exporter as it is stored: for a capture with the file's name before it."""
    return f"{frame.label} {frame.address}".strip() if frame.label else frame.address
