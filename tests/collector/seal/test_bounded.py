"""A stranger's Parquet file may ask for memory and rows without end: one finding says so."""

from __future__ import annotations

import hashlib
import itertools
import resource
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from collector.seal import bounded, files, segment
from collector.seal.canonical import read_schema
from tests.collector.seal.school import DEMO, SITE, table

KEY = bytes(32)
NAME = f"{SITE}/demo/2027/03/04/0.parquet"


def found(home: Path, read: files.Reader, rows: int = 8) -> list[tuple[str, str]]:
    """Return what is found in a segment whose bytes are those of the ledger, whatever they give."""
    path = home / files.LOGS / NAME
    path.parent.mkdir(parents=True)
    path.write_bytes(b"a small file")
    files.sidecar_of(path).write_bytes(b"")
    entry: dict[str, Any] = {
        "key_commit": segment.key_commit(KEY).hex(),
        "file": {"name": NAME, "sha256": hashlib.sha256(b"a small file").hexdigest()},
        "rows": rows,
        "root": hashlib.sha256(b"").hexdigest(),
    }
    told = files.check_rows(home, entry, read_schema(DEMO), KEY, read=read)
    return [(one.number, one.text) for one in told if one.place.endswith(".parquet")]


def test_what_takes_too_much_memory_is_one_finding(tmp_path: Path) -> None:
    def unpacked(_: Path) -> Iterable[pa.Table]:
        yield pa.table({"x": pa.array(bytearray(6 << 30))})

    before = resource.getrlimit(resource.RLIMIT_AS)
    told = [("E-25", "cannot be read: it takes more memory than a segment can")]
    assert found(tmp_path, unpacked) == told
    assert resource.getrlimit(resource.RLIMIT_AS) == before


def test_rows_without_end_end_where_the_ledger_says(tmp_path: Path) -> None:
    asked = itertools.count()

    def endless(_: Path) -> Iterable[pa.Table]:
        for _ in asked:
            yield table(8)

    told = [("E-17", "more rows than the 4 that the ledger says")]
    assert found(tmp_path, endless, rows=4) == told
    assert next(asked) == 1


def test_a_bound_within_a_bound_is_never_the_wider() -> None:
    with bounded.memory(1 << 30):
        inner = resource.getrlimit(resource.RLIMIT_AS)
        with bounded.memory(1 << 40):
            assert resource.getrlimit(resource.RLIMIT_AS) == inner
        with pytest.raises(MemoryError):
            bytearray(2 << 30)
    assert bytearray(16)
