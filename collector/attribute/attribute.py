"""Flows in, the same flows with their people out: whole columns at a time.

An end of a flow is its address, or, where that is outside, its address on the other side of the
NAT: answers come to the address that the NAT lent. A session that held it when the flow began, with
nobody else after it while the flow ran, is `sure`; one that came later, or more than one person, is
`ambiguous`, and then nobody is named; an inside address that nobody held is `unknown`. There a
`device` is told if a lease put the address at one, and the row is `ambiguous` if only flows told an
account. The subject of a flow is its inside end, the initiator when both are inside; what is known
of the other end goes into the `peer_` columns.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from collector.attribute import candidates
from collector.attribute.hints import METHOD as HINTED
from collector.attribute.holders import NEVER, Codes, Holders, Ints, coded
from collector.attribute.networks import Networks
from collector.attribute.pieces import NOBODY, SEVERAL
from collector.attribute.timeline import Timeline
from collector.columns import one_dictionary

VIA = ("src_ip", "nat_src_ip", "dst_ip", "nat_dst_ip")
"""The address columns of the source, then of the destination."""
FILLED = ("person", "session", "method", "via", "certainty", "device")
"""What is told of the subject, and with `peer_` in front of the other end."""
_CERTAINTY = ("sure", "ambiguous", "unknown")
_NONE = np.int32(-1)
Bools = npt.NDArray[np.bool_]
_Value = TypeVar("_Value", bound=np.generic)


@dataclass(frozen=True, slots=True)
class _End:
    """One end of every flow."""

    holder: Codes
    """Place of the binding, or NOBODY, or SEVERAL."""
    via: Codes
    """Place in VIA of the column that said so."""
    slot: Codes
    """Number of the address in that column."""
    inside: Bools
    machine: Codes
    """Place of the lease, where nobody holds an inside address; else NOBODY."""
    hint: Codes
    """Slot of the address in the hints, where they alone tell of an inside address; else -1."""


class _Books(NamedTuple):
    """Where the ends of a batch were looked up; None where nothing is known of unknown ends."""

    holders: Holders
    hints: Holders | None
    machines: Holders | None


def attribute(table: pa.Table, timeline: Timeline, networks: Networks) -> pa.Table:
    """Return the flows `table`, all of one site, with the columns on people filled anew.

    Raises:
        ValueError: rows of more than one site.
    """
    times = _times(table)
    books, source, target = _ends(table, timeline, networks, times)
    swap = _is_subject(target, source)
    filled = _columns(_choose(swap, target, source), books)
    filled += _columns(_choose(swap, source, target), books)
    names = [*FILLED, *(f"peer_{name}" for name in FILLED)]
    unsure = [np.where(end.holder == SEVERAL, end.slot, _NONE) for end in (source, target)]
    doubts = [candidates.Doubts(books.holders, unsure)]
    if books.hints is not None:
        doubts.append(candidates.Doubts(books.hints, [source.hint, target.hint]))
    told = dict(zip(names, filled, strict=True), candidates=candidates.tell(doubts, *times))
    given = zip(table.column_names, table.columns, strict=True)
    columns = [told.get(name, column) for name, column in given]
    return pa.Table.from_arrays(columns, schema=table.schema)


def _ends(
    table: pa.Table, timeline: Timeline, networks: Networks, times: tuple[Ints, Ints]
) -> tuple[_Books, _End, _End]:
    """Look up source and target: sessions first, hints and machines where no session is known."""
    codes, texts = _addresses(table)
    since = int(times[0].min(initial=NEVER))
    site = _site(table["site"])
    holders = timeline.holders(site)
    slots = _behind(holders.slots(texts, since), -1)[codes]
    inside = _behind(networks.inside(texts), 0)[codes]
    source = _end((0, 1), slots[:2], inside[:2], (holders, *times))
    target = _end((2, 3), slots[2:], inside[2:], (holders, *times))
    if not any((end.inside & (end.holder == NOBODY)).any() for end in (source, target)):
        return _Books(holders, None, None), source, target
    hints, machines = timeline.hints.holders(site), timeline.machines(site)
    if hints is not None:
        slots = _behind(hints.slots(texts, since), -1)[codes]
        source = _with_hint(source, (0, 1), slots[:2], inside[:2], (hints, *times))
        target = _with_hint(target, (2, 3), slots[2:], inside[2:], (hints, *times))
    if machines is not None:
        slots = _behind(machines.slots(texts, since), -1)[codes]
        source = _with_machine(source, (0, 1), slots[:2], inside[:2], (machines, *times))
        target = _with_machine(target, (2, 3), slots[2:], inside[2:], (machines, *times))
    return _Books(holders, hints, machines), source, target


def _site(column: pa.ChunkedArray[Any]) -> str:
    sites = pc.unique(column).to_pylist() if len(column) else [""]
    if len(sites) != 1:
        raise ValueError(f"flows of {len(sites)} sites in one table")
    return str(sites[0])


def _addresses(table: pa.Table) -> tuple[Codes, pa.Array[Any]]:
    """Return the texts of all columns of VIA, and of each column the codes, -1 for null."""
    codes = np.full((len(VIA), table.num_rows), -1, np.int32)
    texts: list[Any] = [pa.array([], pa.string())]
    base = 0
    for row, name in enumerate(VIA):
        array: Any = one_dictionary(table[name]).combine_chunks()
        if array.null_count < len(array):
            found = np.asarray(array.indices.fill_null(-1))
            codes[row] = np.where(found < 0, found, found + np.int32(base))
            texts.append(array.dictionary)
            base += len(array.dictionary)
    return codes, pa.concat_arrays(texts)


def _behind(values: npt.NDArray[_Value], null: int) -> npt.NDArray[_Value]:
    """Return the values with one more behind them, which code -1 takes."""
    return np.append(values, values.dtype.type(null))


def _times(table: pa.Table) -> tuple[Ints, Ints]:
    """Return when each flow began and ended, µs; an end before the begin is the begin."""
    begin = table["time"].cast(pa.int64())
    end = pc.max_element_wise(begin, table["time_end"].cast(pa.int64()), skip_nulls=True)
    return np.asarray(begin), np.asarray(end)


def _end(
    via: tuple[int, int],
    slots: Codes,
    inside: Bools,
    search: tuple[Holders, Ints, Ints],
) -> _End:
    """Look up the address; where it is outside and nobody is known by it, its NAT form.

    An inside address that nobody held became one that many share: who held that says nothing of it.
    """
    holder = search[0].find(slots[0], search[1], search[2])
    named, slot = np.full(len(holder), via[0], np.int32), slots[0]
    missing = (holder == NOBODY) & (slots[1] >= 0) & ~inside[0]
    if missing.any():
        other = search[0].find(np.where(missing, slots[1], _NONE), search[1], search[2])
        holder = np.where(missing, other, holder)
        named = np.where(missing, np.int32(via[1]), named)
        slot = np.where(missing, slots[1], slot)
    nothing = np.full(len(holder), NOBODY, np.int32)
    return _End(holder, named, slot, inside[0] | inside[1], nothing, nothing)


def _with_hint(
    end: _End,
    via: tuple[int, int],
    slots: Codes,
    inside: Bools,
    search: tuple[Holders, Ints, Ints],
) -> _End:
    """Add the hints on the address, where it is inside and no session held it."""
    unknown = end.inside & (end.holder == NOBODY)
    found = _end(via, np.where(unknown, slots, _NONE), inside, search)
    hinted = found.holder != NOBODY
    named = np.where(hinted, found.via, end.via)
    return replace(end, via=named, hint=np.where(hinted, found.slot, _NONE))


def _with_machine(
    end: _End,
    via: tuple[int, int],
    slots: Codes,
    inside: Bools,
    search: tuple[Holders, Ints, Ints],
) -> _End:
    """Add the machine that had the address, where it is inside and no session held it."""
    unknown = end.inside & (end.holder == NOBODY) & (end.hint < 0)
    found = _end(via, np.where(unknown, slots, _NONE), inside, search)
    machine = np.where(found.holder >= 0, found.holder, np.int32(NOBODY))
    named = np.where(machine >= 0, found.via, end.via)
    return replace(end, via=named, machine=machine)


def _is_subject(target: _End, source: _End) -> Bools:
    """Return where the target is the subject: it alone is inside, or it alone is known."""
    outside = ~source.inside & ~target.inside
    alone_known = (source.holder == NOBODY) & (target.holder != NOBODY)
    swap: Bools = (target.inside & ~source.inside) | (outside & alone_known)
    return swap


def _choose(where: Bools, one: _End, other: _End) -> _End:
    return _End(
        np.where(where, one.holder, other.holder),
        np.where(where, one.via, other.via),
        np.where(where, one.slot, other.slot),
        np.where(where, one.inside, other.inside),
        np.where(where, one.machine, other.machine),
        np.where(where, one.hint, other.hint),
    )


def _columns(end: _End, books: _Books) -> list[pa.Array[Any]]:
    """Return the values of FILLED for one end."""
    sure = end.holder >= 0
    place = np.where(sure, end.holder, _NONE)
    hinted = end.hint >= 0
    via = np.where((end.holder == NOBODY) & (end.machine < 0) & ~hinted, _NONE, end.via)
    nobody = np.where(end.inside, np.int32(2), _NONE)
    unsure = hinted | (end.holder == SEVERAL)
    certainty = np.where(sure, np.int32(0), np.where(unsure, np.int32(1), nobody))
    person, session, method = books.holders.told(place)
    if books.machines is None:
        device = coded(end.machine, [])
    else:
        device, _, lease = books.machines.told(end.machine)
        method = _either(method, lease)
    if hinted.any():
        method = _either(method, coded(np.where(hinted, np.int32(0), _NONE), [HINTED]))
    return [person, session, method, coded(via, VIA), coded(certainty, _CERTAINTY), device]


def _either(one: Any, other: Any) -> pa.Array[Any]:  # noqa: ANN401  # DictionaryArrays
    """Return the values of two columns that are never both there, and share no value."""
    codes = np.asarray(one.indices.fill_null(-1))
    behind = np.asarray(other.indices.fill_null(-1))
    codes = np.where(behind >= 0, behind + np.int32(len(one.dictionary)), codes)
    return coded(codes, [*one.dictionary.to_pylist(), *other.dictionary.to_pylist()])
