"""Ends of flows that stand outside, at a port of a block: found behind the NAT that lent it.

Looked at are only the ends that nobody is known to have held, at an address of which a NAT told.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from collector.attribute.holders import Ints
from collector.attribute.lent import PORT_BITS
from collector.attribute.networks import INSIDE, SHARED, Networks
from collector.attribute.pieces import NOBODY
from collector.attribute.timeline import Timeline

Bools = npt.NDArray[np.bool_]


class Behind(NamedTuple):
    """What blocks tell of one end of some flows."""

    rows: Ints
    holder: Ints
    """Place of the binding, or NOBODY, or SEVERAL."""
    slot: Ints
    inside: Bools
    """Whether the address that the block was lent to is inside."""
    shared: Bools
    """Whether many use that one."""


class Lending:
    """What the NATs of the site of one batch had lent."""

    def __init__(
        self, timeline: Timeline, networks: Networks, site: str, times: tuple[Ints, Ints]
    ) -> None:
        self._blocks = timeline.lent.of(site)
        self._holders = timeline.holders(site)
        self._interned = timeline.interned(site)
        self._networks = networks
        self._times = times

    def behind(
        self,
        texts: pa.Array[Any],
        codes: npt.NDArray[np.int32],
        ports: pa.ChunkedArray[Any],
        where: Bools,
    ) -> Behind | None:
        """Return what blocks tell of ends; None where they tell nothing.

        Args:
            texts: Addresses.
            codes: Which of them each end is, -1 for none.
            ports: Of the ends.
            where: Which ends are looked at.
        """
        table = self._blocks.table()
        if not len(table.cells):
            return None
        places: Any = pc.index_in(texts, value_set=table.nat_ips)
        nat = np.append(np.asarray(places.fill_null(-1)), -1)[codes].astype(np.int64)
        rows = np.flatnonzero((nat >= 0) & where)
        if not len(rows):
            return None
        told: Any = ports
        port = np.asarray(told.fill_null(-1)).astype(np.int64)[rows]
        key = nat[rows] << PORT_BITS | port
        at = np.searchsorted(table.first, key, side="right") - 1
        hit = np.flatnonzero((port >= 0) & (at >= 0) & (key <= table.last[at]))
        if not len(hit):
            return None
        used, which = np.unique(at[hit], return_inverse=True)
        cells = [table.cells[place] for place in used.tolist()]
        held = self._holders.slots_named([cell.key for cell in cells])[which]
        lent = self._holders.slots_named([cell.lent_key for cell in cells])[which]
        return self._found(rows[hit], held, lent)

    def _found(self, rows: Ints, slot: Ints, lent: Ints) -> Behind:
        begin, end = (times[rows] for times in self._times)
        holder = self._holders.find(slot, begin, end)
        lent_to: Any = self._holders.told(np.maximum(self._holders.find(lent, begin, begin), -1))[0]
        numbers = self._interned.numbers(lent_to.dictionary)
        flags = self._networks.of_numbers(self._interned, numbers, lent_to.dictionary)
        of_row = np.append(flags, np.int8(0))[np.asarray(lent_to.indices.fill_null(-1))]
        inside, shared = (of_row & flag != 0 for flag in (INSIDE, SHARED))
        return Behind(rows, holder, slot, inside, shared & (holder != NOBODY))
