"""What the three readers of datagrams return: a header and sets of bytes."""

from __future__ import annotations

from typing import NamedTuple


class Message(NamedTuple):
    """One datagram, cut into its sets."""

    version: int
    """5, 7, 9, 10 (IPFIX), or 0 (sFlow)."""
    domain: int
    """Observation domain, source id, engine type << 8 | engine id, or sub-agent."""
    sequence: int
    sent_us: int
    """The exporter's clock when it sent, µs since the epoch; -1 in sFlow, which does not tell."""
    uptime_ms: int
    """The exporter's uptime when it sent; -1 in IPFIX, which does not tell."""
    sets: list[tuple[int, bytes]]
    """Set id and body, in order. NetFlow v5 has one set with id 5."""
    sampling: int
    """The sampling interval of a v5 header; 0 elsewhere or when not told."""
    broken_sets: int
    """Sets left out because their length is wrong."""
    agent: bytes = b""
    """The address of an sFlow agent, which need not be the sender's."""

    @property
    def stream(self) -> int:
        """The number of its stream among those of its sender: of agent and sub-agent in sFlow."""
        return int.from_bytes(self.agent, "big") << 32 | self.domain
