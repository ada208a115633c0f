"""A bundle is the same bytes each time, and any ZIP program reads it."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path

import pytest

from collector.errors import SealError
from collector.seal.bundle import history
from collector.seal.bundle.pack import pack
from tests.collector.seal.bundle import packing
from tests.collector.seal.school import BEGIN, HOUR, SITE


def test_packing_again_gives_the_same_bytes_however_the_ledger_grew(tmp_path: Path) -> None:
    school = packing.school(tmp_path / "home")
    wanted = packing.order(school, levels={"demo": "C1", "plain": "C1"}, withhold=["demo"])
    frozen, _ = history.freeze(school.home, wanted, school.now_us)
    keys = packing.keys_of(school)
    first = pack(school.home, wanted, frozen, keys=keys, out=tmp_path / "first.zip")
    school.start()
    school.pass_hour()
    school.sealer.stop()
    again = pack(school.home, wanted, frozen, keys=keys, out=tmp_path / "again.zip")
    assert first == again
    assert (tmp_path / "first.zip").read_bytes() == (tmp_path / "again.zip").read_bytes()
    assert first.sha256 == hashlib.sha256((tmp_path / "first.zip").read_bytes()).hexdigest()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again.zip", "first.zip", "home"]


def test_any_program_reads_it(tmp_path: Path) -> None:
    school = packing.school(tmp_path / "home")
    packed = packing.packed(school, packing.order(school), tmp_path / "case.zip")
    with zipfile.ZipFile(tmp_path / "case.zip") as file:
        assert file.testzip() is None
        assert file.namelist()[0] == "mimetype"
        manifest = json.loads(file.read("manifest.json"))
        rows = [
            json.loads(line)
            for name in file.namelist()
            if name.startswith("records/")
            for line in file.read(name).splitlines()
        ]
    assert {row["row"]["person"] for row in rows} == {"p-0002"}
    assert sum(packed.rows.values()) == len(rows) == sum(manifest["rowCounts"].values()) > 0
    assert packed.levels == {f"{SITE}/demo/0": "C1", f"{SITE}/demo/2": "C1"}


def test_a_period_that_is_not_sealed_is_refused(tmp_path: Path) -> None:
    school = packing.school(tmp_path / "home")
    late = packing.order(school, to_us=school.now_us + HOUR)
    with pytest.raises(SealError, match="demo is sealed until 2027-03-04T04:00:00Z only"):
        packing.packed(school, late, tmp_path / "case.zip")
    early = packing.order(school, from_us=BEGIN - HOUR)
    with pytest.raises(SealError, match="has demo from 2027-03-04T01:00:00Z on only"):
        packing.packed(school, early, tmp_path / "case.zip")


def test_rows_that_were_changed_on_the_disk_never_leave(tmp_path: Path) -> None:
    school = packing.school(tmp_path / "home")
    parquet = next((school.home / "logs").rglob("demo/**/0.parquet"))
    data = bytearray(parquet.read_bytes())
    for at in range(4, len(data) - 8):
        data[at] ^= 0xFF
    parquet.write_bytes(data)
    with pytest.raises(SealError, match="demo/0 cannot be shown"):
        packing.packed(school, packing.order(school), tmp_path / "case.zip")
    assert not (tmp_path / "case.zip").exists()
