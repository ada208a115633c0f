"""NetFlow, IPFIX and sFlow datagrams of one site to rows of the logs `flows` and `counters`.

Per datagram the decoder reads the header, learns templates and options, and puts the bodies of
data sets on heaps, one per layout (`intake.py`). Then each heap is decoded column by column, and
all rows are put into the order in which their sets were released.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from collector.decode import account, arrow, blocks, flows, losses, sets
from collector.decode.batch import Batch
from collector.decode.head import Chunk, Spread
from collector.decode.intake import Intake
from collector.decode.journal import Counters, Told
from collector.decode.layout import Layout
from collector.decode.limits import Limits
from collector.decode.losses import Losses
from collector.decode.option_rows import OptionRows
from collector.decode.sflow import counter_samples
from collector.decode.sflow import datagram as sflow
from collector.decode.sflow.heaps import SampleHeaps
from collector.decode.streams import Streams
from collector.decode.waiting import WaitingSets
from collector.records import CoverageEvent, Frame, Rows

_FORMAT = "prathu-decoder/1"
_MOST_UNKNOWN, _MOST_SHOWN = 1024, 50
"""Fields without a name that are counted one by one, and those of them that are shown."""

Heap = tuple[Batch, Spread]
"""The records of one layout, and their datagrams' headers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """What one call made of its frames."""

    flows: Rows | None
    coverage: list[tuple[int, CoverageEvent]]
    """With the frame at which each was told; ascending."""
    leases: tuple[Rows, ...] = ()
    """Blocks of ports that a NAT lent, of the log `leases`."""
    counters: tuple[Rows, ...] = ()
    """What interfaces and hosts counted, and options of exporters, of the log `counters`."""


class FlowDecoder:
    """Decodes the datagrams of one site; remembers templates, options and sequences."""

    def __init__(self, site: str, limits: Limits | None = None) -> None:
        self.site = site
        self.limits = limits or Limits()
        self._intake = Intake(self.limits)
        self._losses = Losses(site, self.limits.event_window_s)
        self._samples = SampleHeaps(self.limits)
        self._options = OptionRows(site, self.limits.options)
        self._unknown: Counter[str] = Counter()

    @property
    def counters(self) -> Counters:
        """Sums since the decoder was first made."""
        return self._intake.counters

    @property
    def streams(self) -> Streams:
        """The templates as known now."""
        return self._intake.streams

    @property
    def waiting(self) -> WaitingSets:
        """The sets that wait for their template now."""
        return self._intake.waiting

    def some(self, frames: Sequence[Frame]) -> tuple[Decoded, int]:
        """Return what the first frames hold, and how many they are: a bounded bite, one at least.

        Records of one byte make a hundred times the memory of what came over the wire.
        """
        taken = self._intake.add_some(frames, self.limits.cells)
        return self._decoded(), taken

    def decode(self, frames: Sequence[Frame]) -> Decoded:
        """Return the rows and coverage events of these frames; never raises for what they hold."""
        self._intake.add_some(frames, math.inf)
        return self._decoded()

    def _decoded(self) -> Decoded:
        all_of_them = self._heaps()
        heaps = [h for h in all_of_them if h[0].log == "flows" and not h[0].layout.scopes]
        counted = [counter_samples.rows(self.site, *h) for h in all_of_them if h[0].log != "flows"]
        counted += self._option_rows([h for h in all_of_them if h[0].layout.scopes])
        rows, lent = None, []
        if heaps:
            tables = [flows.columns(*heap) for heap in heaps]
            found = (
                blocks.leases(self.site, *heap, columns=table)
                for heap, table in zip(heaps, tables, strict=True)
            )
            lent = [each for each in found if each is not None]
            columns, frame = _in_order(tables, heaps)
            rows = Rows(log="flows", site=self.site, columns=columns, frame=frame)
        told = self.coverage()
        return Decoded(flows=rows, coverage=told, leases=tuple(lent), counters=tuple(counted))

    def _option_rows(self, heaps: list[Heap]) -> list[Rows]:
        """Return options that are new, of no more than a bounded number of records."""
        found, room = [], self.limits.options
        for heap in heaps:
            found.append(self._options.rows(*heap, room))
            room -= heap[0].rows
        return [rows for rows in found if rows is not None]

    def heaps(self, frames: Sequence[Frame]) -> list[Heap]:
        """Return all data and options records of these frames that can be decoded, by layout.

        `coverage` then has what was lost.
        """
        self._intake.add_some(frames, math.inf)
        return self._heaps()

    def _heaps(self) -> list[Heap]:
        chunks, journal = self._intake.take()
        by_layout: dict[Layout, list[Chunk]] = {}
        for chunk in chunks:
            by_layout.setdefault(chunk.layout, []).append(chunk)
        heaps: list[Heap] = []
        told = Told()
        for layout, heap in by_layout.items():
            if layout is sflow.LAYOUT:
                heaps += self._samples.heaps(heap, self.counters, told)
                continue
            batch = Batch(layout, [chunk.body for chunk in heap])
            if layout.variable:
                ranks = (chunk.rank for chunk in heap)
                told.counts.update(zip(ranks, batch.counts.tolist(), strict=True))
                self._unread(batch, heap, told)
            self._count(batch)
            if batch.rows:
                heaps.append((batch, Spread(heap, batch.counts)))
        account.settle(journal, told, self._losses, self.counters)
        return heaps

    def _unread(self, batch: Batch, heap: list[Chunk], told: Told) -> None:
        """Tell which sets do not end with a whole record and padding."""
        rests = np.zeros(0, np.int64) if batch.rests is None else batch.rests
        for at in np.flatnonzero(rests > sets.MOST_PADDING).tolist():
            chunk = heap[at]
            if sets.is_unread(chunk.body, int(rests[at])):
                self.counters.broken_sets += 1
                loss = losses.unread(chunk.template, chunk.head)
                told.losses.setdefault(chunk.frame, []).append(loss)

    def coverage(self) -> list[tuple[int, CoverageEvent]]:
        """Return and forget what was told of losses, with the frame at which it was."""
        return self._losses.take()

    def status(self) -> dict[str, Any]:
        """Return the sums, what was guessed or forgotten, and how often which unknown field came.

        The fields are counted since this process began.
        """
        return {
            **asdict(self.counters),
            "sets_by_templates_of_the_last_port": self.streams.fallbacks,
            "templates_forgotten": self.streams.evicted,
            "options_left_out": self._options.left_out,
            "unknown_elements": dict(self._unknown.copy().most_common(_MOST_SHOWN)),
        }

    def _count(self, batch: Batch) -> None:
        for name in batch.layout.unknown:
            kept = name in self._unknown or len(self._unknown) < _MOST_UNKNOWN
            self._unknown[name if kept else "others"] += batch.rows
        if batch.layout.scopes:
            self.counters.option_records += batch.rows
        else:
            self.counters.records += batch.rows

    def snapshot(self) -> dict[str, Any]:
        """Return all that is remembered, as JSON values."""
        return {
            "format": _FORMAT,
            "streams": self.streams.snapshot(),
            "waiting": self.waiting.snapshot(),
            "losses": self._losses.snapshot(),
            "samples": self._samples.numbers.snapshot(),
            "counted": self._samples.kept.snapshot(),
            "options": self._options.snapshot(),
            "counters": asdict(self.counters),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where `snapshot` was taken.

        Raises:
            ValueError: the snapshot is of another format.
        """
        if state.get("format") != _FORMAT:
            raise ValueError(f"a decoder snapshot of format {state.get('format')!r}")
        self._intake.streams = Streams.restore(state["streams"], self.limits)
        self.waiting.restore(state["waiting"])
        self._losses.restore(state["losses"])
        self._samples.numbers.restore(state.get("samples", []))
        self._samples.kept.restore(state.get("counted", []))
        self._options.restore(state.get("options", []))
        self._intake.counters = Counters(**state["counters"])


def _in_order(
    tables: list[flows.Columns], heaps: list[Heap]
) -> tuple[flows.Columns, npt.NDArray[np.int64]]:
    """Join the heaps' columns and sort the rows by the release of their sets."""
    spreads = [spread for _, spread in heaps]
    if len(tables) == 1:
        return tables[0], spreads[0].frame
    rank, frame = (np.concatenate([getattr(s, n) for s in spreads]) for n in ("rank", "frame"))
    if any(batch.sparse for batch, _ in heaps):
        order = np.lexsort((frame, rank))  # both kinds of samples in all datagrams of a run
    else:
        order = np.argsort(rank, kind="stable")
    columns = {}
    for name in dict.fromkeys(name for table in tables for name in table):
        kind = next(table[name].type for table in tables if name in table)
        parts = [
            table[name] if name in table else pa.nulls(spread.rows, kind)
            for table, spread in zip(tables, spreads, strict=True)
        ]
        columns[name] = arrow.take(arrow.concat(parts), order)
    return columns, frame[order]
