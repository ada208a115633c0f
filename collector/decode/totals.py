"""What exporters count of their own losses, in options records: what they did not send or look at.

RFC 7011 sections 4.2 and 4.3 (Metering and Exporting Process Reliability Statistics). The counters
go on from when the exporter started; what they grew by since the last record is told. The numbers
of what *was* sent (elements 40 to 42) are not used: sequence numbers say the same sooner.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from collector.decode.batch import Batch
from collector.decode.head import Head
from collector.decode.losses import Loss

NOT_SENT = 166
"""notSentFlowTotalCount: of records."""
PACKETS: Mapping[int, str] = {167: "not sent", 164: "not looked at", 135: "dropped"}
"""notSentPacketTotalCount, ignoredPacketTotalCount, droppedPacketTotalCount."""
ELEMENTS = frozenset((NOT_SENT, *PACKETS))
_MOST = 64
_MOST_SCOPE = 64
_MOST_VALUE = np.uint64((1 << 62) - 1)


class Total(NamedTuple):
    """The last value of a counter."""

    value: int
    told_us: int


class Totals:
    """The counters of one stream, by element and scope; bounded."""

    __slots__ = ("_last",)

    def __init__(self, state: list[Any] | None = None) -> None:
        self._last = {
            (element, bytes.fromhex(scope)): Total(*total) for element, scope, total in state or []
        }

    def learn(self, batch: Batch, head: Head) -> list[Loss]:
        """Take what options records tell; return what was lost since the last ones."""
        places = {element: batch.layout.places.get((0, element)) for element in ELEMENTS}
        if places[NOT_SENT] is not None:
            places[167] = None  # the packets of those records
        scopes = _scopes(batch)
        found: list[Loss] = []
        for element, place in sorted(places.items()):
            if place is None:
                continue
            values, told = batch.uint(place)
            values = np.minimum(values.astype(np.uint64), _MOST_VALUE)
            for row, value in enumerate(values.tolist()):
                if told is None or told[row]:
                    found += self._grown(element, scopes[row], value, head)
        return found

    def _grown(self, element: int, scope: bytes, value: int, head: Head) -> list[Loss]:
        before = self._last.get((element, scope))
        if before is None and len(self._last) >= _MOST:
            return []
        self._last[element, scope] = Total(value, head.wire_us)
        if before is None or value == before.value:
            return []
        # A smaller one has begun anew.
        lost = value - before.value if value > before.value else value
        if not lost:
            return []
        if element == NOT_SENT:
            unit, count, note = "records", lost, "not sent, as the exporter says"
        else:
            # No loss of records: what is not looked at was none yet.
            unit, count, note = "packets", None, f"{lost} {PACKETS[element]}, as the exporter says"
        span = min(before.told_us, head.wire_us), head.wire_us
        return [Loss("exporter-drop", head.source, unit, count, *span, note)]

    def snapshot(self) -> list[Any]:
        """Return the counters as JSON values."""
        return [[element, scope.hex(), total] for (element, scope), total in self._last.items()]


def _scopes(batch: Batch) -> list[bytes]:
    """Return the scope of each row, as bytes."""
    columns = [batch.binary(field).to_pylist() for field in range(batch.layout.scopes)]
    rows = zip(*columns, strict=True)
    return [b"\0".join(value or b"" for value in row)[:_MOST_SCOPE] for row in rows]
