"""Lines that tell of connections, as rows of the log `flows`.

What a firewall blocked never passed, so it is no flow; it stays in `events`. A line about a first
packet or a set-up gives a flow without counters, one about the end gives its sums; neither waits
for the other. `extra` says which vendor's line it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from collector.decode import addresses, arrow, words
from collector.decode.addresses import Ends, Numbers, Told
from collector.decode.batch import Mask
from collector.decode.syslog.columns import COUNTERS, EVENT_NUMBERS, PORTS, Typed, array, encode
from collector.decode.syslog.reading import NOTHING, UNTOLD, Reading
from collector.records import Rows

_EARLIEST_US = 30 * 86_400_000_000
"""A connection that lasted longer than this is taken at its last moment only."""


class Lines(NamedTuple):
    """What is known of the lines themselves, one value each."""

    frame: npt.NDArray[np.int64]
    time_us: npt.NDArray[np.int64]
    received_us: npt.NDArray[np.int64]
    source: Sequence[str]
    clock: Sequence[str]
    vendor: Sequence[str | None]


def rows(site: str, lines: Lines, readings: Sequence[Reading | None], typed: Typed) -> Rows | None:
    """Return the flows that lines tell of, those with both addresses; None without any."""
    told = [r is not None and r.flow != "" for r in readings]
    src, dst = typed.ends.get("src_ip"), typed.ends.get("dst_ip")
    if src is None or dst is None or not any(told):
        return None
    at = np.flatnonzero(np.array(told) & src.told() & dst.told())
    if not len(at):
        return None
    ended = np.array([r is not None and r.flow == "end" for r in readings])[at]
    numbers = {name: _of(told, at) for name, told in typed.numbers.items()}
    for name in COUNTERS:
        if name in numbers:
            values, valid = numbers[name]
            numbers[name] = values, ended if valid is None else ended & valid
    found = _addresses({name: _ends(end, at) for name, end in typed.ends.items()}, numbers, len(at))
    found |= _times(lines, at, numbers.get("duration_ms"), ended)
    for name in ("protocol", *PORTS, *COUNTERS):
        if name in numbers:
            found[name] = array(numbers[name], EVENT_NUMBERS[name])
    found["firewall_event"] = _firewall_event([readings[i] for i in at.tolist()])
    found |= _texts(lines, at, readings)
    if "mac" in typed.texts:
        found["src_mac"] = arrow.take(typed.texts["mac"], at)
    return Rows(log="flows", site=site, columns=found, frame=lines.frame[at])


def _firewall_event(readings: Sequence[Reading | None]) -> pa.Array[Any]:
    """Tell set-ups (1) from ends (2), as IPFIX element 233 does; null where it may be neither."""
    events = {"start": 1, "end": 2}
    told = [None if r is None or r.note == UNTOLD else events[r.flow] for r in readings]
    return pa.array(told, pa.int32())


def _times(
    lines: Lines, at: npt.NDArray[np.int64], duration: Told | None, ended: Mask
) -> dict[str, pa.Array[Any]]:
    """A line tells of the end where it tells a duration: the flow began so much earlier."""
    end = lines.time_us[at]
    start = end
    if duration is not None:
        lasted = np.minimum(duration[0], _EARLIEST_US) * 1000
        lasts = ended & (lasted <= _EARLIEST_US)
        if duration[1] is not None:
            lasts &= duration[1]
        start = np.where(lasts, end - lasted, end)
    return {
        "time": arrow.moments(start),
        "time_end": arrow.moments(end),
        "received": arrow.moments(lines.received_us[at]),
    }


def _texts(
    lines: Lines, at: npt.NDArray[np.int64], readings: Sequence[Reading | None]
) -> dict[str, pa.Array[Any]]:
    chosen = [readings[i] or Reading({}, {}) for i in at]
    origin = lru_cache(maxsize=None)(_origin)
    origins = [
        origin(lines.vendor[i], one.columns.get("account"), one.note)
        for i, one in zip(at, chosen, strict=True)
    ]
    apps = [one.app or None for one in chosen]
    found = {
        "source": _coded([lines.source[i] for i in at]),
        "clock": _coded([lines.clock[i] for i in at]),
        "sampling_origin": words.some(np.zeros(len(at), np.int32), ["none"]),
        "extra": _coded(origins),
    }
    if any(apps):
        found["app"] = _coded(apps)
    return found


def _origin(vendor: str | None, account: str | None, note: str) -> str:
    """Return where the row is from; the user stands under the name that IPFIX has for it."""
    told = {"syslog": vendor or ""}
    if account and account not in NOTHING:
        told["userName"] = account
    if note:
        told["note"] = note
    return encode(told)


def _addresses(
    ends: dict[str, Ends], numbers: dict[str, Told], rows: int
) -> dict[str, pa.Array[Any]]:
    """Return the address columns; those of NAT only where an end was translated."""
    key, has = addresses.nat_key(ends, numbers, rows)
    for side in ("src", "dst"):
        same = addresses.unchanged(ends, numbers, side, rows)
        if same.any():
            ends[f"nat_{side}_ip"] = ends[f"nat_{side}_ip"].only(~same)
            _only(numbers, f"nat_{side}_port", ~same)
    found = {column: end.text() for column, end in ends.items()}
    if has.any():
        found["nat_key"] = arrow.ints(key, has)
    return found


def _only(numbers: dict[str, Told], name: str, where: Mask) -> None:
    if name in numbers:
        values, valid = numbers[name]
        numbers[name] = values, where if valid is None else where & valid


def _of(told: Told, at: npt.NDArray[np.int64]) -> Told:
    values, valid = told
    picked: Numbers = values[at]
    return picked, None if valid is None else valid[at]


def _ends(ends: Ends, at: npt.NDArray[np.int64]) -> Ends:
    v6 = None
    if ends.v6 is not None:
        octets, valid = ends.v6
        v6 = octets[at], None if valid is None else valid[at]
    return Ends(None if ends.v4 is None else _of(ends.v4, at), v6)


def _coded(values: Sequence[str | None]) -> pa.Array[Any]:
    encoded: pa.Array[Any] = pa.array(values, pa.string()).dictionary_encode()
    return encoded.cast(arrow.TEXT)
