"""Address columns, of either family per row, and the key of a translated end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from collector.decode import arrow, words
from collector.decode.batch import Batch, Bytes, Mask
from collector.decode.plan import Address, Plan

Numbers = npt.NDArray[np.int64]
Told = tuple[Numbers, Mask | None]
"""Values and where they are told; None: in every row."""

_V6 = 6
_PRIVATE = (
    (10 << 24, 8),
    (172 << 24 | 16 << 16, 12),
    (192 << 24 | 168 << 16, 16),
    (100 << 24 | 64 << 16, 10),
)


class Ends:
    """A column of addresses before it is text."""

    def __init__(self, v4: Told | None, v6: tuple[Bytes, Mask | None] | None) -> None:
        self.v4 = v4
        self.v6 = v6

    def told(self) -> Mask:
        """Where there is an address."""
        masks = [_mask(*part) for part in (self.v4, self.v6) if part is not None]
        return masks[0] if len(masks) == 1 else masks[0] | masks[1]

    def without_zeros(self) -> Ends:
        """Return the same with all-zero addresses taken as none: nothing was translated."""
        v4, v6 = self.v4, self.v6
        if v4 is not None:
            v4 = v4[0], _and(v4[0] != 0, v4[1])
        if v6 is not None:
            v6 = v6[0], _and(_nonzero(v6[0]), v6[1])
        return Ends(v4, v6)

    def only(self, rows: Mask) -> Ends:
        """Return the same with no address outside `rows`."""
        v4 = None if self.v4 is None else (self.v4[0], _and(rows, self.v4[1]))
        v6 = None if self.v6 is None else (self.v6[0], _and(rows, self.v6[1]))
        return Ends(v4, v6)

    def text(self) -> pa.Array[Any]:
        """Return the column."""
        if self.v4 is None and self.v6 is not None:
            return words.ipv6(*self.v6)
        if self.v4 is not None and self.v6 is None:
            return words.ipv4(*self.v4)
        if self.v4 is None or self.v6 is None:
            raise AssertionError("a column without a field")
        return arrow.first_of(words.ipv4(*self.v4), words.ipv6(*self.v6))


def read(batch: Batch, plan: Plan, address: Address) -> Ends:
    """Read one column."""
    v4: Told | None = None
    if address.v4 is not None:
        values, valid = batch.uint(address.v4)
        v4 = values.astype(np.int64), valid
    v6 = None if address.v6 is None else batch.sized(address.v6, 16)
    if v4 is None or v6 is None or batch.sparse:
        return Ends(v4, v6)
    # The version is that of the packet as it came: a NAT64 makes the other one of it.
    if plan.ip_version is not None and not address.column.startswith("nat_"):
        is_six = batch.uint(plan.ip_version)[0] == _V6
    else:
        is_six = (v4[0] == 0) & _nonzero(v6[0])
    return Ends((v4[0], _and(~is_six, v4[1])), (v6[0], _and(is_six, v6[1])))


def nat_key(
    ends: Mapping[str, Ends], numbers: Mapping[str, Told], rows: int
) -> tuple[Numbers, Mask]:
    """Return public IPv4 address << 16 | public port of the translated end, and where there is one.

    The source's when it was translated, else the destination's. Public is the address outside the
    private ranges; where both are, what a source became, and what a destination was. Of an end that
    is IPv6 on one side (NAT64), public is the other side. The port is 0 when it is not told.
    """
    key, has = np.zeros(rows, np.int64), np.zeros(rows, np.bool_)
    for side in ("src", "dst"):
        nat, before = ends.get(f"nat_{side}_ip"), ends.get(f"{side}_ip")
        if nat is None or (nat.v4 is None and (before is None or before.v4 is None)):
            continue
        was, was_four = _four(before, rows)
        became, became_four = _four(nat, rows)
        after_key = became << 16 | _port(numbers, f"nat_{side}_port", rows)
        before_key = was << 16 | _port(numbers, f"{side}_port", rows)
        was_inside, became_inside = _private(was), _private(became)
        after = was_inside & ~became_inside | (was_inside == became_inside) & (side == "src")
        chosen = np.where(became_four & (after | ~was_four), after_key, before_key)
        # Of two families, what a source became is its public side, and what a destination was:
        # an end that goes the other way is the far one.
        if side == "src" or before is None:
            new = became_four
        else:
            new = became_four & (was_four | ~before.told())
            new |= nat.told() & ~became_four & was_four & ~was_inside
        new = new & ~unchanged(ends, numbers, side, rows) & ~has
        key, has = np.where(new, chosen, key), has | new
    return key, has


def key_of_source(address: int, port: int) -> int | None:
    """Return the `nat_key` that every flow has whose source became this IPv4 address and port.

    None where the address is private: such a flow may have the key of its other side.
    """
    return None if _private(np.array([address]))[0] else address << 16 | port


def _four(ends: Ends | None, rows: int) -> tuple[Numbers, Mask]:
    """Return IPv4 addresses and where they are told."""
    if ends is None or ends.v4 is None:
        return np.zeros(rows, np.int64), np.zeros(rows, np.bool_)
    return ends.v4[0], _mask(*ends.v4)


def unchanged(ends: Mapping[str, Ends], numbers: Mapping[str, Told], side: str, rows: int) -> Mask:
    """Tell where neither address nor port of an end were translated."""
    before, nat = ends.get(f"{side}_ip"), ends.get(f"nat_{side}_ip")
    same = np.zeros(rows, np.bool_)
    if before is None or nat is None:
        return same
    if before.v4 is not None and nat.v4 is not None:
        same |= _equal(before.v4[0], nat.v4[0]) & _mask(*before.v4) & _mask(*nat.v4)
    if before.v6 is not None and nat.v6 is not None:
        equal = ~_nonzero(before.v6[0] ^ nat.v6[0])
        same |= equal & _mask(*before.v6) & _mask(*nat.v6)
    port, nat_port = numbers.get(f"{side}_port"), numbers.get(f"nat_{side}_port")
    if port is not None and nat_port is not None:
        same &= _equal(port[0], nat_port[0]) | ~_mask(*nat_port)
    return same


def _port(numbers: Mapping[str, Told], name: str, rows: int) -> Numbers:
    port, told = numbers.get(name, (np.zeros(rows, np.int64), None))
    return port if told is None else np.where(told, port, 0)


def _private(addresses: Numbers) -> Mask:
    """Tell which are of RFC 1918 or of the shared space of RFC 6598."""
    found = np.zeros(len(addresses), np.bool_)
    for network, bits in _PRIVATE:
        found |= addresses >> (32 - bits) == network >> (32 - bits)
    return found


def _equal(one: Numbers, other: Numbers) -> Mask:
    found: Mask = np.asarray(one == other)
    return found


def _mask(values: npt.NDArray[Any], valid: Mask | None) -> Mask:
    return np.ones(len(values), np.bool_) if valid is None else valid


def _and(one: Mask, other: Mask | None) -> Mask:
    return one if other is None else one & other


def _nonzero(octets: Bytes) -> Mask:
    found: Mask = np.asarray(octets.any(axis=1))
    return found
