"""Names of interfaces, as an exporter's options tell them (elements 82 and 83)."""

from __future__ import annotations

from collector.decode import elements, words
from collector.decode.batch import Batch
from collector.decode.layout import Layout
from collector.decode.stream import Exporter

NAME, DESCRIPTION = 82, 83
_SCOPE_INTERFACE = 2
"""Of NetFlow v9 (RFC 3954 section 6.1)."""
_INTERFACES = (10, 14)
MOST_INTERFACE = 0xFFFFFFFF
_LONGEST = 128


def place(layout: Layout) -> int | None:
    """Return the field that says which interface an options record is about."""
    for at, field in enumerate(layout.fields):
        is_scope = at < layout.scopes and layout.version != elements.IPFIX
        wanted = (_SCOPE_INTERFACE,) if is_scope else _INTERFACES
        if not field.pen and field.id in wanted:
            return at
    return None


def learn(exporter: Exporter, batch: Batch, most: int) -> None:
    """Keep the names that options records tell: the name, else what an admin wrote beside it."""
    at, layout = place(batch.layout), batch.layout
    named = [layout.places[0, e] for e in (NAME, DESCRIPTION) if (0, e) in layout.places]
    if at is None or not named:
        return
    numbers = batch.uint(at)[0].tolist()
    texts = [batch.binary(field).to_pylist() for field in named]
    for number, *told in zip(numbers, *texts, strict=True):
        name = next((text for octets in told if (text := words.string(octets or b""))), "")
        room = number in exporter.interfaces or len(exporter.interfaces) < most
        if name and number <= MOST_INTERFACE and room:
            exporter.interfaces[number] = name[:_LONGEST]
