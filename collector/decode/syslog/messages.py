"""Frames of syslog to rows of the log `events`: one each, whatever is in it, the line untouched."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import repeat
from typing import Any

import numpy as np
import pyarrow as pa

from collector.decode.syslog import rfc3164, rfc5424, times
from collector.decode.syslog.header import Header
from collector.records import Frame, Rows

_TEXT = pa.dictionary(pa.int32(), pa.string())
_TIME = pa.timestamp("us", tz="UTC")
_MINUTES_US = 5 * 60_000_000
_LATEST_US = 7 * times.DAY_US
"""Senders that were cut off deliver so late."""


def decode(frames: Sequence[Frame]) -> Rows:
    """Return one row per frame, in order; all are SYSLOG frames of one site."""
    lines = [_text(frame.payload) for frame in frames]
    headers = [
        _header(text or frame.payload.decode(errors="replace"), frame.wire_ns // 1000)
        for text, frame in zip(lines, frames, strict=True)
    ]
    clocks = [_clock(header, frame) for header, frame in zip(headers, frames, strict=True)]
    faults = [
        header.fault or ("not UTF-8" if text is None else None)
        for header, text in zip(headers, lines, strict=True)
    ]
    site = frames[0].site if frames else ""
    return Rows(
        log="events",
        site=site,
        columns={
            "time": pa.array([time for time, _ in clocks], _TIME),
            "received": pa.array([frame.received_ns // 1000 for frame in frames], _TIME),
            "source": _texts([_source(frame) for frame in frames]),
            "site": _texts(list(repeat(site, len(frames)))),
            "transport": _texts([frame.transport for frame in frames]),
            "format": _texts([header.format for header in headers]),
            "facility": pa.array([header.facility for header in headers], pa.int32()),
            "severity": pa.array([header.severity for header in headers], pa.int32()),
            "sender_time": pa.array([header.time_us for header in headers], _TIME),
            "clock": _texts([verdict for _, verdict in clocks]),
            "hostname": _texts([header.hostname for header in headers]),
            "app_name": _texts([header.app_name for header in headers]),
            "proc_id": _texts([header.proc_id for header in headers]),
            "msg_id": _texts([header.msg_id for header in headers]),
            "fault": _texts(faults),
            "structured_data": _texts([header.structured_data for header in headers]),
            "message": _texts([header.message for header in headers]),
            "raw": _texts(lines),
            "raw_bytes": pa.array(
                [
                    frame.payload if text is None else None
                    for text, frame in zip(lines, frames, strict=True)
                ],
                pa.binary(),
            ),
        },
        frame=np.fromiter((frame.number for frame in frames), np.int64, len(frames)),
    )


def _text(payload: bytes) -> str | None:
    try:
        return payload.decode()
    except UnicodeDecodeError:
        return None


def _header(text: str, near_us: int) -> Header:
    text = text.rstrip("\r\n\0")  # framing, or a habit of the sender
    return rfc5424.parse(text) or rfc3164.parse(text, near_us)


def _clock(header: Header, frame: Frame) -> tuple[int, str]:
    """Return when it happened, and the verdict on the sender's clock.

    A sender may be late but not early. One that writes UTC without saying so is taken at that when
    it fits to the minute. What was taken from a file may be as old as it says.
    """
    here = frame.wire_ns // 1000
    if header.time_us is None:
        return here, "none"
    late = here - header.time_us
    east = times.BANGKOK_S * 1_000_000
    if not header.zoned and not frame.label and abs(late - east) <= _MINUTES_US:
        return header.time_us + east, "skewed"
    if late < -_MINUTES_US or (late > _LATEST_US and not frame.label):
        return here, "implausible"
    return header.time_us, "ok"


def _source(frame: Frame) -> str:
    return f"{frame.label} {frame.address}".rstrip() if frame.label else frame.address


def _texts(values: Sequence[str | None]) -> pa.Array[Any]:
    """Return a text column, each distinct value once."""
    encoded: pa.Array[Any] = pa.array(values, pa.string()).dictionary_encode()
    return encoded.cast(_TEXT)
