"""Chunks of sFlow to heaps of rows, and what is missing among their samples."""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from collector.decode.batch import Batch
from collector.decode.head import Chunk, Ints, Spread
from collector.decode.journal import Counters, Told
from collector.decode.limits import Limits
from collector.decode.losses import Loss
from collector.decode.sflow import counter_samples, samples
from collector.decode.sflow.datagram import AGENT_ENDS
from collector.decode.sflow.kept import Kept
from collector.decode.sflow.numbers import Agent, Missing, SampleNumbers


class SampleHeaps:
    """Decodes samples; remembers their numbers, and which counters were kept last."""

    def __init__(self, limits: Limits) -> None:
        self.numbers = SampleNumbers(limits.data_sources)
        self.kept = Kept(limits.data_sources, limits.counters_every_s)

    def heaps(
        self, chunks: list[Chunk], counters: Counters, told: Told
    ) -> list[tuple[Batch, Spread]]:
        """Return the rows of datagrams.

        Args:
            chunks: Each of one datagram, or of a run of them.
            counters: Which are added to.
            told: Takes the number of rows of each chunk, and what is missing of it.
        """
        places = _Places(chunks)
        found = samples.read(b"".join(c.body for c in chunks), places.sizes, places.foreign)
        packets, discards = found.batches
        places.count(packets.counts + discards.counts, told)
        counters.records += packets.rows + discards.rows
        counters.drop_samples += discards.rows
        kept = self.kept.take(places.names, places.agent, places.wire, found.counted)
        counted = counter_samples.read(found.counted, kept, places.foreign, len(places.sizes))
        counters.counter_samples += len(kept)
        counters.counter_rows += counted.rows
        counters.unknown_samples += found.unknown_samples
        counters.unknown_records += found.unknown_records + found.counted.unknown
        counters.broken_sets += int(found.broken.sum())
        for at in found.broken.nonzero()[0].tolist():
            note = "a sample of wrong length"
            places.tell(told, at, "malformed", "samples", int(found.broken[at]), note)
        for missing in self.numbers.take(places.names, places.agent, found.numbered):
            counters.lost_records += missing.lost
            _missing(told, places, missing)
        batches = (*found.batches, counted)
        return [(batch, places.spread(batch)) for batch in batches if batch.rows]


class _Places:
    """The datagrams of the chunks, of which some are whole runs."""

    def __init__(self, chunks: list[Chunk]) -> None:
        self._chunks = chunks
        sizes = [_sizes(chunk) for chunk in chunks]
        self.sizes = np.concatenate(sizes)
        self._of_chunk = np.array([len(each) for each in sizes], np.int64)
        self._first = np.cumsum(self._of_chunk) - self._of_chunk
        names: dict[Agent, int] = {}
        agent = [names.setdefault(_agent(chunk), len(names)) for chunk in chunks]
        self.agent = self._each(np.array(agent, np.int64))
        self.names = list(names)
        foreign = [_packed(c.head.address) != c.body[8 : _agent_end(c) - 4] for c in chunks]
        self.foreign = self._each(np.array(foreign, np.bool_))
        self.wire = np.concatenate(
            [np.array([c.head.wire_us]) if c.run is None else c.run.wire for c in chunks]
        )

    def _each(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return np.repeat(values, self._of_chunk)

    def _parts(self, values: Ints) -> list[Ints]:
        return np.split(values, self._first[1:])

    def count(self, rows: Ints, told: Told) -> None:
        """Tell how many rows each datagram holds."""
        for chunk, part in zip(self._chunks, self._parts(rows), strict=True):
            if chunk.run is None:
                told.counts[chunk.rank] = int(part[0])
            else:
                told.runs[chunk.rank] = part

    def spread(self, batch: Batch) -> Spread:
        """Return the header values of a batch's rows."""
        chunks = [
            chunk if chunk.run is None else chunk._replace(run=chunk.run._replace(records=part))
            for chunk, part in zip(self._chunks, self._parts(batch.counts), strict=True)
        ]
        return Spread(chunks, np.add.reduceat(batch.counts, self._first))

    def tell(
        self, told: Told, datagram: int, kind: str, unit: str, lost: int | None, note: str
    ) -> None:
        """Tell a loss at its datagram."""
        at = int(np.searchsorted(self._first, datagram, side="right")) - 1
        chunk = self._chunks[at]
        frame, wire_us = chunk.frame, chunk.head.wire_us
        if chunk.run is not None:
            of_run = datagram - int(self._first[at])
            frame, wire_us = int(chunk.run.frame[of_run]), int(chunk.run.wire[of_run])
        loss = Loss(kind, chunk.head.source, unit, lost, wire_us, wire_us, note)
        told.losses.setdefault(frame, []).append(loss)


def _sizes(chunk: Chunk) -> Ints:
    return np.array([len(chunk.body)], np.int64) if chunk.run is None else chunk.run.sizes


def _missing(told: Told, places: _Places, missing: Missing) -> None:
    if missing.lost:
        places.tell(told, missing.owner, "sequence-gap", "records", missing.lost, "samples")
    if missing.dropped:
        note = "samples that the agent could not take"
        places.tell(told, missing.owner, "exporter-drop", "records", missing.dropped, note)
    if missing.late:
        note = "samples that came late"
        places.tell(told, missing.owner, "sequence-late", "records", None, note)


def _agent(chunk: Chunk) -> Agent:
    """Return whose samples a datagram has: the sender, and the part of the header that names it."""
    return chunk.head.source, chunk.head.port, chunk.body[4 : _agent_end(chunk)]


def _agent_end(chunk: Chunk) -> int:
    return AGENT_ENDS[chunk.body[7]]


@lru_cache(maxsize=4096)
def _packed(address: str) -> bytes:
    try:
        return ipaddress.ip_address(address).packed
    except ValueError:
        return b""
