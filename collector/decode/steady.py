"""The headers of many datagrams at once, where one follows the other as routers send them all day.

Most datagrams come from one stream, hold one data set of one template, and teach nothing. Runs of
such are read here by columns; all others are left to be read one at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from collector.decode import ipfix, netflow5, netflow9, times
from collector.decode.head import Run
from collector.decode.sflow import datagram as sflow
from collector.decode.skew import Skew
from collector.decode.stream import CONNECTED
from collector.records import Frame

LEAST = 4
"""Fewer datagrams are not worth it."""
MOST = 2048
HEAD_BYTES = 24
RESTART_MS = 1000
"""An uptime that goes back by more is one of a new start."""

_V5 = np.dtype(
    [
        ("version", ">u2"), ("count", ">u2"), ("uptime", ">u4"), ("seconds", ">u4"),
        ("nanos", ">u4"), ("sequence", ">u4"), ("domain", ">u2"), ("sampling", ">u2"),
    ]
)  # fmt: skip
_V9 = np.dtype(
    [
        ("version", ">u2"), ("count", ">u2"), ("uptime", ">u4"), ("seconds", ">u4"),
        ("sequence", ">u4"), ("domain", ">u4"), ("set_id", ">u2"), ("set_bytes", ">u2"),
    ]
)  # fmt: skip
_IPFIX = np.dtype(
    [
        ("version", ">u2"), ("bytes", ">u2"), ("seconds", ">u4"), ("sequence", ">u4"),
        ("domain", ">u4"), ("set_id", ">u2"), ("set_bytes", ">u2"), ("body", "V4"),
    ]
)  # fmt: skip
_SFLOW = np.dtype(
    [
        ("version", ">u4"), ("agent_kind", ">u4"), ("stream", ">u8"), ("sequence", ">u4"),
        ("uptime", ">u4"),
    ]
)  # fmt: skip
"""Of agents with IPv4 addresses: the number of the stream is address << 32 | sub-agent."""
_SET_HEADER_BYTES = 4
_FIRST_DATA_SET = 256

Ints = npt.NDArray[np.int64]


class Headers(NamedTuple):
    """Consecutive datagrams of one sender and version, a value for each."""

    version: int
    domain: Ints
    set_id: Ints
    """0 for NetFlow v5."""
    sequence: Ints
    sent: Ints
    """µs since the epoch; -1 in sFlow."""
    uptime: Ints
    """ms; -1 in IPFIX."""
    sampling: Ints
    """As NetFlow v5 tells it, else 0."""
    body_at: int
    body_bytes: Ints
    plain: npt.NDArray[np.bool_]
    """Whether the datagram is just one data set, sent at a plausible time."""

    def stream(self, at: int) -> int:
        """Return the number of a datagram's stream among those of its sender."""
        return int(self.domain[at]) & 0xFFFFFFFFFFFFFFFF


def pieces(frames: Sequence[Frame]) -> Iterator[tuple[int, int, Headers | None]]:
    """Yield [start, end) of all frames in order, with the headers of those that form a run."""
    start = 0
    while start < len(frames):
        end = _same_sender(frames, start)
        headers = _headers(frames[start:end]) if end - start >= LEAST else None
        if headers is None:
            yield start, end, None
        else:
            for first, last, steady in _runs(headers):
                yield start + first, start + last, _cut(headers, first, last) if steady else None
        start = end


def take(
    frames: Sequence[Frame], headers: Headers, first: int, records: Ints, skew: Skew, limit_us: int
) -> Run:
    """Return a run with the times of its frames, and let its exporter's skew learn from it.

    Args:
        frames: The datagrams.
        headers: Of these, from `first` on.
        first: See there.
        records: How many each holds.
        skew: Of the exporter.
        limit_us: Clocks may differ so far.
    """
    part = slice(first, first + len(frames))
    wire = np.array([frame.wire_ns for frame in frames], np.int64) // 1000
    sent, offset = headers.sent[part], np.zeros(len(frames), np.int64)
    if headers.version != sflow.VERSION:
        offset = np.array(skew.learn_all(sent, wire, limit_us), np.int64)
    return Run(
        frame=np.array([frame.number for frame in frames], np.int64),
        received=np.array([frame.received_ns for frame in frames], np.int64) // 1000,
        wire=wire,
        sent=sent,
        uptime=headers.uptime[part],
        offset=offset,
        sequence=headers.sequence[part],
        records=records,
        sizes=headers.body_bytes[part],
    )


def _same_sender(frames: Sequence[Frame], start: int) -> int:
    """Return the end of the frames that came from one socket, each at least a header long."""
    first = frames[start]
    address, port, label, version = first.address, first.port, first.label, first.payload[:2]
    transport = first.transport
    own = first.local_port if transport in CONNECTED else None  # a connection is of one of ours
    most = min(start + MOST, len(frames))
    for at in range(start, most):
        frame = frames[at]
        payload = frame.payload
        if (
            frame.port != port
            or frame.address != address
            or len(payload) < HEAD_BYTES
            or payload[:2] != version
            or frame.label != label
            or frame.transport != transport
            or (own is not None and frame.local_port != own)
        ):
            return max(at, start + 1)
    return most


def _headers(frames: Sequence[Frame]) -> Headers | None:
    """Read the headers of one sender; None for a version that has none of these forms."""
    version = int.from_bytes(frames[0].payload[:2], "big")
    form = _FORMS.get(version)
    if form is None:
        return None
    heads = np.frombuffer(b"".join([frame.payload[:HEAD_BYTES] for frame in frames]), form)
    if version == sflow.VERSION:
        return _of_sflow(heads, frames)
    sizes = np.array([len(frame.payload) for frame in frames], np.int64)
    sent, none = heads["seconds"].astype(np.int64) * 1_000_000, np.zeros(len(heads), np.int64)
    uptime, sampling, set_id = none - 1, none, none
    if version == netflow5.VERSION:
        body_bytes = heads["count"].astype(np.int64) * netflow5.RECORD_BYTES
        whole = (body_bytes > 0) & (body_bytes + HEAD_BYTES == sizes)
        body_at = HEAD_BYTES
        nanos = np.minimum(heads["nanos"].astype(np.int64), netflow5.MOST_NANOSECONDS)
        sent += nanos // 1_000_000 * 1000
        sampling = heads["sampling"].astype(np.int64) & netflow5.INTERVAL
    else:
        body_at = _BODY_AT[version]
        set_bytes, set_id = heads["set_bytes"].astype(np.int64), heads["set_id"].astype(np.int64)
        body_bytes = set_bytes - _SET_HEADER_BYTES
        whole = (set_id >= _FIRST_DATA_SET) & (set_bytes + body_at - _SET_HEADER_BYTES == sizes)
        if version == ipfix.VERSION:
            whole &= heads["bytes"] == sizes
    if version != ipfix.VERSION:
        uptime = heads["uptime"].astype(np.int64)
    return Headers(
        version,
        heads["domain"].astype(np.int64),
        set_id,
        heads["sequence"].astype(np.int64),
        sent,
        uptime,
        sampling,
        body_at,
        body_bytes,
        whole & times.are_plausible(sent),
    )


def _of_sflow(heads: npt.NDArray[np.void], frames: Sequence[Frame]) -> Headers:
    sizes, none = (
        np.array([len(f.payload) for f in frames], np.int64),
        np.zeros(len(heads), np.int64),
    )
    plain = (heads["version"] == sflow.SFLOW) & (heads["agent_kind"] == 1)
    return Headers(
        sflow.VERSION,
        heads["stream"].astype(np.uint64).view(np.int64),
        none,
        heads["sequence"].astype(np.int64),
        none - 1,
        heads["uptime"].astype(np.int64),
        none,
        0,
        sizes,
        plain & (sizes >= sflow.LEAST_BYTES),
    )


def _runs(headers: Headers) -> list[tuple[int, int, bool]]:
    """Return [first, last) of runs, and of what lies between them."""
    breaks = ~(headers.plain[1:] & headers.plain[:-1])
    for values in (headers.domain, headers.set_id, headers.sampling):
        breaks |= values[1:] != values[:-1]
    breaks |= headers.uptime[1:] < headers.uptime[:-1] - RESTART_MS
    cuts = [0, *(np.flatnonzero(breaks) + 1).tolist(), len(headers.plain)]
    runs: list[tuple[int, int, bool]] = []
    for first, last in pairwise(cuts):
        steady = last - first >= LEAST
        if runs and not steady and not runs[-1][2]:
            first = runs.pop()[0]  # few and few are read one at a time, together
        runs.append((first, last, steady))
    return runs


def _cut(headers: Headers, first: int, last: int) -> Headers:
    return Headers._make(
        value[first:last] if isinstance(value, np.ndarray) else value for value in headers
    )


_BODY_AT = {netflow9.VERSION: 24, ipfix.VERSION: 20}
_FORMS = {
    sflow.VERSION: _SFLOW,
    netflow5.VERSION: _V5,
    netflow9.VERSION: _V9,
    ipfix.VERSION: _IPFIX,
}
