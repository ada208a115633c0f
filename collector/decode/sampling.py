"""How many packets one stands for, and how that was learnt.

Counters are stored as sent; the rate stands beside them. A rate holds from the datagram after the
one that told it: rows before keep "none".
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.int64]
MOST_RATE = 0xFFFFFFFF
RATE_ELEMENTS = (34, 50, 305, 306, 309, 310, 396, 397)
"""Those of a record that tell a rate: see `intervals`."""
SAMPLER_ELEMENTS = (302, 48)
"""Those that say by which sampler it was taken: selectorId, else flowSamplerId."""

Rate = tuple[int, str]
"""One in so many, and the origin: `setting`, `header`, `record`, `options` or `none`."""

UNKNOWN: Rate = (0, "none")
ORIGINS = (
    *("setting", "header", "record", "record-swapped", "options", "none"),
    *("packet", "discard"),
)
"""`record-swapped` is a guess: the bytes of a record's rate in the other order. The last two are of
sFlow: the row is one packet of so many, or one that was not forwarded."""
_SWAPPED = 1 << 24
"""No rate is so high. MikroTik's are, for it sends them with the lowest byte first."""


class Rates(NamedTuple):
    """What a stream has said of its samplers. Replaced when something new is learnt."""

    header: int = 0
    """The interval in a v5 header; 0 when not told."""
    samplers: tuple[tuple[int, int], ...] = ()
    """Sampler or selector id and rate, from options; id -1 where the options named none."""
    fixed: int = 0
    """By the settings, over all that the exporter says; 0 for none."""

    @property
    def known(self) -> bool:
        """Whether anything was told."""
        return bool(self.header or self.samplers or self.fixed)

    def of(self, sampler: int) -> Rate:
        """Return the rate for records of this sampler; -1 for records that name none.

        A sampler that was told without a number serves all records; another one than theirs none.
        """
        if self.fixed:
            return self.fixed, "setting"
        if self.header:
            return self.header, "header"
        rates = dict(self.samplers)
        rate = rates.get(sampler, 0) or rates.get(-1, 0)
        if not rate and sampler < 0 and len(rates) == 1:
            rate = next(iter(rates.values()))
        return (rate, "options") if rate else UNKNOWN

    def learn(self, sampler: int, rate: int, most: int) -> Rates:
        """Return these rates with one more; unchanged past `most` samplers."""
        known = dict(self.samplers)
        if known.get(sampler) == rate or (len(known) >= most and sampler not in known):
            return self
        known[sampler] = rate
        return self._replace(samplers=tuple(known.items()))


def fixed(rates: Iterable[tuple[str, int]], address: str) -> int:
    """Return the rate of the smallest network that holds the address; 0 for none."""
    try:
        sender = ipaddress.ip_address(address)
    except ValueError:
        return 0
    found = [
        (network.prefixlen, rate)
        for text, rate in rates
        if sender in (network := ipaddress.ip_network(text, strict=False))
    ]
    return max(found)[1] if found else 0


def intervals(values: Mapping[int, Values]) -> Values:
    """Return the rates that elements of records tell (RFC 5477 section 8.2), 0 where none do.

    305 and 306 are packets taken and packets left out; 309 and 310 are sample and population;
    396 and 397 the same of flows.
    """
    size = len(next(iter(values.values())))
    none = np.zeros(size, np.int64)
    rate = none
    for taken, left in ((305, 306), (396, 397)):
        if taken in values:
            whole = values[taken] + values.get(left, none)
            rate = np.where(rate > 0, rate, whole // np.maximum(values[taken], 1))
    if 309 in values and 310 in values:
        told = np.where(values[309] > 0, values[310] // np.maximum(values[309], 1), 0)
        rate = np.where(rate > 0, rate, told)
    for element in (34, 50):
        if element in values:
            rate = np.where(rate > 0, rate, values[element])
    return np.clip(rate, 0, MOST_RATE)


def swapped(rates: Values) -> tuple[Values, npt.NDArray[np.bool_]]:
    """Return the rates, with the bytes of those turned round that came so, and which these are."""
    wrong = (rates >= _SWAPPED) & (rates & 0xFFFF == 0)
    if not wrong.any():
        return rates, wrong
    turned = rates.astype(np.uint32).byteswap().astype(np.int64)
    return np.where(wrong, turned, rates), wrong
