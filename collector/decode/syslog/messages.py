"""Frames of syslog to rows of the log `events`: one each, whatever is in it, the line untouched."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from collector.decode import arrow
from collector.decode.syslog import columns, rfc3164, rfc5424, sign_ins, times, traffic, vendors
from collector.decode.syslog.columns import EVENT_NUMBERS, Typed
from collector.decode.syslog.header import Header
from collector.decode.syslog.sign_ins import SignIn
from collector.decode.syslog.traffic import Lines
from collector.decode.syslog.vendors import Vendored
from collector.records import Frame, Rows

_TEXT = pa.dictionary(pa.int32(), pa.string())
_TIME = pa.timestamp("us", tz="UTC")
_MINUTES_US = 5 * 60_000_000
_LATEST_US = 7 * times.DAY_US
"""Senders that were cut off deliver so late."""
_CUT = f"only the first {vendors.READ} characters were taken apart"


@dataclass(frozen=True, slots=True)
class Messages:
    """What syslog frames say."""

    events: Rows
    """One row per frame, in order."""
    flows: Rows | None
    """The connections that they tell of; None without any."""
    sign_ins: Sequence[SignIn]
    read: Counter[str]
    """How many lines each vendor's format took apart."""
    unread: Sequence[tuple[str | None, str]]
    """Program and message of the lines that none did."""


def decode(frames: Sequence[Frame]) -> Rows:
    """Return the rows of `events` alone."""
    return read(frames).events


def read(frames: Sequence[Frame]) -> Messages:
    """Return what the frames say; all are SYSLOG frames of one site."""
    texts = [_text(frame.payload) for frame in frames]
    headers = [
        _header(text or frame.payload.decode(errors="replace"), frame.wire_ns // 1000)
        for text, frame in zip(texts, frames, strict=True)
    ]
    found = [vendors.read(header) for header in headers]
    readings = [one and one.reading for one in found]
    clocks = [_clock(header, frame) for header, frame in zip(headers, frames, strict=True)]
    lines = Lines(
        frame=np.fromiter((frame.number for frame in frames), np.int64, len(frames)),
        time_us=np.array([time for time, _ in clocks], np.int64),
        received_us=np.array([frame.received_ns // 1000 for frame in frames], np.int64),
        source=[_source(frame) for frame in frames],
        clock=[verdict for _, verdict in clocks],
        vendor=[one and one.vendor for one in found],
    )
    faults = [_fault(*of) for of in zip(headers, texts, found, strict=True)]
    typed = columns.typed(readings)
    site = frames[0].site if frames else ""
    told = _told(frames, texts, headers, faults) | _parsed(lines, typed)
    pairs = zip(headers, found, strict=True)
    return Messages(
        events=Rows(log="events", site=site, columns=told, frame=lines.frame),
        flows=traffic.rows(site, lines, readings, typed),
        sign_ins=list(sign_ins.hints(lines, readings)),
        read=Counter(one.vendor for one in found if one is not None),
        unread=[(header.app_name, header.message) for header, one in pairs if one is None],
    )


def _told(
    frames: Sequence[Frame],
    texts: Sequence[str | None],
    headers: Sequence[Header],
    faults: Sequence[str | None],
) -> dict[str, pa.Array[Any]]:
    """Return the columns of frame and header."""
    return {
        "site": _texts([frame.site for frame in frames]),
        "transport": _texts([frame.transport for frame in frames]),
        "sender_name": _texts([frame.sender_name or None for frame in frames]),
        "format": _texts([header.format for header in headers]),
        "facility": pa.array([header.facility for header in headers], pa.int32()),
        "severity": pa.array([header.severity for header in headers], pa.int32()),
        "sender_time": pa.array([header.time_us for header in headers], _TIME),
        "hostname": _texts([header.hostname for header in headers]),
        "app_name": _texts([header.app_name for header in headers]),
        "proc_id": _texts([header.proc_id for header in headers]),
        "msg_id": _texts([header.msg_id for header in headers]),
        "fault": _texts(faults),
        "structured_data": _texts([header.structured_data for header in headers]),
        "message": _texts([header.message for header in headers]),
        "raw": _texts(texts),
        "raw_bytes": pa.array(
            [
                frame.payload if text is None else None
                for text, frame in zip(texts, frames, strict=True)
            ],
            pa.binary(),
        ),
    }


def _parsed(lines: Lines, typed: Typed) -> dict[str, pa.Array[Any]]:
    """Return the columns of times, sender and what a vendor's format told."""
    found = {
        "time": arrow.moments(lines.time_us),
        "received": arrow.moments(lines.received_us),
        "source": _texts(lines.source),
        "clock": _texts(lines.clock),
        "vendor": _texts(lines.vendor),
    }
    for name, told in typed.numbers.items():
        found[name] = columns.array(told, EVENT_NUMBERS[name])
    for name, end in typed.ends.items():
        found[name] = end.text()
    return found | typed.texts


def _fault(header: Header, text: str | None, found: Vendored | None) -> str | None:
    if header.fault is not None:
        return header.fault
    if text is None:
        return "not UTF-8"
    return _CUT if found is not None and found.cut else None


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
