# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Filters for the kernel, written with labels: classic BPF (linux/filter.h)."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

LDW, LDH, LDB = 0x20, 0x28, 0x30
"""Load a word, a half or an octet from a fixed place of the packet."""
LDW_X, LDH_X, LDB_X = 0x40, 0x48, 0x50
"""The same from so far behind X."""
LDX, LDX_IP = 0x01, 0xB1
"""Let X be a constant; or the length of the IPv4 header that begins at a place."""
LD_MEM, ST = 0x60, 0x02
"""Load from, and store to, one of sixteen cells."""
TAX, ADD, ADD_X, AND, RSH = 0x07, 0x04, 0x0C, 0x54, 0x74
JA, JEQ, JGT, JGT_X, JSET = 0x05, 0x15, 0x25, 0x2D, 0x45
RET = 0x06
PROTOCOL = 0xFFFFF000
"""SKF_AD_OFF + SKF_AD_PROTOCOL: loads the EtherType, whatever the link."""

Step = tuple[int, str, str, int]
"""Code, where to go on if it is so, where if not (labels, empty: the next), and its constant."""
Line = tuple[str, Step]
"""A label, empty for none, and the step that it is of."""


def one_of(values: Sequence[int], so: str = "yes", otherwise: str = "") -> list[Line]:
    """Return: go on at `so` if what is loaded is one of `values`, else at `otherwise`."""
    steps: list[Line] = [("", (JEQ, so, "", value)) for value in values[:-1]]
    return [*steps, ("", (JEQ, so, otherwise, values[-1]))]


def assembled(listing: Iterable[Line]) -> bytes:
    """Return the filter as the kernel takes it (struct sock_filter).

    Raises:
        KeyError: no such label.
        struct.error: a jump goes too far, or back.
    """
    listing = list(listing)
    places = {label: at for at, (label, _) in enumerate(listing) if label}
    return b"".join(_step(at, each, places) for at, (_, each) in enumerate(listing))


def _step(at: int, each: Step, places: dict[str, int]) -> bytes:
    code, so, not_so, constant = each
    jumps = [places[label] - at - 1 if label else 0 for label in (so, not_so)]
    if code == JA:
        return struct.pack("=HBBI", code, 0, 0, jumps[0])
    return struct.pack("=HBBI", code, *jumps, constant)
