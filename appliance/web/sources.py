"""What the receiving process says of its sockets and of strangers; how far sealing is behind."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SECOND_NS = 1_000_000_000
LEAST_NS = 2 * SECOND_NS
"""A rate is taken over at least so long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One listening socket."""

    name: str
    received: int
    """Datagrams or messages since the process started."""
    size_bytes: int
    per_second: float | None
    """None until it was looked at twice."""
    lost: int
    """Dropped by the kernel, or refused by a full spool."""
    refused: int
    """From senders that the settings do not name, that send too much, or whose TLS is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stranger:
    """Somebody who sends and is not in the settings."""

    address: str
    count: int


class Meter:
    """Turns counters that only grow into rates, from one look to the next."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: dict[str, tuple[int, int]] = {}
        self._rates: dict[str, float] = {}

    def rate(self, name: str, count: int, now_ns: int) -> float | None:
        """Return how much the counter grew per second since an earlier look."""
        with self._lock:
            before_ns, before = self._last.setdefault(name, (now_ns, count))
            if count < before:
                # The process began anew.
                self._last[name] = (now_ns, count)
            elif now_ns - before_ns >= LEAST_NS:
                self._rates[name] = (count - before) * SECOND_NS / (now_ns - before_ns)
                self._last[name] = (now_ns, count)
            return self._rates.get(name)


def listed(reply: Mapping[str, Any], meter: Meter, now_ns: int) -> list[Source]:
    """Return the sockets in the status of the receiving process."""
    found = []
    for one in reply.get("udp", ()):
        name, count = str(one.get("socket", "?")), int(one.get("datagrams", 0))
        found.append(
            Source(
                name=name,
                received=count,
                size_bytes=int(one.get("bytes", 0)),
                per_second=meter.rate(name, count, now_ns),
                lost=int(one.get("kernel_drops", 0)) + int(one.get("not_stored", 0)),
                refused=int(one.get("refused", 0)) + int(one.get("limited", 0)),
            )
        )
    for tcp in (reply.get(name) or {} for name in ("tcp", "tls", "ipfix_tcp", "ipfix_tls")):
        if not tcp.get("sockets"):
            continue
        name, count = ", ".join(tcp["sockets"]), int(tcp.get("messages", 0))
        found.append(
            Source(
                name=name,
                received=count,
                size_bytes=int(tcp.get("bytes", 0)),
                per_second=meter.rate(name, count, now_ns),
                lost=int(tcp.get("not_stored", 0)),
                refused=sum(int(tcp.get(n, 0)) for n in ("refused", "refused_tls", "malformed")),
            )
        )
    if local := reply.get("unix"):
        name, count = str(local.get("socket", "?")), int(local.get("messages", 0))
        found.append(
            Source(
                name=name,
                received=count,
                size_bytes=int(local.get("bytes", 0)),
                per_second=meter.rate(name, count, now_ns),
                lost=int(local.get("not_stored", 0)),
                refused=int(local.get("limited", 0)),
            )
        )
    return found


def strangers(reply: Mapping[str, Any]) -> list[Stranger]:
    """Return who sends without being in the settings."""
    return [
        Stranger(address=str(one.get("address", "?")), count=int(one.get("refused", 0)))
        for one in reply.get("unknown_senders", ())
    ]


def unsealed(receive: Mapping[str, Any], seal: Mapping[str, Any]) -> int | None:
    """Return how many frames are received and not sealed yet; None when either does not tell.

    The spool's size does not tell: its files go whole, long after the first frame is sealed.
    """
    head, sealed = (receive.get("spool") or {}).get("head"), seal.get("sealed_position")
    return None if head is None or sealed is None else max(0, head - sealed)
