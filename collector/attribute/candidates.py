"""Who an ambiguous end may have been: JSON text, written once per distinct case."""

from __future__ import annotations

from collections.abc import Sequence
from json.encoder import encode_basestring
from typing import Any

import numpy as np
import pyarrow as pa

from collector.attribute.ends import Doubt
from collector.attribute.holders import Holders, Ints, coded
from collector.attribute.session import OPEN_US
from collector.records import Binding

MOST = 64
"""So many are written for one end; behind them stands how many more there were."""
ENDS = ("src", "dst")
_REMEMBERED = 1 << 14
"""Cases of an end are remembered as text: they come again as long as its flows do."""
_HALF = 32


def tell(doubts: Sequence[Sequence[Doubt]], begin: Ints, end: Ints) -> pa.Array[Any]:
    """Return for each flow the candidates of its ambiguous ends; null where no end is.

    A candidate is `{"end","person","session","from","to"}`, times in µs, `to` null while the
    session is open; `{"end","more"}` closes a list that was cut short. Who is known by a hint alone
    has no session.

    Args:
        doubts: Of the sources and of the targets; an end of a flow is in one of them at most.
        begin: When each flow began, µs.
        end: When it ended.
    """
    if not any(doubts):
        return coded(np.full(len(begin), -1, np.int32), [])
    (source, of_source), (target, of_target) = (
        _cases(name, of_end, begin, end) for name, of_end in zip(ENDS, doubts, strict=True)
    )
    pairs = source * len(of_target) + target
    rows = np.flatnonzero(pairs)
    distinct, which = np.unique(pairs[rows], return_inverse=True)
    both = [divmod(pair, len(of_target)) for pair in distinct.tolist()]
    lists = [[of_source[one], of_target[other]] for one, other in both]
    codes = np.full(len(begin), -1, np.int32)
    codes[rows] = which
    return coded(codes, [f"[{','.join(filter(None, texts))}]" for texts in lists])


def _cases(name: str, doubts: Sequence[Doubt], begin: Ints, end: Ints) -> tuple[Ints, list[str]]:
    """Return for each flow the place of the text about one of its ends; the first is empty."""
    codes, texts = np.zeros(len(begin), np.int64), [""]
    for holders, rows, slots in doubts:
        first, last = holders.span(slots, begin[rows], end[rows])
        distinct, which = np.unique(first << _HALF | last, return_inverse=True)
        codes[rows] = which + len(texts)
        texts += [_text(name, holders, case) for case in distinct.tolist()]
    return codes, texts


def _text(name: str, holders: Holders, case: int) -> str:
    """Return the candidates that ran from one piece of an address to another."""
    known = holders.remembered.get((name, case))
    if known is None:
        if len(holders.remembered) >= _REMEMBERED:
            holders.remembered.clear()
        running = holders.running(case >> _HALF, case & ((1 << _HALF) - 1))
        known = ",".join(_listed(name, [b for b in running if b.person]))
        holders.remembered[name, case] = known
    return known


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
