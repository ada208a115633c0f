"""One address cut into pieces of time, each held by nobody, by one person, or by several."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from collector.records import Binding

NOBODY = -1
SEVERAL = -2
TOLD = "syslog"
"""The method of sessions that lines of syslog told: any other session of the person goes first."""


@dataclass(frozen=True, slots=True)
class Pieces:
    """Piece 0 lies before `breaks[0]`, piece i from `breaks[i-1]` on, the last without end."""

    bindings: Sequence[Binding]
    """By start."""
    breaks: Sequence[int]
    """Times in µs at which the holder may change, ascending."""
    holder: Sequence[int]
    """Of each piece: place in `bindings` of the session latest started, of the surest kind, or
    NOBODY or SEVERAL."""
    until: Sequence[int]
    """Of each piece: the first piece from which a flow that began here is no longer clear: another
    person's, or, where nobody was, anybody's. Of SEVERAL the piece itself."""


def cut(bindings: Iterable[Binding]) -> Pieces:
    """Return the pieces of an address with these bindings. O(n log n)."""
    ordered = sorted(bindings, key=lambda b: (b.start_us, b.session, b.end_us))
    if all(one.start_us < one.end_us <= other.start_us for one, other in pairwise(ordered)):
        edges, holder = _in_turn(ordered)
    else:
        edges = sorted({t for b in ordered for t in (b.start_us, b.end_us)})
        holder = [NOBODY, *_holders(ordered, edges)]
    return Pieces(ordered, edges, holder, _until(holder, ordered))


def _in_turn(ordered: Sequence[Binding]) -> tuple[list[int], list[int]]:
    """Return edges and holders where none begins before the one before has ended: nearly always."""
    edges: list[int] = []
    holder = [NOBODY]
    for place, binding in enumerate(ordered):
        if edges and edges[-1] == binding.start_us:
            holder[-1] = place
        else:
            edges.append(binding.start_us)
            holder.append(place)
        edges.append(binding.end_us)
        holder.append(NOBODY)
    return edges, holder


def _holders(ordered: Sequence[Binding], edges: Sequence[int]) -> list[int]:
    """Return the holder of each piece after an edge, going through time once."""
    ends = sorted(range(len(ordered)), key=lambda i: ordered[i].end_us)
    persons: Counter[str] = Counter()
    latest: list[tuple[bool, int, int]] = []
    """Heap of the running sessions, those that lines of syslog told last, then latest started
    first; ended ones are taken off when on top."""
    holders, started, ended = [], 0, 0
    for edge in edges:
        while ended < len(ends) and ordered[ends[ended]].end_us <= edge:
            _take(persons, ordered[ends[ended]].person)
            ended += 1
        while started < len(ordered) and ordered[started].start_us <= edge:
            binding = ordered[started]
            persons[binding.person] += 1
            heapq.heappush(latest, (binding.method == TOLD, -started, started))
            started += 1
        while latest and ordered[latest[0][2]].end_us <= edge:
            heapq.heappop(latest)
        if len(persons) > 1:
            holders.append(SEVERAL)
        else:
            holders.append(latest[0][2] if persons else NOBODY)
    return holders


def _take(persons: Counter[str], person: str) -> None:
    persons[person] -= 1
    if not persons[person]:
        del persons[person]


def _until(holder: Sequence[int], bindings: Sequence[Binding]) -> list[int]:
    """Return for each piece the first one that contradicts it, going backwards once."""
    until = [0] * len(holder)
    person, somebody, other = "", len(holder), len(holder)
    # `somebody` is the next piece with any holder, `person` the one there, and `other` the next
    # piece held by anybody but `person`.
    for piece in range(len(holder) - 1, -1, -1):
        if holder[piece] == SEVERAL:
            until[piece], person, somebody, other = piece, "", piece, piece
        elif holder[piece] == NOBODY:
            until[piece] = somebody
        else:
            here = bindings[holder[piece]].person
            if here != person:
                other, person = somebody, here
            until[piece], somebody = other, piece
    return until
