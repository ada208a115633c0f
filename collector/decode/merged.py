"""Rows of several decoders as those of one: a log takes rows in the order of their frames."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from collector.decode import arrow
from collector.decode.decoder import Decoded
from collector.records import Rows


def join(parts: Sequence[Decoded]) -> Decoded:
    """Return what several decoders made of the frames of one stretch of the spool."""
    told = [event for part in parts for event in part.coverage]
    told.sort(key=lambda event: event[0])
    rows = [part.flows for part in parts if part.flows is not None]
    lent = tuple(rows for part in parts for rows in part.leases)
    return Decoded(flows=in_order(rows) if rows else None, coverage=told, leases=lent)


def in_order(parts: Sequence[Rows]) -> Rows:
    """Return rows of one log and site by their frames; those of one frame as they were given."""
    if len(parts) == 1:
        return parts[0]
    frame = np.concatenate([part.frame for part in parts])
    order = np.argsort(frame, kind="stable")
    columns = {}
    for name in dict.fromkeys(name for part in parts for name in part.columns):
        kind = next(part.columns[name].type for part in parts if name in part.columns)
        pieces = [
            part.columns[name] if name in part.columns else pa.nulls(len(part), kind)
            for part in parts
        ]
        columns[name] = arrow.take(arrow.concat(pieces), order)
    return Rows(log=parts[0].log, site=parts[0].site, columns=columns, frame=frame[order])


def until(rows: Rows | None, last: int) -> tuple[Rows | None, Rows | None]:
    """Return the rows of frames up to `last`, and those after it; None for none."""
    if rows is None:
        return None, None
    at = int(np.searchsorted(rows.frame, last, side="right"))
    return _part(rows, 0, at), _part(rows, at, len(rows))


def _part(rows: Rows, start: int, end: int) -> Rows | None:
    if start == end:
        return None
    if start == 0 and end == len(rows):
        return rows
    columns = {name: column.slice(start, end - start) for name, column in rows.columns.items()}
    return Rows(log=rows.log, site=rows.site, columns=columns, frame=rows.frame[start:end])
