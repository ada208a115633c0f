"""Tiles and bundles: a real log's, published paths, and any sizes."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.seal import note, tiles, tree
from collector.seal.fault import Refused
from tests.collector.seal import vectors

KEY = "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx"


def put(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def test_published_paths_come_out() -> None:
    known = vectors.load("tiles-log/layout_paths.json")
    for index, size, path in known["entries_path_for_log_index"]:
        number = index // 256
        width = min(size - number * 256, 256) % 256
        assert tiles.path(tiles.ENTRIES, number, width) == path
        assert tiles.parse_path(path) == (tiles.ENTRIES, number, width)
    for level, index, width, path in known["tile_path"]:
        assert tiles.path(level, index, width) == path
    for level, rest, parsed_level, index, width in known["parse"]:
        assert tiles.parse_path(f"tile/{level}/{rest}") == (parsed_level, index, width)


@pytest.mark.parametrize(
    "name",
    [
        "tile/0/1",
        "tile/0/x001",
        "tile/0/0000",
        "tile/0/x000/001",
        "tile/64/000",
        "tile/00/000",
        "x/0/000",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/entries/../0",
        "tile/0",
        "",
        "tile/0/000\n",
    ],
)
def test_a_path_that_is_not_the_one_path_is_refused(name: str) -> None:
    with pytest.raises(Refused):
        tiles.parse_path(name)


@pytest.mark.parametrize("size", range(16))
def test_a_real_log_is_read_at_every_size(size: int) -> None:
    log = vectors.folder("tiles-log/log")
    opened = note.parse((log / f"checkpoint.{size}").read_bytes())
    key = note.parse_vkey(KEY)
    assert note.check(opened, [key]) == [key]
    told = note.parse_checkpoint(opened.text)
    reader = tiles.Tiles(log, size)
    assert (told.size, told.root) == (size, reader.subtree(0, size))
    if size:
        leaves = [tree.leaf_hash(entry) for entry in reader.entries(0)]
        assert tree.root(leaves) == told.root
        for index in range(size):
            proof = tree.inclusion_proof(index, size, reader.subtree)
            tree.check_inclusion(leaves[index], index, size, proof, root=told.root)


def test_a_real_log_is_consistent_between_all_its_sizes() -> None:
    log = vectors.folder("tiles-log/log")
    reader = tiles.Tiles(log, 15)
    roots = [
        note.parse_checkpoint(note.parse((log / f"checkpoint.{n}").read_bytes()).text).root
        for n in range(16)
    ]
    for old in range(1, 16):
        proof = tree.consistency_proof(old, 15, reader.subtree)
        tree.check_consistency(old, 15, proof, old_root=roots[old], new_root=roots[15])


def test_our_tiles_are_those_of_a_real_log(tmp_path: Path) -> None:
    log = vectors.folder("tiles-log/log")
    entries = tiles.Tiles(log, 15).entries(0)
    for at in range(15):
        tiles.write(tmp_path, at, entries[at : at + 1], put)
    for path in sorted(p for p in (log / "tile").rglob("*") if p.is_file()):
        assert (tmp_path / path.relative_to(log)).read_bytes() == path.read_bytes()


def test_the_tiles_of_seventy_thousand_leaves_are_counted_as_specified() -> None:
    known = vectors.load("c2sp-spec/spec_examples.json")["tiles_70000"]
    found = list(tiles.changed(0, 70_000))
    assert sum(1 for level, _, w in found if level == 0 and w == 0) == known["level0_full"]
    assert [w for level, _, w in found if level == 0 and w] == [known["level0_partial"]]
    assert sum(1 for level, _, w in found if level == 1 and w == 0) == known["level1_full"]
    assert [w for level, _, w in found if level == 1 and w] == [known["level1_partial"]]
    assert [w for level, _, w in found if level == 2 and w] == [known["level2_partial"]]


def grow(folder: Path, steps: Sequence[int]) -> list[bytes]:
    entries: list[bytes] = []
    for step in steps:
        fresh = [b"%d" % n for n in range(len(entries), len(entries) + step)]
        tiles.write(folder, len(entries), fresh, put)
        entries += fresh
    return entries


@settings(max_examples=15)
@given(st.lists(st.sampled_from([1, 2, 100, 255, 256, 257, 600]), min_size=1, max_size=5))
def test_however_a_log_grows_its_tiles_give_its_root(steps: list[int]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        entries = grow(folder, steps)
        reader = tiles.Tiles(folder, len(entries))
        leaves = [tree.leaf_hash(entry) for entry in entries]
        assert reader.subtree(0, len(entries)) == tree.root(leaves)
        found = [e for n in range(-(-len(entries) // 256)) for e in reader.entries(n)]
        assert found == entries


def test_a_third_level_of_tiles_appears_when_it_must(tmp_path: Path) -> None:
    entries = grow(tmp_path, [65_530, 10, 300])
    assert (tmp_path / "tile/2/000.p/1").stat().st_size == 32
    reader = tiles.Tiles(tmp_path, len(entries))
    assert reader.subtree(0, len(entries)) == tree.root([tree.leaf_hash(e) for e in entries])


@given(st.binary(max_size=60))
def test_any_bytes_are_a_bundle_or_refused(data: bytes) -> None:
    try:
        entries = tiles.parse_bundle(data)
    except Refused as refused:
        assert refused.number == "E-25"
        return
    assert tiles.bundle(entries) == data
