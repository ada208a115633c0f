"""Row leaves of any rows of a segment: from rows and salts to hashes, wherever the rows come from.

The sealer makes them for whole segments from the first row on (`segment.py`); who discloses some
rows, or checks them, has only these.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from collector.seal import hashing
from collector.seal.canonical import Schema
from collector.seal.encoding import Encoder
from collector.seal.hashing import BLOCK_ROWS, Matrix
from collector.seal.segment import SALT_BYTES, sub_key


def salts(key: bytes, name: str, first: int, rows: int) -> Matrix:
    """Return the `salt` or `detail` salts of rows from `first` on: a block of the stream each."""
    cipher = Cipher(algorithms.AES(sub_key(key, name)), modes.CTR(first.to_bytes(16, "big")))
    stream = cipher.encryptor().update(bytes(SALT_BYTES * rows))
    return np.frombuffer(stream, dtype=np.uint8).reshape(rows, SALT_BYTES)


def detail_commits(table: pa.Table, schema: Schema, detail_salts: Matrix) -> Matrix:
    """Return the commitment to the detail columns of each row.

    Raises:
        Refused: E-12, a value that cannot be.
    """
    return _hashed(table, Encoder(schema.detail), before=detail_salts, after=None, mark=3)


def row_leaves(
    table: pa.Table, schema: Schema, row_salts: Matrix, commits: Matrix | None
) -> Matrix:
    """Return the leaf hash of each row.

    Args:
        table: At least the core columns.
        schema: Of the rows.
        row_salts: 16 bytes a row.
        commits: To the details, 32 bytes a row; None for a log without.

    Raises:
        Refused: E-12, a value that cannot be.
    """
    return _hashed(table, Encoder(schema.core), before=row_salts, after=commits, mark=0)


def _hashed(
    table: pa.Table, encoder: Encoder, *, before: Matrix, after: Matrix | None, mark: int
) -> Matrix:
    """Hash mark, salt, encoded columns and what comes behind, a bounded matrix at a time."""
    prepared = encoder.prepare(table)
    head = 1 + SALT_BYTES
    width = head + encoder.width + (0 if after is None else after.shape[1])
    found = [np.empty((0, hashing.HASH_BYTES), dtype=np.uint8)]
    for start in range(0, table.num_rows, BLOCK_ROWS):
        stop = min(start + BLOCK_ROWS, table.num_rows)
        matrix = np.full((stop - start, width), mark, dtype=np.uint8)
        matrix[:, 1:head] = before[start:stop]
        prepared.write(matrix, head, start)
        if after is not None:
            matrix[:, head + encoder.width :] = after[start:stop]
        found.append(hashing.hash_rows(matrix))
    return np.concatenate(found)
