"""Flows in, the same flows with their people out: whole columns at a time.

An end of a flow is its address, or, where that is outside, its address on the other side of the
NAT: answers come to the address that the NAT lent. Where nobody is known by what the flow tells, it
is the address to which a NAT had lent its port, if it told of that (`lent.py`). A session that held
it when the flow began, with nobody else after it while the flow ran, is `sure`; one that came
later, or more than one person, is `ambiguous`, and then nobody is named, nor where the settings say
that many share the address; an inside address that nobody held is `unknown`. There a `device` is
told if a lease put the address at one, and the row is `ambiguous` if only flows told an account.
The subject of a flow is its inside end, the initiator when both are inside; what is known of the
other end goes into the `peer_` columns.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from collector.attribute import candidates
from collector.attribute.ends import VIA, Bools, End, Ends, look_up
from collector.attribute.hints import METHOD as HINTED
from collector.attribute.holders import Codes, Ints, coded
from collector.attribute.networks import Networks
from collector.attribute.pieces import NOBODY
from collector.attribute.timeline import Timeline

FILLED = ("person", "session", "method", "via", "certainty", "device")
"""What is told of the subject, and with `peer_` in front of the other end."""
SHARED = "shared"
"""The method where the settings say that many use an address that somebody holds."""
_CERTAINTY = ("sure", "ambiguous", "unknown")
_BLOCK = np.int32(VIA.index("src_block"))
_SURE, _AMBIGUOUS, _UNKNOWN, _NONE = (np.int32(code) for code in (0, 1, 2, -1))
_OF_HOLDER = np.array([_AMBIGUOUS, _AMBIGUOUS, _NONE, _UNKNOWN, _SURE, _SURE])
"""How certain SEVERAL, NOBODY and anybody are, each outside and inside."""


class _Side(NamedTuple):
    """What is told of the subjects of flows, or of their peers."""

    holder: Ints
    via: Codes
    """Place in VIA of the column that said so, if any did."""
    inside: Bools
    shared: Bools | None
    hinted: Bools | None
    machine: Ints | None


def attribute(table: pa.Table, timeline: Timeline, networks: Networks) -> pa.Table:
    """Return the flows `table`, all of one site, with the columns on people filled anew.

    Raises:
        ValueError: rows of more than one site.
    """
    ends = look_up(table, timeline, networks, _site(table["site"]))
    told: dict[str, pa.Array[Any]] = {}
    for prefix, side in zip(("", "peer_"), _sides(ends.source, ends.target), strict=True):
        filled = zip(FILLED, _columns(side, ends), strict=True)
        told |= {f"{prefix}{name}": column for name, column in filled}
    doubts = (ends.source.doubts, ends.target.doubts)
    told["candidates"] = candidates.tell(doubts, *ends.times)
    given = zip(table.column_names, table.columns, strict=True)
    columns = [told.get(name, column) for name, column in given]
    return pa.Table.from_arrays(columns, schema=table.schema)


def _site(column: pa.ChunkedArray[Any]) -> str:
    chunks: list[Any] = column.chunks
    if len(chunks) == 1 and len(chunks[0].dictionary) == 1 and not chunks[0].null_count:
        return str(chunks[0].dictionary[0])
    sites = pc.unique(column).to_pylist() if len(column) else [""]
    if len(sites) != 1:
        raise ValueError(f"flows of {len(sites)} sites in one table")
    return str(sites[0])


def _sides(source: End, target: End) -> tuple[_Side, _Side]:
    """Return subjects and peers: the target is the subject if it alone is inside, or known."""
    alone_known = (source.holder == NOBODY) & (target.holder != NOBODY)
    swap = ~source.inside & (target.inside | alone_known)
    holders = _both(swap, source.holder, target.holder)
    translated = _masks(swap, source.translated, target.translated)
    insides = _masks(swap, source.inside, target.inside)
    second = np.left_shift(swap, 1, dtype=np.int32)
    vias = second | translated[0], (second ^ np.int32(2)) | translated[1]
    lent = zip(vias, _flags(swap, source.lent, target.lent), strict=True)
    vias = tuple(via if of is None else np.where(of, via >> 1 | _BLOCK, via) for via, of in lent)
    shared = _flags(swap, source.shared, target.shared)
    hinted = _flags(swap, source.hinted, target.hinted)
    machines: tuple[Any, Any] = (None, None)
    if source.machine is not None or target.machine is not None:
        machines = _both(swap, _machine(source), _machine(target))
    both = zip(holders, vias, insides, shared, hinted, machines, strict=True)
    subject, peer = (_Side(*each) for each in both)
    return subject, peer


def _both(swap: Bools, source: Ints, target: Ints) -> tuple[Ints, Ints]:
    """Return values of subjects and of peers."""
    # A branch for each row that is as often taken as not costs more than the arithmetic.
    differing = source ^ target
    subject = source ^ (differing & -swap.astype(np.int64))
    return subject, subject ^ differing


def _masks(swap: Bools, source: Bools, target: Bools) -> tuple[Bools, Bools]:
    differing = source ^ target
    subject = source ^ (differing & swap)
    return subject, subject ^ differing


def _flags(
    swap: Bools, source: Bools | None, target: Bools | None
) -> tuple[Bools | None, Bools | None]:
    """Return what holds of subjects and of peers; None where it holds of none."""
    if source is None and target is None:
        return None, None
    nowhere = np.zeros(len(swap), np.bool_)
    return _masks(
        swap, nowhere if source is None else source, nowhere if target is None else target
    )


def _machine(end: End) -> Ints:
    return np.full(len(end.holder), NOBODY, np.int64) if end.machine is None else end.machine


def _columns(side: _Side, ends: Ends) -> list[pa.Array[Any]]:
    """Return the values of FILLED for one side."""
    nobody = side.holder == NOBODY
    if nobody.all() and not side.inside.any():
        return [coded(np.full(len(nobody), _NONE), [])] * len(FILLED)
    certainty = _OF_HOLDER[(np.minimum(side.holder, 0) << 1 | side.inside) + 4]
    person, session, method = ends.holders.told(np.maximum(side.holder, _NONE))
    device = coded(np.full(len(nobody), _NONE), [])
    if side.hinted is not None:
        nobody &= ~side.hinted
        certainty[side.hinted] = _AMBIGUOUS
        method = _either(method, _where(side.hinted, HINTED))
    if side.shared is not None:
        method = _either(method, _where(side.shared, SHARED))
    if side.machine is not None and ends.machines is not None:
        nobody &= side.machine == NOBODY
        device, _, lease = ends.machines.told(side.machine)
        method = _either(method, lease)
    via = coded(side.via | -nobody.astype(np.int32), VIA)
    return [person, session, method, via, coded(certainty, _CERTAINTY), device]


def _where(there: Bools, word: str) -> pa.Array[Any]:
    return coded(np.where(there, np.int32(0), _NONE), [word])


def _either(one: Any, other: Any) -> pa.Array[Any]:  # noqa: ANN401  # DictionaryArrays
    """Return the values of two columns that are never both there, and share no value."""
    codes = np.asarray(one.indices.fill_null(-1))
    behind = np.asarray(other.indices.fill_null(-1))
    codes = np.where(behind >= 0, behind + np.int32(len(one.dictionary)), codes)
    return coded(codes, [*one.dictionary.to_pylist(), *other.dictionary.to_pylist()])
