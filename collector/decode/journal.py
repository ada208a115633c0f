"""What the intake writes down of each datagram, to be accounted for when it has been decoded."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from collector.decode.head import Ints, Run
from collector.decode.losses import Loss
from collector.decode.stream import Stream


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
    """Ignored where they come in datagrams, which cannot withdraw (RFC 7011 section 8.4)."""
    waited_sets: int = 0
    """Came before their template."""
    late_sets: int = 0
    """Of these, decoded when it came."""
    lost_sets: int = 0
    """Of these, given up."""
    broken_sets: int = 0
    broken_templates: int = 0
    refused_templates: int = 0
    """Too many new ones in a minute."""
    reserved_sets: int = 0
    lost_records: int = 0
    """By sequence numbers; estimated where datagrams are counted."""
    counter_samples: int = 0
    """Of sFlow."""
    counter_rows: int = 0
    """Of these, kept in the log `counters`: the first of each source in some minutes."""
    drop_samples: int = 0
    """Of sFlow: rows of their own, among `records`."""
    unknown_samples: int = 0
    unknown_records: int = 0
    """Of sFlow: of formats that are not read, passed over."""


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


class Steady(NamedTuple):
    """What is to be accounted for a run of datagrams, all of one stream."""

    stream: Stream
    run: Run
    source: str
    before_us: int
    """When the stream's last datagram before them was on the wire."""
    rank: int
    """Of its chunk."""


@dataclass(slots=True)
class Entry:
    """What is to be accounted for one datagram."""

    frame: int
    now_us: int
    losses: list[Loss] = field(default_factory=list)
    numbered: Numbered | None = None


@dataclass(slots=True)
class Told:
    """What only decoding could tell."""

    counts: dict[int, int] = field(default_factory=dict)
    """Records in a chunk, by its rank."""
    runs: dict[int, Ints] = field(default_factory=dict)
    """Records in each datagram of a run, by its chunk's rank."""
    losses: dict[int, list[Loss]] = field(default_factory=dict)
    """By frame."""
