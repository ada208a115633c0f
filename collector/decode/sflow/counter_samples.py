"""Counter samples of sFlow to rows of the log `counters`: one for each sample that is kept.

What every interface counts has columns (RFC 2863, as "sFlow Version 5" orders it); what Ethernet,
VLANs, radios, processors and hosts count stands in `extra` under its name there. All ones mean that
the agent cannot tell ("sFlow Version 5", section 5.3).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from collector.decode import arrow, extra, words
from collector.decode.addresses import Ends
from collector.decode.batch import Batch, Mask
from collector.decode.head import Spread
from collector.decode.octets import Places
from collector.decode.sflow import flow_records
from collector.decode.sflow.datagram import PEN, VERSION
from collector.decode.sflow.flow_records import Reader, Records
from collector.decode.sflow.walk import COUNTERS_EXPANDED, Items, Samples
from collector.decode.sparse import Cells, SparseBatch
from collector.records import Rows

LOG = "counters"
AGENTS = (PEN, 33001), (PEN, 33002)
_CLASS, _INDEX = (PEN, 33005), (PEN, 33006)
_WORD = 4
_UP = ((1, "admin_up"), (2, "oper_up"))
_IF_STATUS = (PEN, 33105)
_PORT_NAME = (PEN, 33201)
_MOST_I64 = 1 << 63
_MOST_U8 = 0xFF


class Counted(NamedTuple):
    """The counter samples of a heap of datagrams, a value for each."""

    samples: Samples
    records: Items
    """Those that can be read; each one's owner is the index of its sample here."""
    unknown: int
    """Records that cannot: of other formats, or shorter than theirs."""
    owner: Places
    """Its datagram."""
    source: Places
    """Class of the data source << 32 | index."""
    formats: Places
    """A bit for each format of its records; 0 for a sample that says nothing."""


def find(samples: Samples, counting: Mask) -> Counted:
    """Return the samples that count."""
    found = samples.found.only(counting)
    octets, start = samples.octets, found.start
    first, second = octets.u32(start + _WORD), octets.u32(start + 2 * _WORD)
    expanded = found.tag == COUNTERS_EXPANDED
    kind = np.where(expanded, first, first >> 24) & 0xFFFFFF
    index = np.where(expanded, second, first & 0xFFFFFF)
    records = _of(samples.records, counting)
    known = np.zeros(len(records.tag), np.bool_)
    formats = np.zeros(len(start), np.int64)
    for bit, (tag, least) in enumerate(_LEAST.items()):
        whole = (records.tag == tag) & (records.size >= least)
        known |= whole
        formats[records.owner[whole]] |= 1 << bit
    unknown = int((~known).sum())
    source = kind << 32 | index
    return Counted(samples, records.only(known), unknown, found.owner, source, formats)


def read(counted: Counted, kept: Mask, foreign: Mask, datagrams: int) -> SparseBatch:
    """Return samples as a batch.

    Args:
        counted: All samples.
        kept: Which of them are wanted.
        foreign: Which datagrams have an agent with another address than their sender's.
        datagrams: How many there are.
    """
    samples, cells = counted.samples, Cells(int(kept.sum()))
    flow_records.read(samples.octets, _of(counted.records, kept), cells, READERS)
    owner, source = counted.owner[kept], counted.source[kept]
    cells.put(_CLASS, 4, source >> 32, None)
    cells.put(_INDEX, 4, source & 0xFFFFFFFF, None)
    at, kind = samples.agent_at[owner], samples.agent_kind[owner]
    cells.put(AGENTS[0], 4, samples.octets.u32(at), foreign[owner] & (kind == 1))
    cells.put(AGENTS[1], 16, samples.octets.some(at, 16), foreign[owner] & (kind == 2))
    counts = np.bincount(owner, minlength=datagrams).astype(np.int64)
    return SparseBatch(VERSION, cells, counts, log=LOG)


def _of(records: Items, some: Mask) -> Items:
    """Return the records of some samples, with the place of each among these as its owner."""
    place = np.where(some, np.cumsum(some) - 1, -1)
    owner = place[records.owner]
    return records._replace(owner=owner).only(owner >= 0)


def rows(site: str, batch: Batch, spread: Spread) -> Rows:
    """Return rows of the log `counters`.

    Args:
        site: Of the rows.
        batch: The samples.
        spread: Their datagrams' headers, per row.
    """
    sources: dict[str, int] = {}
    codes = [sources.setdefault(c.head.source, len(sources)) for c in spread.chunks]
    found: dict[str, pa.Array[Any]] = {
        "time": arrow.moments(spread.wire),
        "received": arrow.moments(spread.received),
        "source": words.some(spread.codes(codes), list(sources)),
        "sub_agent": arrow.ints(spread.domain),
    }
    places = batch.layout.places
    taken = set()
    for element, (column, most) in _COLUMNS.items():
        if element in places:
            found[column], whole = _numbers(batch, places[element], most)
            taken |= {places[element]} if whole else set()
    if _IF_STATUS in places:
        status, told = batch.uint(places[_IF_STATUS])
        for bit, column in _UP:
            found[column] = arrow.ints((status & bit > 0).astype(np.int32), told)
        taken.add(places[_IF_STATUS])
    if _PORT_NAME in places:
        field = places[_PORT_NAME]
        found["name"] = words.text(batch.binary(field), batch.told(field))
        taken.add(field)
    agent = _agent(batch)
    taken |= {places[element] for element in AGENTS if element in places}
    if agent is not None:
        found["agent"] = agent
    members = [extra.member(batch, f) for f in range(len(batch.layout.fields)) if f not in taken]
    objects = extra.objects(members, batch.rows)
    if objects is not None:
        found["extra"] = objects
    return Rows(log=LOG, site=site, columns=found, frame=spread.frame)


def _numbers(batch: Batch, field: int, most: int) -> tuple[pa.Array[Any], bool]:
    """Return a column, and whether it holds all values: what is too large for it is left out."""
    values, told = batch.uint(field)
    fits = values <= most
    whole = bool(fits.all() if told is None else fits[told].all())
    told = fits if told is None else fits & told
    kind = np.int32 if most == _MOST_U8 else np.int64
    return arrow.ints(np.where(fits, values, 0).astype(kind), told), whole


def _agent(batch: Batch) -> pa.Array[Any] | None:
    """Return the agent's address, where it is not the sender's."""
    four, six = (batch.layout.places.get(element) for element in AGENTS)
    if four is None and six is None:
        return None
    v4 = None
    if four is not None:
        values, told = batch.uint(four)
        v4 = values.astype(np.int64), told
    return Ends(v4, None if six is None else batch.sized(six, 16)).text()


def _words(first: int, sizes: tuple[int, ...], found: Records, cells: Cells) -> None:
    """Read numbers one after the other, of so many bytes each."""
    here, at = found.room(sum(sizes)), found.at
    for number, size in enumerate(sizes, first):
        octets = found.octets
        values: npt.NDArray[Any] = octets.u32(at) if size == _WORD else octets.u64(at)
        cells.put((PEN, number), size, values, here & (values != (1 << 8 * size) - 1))
        at = at + size


def _port_name(found: Records, cells: Cells) -> None:
    start, size, _ = flow_records.string(found, found.at, found.room(4))
    cells.put_texts(_PORT_NAME, flow_records.slices(found.octets, start, size), size > 0)


def _host(found: Records, cells: Cells) -> None:
    """host_descr: its name, its UUID, the kinds of its machine and its system, and the release."""
    octets = found.octets
    start, size, after = flow_records.string(found, found.at, found.room(4))
    cells.put_texts((PEN, 33211), flow_records.slices(octets, start, size), size > 0)
    here = (after > 0) & (after + 24 <= found.end)
    cells.put((PEN, 33212), 16, octets.some(after, 16), here)
    for number, place in ((33213, after + 16), (33214, after + 20)):
        cells.put((PEN, number), 4, octets.u32(place), here)
    start, size, _ = flow_records.string(found, after + 24, here)
    cells.put_texts((PEN, 33215), flow_records.slices(octets, start, size), size > 0)


_4 = (4,)
_NUMBERS: Mapping[int, tuple[int, tuple[int, ...]]] = {
    1: (33101, (4, 4, 8, 4, 4, 8, *_4 * 6, 8, *_4 * 6)),
    2: (33121, _4 * 13),
    5: (33141, (4, 8, *_4 * 4)),
    6: (33151, _4 * 20),
    1001: (33181, (4, 4, 4, 8, 8)),
    1002: (33191, _4 * 3),
    2003: (33221, _4 * 17),
    2004: (33241, (*(8,) * 7, *_4 * 4)),
    2005: (33261, (8, 8, 4, 4, 8, 4, 4, 8, 4)),
    2006: (33281, (8, 4, 4, 4, 8, 4, 4, 4)),
}
"""Formats that are numbers alone: the first one's element, and bytes of each."""
READERS: Mapping[int, Reader] = {
    **{tag: partial(_words, *numbers) for tag, numbers in _NUMBERS.items()},
    1005: _port_name,
    2000: _host,
}
"""By format, of enterprise 0: interface, Ethernet, VLAN, 802.11, processor, radio, name of a port
("sFlow Version 5"); host, its processors, memory, disks and network ("sFlow Host Structures")."""
_LEAST = {tag: sum(_NUMBERS[tag][1]) if tag in _NUMBERS else _WORD for tag in READERS}
"""Bytes of a record, by format."""

_NAMES = (
    "interface if_type if_speed duplex - bytes_in unicast_in multicast_in broadcast_in discards_in"
    " errors_in unknown_in bytes_out unicast_out multicast_out broadcast_out discards_out"
    " errors_out promiscuous"
)
_COLUMNS: Mapping[tuple[int, int], tuple[str, int]] = {
    (PEN, 33101 + place): (
        name,
        _MOST_U8 if name in ("duplex", "promiscuous") else _MOST_I64 - 1,
    )
    for place, name in enumerate(_NAMES.split())
    if name != "-"
} | {_CLASS: ("source_class", _MOST_I64 - 1), _INDEX: ("source_index", _MOST_I64 - 1)}
"""Column of the log and the greatest value in it, by element."""
