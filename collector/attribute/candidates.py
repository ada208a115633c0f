"""Who an ambiguous end may have been: JSON text, written once per distinct case."""

from __future__ import annotations

from collections.abc import Sequence
from json.encoder import encode_basestring
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from collector.attribute.holders import Codes, Holders, Ints, coded
from collector.attribute.session import OPEN_US
from collector.records import Binding

MOST = 64
"""So many are written for one end; behind them stands how many more there were."""
ENDS = ("src", "dst")
_WIDTH = 3
"""A case of an end is the number of the address, and the pieces of its begin and end."""


class Doubts(NamedTuple):
    """Ends of flows that may be of several."""

    holders: Holders
    """Who they are."""
    slots: Sequence[Codes]
    """For source and target, the number of the ambiguous address, -1 where it is none."""


def tell(doubts: Sequence[Doubts], begin: Ints, end: Ints) -> pa.Array[Any]:
    """Return for each flow the candidates of its ambiguous ends; null where no end is.

    A candidate is `{"end","person","session","from","to"}`, times in µs, `to` null while the
    session is open; `{"end","more"}` closes a list that was cut short. Who is known by a hint alone
    has no session.

    Args:
        doubts: At most one of them doubts an end.
        begin: When each flow began, µs.
        end: When it ended.
    """
    sides = [of_side for doubt in doubts for of_side in doubt.slots]
    rows = np.flatnonzero(np.logical_or.reduce([of_side >= 0 for of_side in sides]))
    cases = np.full((len(rows), _WIDTH * len(sides)), -1, np.int64)
    for side, of_side in enumerate(sides):
        there = of_side[rows] >= 0
        chosen = rows[there]
        numbers = of_side[chosen]
        holders = doubts[side // len(ENDS)].holders
        first, last = holders.span(numbers, begin[chosen], end[chosen])
        place = _WIDTH * side
        cases[there, place : place + _WIDTH] = np.stack([numbers, first, last], axis=1)
    distinct, which = np.unique(cases, axis=0, return_inverse=True)
    texts = [_text(doubts, case) for case in distinct.tolist()]
    codes = np.full(len(begin), -1, np.int32)
    codes[rows] = which.reshape(-1)
    return coded(codes, texts)


def _text(doubts: Sequence[Doubts], case: Sequence[int]) -> str:
    found: list[str] = []
    for place in range(0, len(case), _WIDTH):
        which, side = divmod(place // _WIDTH, len(ENDS))
        slot, first, last = case[place : place + _WIDTH]
        if slot >= 0:
            running = doubts[which].holders.running(slot, first, last)
            found += _listed(ENDS[side], [b for b in running if b.person])
    return f"[{','.join(found)}]"


def _listed(end: str, running: Sequence[Binding]) -> list[str]:
    found = [_candidate(end, binding) for binding in running[:MOST]]
    if len(running) > MOST:
        found.append(f'{{"end":"{end}","more":{len(running) - MOST}}}')
    return found


def _candidate(end: str, binding: Binding) -> str:
    person, session = encode_basestring(binding.person), encode_basestring(binding.session)
    to = "null" if binding.end_us >= OPEN_US else binding.end_us
    who = f'"end":"{end}","person":{person},"session":{session}'
    return f'{{{who},"from":{binding.start_us},"to":{to}}}'
