"""What a datagram's header says for all its records, and a set body on its way to a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from collector.decode.layout import Layout
from collector.decode.sampling import Rates
from collector.decode.skew import STOPPED

Micros = npt.NDArray[np.int64]
"""Microseconds since the epoch, UTC."""
Ints = npt.NDArray[np.int64]


class Head(NamedTuple):
    """One datagram without its sets; what later datagrams teach does not change it."""

    version: int
    address: str
    port: int
    domain: int
    source: str
    """As stored: the exporter's address, with the file's name before it for a capture."""
    received_us: int
    wire_us: int
    sent_us: int
    uptime_ms: int
    """-1 in IPFIX."""
    offset_us: int
    """How far the exporter's clock is behind; 0 within the limit, `skew.STOPPED` if it stands."""
    boot_us: int
    """When the exporter started, as its options said (element 160); -1 unknown."""
    rates: Rates
    """What was known of its sampling."""


class Run(NamedTuple):
    """What the headers of a run say, a value for each datagram."""

    frame: Ints
    received: Ints
    wire: Ints
    sent: Ints
    uptime: Ints
    offset: Ints
    sequence: Ints
    records: Ints
    """Of sFlow so many as there may be, until they are decoded."""
    sizes: Ints
    """Of the bodies, in bytes."""


class Chunk(NamedTuple):
    """The body of one data set."""

    layout: Layout
    body: bytes
    head: Head
    frame: int
    """Position of the frame that released it: its own, or that of the late template."""
    rank: int
    """Order of release within one call."""
    template: int
    """The template's id; 0 for NetFlow v5."""
    names: Mapping[bytes, str]
    """Application names known when it was released."""
    run: Run | None = None
    """Set where the body is that of a whole run of datagrams, with what differs among them; `head`
    is the first one's, and `frame` too."""


class Spread:
    """Header values of a batch's chunks, one per row."""

    def __init__(self, chunks: Sequence[Chunk], counts: npt.NDArray[np.int64]) -> None:
        self.chunks = chunks
        self._chunk_rows = counts
        self.rows = int(counts.sum())
        self.counts = self._of_sets(counts, "records")
        """Rows of each set."""
        self.sent = self._spread([c.head.sent_us for c in chunks], "sent")
        self.wire = self._spread([c.head.wire_us for c in chunks], "wire")
        self.received = self._spread([c.head.received_us for c in chunks], "received")
        self.uptime = self._spread([c.head.uptime_ms for c in chunks], "uptime")
        offset = self._of_sets(np.array([c.head.offset_us for c in chunks], np.int64), "offset")
        self.offset = np.repeat(offset, self.counts)
        self.some_stopped = bool((offset == STOPPED).any())
        """Whether the clock of any of the exporters stands still."""
        self.frame = self._spread([c.frame for c in chunks], "frame")
        self.boot = self._of_chunks([c.head.boot_us for c in chunks])
        self.domain = self._of_chunks([c.head.domain for c in chunks])
        self.rank = self._of_chunks([c.rank for c in chunks])

    def codes(self, values: Sequence[object]) -> npt.NDArray[np.int32]:
        """Return one value per chunk as codes, per row."""
        return np.repeat(np.array(values, np.int32), self._chunk_rows)

    def head(self, chunk: int, row: int) -> Head:
        """Return the header of one row, which is of the chunk with that number."""
        return self.chunks[chunk].head._replace(
            received_us=int(self.received[row]),
            wire_us=int(self.wire[row]),
            sent_us=int(self.sent[row]),
            uptime_ms=int(self.uptime[row]),
            offset_us=int(self.offset[row]),
        )

    def _of_chunks(self, values: list[int]) -> Micros:
        return np.repeat(np.array(values, np.int64), self._chunk_rows)

    def _spread(self, values: list[int], of_run: str) -> Micros:
        return np.repeat(self._of_sets(np.array(values, np.int64), of_run), self.counts)

    def _of_sets(self, values: npt.NDArray[np.int64], of_run: str) -> npt.NDArray[np.int64]:
        """Return the values of chunks, with those of its run in the place of a run's one."""
        parts, done = [], 0
        for at, chunk in enumerate(self.chunks):
            if chunk.run is not None:
                parts += [values[done:at], getattr(chunk.run, of_run)]
                done = at + 1
        return np.concatenate([*parts, values[done:]]) if parts else values
