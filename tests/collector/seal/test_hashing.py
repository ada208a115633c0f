"""SHA-256 of many rows is that of each row, in their order."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from collector.errors import SealError
from collector.seal import hashing


def rows(count: int, width: int) -> hashing.Matrix:
    return np.random.default_rng(count + width).integers(0, 256, (count, width), dtype=np.uint8)


@pytest.mark.parametrize("width", [1, 41, 55, 56, 65, 230])
@pytest.mark.parametrize(
    "count", [0, 1, hashing.FEW - 1, hashing.FEW, hashing.BLOCK_ROWS, 2 * hashing.BLOCK_ROWS + 1]
)
def test_each_row_has_its_own_hash(count: int, width: int) -> None:
    matrix = rows(count, width)
    found = hashing.hash_rows(matrix)
    assert found.shape == (count, 32)
    told = b"".join(hashlib.sha256(row.tobytes()).digest() for row in matrix)
    assert (found == np.frombuffer(told, np.uint8).reshape(-1, 32)).all()


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary()])
@pytest.mark.parametrize("count", [0, 3, hashing.FEW, hashing.BLOCK_ROWS + 1])
def test_each_value_has_its_own_hash(count: int, kind: pa.DataType) -> None:
    values = [bytes([n % 251]) * (n % 200) for n in range(count + 2)]
    found = hashing.hash_values(pa.array(values, kind)[2:])
    told = b"".join(hashlib.sha256(value).digest() for value in values[2:])
    assert found.tobytes() == told


def test_rows_that_lie_apart_in_memory_are_hashed_too() -> None:
    matrix = rows(hashing.FEW, 90)
    assert (hashing.hash_rows(matrix[:, 7:72]) == hashing.hash_rows(matrix[:, 7:72].copy())).all()


@pytest.mark.parametrize("how", ["turned", "short", "other"])
def test_a_library_that_turns_or_changes_hashes_is_found_out(
    how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed = hashing._hashed

    def wrong(batch: pa.RecordBatch) -> Any:
        found: Any = hashed(batch)
        if how == "other":
            return found.set_column(1, "hash", pa.array([bytes(32)] * len(found)))
        order = np.arange(len(found))
        return found.take(order[::-1] if how == "turned" else order[1:])

    monkeypatch.setattr(hashing, "_hashed", wrong)
    with pytest.raises(SealError):
        hashing.hash_rows(rows(hashing.FEW, 65))
