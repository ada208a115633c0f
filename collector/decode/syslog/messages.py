"""Frames of syslog to rows of the log `events`: one each, whatever is in it, the line untouched."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from collector.decode import arrow, merged, words
from collector.decode.syslog import (
    arrivals,
    columns,
    fortigates,
    heap,
    rfc3164,
    rfc5424,
    sign_ins,
    traffic,
    vendors,
)
from collector.decode.syslog.arrivals import Arrivals
from collector.decode.syslog.columns import EVENT_NUMBERS, Typed
from collector.decode.syslog.fixed import NOBODYS, Fixed
from collector.decode.syslog.formats import fortigate
from collector.decode.syslog.header import Header
from collector.decode.syslog.heap import Heap
from collector.decode.syslog.sign_ins import SignIn
from collector.decode.syslog.traffic import Lines
from collector.decode.syslog.vendors import Vendored
from collector.records import Frame, Rows
from collector.spool.lines import each

_CUT = f"only the first {vendors.READ} characters were taken apart"
_BY_THE_BATCH = (None, fortigate.FORMAT)
"""Formats of senders whose lines may be read together."""
_FRAMING = "\r\n\0"
"""Taken off the end of a line: framing, or a habit of the sender."""


@dataclass(frozen=True, slots=True)
class Messages:
    """What syslog frames say."""

    events: Rows
    """One row per line, in order."""
    flows: Rows | None
    """The connections that they tell of; None without any."""
    sign_ins: Sequence[SignIn]
    read: Counter[str]
    """How many lines each vendor's format took apart."""
    unread: Sequence[tuple[str | None, str]]
    """Program and message of the lines that none did."""
    others: Sequence[Frame]
    """A frame for each line that may tell of something else: all but those of plain traffic."""


def decode(frames: Sequence[Frame]) -> Rows:
    """Return the rows of `events` alone."""
    return read(frames).events


def read(frames: Sequence[Frame], fixed: Fixed = NOBODYS) -> Messages:
    """Return what the frames say; all are SYSLOG frames of one site.

    Args:
        frames: The frames.
        fixed: The formats that the settings give senders.
    """
    if not frames:
        return _nothing()
    bound = [frame for frame in frames if fixed and fixed.of(frame.address) not in _BY_THE_BATCH]
    if not bound:
        return _read(frames, fixed)
    if len(bound) == len(frames):
        return _all_singly(frames, fixed)
    known = {frame.number for frame in bound}
    free = [frame for frame in frames if frame.number not in known]
    return _joined(_read(free, fixed), _all_singly(bound, fixed))


@cache
def _nothing() -> Messages:
    """Return what no frames say: made once, for most batches of flows come without a line."""
    return read_singly([])


def _read(frames: Sequence[Frame], fixed: Fixed) -> Messages:
    """Return the same of senders that may send lines of FortiGates, which are read by the batch."""
    given = heap.gather(frames)
    together = fortigates.read(given)
    if together is None:
        return _all_singly(frames, fixed)
    said = _read_together(given, together)
    if len(together.rows) == len(given.ends):
        return said
    left = np.ones(len(given.ends), np.bool_)
    left[together.rows] = False
    return _joined(said, read_singly(given.some(np.flatnonzero(left)), fixed))


def _all_singly(frames: Sequence[Frame], fixed: Fixed) -> Messages:
    return read_singly([one for frame in frames for one in each(frame)], fixed)


def _joined(one: Messages, other: Messages) -> Messages:
    """Return what frames say of which each was read in one of two ways."""
    flows = [part.flows for part in (one, other) if part.flows is not None]
    return Messages(
        events=merged.in_order([one.events, other.events]),
        flows=merged.in_order(flows) if flows else None,
        sign_ins=sorted([*one.sign_ins, *other.sign_ins], key=lambda each: each.frame),
        read=one.read + other.read,
        unread=[*one.unread, *other.unread],
        others=sorted([*one.others, *other.others], key=lambda frame: frame.number),
    )


def read_singly(frames: Sequence[Frame], fixed: Fixed = NOBODYS) -> Messages:
    """Return the same of frames of one line, one after the other: what any line can be read by."""
    texts = [_text(frame.payload) for frame in frames]
    shown = [
        (frame.payload.decode(errors="replace") if text is None else text).rstrip(_FRAMING)
        for text, frame in zip(texts, frames, strict=True)
    ]
    headers = [
        rfc5424.parse(text) or rfc3164.parse(text, frame.wire_ns // 1000)
        for text, frame in zip(shown, frames, strict=True)
    ]
    found = [
        vendors.read(header, fixed.of(frame.address) if fixed else None)
        for header, frame in zip(headers, frames, strict=True)
    ]
    readings = [one and one.reading for one in found]
    here = arrivals.of(frames)
    timed = np.array([header.time_us is not None for header in headers], np.bool_)
    told_us = np.array([header.time_us or 0 for header in headers], np.int64)
    zoned = np.array([header.zoned for header in headers], np.bool_)
    lines = _lines(here, told_us, timed, zoned, _texts([one and one.vendor for one in found]))
    told = columns.gathered(readings)
    typed = columns.typed(told)
    faults = [_fault(*of) for of in zip(headers, texts, found, strict=True)]
    events = here.texts | _headers(headers, faults) | _parsed(lines, typed)
    events["sender_time"] = arrow.moments(told_us, timed)
    events |= _kept(frames, texts, shown, headers)
    unnamed = [None if one is None or one.named else one.reading for one in found]
    if (fields := columns.fields(unnamed)) is not None:
        events["fields"] = fields
    site, pairs = frames[0].site if frames else "", zip(headers, found, strict=True)
    return Messages(
        events=Rows(log="events", site=site, columns=events, frame=lines.frame),
        flows=traffic.rows(site, lines, traffic.said(readings, told.get("account")), typed),
        sign_ins=list(sign_ins.hints(lines, enumerate(readings))),
        read=Counter(one.vendor for one in found if one is not None),
        unread=[(header.app_name, header.message) for header, one in pairs if one is None],
        others=frames,
    )


def _read_together(given: Heap, said: fortigates.Read) -> Messages:
    """Return what lines say that were read by the batch."""
    rows, vendor = len(said.rows), fortigate.FORMAT.name
    always = np.ones(rows, np.bool_)
    here = arrivals.of_lines(given, said.rows)
    lines = _lines(here, said.time_us, always, said.zoned, _constant(vendor, rows))
    typed = columns.typed(said.told)
    events = here.texts | _parsed(lines, typed)
    events |= {
        "format": _constant("rfc3164", rows),
        "facility": arrow.ints((said.priority >> 3).astype(np.int32)),
        "severity": arrow.ints((said.priority & 7).astype(np.int32)),
        "sender_time": arrow.moments(said.time_us),
        "hostname": said.hostname,
        "message_at": arrow.ints(said.head),
        "raw": said.raw,
    }
    site = given.frames[0].site
    return Messages(
        events=Rows(log="events", site=site, columns=events, frame=lines.frame),
        flows=traffic.rows(site, lines, said.said, typed),
        sign_ins=list(sign_ins.hints(lines, said.sign_ins)),
        read=Counter({vendor: rows}),
        unread=[],
        others=given.some(said.rows[said.others]),
    )


def _lines(
    here: Arrivals,
    told_us: npt.NDArray[np.int64],
    timed: npt.NDArray[np.bool_],
    zoned: npt.NDArray[np.bool_],
    vendor: pa.Array[Any],
) -> Lines:
    time_us, clock = arrivals.clock(here, told_us, timed, zoned)
    return Lines(here.frame, time_us, here.received_us, here.texts["source"], clock, vendor)


def _headers(headers: Sequence[Header], faults: Sequence[str | None]) -> dict[str, pa.Array[Any]]:
    """Return the columns of headers."""
    return {
        "format": _texts([header.format for header in headers]),
        "facility": pa.array([header.facility for header in headers], pa.int32()),
        "severity": pa.array([header.severity for header in headers], pa.int32()),
        "hostname": _texts([header.hostname for header in headers]),
        "app_name": _texts([header.app_name for header in headers]),
        "proc_id": _texts([header.proc_id for header in headers]),
        "msg_id": _texts([header.msg_id for header in headers]),
        "fault": _texts(faults),
        "structured_data": _texts([header.structured_data for header in headers]),
    }


def _kept(
    frames: Sequence[Frame],
    texts: Sequence[str | None],
    shown: Sequence[str],
    headers: Sequence[Header],
) -> dict[str, pa.Array[Any]]:
    """Return the lines themselves; a message apart only where the line is not text.

    Every message is the end of its line, so its place says all.
    """
    pairs = list(zip(texts, headers, strict=True))
    at = [
        None if text is None else len(line) - len(header.message)
        for (text, header), line in zip(pairs, shown, strict=True)
    ]
    octets = [
        frame.payload if text is None else None for text, frame in zip(texts, frames, strict=True)
    ]
    return {
        "message_at": pa.array(at, pa.int64()),
        "message": _texts([_legible(header) if text is None else None for text, header in pairs]),
        "raw": pa.array(texts, pa.string()),
        "raw_bytes": pa.array(octets, pa.binary()),
    }


def _legible(header: Header) -> str:
    """Return a message with a question mark for what is not UTF-8: it grows no longer than that."""
    return header.message.replace("\ufffd", "?")


def _parsed(lines: Lines, typed: Typed) -> dict[str, pa.Array[Any]]:
    """Return the columns of times, sender and what a vendor's format told."""
    found = {
        "time": arrow.moments(lines.time_us),
        "received": arrow.moments(lines.received_us),
        "clock": lines.clock,
        "vendor": lines.vendor,
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


def _texts(values: Sequence[str | None]) -> pa.Array[Any]:
    """Return a text column, each distinct value once."""
    encoded: pa.Array[Any] = pa.array(values, pa.string()).dictionary_encode()
    return encoded.cast(arrow.TEXT)


def _constant(text: str, rows: int) -> pa.Array[Any]:
    return words.some(np.zeros(rows, np.int32), [text])
