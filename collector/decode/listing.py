"""Every data and options record with its element names and values, for looking at (`inspect`).

This is the one place where records become Python objects; the way to the log does not come here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from collector.decode import extra, times
from collector.decode.batch import Batch
from collector.decode.decoder import Heap
from collector.decode.head import Head, Spread


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One record as its exporter sent it."""

    head: Head
    frame: int
    template: int
    """0 for NetFlow v5."""
    is_option: bool
    is_counter: bool
    """Whether it is of the log `counters`."""
    scope: dict[str, Any]
    elements: dict[str, Any]
    """By element name; the second of the same name is `name#2`. Bytes are hexadecimal text."""
    start_us: int | None
    """By the exporter's clock; None where it does not tell or cannot be placed."""
    end_us: int | None
    clock: str
    """The verdict on the exporter's clock; empty for options records and counters."""


def records(heaps: list[Heap]) -> list[Record]:
    """Return all records in the order of their release."""
    ranked = [pair for heap in heaps for pair in _listed(*heap)]
    ranked.sort(key=lambda pair: (pair[0], pair[1].frame))
    return [record for _, record in ranked]


def _listed(batch: Batch, spread: Spread) -> Iterator[tuple[int, Record]]:
    members = [_values(batch, field) for field in range(len(batch.layout.fields))]
    names, scopes = batch.layout.names, batch.layout.scopes
    told = times.read(batch, spread)
    has_clock = not scopes and batch.log == "flows"
    ranks = spread.rank.tolist()
    owners = spread.codes(range(len(spread.chunks))).tolist()
    for row, owner in enumerate(owners):
        chunk = spread.chunks[owner]
        pairs = [(name, column[row]) for name, column in zip(names, members, strict=True)]
        if batch.sparse:
            pairs = [pair for pair in pairs if pair[1] is not None]
        has_times = bool(told.told[row]) and has_clock
        yield (
            ranks[row],
            Record(
                head=spread.head(owner, row),
                frame=int(spread.frame[row]),
                template=chunk.template,
                is_option=scopes > 0,
                is_counter=batch.log != "flows",
                scope=dict(pairs[:scopes]),
                elements=dict(pairs[scopes:]),
                start_us=int(told.exporter_start[row]) if has_times else None,
                end_us=int(told.exporter_end[row]) if has_times else None,
                clock=times.VERDICTS[told.verdict[row]] if has_clock else "",
            ),
        )


def _values(batch: Batch, field: int) -> list[Any]:
    """Return a field's values; each distinct one is made once."""
    member = extra.member(batch, field)
    values = [json.loads(str(text)) for text in member.texts.to_pylist()]
    return [None if code < 0 else values[code] for code in member.codes.tolist()]
