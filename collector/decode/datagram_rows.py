"""The datagrams themselves, as rows of the log `datagrams`: what exporters sent, byte for byte."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from collector.records import Frame, FrameKind, Rows

LOG = "datagrams"
_TIME = pa.timestamp("us", tz="UTC")
_TEXT = pa.dictionary(pa.int32(), pa.string())


def rows(site: str, found: Sequence[Frame]) -> Rows:
    """Return frames of flows as rows.

    An empty one marks the beginning or the end of a connection: whoever reads them again needs it.
    """
    columns: dict[str, pa.Array[Any]] = {
        "time": pa.array([f.wire_ns // 1000 for f in found], pa.int64()).cast(_TIME),
        "received": pa.array([f.received_ns // 1000 for f in found], pa.int64()).cast(_TIME),
        "source": _text(f.address or None for f in found),
        "site": _text(site for _ in found),
        "port": pa.array([f.port for f in found], pa.int32()),
        "local_port": pa.array([f.local_port for f in found], pa.int32()),
        "transport": _text(f.transport for f in found),
        "file": _text(f.label or None for f in found),
        "payload": pa.array([f.payload for f in found], pa.binary()),
    }
    frame = np.array([f.number for f in found], dtype=np.int64)
    return Rows(log=LOG, site=site, columns=columns, frame=frame)


def frames(table: pa.Table, site: str, *, first: int = 0) -> list[Frame]:
    """Return rows of the log as the frames that they were, numbered anew from `first` on."""
    told: dict[str, list[Any]] = {
        name: table[name].to_pylist()
        for name in ("source", "port", "local_port", "transport", "file", "payload")
    }
    times: dict[str, list[Any]] = {
        name: table[name].cast(pa.int64()).to_pylist() for name in ("time", "received")
    }
    return [
        Frame(
            kind=FrameKind.FLOW,
            site=site,
            received_ns=times["received"][at] * 1000,
            wire_ns=times["time"][at] * 1000,
            address=told["source"][at] or "",
            port=told["port"][at],
            local_port=told["local_port"][at],
            label=told["file"][at] or "",
            transport=told["transport"][at],
            payload=told["payload"][at],
            number=first + at,
        )
        for at in range(table.num_rows)
    ]


def _text(values: Iterable[str | None]) -> pa.Array[Any]:
    return pa.array(list(values), pa.string()).dictionary_encode().cast(_TEXT)
