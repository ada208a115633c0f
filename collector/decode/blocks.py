"""What records of a NAT say beyond flows: which event they are, and which ports it lent to whom.

RFC 8158 tells events and port blocks (elements 230, 361 to 364). Carrier NATs that were there
before it tell no event: a record with a start alone is an allocation, one with an end alone a
release (Nokia, PEN 637).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from collector.decode import arrow, words
from collector.decode.batch import Batch, Mask
from collector.decode.head import Spread
from collector.decode.layout import Layout
from collector.decode.own_events import Learnt
from collector.records import LeaseEvent, Rows

_EVENT = (0, 230)
_FIRST, _LAST, _STEP, _PORTS = (0, 361), (0, 362), (0, 363), (0, 364)
_NOKIA = ((637, 91), (637, 92), (637, 93))
_SUBSCRIBERS = ((637, 93), (0, 371))
_TRANSLATED = ((0, 225), (0, 281))
_STARTS = (22, 150, 152, 154, 156, 158)
_ENDS = (21, 151, 153, 155, 157, 159)
_SESSION, _BLOCK = (4, 5), (16, 17)
"""Creation and deletion of a NAT44 session, allocation and release of a block."""
_BEGINS = (1, 4, 6, 8, 10, 14, 16)
_FINISHES = (2, 5, 7, 9, 11, 15, 17)
_MOST_PORT = 0xFFFF
_TOLD = ("time", "kind", "event", "ip", "nat_ip", "port_first", "port_last", "start")
"""What is learnt of a row about a block."""


def implied(layout: Layout) -> int | None:
    """Return the event that all records of a layout are, where none tells it."""
    places = layout.places
    is_nat = any(e in places for e in _TRANSLATED)
    if _EVENT in places or not is_nat or not any(e in places for e in (*_NOKIA, _FIRST)):
        return None
    starts, ends = (any((0, e) in places for e in each) for each in (_STARTS, _ENDS))
    if starts == ends:
        return None
    return (_BLOCK if _FIRST in places else _SESSION)[int(ends)]


def leases(
    site: str, batch: Batch, spread: Spread, columns: dict[str, pa.Array[Any]]
) -> Rows | None:
    """Return the blocks of ports that records lent or took back, as rows of the log `leases`.

    Args:
        site: Of the rows.
        batch: The records.
        spread: Their datagrams' headers, per row.
        columns: The columns of the log `flows` that were made of them.
    """
    places = batch.layout.places
    if _FIRST not in places or not (_LAST in places or _PORTS in places):
        return None
    if "nat_src_ip" not in columns or "src_ip" not in columns:
        return None
    first, last, told = _range(batch)
    begins, finishes = _events(batch)
    rows = np.flatnonzero(told & (begins | finishes))
    if not len(rows):
        return None
    ended = finishes[rows]
    told_at = [arrow.take(columns[name], rows) for name in ("time", "time_end")]
    moments = [at.cast(pa.int64()).to_numpy(zero_copy_only=False) for at in told_at]
    found: dict[str, pa.Array[Any]] = {
        "time": arrow.moments(np.where(ended, moments[1], moments[0])),
        "received": arrow.take(columns["received"], rows),
        "source": arrow.take(columns["source"], rows),
        "kind": words.some(np.zeros(len(rows), np.int32), ["block"]),
        "event": words.some(ended.astype(np.int32), ["add", "release"]),
        "ip": arrow.take(columns["src_ip"], rows),
        "nat_ip": arrow.take(columns["nat_src_ip"], rows),
        "port_first": arrow.ints(first[rows].astype(np.int32)),
        "port_last": arrow.ints(last[rows].astype(np.int32)),
        "start": arrow.moments(moments[0], ~ended),
    }
    subscriber = next((places[e] for e in _SUBSCRIBERS if e in places), None)
    if subscriber is not None:
        found["note"] = arrow.take(words.text(batch.binary(subscriber)), rows)
    return Rows(log="leases", site=site, columns=found, frame=spread.frame[rows])


def learnt(told: Iterable[Rows]) -> Iterator[Learnt]:
    """Give rows of `leases` that are about blocks one by one, each with its frame and receipt."""
    for rows in told:
        received = np.asarray(rows.columns["received"].cast(pa.int64())).tolist()
        columns = [rows.columns[name].to_pylist() for name in _TOLD]
        for number, us, *row in zip(rows.frame.tolist(), received, *columns, strict=True):
            yield number, us, LeaseEvent(site=rows.site, **dict(zip(_TOLD, row, strict=True)))


def _range(batch: Batch) -> tuple[Any, Any, Mask]:
    """Return first and last port, and where they are a range."""
    places = batch.layout.places
    first = _values(batch, _FIRST)
    if _LAST in places:
        last = _values(batch, _LAST)
    else:
        step = np.maximum(_values(batch, _STEP), 1) if _STEP in places else 1
        last = first + (_values(batch, _PORTS) - 1) * step
    return first, last, (last > 0) & (first <= last) & (last <= _MOST_PORT)


def _events(batch: Batch) -> tuple[Mask, Mask]:
    """Tell which records lend and which take back."""
    if _EVENT in batch.layout.places:
        event = _values(batch, _EVENT)
    else:
        event = np.full(batch.rows, implied(batch.layout) or 0, np.int64)
    return np.isin(event, _BEGINS), np.isin(event, _FINISHES)


def _values(batch: Batch, element: tuple[int, int]) -> Any:  # noqa: ANN401  # an int64 array
    """Return a field's values; what no port or event can be is one beyond them."""
    values, _ = batch.uint(batch.layout.places[element])
    return np.minimum(values, np.uint64(_MOST_PORT + 1)).astype(np.int64)
