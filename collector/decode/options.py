"""What options records teach: rates, names, interfaces, when the exporter started, its losses."""

from __future__ import annotations

import numpy as np

from collector.decode import interfaces, totals, words
from collector.decode.app_names import LONGEST_ID, LONGEST_NAME, AppNames
from collector.decode.batch import Batch
from collector.decode.head import Head
from collector.decode.layout import Layout
from collector.decode.limits import Limits
from collector.decode.losses import Loss
from collector.decode.sampling import RATE_ELEMENTS, SAMPLER_ELEMENTS, intervals
from collector.decode.stream import Stream

_BOOT = 160
_APPLICATION, _NAME = 95, 96
_LATEST_BOOT_MS = 1 << 43


def teaches(layout: Layout) -> bool:
    """Whether records of this options layout tell anything that is used."""
    ids = {field.id for field in layout.fields if field.pen == 0}
    wanted = {_BOOT, interfaces.NAME, interfaces.DESCRIPTION, *RATE_ELEMENTS, *totals.ELEMENTS}
    return bool(ids & wanted) or {_APPLICATION, _NAME} <= ids


def learn(stream: Stream, head: Head, layout: Layout, body: bytes, limits: Limits) -> list[Loss]:
    """Take what the options records in `body` tell; return what the exporter lost.

    Args:
        stream: Of the records; what it knows is changed.
        head: Of their datagram.
        layout: Of the records.
        body: Of their set.
        limits: How much is kept.
    """
    batch = Batch(layout, [body])
    if not batch.rows:
        return []
    fields = {f.id: i for i, f in reversed(list(enumerate(layout.fields))) if f.pen == 0}
    if _BOOT in fields:
        boot = int(batch.uint(fields[_BOOT])[0][-1])
        stream.boot_us = boot * 1000 if 0 < boot < _LATEST_BOOT_MS else -1
    if any(element in fields for element in RATE_ELEMENTS):
        _rates(stream, batch, fields, limits)
    if _APPLICATION in fields and _NAME in fields:
        _names(stream, batch, fields, limits)
    interfaces.learn(stream.exporter, batch, limits.interfaces_per_exporter)
    return stream.totals.learn(batch, head)


def _names(stream: Stream, batch: Batch, fields: dict[int, int], limits: Limits) -> None:
    """Keep application names."""
    known = AppNames.of(stream.exporter.names)
    ids = batch.binary(fields[_APPLICATION]).to_pylist()
    told = batch.binary(fields[_NAME]).to_pylist()
    new = {
        number: words.string(name or b"")[:LONGEST_NAME]
        for number, name in zip(ids, told, strict=True)
        if number is not None and len(number) <= LONGEST_ID
    }
    new = {number: name for number, name in new.items() if known.get(number) != name}
    if new:
        stream.exporter.names = known.more(new, limits.names_per_exporter)


def _rates(stream: Stream, batch: Batch, fields: dict[int, int], limits: Limits) -> None:
    values = {
        element: batch.uint(fields[element])[0].astype(np.int64)
        for element in RATE_ELEMENTS
        if element in fields
    }
    named = [fields[element] for element in SAMPLER_ELEMENTS if element in fields]
    samplers = batch.uint(named[0])[0].tolist() if named else [-1] * batch.rows
    for sampler, rate in zip(samplers, intervals(values).tolist(), strict=True):
        if rate:
            stream.rates = stream.rates.learn(sampler, rate, limits.samplers_per_stream)
