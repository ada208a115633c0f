"""SHA-256 of many rows of bytes at once.

`hashlib` makes an object for each row, which costs four times the hashing itself. DataFusion hashes
a whole Arrow column, and lets other threads run meanwhile. It promises no order, so every row bears
its number and is asked for it again.
"""

from __future__ import annotations

import hashlib
import struct
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from collector.errors import SealError

Matrix = npt.NDArray[np.uint8]

HASH_BYTES = 32
FEW = 1 << 11
"""A query costs as much as `hashlib` does for so many rows."""
BLOCK_ROWS = 1 << 15
"""Hashed by one query, which between other work costs near a millisecond; so many rows of flows are
28 MB, and writing twice as many costs as much more as their query saves."""


def hash_rows(matrix: Matrix) -> Matrix:
    """Return SHA-256 of every row of a matrix, 32 bytes a row.

    Raises:
        SealError: the library gave something else than the hash of each row, in order.
    """
    plain = np.ascontiguousarray(matrix)
    if len(plain) < FEW:
        return _one_by_one(plain)
    blocks = (plain[at : at + BLOCK_ROWS] for at in range(0, len(plain), BLOCK_ROWS))
    found = [_at_once(block) for block in blocks]
    return found[0] if len(found) == 1 else np.concatenate(found)


def hash_values(values: pa.Array[Any]) -> Matrix:
    """Return SHA-256 of every value of a binary array without nulls, 32 bytes each.

    Raises:
        SealError: as `hash_rows`.
    """
    if len(values) < FEW:
        few: list[Any] = values.to_pylist()
        return _joined([hashlib.sha256(value).digest() for value in few])
    blocks = [values.slice(at, BLOCK_ROWS) for at in range(0, len(values), BLOCK_ROWS)]
    return np.concatenate([_block(block, block[-1].as_py()) for block in blocks])


def _one_by_one(matrix: Matrix) -> Matrix:
    if not matrix.size:
        return np.empty((0, HASH_BYTES), dtype=np.uint8)
    sha256 = hashlib.sha256
    rows = struct.iter_unpack(f"{matrix.shape[1]}s", matrix.data.cast("B"))
    return _joined([sha256(row).digest() for (row,) in rows])


def _joined(hashes: list[bytes]) -> Matrix:
    return np.frombuffer(b"".join(hashes), dtype=np.uint8).reshape(-1, HASH_BYTES)


def _at_once(matrix: Matrix) -> Matrix:
    rows, width = matrix.shape
    numbers = np.arange(rows + 1, dtype=np.int32)
    ends = pa.py_buffer((numbers * np.int32(width)).data)
    data: Any = pa.Array.from_buffers(pa.binary(), rows, [None, ends, pa.py_buffer(matrix.data)])
    return _block(data, matrix[-1].tobytes())


def _block(data: pa.Array[Any], last: bytes) -> Matrix:
    """Return the hashes of values, of which the last one is known."""
    rows = len(data)
    numbers = np.arange(rows, dtype=np.int32)
    found = _hashed(pa.record_batch([pa.array(numbers), data], names=["row", "data"]))
    hashes = np.frombuffer(_values(found["hash"]), dtype=np.uint8).reshape(-1, HASH_BYTES)
    known = hashlib.sha256(last).digest()
    in_order = np.array_equal(found["row"].to_numpy(), numbers)
    if len(hashes) != rows or not in_order or hashes[-1].tobytes() != known:
        raise SealError("the hashes of rows came back otherwise than the rows went")
    return hashes


def _values(column: pa.ChunkedArray[Any]) -> memoryview:
    """Return the bytes of all values of a column without nulls."""
    whole: Any = column.combine_chunks()
    whole = whole.chunk(0) if isinstance(whole, pa.ChunkedArray) else whole
    _, ends, values = whole.buffers()
    first, last = np.frombuffer(ends, np.int32)[[whole.offset, whole.offset + len(whole)]]
    return memoryview(values)[first:last]


@cache
def _query() -> Any:  # noqa: ANN401  # a function of what is only loaded here
    """Return what hashes the column `data`; who seals nothing never loads the library."""
    from datafusion import SessionConfig, SessionContext, col
    from datafusion.functions import sha256

    # One partition: with several, rows come back in any order.
    session = SessionContext(SessionConfig().with_target_partitions(1).with_batch_size(BLOCK_ROWS))
    asked = [col("row"), sha256(col("data")).alias("hash")]
    return lambda batch: session.read_batch(batch).select(*asked).to_arrow_table()


def _hashed(batch: pa.RecordBatch) -> pa.Table:
    table: pa.Table = _query()(batch)
    return table
