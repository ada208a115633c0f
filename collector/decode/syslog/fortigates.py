"""Lines of FortiGates by the batch: what reading them one by one would give, a column at a time.

These firewalls send tens of thousands of lines a second, each with forty keys. Whatever is unusual
in any way is left to be read one by one: no priority or an odd one, a time that cannot be, keys
told twice, quotes and blanks in places where the device puts none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from collector.decode import arrow
from collector.decode.batch import Mask
from collector.decode.syslog import keyed, rfc3164, times, vendors
from collector.decode.syslog.formats import fortigate
from collector.decode.syslog.heap import Heap
from collector.decode.syslog.keyed import Buffer, Ints, Keyed
from collector.decode.syslog.reading import Reading
from collector.decode.syslog.traffic import END, START, Said
from collector.records import Frame

FEWEST = 24
"""Fewer lines are read one by one: a batch has its price too."""
_BEGIN = np.frombuffer(b">date=", np.uint8)
_LAST_PRIORITY = 191
_HEAD = 400
"""Of the message, where `rfc3164` looks for zone and name."""
_MARKED = 512
"""Of the message, where `vendors` looks for the mark."""
_DIGITS = 3
"""Of a priority, at most."""
_KIND = 400
"""Of the line, where `leases.lines` looks for its kind."""
_DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d)\Z", re.ASCII)
_CLOCK = re.compile(r"\d\d:\d\d:\d\d", re.ASCII)
_ZONE = re.compile(r"[+-]\d{4}", re.ASCII)
_NAME = re.compile(r"[^\s\"]{1,255}")


def _keys_by_column() -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for key, column in fortigate.NAMES.items():
        if column:
            found[column] = (*found.get(column, ()), key)
    return found


_COLUMNS: Mapping[str, tuple[str, ...]] = _keys_by_column()


class Read(NamedTuple):
    """What lines say, one value each."""

    rows: Ints
    """Which of the frames they are, ascending."""
    raw: pa.Array[Any]
    head: Ints
    """Characters before the message."""
    priority: Ints
    time_us: Ints
    zoned: Mask
    hostname: pa.Array[Any]
    told: dict[str, pa.Array[Any]]
    """Texts by columns of readings."""
    said: Said
    sign_ins: list[tuple[int, Reading | None]]
    """Those that may tell of a sign-in, with their rows."""
    others: Ints
    """Which of the rows are not of traffic: they may tell of leases."""


class Kinds(NamedTuple):
    """What the key `type` says."""

    codes: Ints
    words: list[str]

    def among(self, words: Sequence[str]) -> Mask:
        """Tell which lines are of one of these kinds."""
        known: Mask = np.array([word in words for word in self.words], np.bool_)
        return known[self.codes]


def read(given: Heap) -> Read | None:
    """Read those lines that can be read together; None without any."""
    priority, head = _priorities(given)
    right = (priority >= 0) & (given.ends - given.begins - head <= vendors.READ)
    if given.broken is not None:
        right &= ~given.broken
    places, data, ends = np.flatnonzero(right), given.data, given.ends
    whole = Buffer(data, given.begins, ends)
    if not data.isascii():
        places = places[np.array([_is_text(line) for line in whole.pieces(places)], np.bool_)]
    if len(places) < FEWEST:
        return None
    if len(places) < len(ends):
        data, ends = keyed.joined(whole.pieces(places))
        priority, head = priority[places], head[places]
    lines = keyed.split(data, ends, head)
    lines = lines.only(_usual(lines))
    dated, time_us, zoned = _times(lines)
    lines, time_us, zoned = lines.only(dated), time_us[dated], zoned[dated]
    if not len(lines.rows):
        return None
    told, said, kinds = _told(lines)
    places_of = places[lines.rows]
    signing = _signing(told.get("action"))
    return Read(
        rows=places_of,
        raw=lines.whole(head[lines.rows]),
        head=head[lines.rows],
        priority=priority[lines.rows],
        time_us=time_us,
        zoned=zoned,
        hostname=_mapped(lines.texts("devname"), _name_of, len(lines.rows)),
        told=told,
        said=said,
        sign_ins=[
            (row, _singly(frame))
            for row, frame in zip(signing, given.some(places_of[signing]), strict=True)
        ],
        others=np.flatnonzero(~_of_traffic(lines, kinds, head)),
    )


def _of_traffic(lines: Keyed, kinds: Kinds, head: Ints) -> Mask:
    """Tell which lines are of traffic, as `leases.lines.of_traffic` does."""
    octets = np.frombuffer(lines.buffer.data, np.uint8)
    starts = lines.starts[lines.places("type")]
    begins = lines.buffer.begins[lines.of] - head[lines.rows]
    near = (octets[starts - 1] == ord('"')) & (starts - begins <= _KIND)
    of: Mask = near & kinds.among(("traffic", "utm"))
    return of


def _signing(action: Any) -> list[int]:  # noqa: ANN401  # a StringArray
    """Return the rows of lines that may tell of a sign-in: they are few."""
    if action is None:
        return []
    codes, words = arrow.encode(action)
    found = [place for place, word in enumerate(words.to_pylist()) if word in fortigate.SIGNING]
    filled: Any = codes
    rows: list[int] = np.flatnonzero(np.isin(arrow.numpy(filled.fill_null(-1)), found)).tolist()
    return rows


def _singly(frame: Frame) -> Reading | None:
    header = rfc3164.parse(frame.payload.decode(), frame.wire_ns // 1000)
    return fortigate.FORMAT.read(header)


def _is_text(payload: bytes) -> bool:
    try:
        payload.decode()
    except UnicodeDecodeError:
        return False
    return True


def _priorities(lines: Heap) -> tuple[Ints, Ints]:
    """Return the number between `<` and `>`, and the size of all that; -1 in lines of others."""
    octets = lines.octets
    at = lines.begins[:, None] + np.arange(_DIGITS + 1 + len(_BEGIN))
    first = octets.take(at, mode="clip")  # what is clipped is a line feed
    digits = first[:, 1 : _DIGITS + 1].astype(np.int64) - ord("0")
    priority, head = np.full(len(at), -1, np.int64), np.zeros(len(at), np.int64)
    value, right = np.zeros(len(at), np.int64), first[:, 0] == ord("<")
    for count in range(1, _DIGITS + 1):
        digit = digits[:, count - 1]
        value, right = value * 10 + digit, right & (digit >= 0) & (digit <= 9)
        begun = (first[:, count + 1 : count + 1 + len(_BEGIN)] == _BEGIN).all(axis=1)
        here = right & begun & (value <= _LAST_PRIORITY)
        priority[here], head[here] = value[here], count + 2
    return priority, head


def _usual(lines: Keyed) -> Mask:
    """Tell which lines have what each has where it is looked for."""
    shapes = [_is_usual(shape) for shape in lines.shapes]
    fit: Mask = np.array(shapes, np.bool_)[lines.shape]
    if not fit.any():
        return fit
    octets = np.frombuffer(lines.buffer.data, np.uint8)
    begins = lines.buffer.begins[lines.of]
    for key in ("date", "time"):  # bare
        fit &= octets[lines.starts[lines.places(key)] - 1] == ord("=")
    fit &= lines.starts[lines.places("logid")] - begins <= _MARKED
    for key in ("tz", "devname"):
        places = lines.places(key)
        quoted = octets[lines.starts[places] - 1] == ord('"')
        expected = lines.starts[places] - quoted - begins - len(key) - 2
        expected = np.where(places < 0, -1, expected)
        # A key that stands there earlier stands within quotes, behind a blank.
        until = np.where(places < 0, lines.buffer.ends[lines.of], lines.starts[places])
        rest = np.flatnonzero(lines.blank < until)
        found = expected.copy()
        found[rest] = lines.buffer.find(f" {key}=", lines.of[rest])
        fit &= (found == expected) & (expected < _HEAD // 2)
    return fit


def _is_usual(shape: Mapping[str, int]) -> bool:
    """Whether lines of a shape begin with date and time, and tell no column twice."""
    if shape.get("date") != 0 or shape.get("time") != 1 or not {"logid", "type"} <= shape.keys():
        return False
    return all(sum(key in shape for key in keys) < 2 for keys in _COLUMNS.values())


def _times(lines: Keyed) -> tuple[Mask, Ints, Mask]:
    """Return where there is a time, the time, and whether it has a zone."""
    rows = len(lines.rows)
    if not rows:
        return np.zeros(0, np.bool_), np.zeros(0, np.int64), np.zeros(0, np.bool_)
    codes, known = np.zeros(rows, np.int64), []
    for key in ("date", "time", "tz"):
        texts: Any = lines.texts(key)
        values, words_of = arrow.encode(pa.nulls(rows, pa.string()) if texts is None else texts)
        filled: Any = values
        words = [*words_of.to_pylist(), None]
        codes = codes * len(words) + arrow.numpy(filled.fill_null(len(words) - 1))
        known.append(words)
    distinct, at = np.unique(codes, return_inverse=True)
    places = np.unravel_index(distinct, [len(words) for words in known])
    days, clocks, zones = known
    found = [  # nothing behind these many characters matters, nor is it remembered
        _time(days[day][:11], clocks[clock][:8], (zones[zone] or "")[:5])
        for day, clock, zone in zip(*places, strict=True)
    ]
    told = np.array([time is not None for time, _ in found], np.bool_)
    time_us = np.array([time or 0 for time, _ in found], np.int64)
    zoned = np.array([zone for _, zone in found], np.bool_)
    return told[at], time_us[at], zoned[at]


@lru_cache(maxsize=4096)
def _time(day: str, clock: str, zone: str) -> tuple[int | None, bool]:
    date, hour, east = _DATE.match(day), _CLOCK.match(clock), _ZONE.match(zone)
    if date is None or hour is None:
        return None, False
    year, month, day_of_month = map(int, date.groups())
    time = times.at(
        year, month, day_of_month, hour[0], fraction=None, zone=east[0] if east else None
    )
    return time, east is not None


def _told(lines: Keyed) -> tuple[dict[str, pa.Array[Any]], Said, Kinds]:
    told = {}
    for column, keys in _COLUMNS.items():
        texts = lines.texts(*keys)
        if texts is not None:
            told[column] = texts
    kinds, types = _both(lines.texts("type"), lines.texts("subtype"))
    told["event_type"] = types
    passing, rows = kinds.among(("traffic",)), len(lines.rows)
    flow = np.where(passing, _flow(told.get("action"), rows), 0).astype(np.int8)
    app = _mapped(lines.texts("app"), lambda name: name or None, rows)
    return told, Said(flow, told.get("account"), app=app), kinds


def _both(kind: Any, subtype: Any) -> tuple[Kinds, pa.Array[Any]]:  # noqa: ANN401  # StringArrays
    """Return the kinds, and kind and subtype as one text."""
    kinds, kind_words = arrow.encode(kind)
    subtypes, words = arrow.encode(pa.nulls(len(kind), pa.string()) if subtype is None else subtype)
    filled: Any = subtypes
    names = [*words.to_pylist(), ""]
    codes = arrow.numpy(kinds) * len(names) + arrow.numpy(filled.fill_null(len(names) - 1))
    texts = [f"{one}/{other}" for one in kind_words.to_pylist() for other in names]
    joined = arrow.coded(arrow.ints(codes.astype(np.int32)), arrow.strings(texts))
    return Kinds(arrow.numpy(kinds), [word or "" for word in kind_words.to_pylist()]), joined.cast(
        pa.string()
    )


def _flow(action: Any, rows: int) -> npt.NDArray[np.int8]:  # noqa: ANN401  # a StringArray
    if action is None:
        return np.full(rows, END, np.int8)
    codes, words = arrow.encode(action)
    events = [
        0 if word in fortigate.BLOCKED else START if word == "start" else END
        for word in words.to_pylist()
    ]
    filled: Any = codes
    flow: npt.NDArray[np.int8] = np.array([*events, END], np.int8)
    return flow.take(arrow.numpy(filled.fill_null(len(events))))


def _mapped(texts: Any, read: Any, rows: int) -> pa.Array[Any]:  # noqa: ANN401
    """Return texts as a dictionary of what is read in each distinct one."""
    if texts is None:
        return pa.nulls(rows, arrow.TEXT)
    codes, words = arrow.encode(texts)
    found: Any = pa.array([read(word) for word in words.to_pylist()], pa.string())
    if not found.null_count:
        return arrow.coded(codes, found)
    taken: pa.Array[Any] = found.take(codes).dictionary_encode().cast(arrow.TEXT)
    return taken


def _name_of(device: str) -> str | None:
    found = _NAME.match(device)
    return found[0] if found else None
