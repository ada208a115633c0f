"""Options records to rows of the log `counters`: what exporters tell of themselves.

Names of interfaces, VRFs and applications, samplers, totals. Exporters repeat all of them every few
minutes, so a record is a row only where it says another thing than before of the same interface,
sampler or whatever it is about; where that is not known, when it was not heard for an hour.
"""

from __future__ import annotations

from collections import OrderedDict
from hashlib import blake2b
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from collector.decode import arrow, elements, extra, interfaces, words
from collector.decode.batch import Batch
from collector.decode.head import Spread
from collector.decode.layout import Layout
from collector.records import Rows

_NAME = (0, interfaces.NAME)
_KEYS = frozenset((0, e) for e in (10, 14, 48, 95, 145, 234, 235, 302, 303, 346))
"""Elements that say what a record is about: interface, sampler, application, template, VRF..."""
_ALWAYS_THE_SAME = frozenset(((0, 144), (0, 149)))
"""Scopes that all records of an exporter have."""
_SCOPE_SYSTEM = (0, 1)
_HOUR_US = 3600 * 1_000_000
_DIGEST_BYTES = 8


class OptionRows:
    """The options of one site; remembers what was told, bounded."""

    def __init__(self, site: str, most: int) -> None:
        self._site = site
        self._most = most
        self._told: OrderedDict[bytes, tuple[bytes, int]] = OrderedDict()
        """Digest of what records are about to that of all they say, and when they were heard, µs;
        those heard last at the end."""
        self.left_out = 0

    def rows(self, batch: Batch, spread: Spread, most: int) -> Rows | None:
        """Return the records of one layout that are new; None without any.

        Args:
            batch: The records.
            spread: Their datagrams' headers, per row.
            most: So many are looked at; those after them are left out and counted.
        """
        self.left_out += max(0, batch.rows - most)
        new = np.flatnonzero(self._new(batch, spread, most))
        if not len(new):
            return None
        members = [_member(batch, field) for field in range(len(batch.layout.fields))]
        objects = extra.objects(members, batch.rows)
        sources: dict[str, int] = {}
        codes = [sources.setdefault(chunk.head.source, len(sources)) for chunk in spread.chunks]
        found: dict[str, pa.Array[Any]] = {
            "time": arrow.moments(spread.wire),
            "received": arrow.moments(spread.received),
            "source": words.some(spread.codes(codes), list(sources)),
            "sub_agent": arrow.ints(spread.domain),
            **_interface(batch),
        }
        if objects is not None:
            found["extra"] = objects
        columns = {name: arrow.take(column, new) for name, column in found.items()}
        return Rows(log="counters", site=self._site, columns=columns, frame=spread.frame[new])

    def _new(self, batch: Batch, spread: Spread, most: int) -> npt.NDArray[np.bool_]:
        """Tell which records say what was not told, and remember them."""
        heads = [f"{c.head.source} {c.head.version} {c.head.domain}" for c in spread.chunks]
        owners = spread.codes(range(len(heads))).tolist()
        fields, about = repr(batch.layout.fields), _about(batch.layout)
        places = range(len(batch.layout.fields))
        columns = [batch.binary(place).slice(0, max(0, most)).to_pylist() for place in places]
        times = spread.received.tolist()
        new = np.zeros(batch.rows, np.bool_)
        for row, values in enumerate(zip(*columns, strict=True)):
            whole = _digest(fields, heads[owners[row]], values)
            key = _digest(fields, heads[owners[row]], [values[at] for at in about])
            new[row] = self._learn(key if about else whole, whole, times[row], keyed=bool(about))
        return new

    def _learn(self, key: bytes, whole: bytes, now_us: int, *, keyed: bool) -> bool:
        before, heard_us = self._told.get(key, (b"", 0))
        self._told[key] = whole, now_us
        self._told.move_to_end(key)
        if len(self._told) > self._most:
            self._told.popitem(last=False)
        return before != whole or (not keyed and now_us - heard_us > _HOUR_US)

    def snapshot(self) -> list[Any]:
        """Return what was told, as JSON values."""
        return [[key.hex(), whole.hex(), at] for key, (whole, at) in self._told.items()]

    def restore(self, state: list[Any]) -> None:
        """Go on where `snapshot` was taken."""
        told = ((bytes.fromhex(key), bytes.fromhex(whole), at) for key, whole, at in state)
        self._told = OrderedDict((key, (whole, at)) for key, whole, at in told)


def _digest(*parts: object) -> bytes:
    return blake2b(repr(parts).encode(), digest_size=_DIGEST_BYTES).digest()


def _about(layout: Layout) -> list[int]:
    """Return the fields that say what a record is about; none where that is not known."""
    is_ipfix = layout.version == elements.IPFIX
    scopes = {(f.pen, f.id) for f in layout.fields[: layout.scopes]}
    found = [
        place
        for place, field in enumerate(layout.fields)
        if place < layout.scopes or (field.pen, field.id) in _KEYS
    ]
    more = scopes - (_ALWAYS_THE_SAME if is_ipfix else {_SCOPE_SYSTEM})
    return found if more or len(found) > layout.scopes else []


def _member(batch: Batch, field: int) -> extra.Member:
    """Return a field's values; those of the scope are called so."""
    found, layout = extra.member(batch, field), batch.layout
    if field < layout.scopes and layout.version == elements.IPFIX:
        return found._replace(name=f"scope.{found.name}")
    return found


def _interface(batch: Batch) -> dict[str, pa.Array[Any]]:
    """Return number and name of the interface that records are about."""
    layout, found = batch.layout, {}
    place = interfaces.place(layout)
    if place is not None:
        values, told = batch.uint(place)
        small = values <= interfaces.MOST_INTERFACE
        told = small if told is None else told & small
        found["interface"] = arrow.ints(np.where(small, values, 0).astype(np.int64), told)
    if _NAME in layout.places:
        found["name"] = words.text(batch.binary(layout.places[_NAME]))
    return found
