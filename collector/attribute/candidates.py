"""Who an ambiguous end may have been: JSON text, written once per distinct case."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from collector.attribute.holders import Codes, Holders, Ints, coded
from collector.attribute.session import OPEN_US
from collector.records import Binding

MOST = 64
"""So many are written for one end; behind them stands how many more there were."""
ENDS = ("src", "dst")


def tell(holders: Holders, slots: Sequence[Codes], begin: Ints, end: Ints) -> pa.Array[Any]:
    """Return for each flow the candidates of its ambiguous ends; null where no end is.

    A candidate is `{"end","person","session","from","to"}`, times in µs, `to` null while the
    session is open; `{"end","more"}` closes a list that was cut short.

    Args:
        holders: Of the batch.
        slots: For source and target, the number of the ambiguous address, -1 where it is none.
        begin: When each flow began, µs.
        end: When it ended.
    """
    count = len(begin)
    rows = np.flatnonzero((slots[0] >= 0) | (slots[1] >= 0))
    cases = np.full((len(rows), 6), -1, np.int64)
    for side, of_side in enumerate(slots):
        there = of_side[rows] >= 0
        chosen = rows[there]
        numbers = of_side[chosen]
        first, last = holders.span(numbers, begin[chosen], end[chosen])
        cases[there, 3 * side : 3 * side + 3] = np.stack([numbers, first, last], axis=1)
    distinct, which = np.unique(cases, axis=0, return_inverse=True)
    texts = [_text(holders, case) for case in distinct.tolist()]
    codes = np.full(count, -1, np.int32)
    codes[rows] = which.reshape(-1)
    return coded(codes, texts)


def _text(holders: Holders, case: Sequence[int]) -> str:
    found: list[dict[str, object]] = []
    for side, name in enumerate(ENDS):
        slot, first, last = case[3 * side : 3 * side + 3]
        if slot >= 0:
            running = [b for b in holders.running(slot, first, last) if b.person]
            found += [_candidate(name, binding) for binding in running[:MOST]]
            if len(running) > MOST:
                found.append({"end": name, "more": len(running) - MOST})
    return json.dumps(found, ensure_ascii=False, separators=(",", ":"))


def _candidate(end: str, binding: Binding) -> dict[str, object]:
    return {
        "end": end,
        "person": binding.person,
        "session": binding.session,
        "from": binding.start_us,
        "to": None if binding.end_us >= OPEN_US else binding.end_us,
    }
