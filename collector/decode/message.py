"""What the three readers of datagrams return: a header and sets of bytes."""

from __future__ import annotations

from typing import NamedTuple


class Message(NamedTuple):
    """One NetFlow or IPFIX datagram, cut into its sets."""

    version: int
    """5, 9 or 10 (IPFIX)."""
    domain: int
    """Observation domain, source id, or engine type << 8 | engine id."""
    sequence: int
    sent_us: int
    """The exporter's clock when it sent, µs since the epoch."""
    uptime_ms: int
    """The exporter's uptime when it sent; -1 in IPFIX, which does not tell."""
    sets: list[tuple[int, bytes]]
    """Set id and body, in order. NetFlow v5 has one set with id 5."""
    sampling: int
    """The sampling interval of a v5 header; 0 elsewhere or when not told."""
    broken_sets: int
    """Sets left out because their length is wrong."""
