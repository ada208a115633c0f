"""Lines that tell of connections, as rows of the log `flows`.

What a firewall blocked never passed, so it is no flow; it stays in `events`. A line about a first
packet or a set-up gives a flow without counters, one about the end gives its sums; neither waits
for the other. `extra` says which vendor's line it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from collector.decode import addresses, arrow, words
from collector.decode.addresses import Ends, Numbers, Told
from collector.decode.batch import Mask
from collector.decode.syslog.columns import COUNTERS, EVENT_NUMBERS, PORTS, Typed, array, encode
from collector.decode.syslog.reading import NOTHING, UNTOLD, Reading
from collector.records import Rows

_EARLIEST_US = 30 * 86_400_000_000
"""A connection that lasted longer than this is taken at its last moment only."""


class Lines(NamedTuple):
    """What is known of the lines themselves, one value each; texts are dictionaries."""

    frame: npt.NDArray[np.int64]
    time_us: npt.NDArray[np.int64]
    received_us: npt.NDArray[np.int64]
    source: pa.Array[Any]
    clock: pa.Array[Any]
    vendor: pa.Array[Any]


class Said(NamedTuple):
    """What lines say of connections, one value each; a None: nothing in any of them."""

    flow: npt.NDArray[np.int8]
    """0 where a line tells of none that passed, else `START` or `END`."""
    account: pa.Array[Any] | None
    note: pa.Array[Any] | None = None
    app: pa.Array[Any] | None = None


START, END = 1, 2
"""As IPFIX element 233 tells set-ups from ends."""
_EVENTS = {"start": START, "end": END}


def said(readings: Sequence[Reading | None], account: pa.Array[Any] | None) -> Said:
    """Return what readings say."""
    flow = [0 if r is None else _EVENTS.get(r.flow, 0) for r in readings]
    note = [None if r is None else r.note or None for r in readings]
    app = [None if r is None else r.app or None for r in readings]
    told = [pa.array(x, pa.string()) if any(x) else None for x in (note, app)]
    return Said(np.array(flow, np.int8), account, *told)


def rows(site: str, lines: Lines, said: Said, typed: Typed) -> Rows | None:
    """Return the flows that lines tell of, those with both addresses; None without any."""
    told = said.flow > 0
    src, dst = typed.ends.get("src_ip"), typed.ends.get("dst_ip")
    if src is None or dst is None or not told.any():
        return None
    at = np.flatnonzero(told & src.told() & dst.told())
    if not len(at):
        return None
    ended = said.flow[at] == END
    numbers = {name: _of(told, at) for name, told in typed.numbers.items()}
    for name in COUNTERS:
        _only(numbers, name, ended)
    found = _addresses({name: _ends(end, at) for name, end in typed.ends.items()}, numbers, len(at))
    found |= _times(lines, at, numbers.get("duration_ms"), ended)
    for name in ("protocol", *PORTS, *COUNTERS):
        if name in numbers:
            found[name] = array(numbers[name], EVENT_NUMBERS[name])
    note, account, app = (_taken(x, at) for x in (said.note, said.account, said.app))
    found["firewall_event"] = _firewall_event(said.flow[at], note)
    found |= {
        "source": arrow.take(lines.source, at),
        "clock": arrow.take(lines.clock, at),
        "sampling_origin": words.some(np.zeros(len(at), np.int32), ["none"]),
        "extra": _origins(arrow.take(lines.vendor, at), account, note),
    }
    if app is not None:
        found["app"] = app
    if "mac" in typed.texts:
        found["src_mac"] = arrow.take(typed.texts["mac"], at)
    return Rows(log="flows", site=site, columns=found, frame=lines.frame[at])


def _taken(texts: pa.Array[Any] | None, at: npt.NDArray[np.int64]) -> pa.Array[Any] | None:
    """Return some texts as a dictionary; None when there are none."""
    if texts is None:
        return None
    taken: Any = arrow.take(texts, at)
    return None if taken.null_count == len(taken) else taken.dictionary_encode()


def _firewall_event(flow: npt.NDArray[np.int8], note: pa.Array[Any] | None) -> pa.Array[Any]:
    """Tell set-ups from ends; null where it may be neither."""
    sure = None
    if note is not None:
        function: Any = pc.not_equal
        sure = arrow.numpy(function(note, UNTOLD).fill_null(True))
    return arrow.ints(flow.astype(np.int32), sure)


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


def _origins(
    vendor: pa.Array[Any], account: pa.Array[Any] | None, note: pa.Array[Any] | None
) -> pa.Array[Any]:
    """Return where rows are from: each combination of words once."""
    codes = np.zeros(len(vendor), np.int64)
    texts: list[list[Any]] = []
    for column in (vendor, account, note):
        known: Any = column
        words_of = [None] if known is None else [None, *known.dictionary.to_pylist()]
        codes *= len(words_of)
        if known is not None:
            codes += arrow.numpy(known.indices.fill_null(-1)) + 1
        texts.append(words_of)
    distinct, place = np.unique(codes, return_inverse=True)
    shape = [len(words_of) for words_of in texts]
    made = [
        _origin(*(words_of[i] for words_of, i in zip(texts, at, strict=True)))
        for at in zip(*np.unravel_index(distinct, shape), strict=True)
    ]
    return arrow.coded(arrow.ints(place.astype(np.int32)), arrow.strings(made))


def _origin(vendor: str | None, account: str | None, note: str | None) -> str:
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
