"""What an answer shows beside the sealed columns: names, and sessions learnt after sealing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import IPv6Address
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from appliance.search import addresses as written
from collector.attribute.lent import Block, parsed
from collector.records import Binding
from collector.store.catalog import PersonName

LATE = "learnt_after_sealing"
"""The column that is true where the person was not known when the row was sealed."""
LATE_CERTAINTY = "late"

Mask = npt.NDArray[np.bool_]


def with_names(table: pa.Table, people: Sequence[PersonName]) -> pa.Table:
    """Return the table with account and full name of `person` and `peer_person` beside it."""
    oldest_first = people[::-1]  # so that the newest name stays
    accounts = {p.person: p.account for p in oldest_first if p.account}
    names = {p.person: p.full_name for p in oldest_first if p.full_name}
    for column, prefix in (("person", ""), ("peer_person", "peer_")):
        if column in table.column_names:
            table = _set(table, f"{prefix}account", _looked_up(table[column], accounts))
            table = _set(table, f"{prefix}full_name", _looked_up(table[column], names))
    return table


def with_late(table: pa.Table, late: Sequence[Binding]) -> pa.Table:
    """Return a table of flows with the persons of sessions that were learnt after sealing.

    Rows that name somebody stay as they are; where late sessions of two persons fit, nobody is
    named.
    """
    flags = np.zeros(table.num_rows, bool)
    if late and table.num_rows:
        table, flags = _bind(table, late)
    return _set(table, LATE, pa.array(flags))


def person_ids(table: pa.Table) -> list[str]:
    """Return the distinct persons of a table."""
    found: set[str] = set()
    for column in ("person", "peer_person"):
        if column in table.column_names:
            found.update(v for v in pc.unique(table[column]).to_pylist() if v)
    return sorted(found)


def _set(table: pa.Table, name: str, column: Any) -> pa.Table:  # noqa: ANN401  # array of any type
    at = table.schema.get_field_index(name)
    return table.append_column(name, column) if at < 0 else table.set_column(at, name, column)


def _looked_up(column: Any, names: Mapping[str, str]) -> Any:  # noqa: ANN401  # chunked array
    """Map each distinct id to its name once."""
    encoded = column.combine_chunks().cast(pa.string()).dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    values = pa.array([names.get(v) for v in encoded.dictionary.to_pylist()], pa.string())
    return values.take(encoded.indices)


def _bind(table: pa.Table, late: Sequence[Binding]) -> tuple[pa.Table, Mask]:
    """The source end is looked up first; the other end only where that gives nobody."""
    time = table["time"].cast(pa.int64()).to_numpy()
    nameless = table["person"].is_null().to_numpy()
    persons = {person: code for code, person in enumerate({b.person for b in late})}
    who = np.array([persons[b.person] for b in late])
    best = np.full(table.num_rows, -1)
    unclear = np.zeros(table.num_rows, bool)
    site_of, sites = _codes(table["site"])
    for column in ("src_ip", "dst_ip"):
        address_of, addresses = _codes(table[column])
        free = nameless & (best < 0) & ~unclear
        for number, binding in enumerate(late):
            lent = parsed(binding.address)
            held = _held(binding.address if lent is None else lent[0].nat_ip, addresses)
            if not held or binding.site not in sites:
                continue
            hit = free & np.isin(address_of, held)
            if lent is not None:
                hit &= _in_block(table, column, lent[0])
            hit &= site_of == sites[binding.site]
            hit &= (time >= binding.start_us) & (time < binding.end_us)
            unclear |= hit & (best >= 0) & (who[best] != who[number])
            best[hit] = number
    best[unclear] = -1
    return _named(table, late, best), (best >= 0) | unclear


def _in_block(table: pa.Table, column: str, block: Block) -> Mask:
    """Return where the port beside a column of addresses is one of a block."""
    name = column.replace("_ip", "_port")
    if name not in table.column_names:
        return np.zeros(table.num_rows, bool)
    ports = table[name].cast(pa.int64()).fill_null(pa.scalar(-1)).to_numpy()
    inside: Mask = (ports >= block.first) & (ports <= block.last)
    return inside


def _held(held: str, addresses: Mapping[str, int]) -> list[int]:
    """Return the codes of the addresses that are held: one, or all in a prefix."""
    network = written.prefix(held)
    if network is None:
        return [addresses[held]] if held in addresses else []
    six = ((text, code) for text, code in addresses.items() if text and ":" in text)
    return [code for text, code in six if IPv6Address(text) in network]


def _codes(column: Any) -> tuple[npt.NDArray[np.int64], dict[str, int]]:  # noqa: ANN401  # chunked
    encoded = column.combine_chunks().dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    return codes, {value: code for code, value in enumerate(encoded.dictionary.to_pylist())}


def _named(table: pa.Table, late: Sequence[Binding], best: npt.NDArray[np.int64]) -> pa.Table:
    hit = pa.array(best >= 0)
    at = np.maximum(best, 0)
    values: dict[str, list[str]] = {
        "person": [b.person for b in late],
        "session": [b.session for b in late],
        "method": [b.method for b in late],
        "certainty": [LATE_CERTAINTY for _ in late],
    }
    for name, each in values.items():
        if name in table.column_names:
            told = pa.array(each, pa.string()).take(at)
            column = table[name].cast(pa.string()).combine_chunks()
            table = _set(table, name, pc.if_else(hit, told, column))
    return table
