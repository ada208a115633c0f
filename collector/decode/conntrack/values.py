"""Many messages to columns of values: those of one make are read as one NumPy array.

The kernel makes few kinds of message: a handful of sizes, and of each size one or two orders of
attributes. So messages are sorted by size, the first of them is read attribute by attribute, and
all that have the same heads at the same places are read with it. What is odd is read one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from collector.decode.batch import Mask
from collector.decode.conntrack import message
from collector.decode.conntrack.message import Layout
from collector.errors import Malformed

MOST_LAYOUTS = 16
"""So many makes of one size are read by columns; what is of another is read one by one."""
_ADDRESS = 16

Ints = npt.NDArray[np.int64]


@dataclass(slots=True)
class Values:
    """The values of `rows` messages, by name."""

    rows: int
    type: npt.NDArray[np.uint16]
    flags: npt.NDArray[np.uint16]
    columns: dict[str, npt.NDArray[Any]] = field(default_factory=dict)
    """Unsigned integers, or (rows, 16) bytes for addresses of IPv6."""
    told: dict[str, Mask] = field(default_factory=dict)
    """Where each column has a value; elsewhere it is 0."""
    bad: dict[int, str] = field(default_factory=dict)
    """Messages that cannot be read, and why."""

    def has(self, name: str) -> Mask:
        """Tell where a value is told."""
        found = self.told.get(name)
        return np.zeros(self.rows, np.bool_) if found is None else found

    def get(self, name: str) -> npt.NDArray[Any]:
        """Return a column of integers; zeros where nothing is told."""
        found = self.columns.get(name)
        return np.zeros(self.rows, np.uint64) if found is None else found

    def put(self, name: str, size: int, rows: Any, given: Any) -> None:  # noqa: ANN401  # NumPy's
        """Set a value in some rows."""
        if name not in self.columns:
            shape = (self.rows, size) if size == _ADDRESS else (self.rows,)
            kind = np.uint8 if size == _ADDRESS else np.dtype(f"u{size}")
            self.columns[name] = np.zeros(shape, kind)
            self.told[name] = np.zeros(self.rows, np.bool_)
        self.columns[name][rows] = given
        self.told[name][rows] = True


def read(data: bytes, starts: Sequence[int], sizes: Sequence[int]) -> Values:
    """Return the values of the messages in `data`, whose places are known to be inside it."""
    at, size = np.array(starts, np.int64), np.array(sizes, np.int64)
    octets = np.frombuffer(data, np.uint8)
    values = Values(len(at), _header(octets, at, 4), _header(octets, at, 6))
    about = (values.type == message.CREATED) | (values.type == message.DESTROYED)
    for one in np.unique(size[about]).tolist():
        rows = np.flatnonzero(about & (size == one))
        _read_sized(values, _take(octets, at[rows], one), rows)
    return values


def _header(octets: npt.NDArray[np.uint8], at: Ints, offset: int) -> npt.NDArray[np.uint16]:
    """Return one 16-bit field of every netlink header."""
    pairs = octets[at[:, None] + np.array([offset, offset + 1])]
    return np.ascontiguousarray(pairs).view(np.uint16).reshape(-1)


def _take(octets: npt.NDArray[np.uint8], at: Ints, size: int) -> npt.NDArray[np.void]:
    """Return the messages that begin at `at`, all of one size."""
    windows = np.ndarray(
        shape=(len(octets) - size + 1,), dtype=f"V{size}", buffer=octets.data, strides=(1,)
    )
    return windows[at]


def _read_sized(values: Values, block: npt.NDArray[np.void], rows: Ints) -> None:
    """Read messages of one size, make by make."""
    for _ in range(MOST_LAYOUTS):
        if not len(rows):
            return
        try:
            layout = message.read(block[0].tobytes())
        except Malformed as error:
            values.bad[int(rows[0])] = str(error)
            block, rows = block[1:], rows[1:]
            continue
        same = _alike(block, layout)
        if same.all():
            _read_alike(values, block, rows, layout)
            return
        _read_alike(values, block[same], rows[same], layout)
        block, rows = block[~same], rows[~same]
    _read_singly(values, block, rows)


def _alike(block: npt.NDArray[np.void], layout: Layout) -> Mask:
    """Tell which messages have the same attributes at the same places as the first."""
    heads = _view(block, {str(at): (at, "=u4") for at in layout.heads})
    same = np.ones(len(block), np.bool_)
    for name in heads.dtype.names or ():
        column = heads[name]
        same &= column == column[0]
    return same


def _read_alike(values: Values, block: npt.NDArray[np.void], rows: Ints, layout: Layout) -> None:
    kinds = {size: f">u{size}" for size in (1, 2, 4, 8)} | {_ADDRESS: f"({_ADDRESS},)u1"}
    view = _view(block, {name: (at, kinds[size]) for name, (at, size) in layout.places.items()})
    for name, (_, size) in layout.places.items():
        values.put(name, size, rows, view[name])


def _view(block: npt.NDArray[np.void], fields: dict[str, tuple[int, str]]) -> npt.NDArray[Any]:
    kind: Any = {
        "names": list(fields),
        "formats": [kind for _, kind in fields.values()],
        "offsets": [at for at, _ in fields.values()],
        "itemsize": block.dtype.itemsize,
    }
    return block.view(np.dtype(kind))


def _read_singly(values: Values, block: npt.NDArray[np.void], rows: Ints) -> None:
    """Read messages that are each of their own make."""
    for one, row in zip(block, rows.tolist(), strict=True):
        octets = one.tobytes()
        try:
            layout = message.read(octets)
        except Malformed as error:
            values.bad[row] = str(error)
            continue
        for name, (at, size) in layout.places.items():
            value = octets[at : at + size]
            given = np.frombuffer(value, np.uint8) if size == _ADDRESS else int.from_bytes(value)
            values.put(name, size, row, given)
