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
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.cli.verify import tables
from collector.seal import bounded, files, segment
from collector.seal.canonical import read_schema
from tests.collector.seal.school import ARROW, DEMO, SITE, table, write

KEY = bytes(32)
NAME = f"{SITE}/demo/2027/03/04/0.parquet"


def found(
    home: Path, read: files.Reader, *, rows: int = 8, octets: bytes = b"a small file"
) -> list[tuple[str, str]]:
    """Return what is found in a segment whose bytes are those of the ledger, whatever they give."""
    path = home / files.LOGS / NAME
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(octets)
    files.sidecar_of(path).write_bytes(b"")
    entry: dict[str, Any] = {
        "key_commit": segment.key_commit(KEY).hex(),
        "file": {"name": NAME, "sha256": hashlib.sha256(octets).hexdigest()},
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
        while next(asked) >= 0:
            yield table(8)

    told = [("E-17", "more rows than the 4 that the ledger says")]
    assert found(tmp_path, endless, rows=4) == told
    assert next(asked) == 1


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("small") / "0.parquet"
    write(table(8), path)
    return path


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_bytes_that_were_sealed_as_a_segment_are_judged(
    small: Path, data: st.DataObject
) -> None:
    """Lengths and pages that lie, names that are no text: findings on one line each."""
    octets = bytearray(small.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(octets) - 1))
        octets[at] = data.draw(st.sampled_from([0, 0x7F, 0x80, 0xFF]) | st.integers(0, 255))
    told = found(small.parent, tables, octets=bytes(octets))
    assert told
    assert not [text for _, text in told if "\n" in text]


def test_a_giant_dictionary_is_one_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """4 MB of text, named by 65,536 rows: 256 GB for whoever writes it out."""
    monkeypatch.setattr(bounded, "MOST_BYTES", 1 << 29)
    rows, path = 1 << 16, tmp_path / "giant.parquet"
    text = pa.array(["x" * (4 << 20)])
    columns: dict[str, Any] = {}
    for name, kind in ARROW.items():
        columns[name] = pa.array([None] * rows, kind)
    columns["host"] = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), text)
    write(pa.table(columns), path)
    assert path.stat().st_size < 100_000
    told = found(tmp_path, tables, rows=rows, octets=path.read_bytes())
    assert told == [("E-25", "cannot be read: it takes more memory than a segment can")]


def test_a_bound_within_a_bound_is_never_the_wider() -> None:
    with bounded.memory(1 << 30):
        inner = resource.getrlimit(resource.RLIMIT_AS)
        with bounded.memory(1 << 40):
            assert resource.getrlimit(resource.RLIMIT_AS) == inner
        with pytest.raises(MemoryError):
            bytearray(2 << 30)
    assert bytearray(16)
