"""Decoded rows as plain values, for comparing."""

from __future__ import annotations

from typing import Any

from collector.decode.decoder import Decoded, FlowDecoder
from collector.records import Frame
from collector.store import schema
from tests.collector.decode import wire


def of(decoded: Decoded) -> list[dict[str, Any]]:
    """Return the rows without their nulls; the store's schema takes them as they are."""
    if decoded.flows is None:
        return []
    table = schema.FLOWS.table(decoded.flows)
    table.validate(full=True)
    return [{k: v for k, v in row.items() if v is not None} for row in table.to_pylist()]


def decode(*payloads: bytes, **values: int | str) -> list[dict[str, Any]]:
    """Return the rows of the payloads, sent in turn by one exporter."""
    return of(FlowDecoder(wire.SITE).decode(wire.frames(*payloads, **values)))


def kinds(decoded: Decoded) -> list[tuple[str, int | None]]:
    """Return kind and loss of each coverage event."""
    return [(event.kind, event.lost) for _, event in decoded.coverage]


def state_after(frames: list[Frame]) -> FlowDecoder:
    """Return a decoder that has seen the frames."""
    decoder = FlowDecoder(wire.SITE)
    decoder.decode(frames)
    return decoder
