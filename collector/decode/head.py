"""What a datagram's header says for all its records, and a set body on its way to a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from collector.decode.layout import Layout
from collector.decode.sampling import Rates

Micros = npt.NDArray[np.int64]
"""Microseconds since the epoch, UTC."""


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
    """How far the exporter's clock is behind; 0 within the limit."""
    boot_us: int
    """When the exporter started, as its options said (element 160); -1 unknown."""
    rates: Rates
    """What was known of its sampling."""


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


class Spread:
    """Header values of a batch's chunks, one per row."""

    def __init__(self, chunks: Sequence[Chunk], counts: npt.NDArray[np.int64]) -> None:
        self.chunks = chunks
        self.counts = counts
        self.rows = int(counts.sum())
        self.sent = self._spread([c.head.sent_us for c in chunks])
        self.wire = self._spread([c.head.wire_us for c in chunks])
        self.received = self._spread([c.head.received_us for c in chunks])
        self.uptime = self._spread([c.head.uptime_ms for c in chunks])
        self.offset = self._spread([c.head.offset_us for c in chunks])
        self.boot = self._spread([c.head.boot_us for c in chunks])
        self.domain = self._spread([c.head.domain for c in chunks])
        self.frame = self._spread([c.frame for c in chunks])
        self.rank = self._spread([c.rank for c in chunks])

    def _spread(self, values: list[int]) -> Micros:
        return np.repeat(np.array(values, np.int64), self.counts)

    def codes(self, values: Sequence[object]) -> npt.NDArray[np.int32]:
        """Return one value per chunk as codes, per row."""
        return np.repeat(np.array(values, np.int32), self.counts)
