"""At start the catalogue agrees with the disk, whatever a crash left of either."""

from __future__ import annotations

from pathlib import Path

import pytest

from collector.errors import StoreError
from collector.store import parts, rebuild, segments
from collector.store.catalog import FILE, Catalog
from collector.store.schema import FLOWS, SESSIONS
from tests.collector.store.flows import START_US, by_person, flows
from tests.collector.store.test_catalog import clock, entry
from tests.collector.store.test_names import sessions

FIRST = "logs/school-a/flows/2027/01/15/0.parquet"
SECOND = "logs/school-a/flows/2027/01/15/1.parquet"
PEOPLE = "logs/school-a/sessions/2027/01/15/4.parquet"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    segments.write(by_person(flows(200_000)), tmp_path / FIRST, FLOWS)
    segments.write(by_person(flows(500, seed=2)), tmp_path / SECOND, FLOWS)
    row = {"person": "p1", "account": "somchai", "time": START_US, "event": "start"}
    told = sessions({**row, "session": "s1", "ip": "10.0.0.5"})
    segments.write(told, tmp_path / PEOPLE, SESSIONS)
    return tmp_path


def test_an_empty_catalogue_is_filled_from_footers(home: Path) -> None:
    with rebuild.reopen(home, clock=clock) as catalog:
        mended = rebuild.reconcile(catalog, home, {FIRST: (3, 9)})
        found = {f.path: f for f in catalog.files("flows")}
        assert found.keys() == {FIRST, SECOND}
        assert {e.path for e in mended.added} == {FIRST, SECOND, PEOPLE}
        assert [n.account for n in catalog.persons()] == ["somchai"]
        assert [m.session for m in catalog.mentions(["s1", "10.0.0.5"])] == ["s1", "s1"]
    first = found[FIRST]
    stats = segments.write(by_person(flows(200_000)), home / "x.parquet", FLOWS)
    assert (first.rows, first.event_min, first.event_max) == (
        stats.rows,
        stats.event_min,
        stats.event_max,
    )
    assert (first.received_min, first.received_max) == (stats.received_min, stats.received_max)
    assert (first.size, first.seq, first.kind) == (stats.size, 0, "segment")
    assert (first.spool_from, first.spool_to) == (3, 9)
    assert found[SECOND].spool_to == -1


def test_what_agrees_is_left_alone(home: Path) -> None:
    with rebuild.reopen(home, clock=clock) as catalog:
        rebuild.reconcile(catalog, home)
        mended = rebuild.reconcile(catalog, home)
        assert mended == rebuild.Mended(added=(), missing=(), unreadable=())


def test_a_segment_that_is_gone_is_told_and_forgotten(home: Path) -> None:
    with rebuild.reopen(home, clock=clock) as catalog:
        rebuild.reconcile(catalog, home)
        (home / SECOND).unlink()
        assert rebuild.reconcile(catalog, home).missing == (SECOND,)
        assert [f.path for f in catalog.files("flows")] == [FIRST]


def test_parts_that_nobody_knows_are_swept_away(home: Path) -> None:
    known, unknown = "open/a/flows/0-9.parquet", "open/a/flows/9-20.parquet"
    for name in (known, unknown, unknown + ".tmp"):
        parts.write(flows(10), home / name)
    with rebuild.reopen(home, clock=clock) as catalog:
        catalog.add_part(entry(known))
        rebuild.reconcile(catalog, home)
    assert [p.name for p in (home / "open").rglob("*.*")] == ["0-9.parquet"]


@pytest.mark.parametrize("content", [b"", b"no SQLite at all" * 300, None])
def test_a_catalogue_that_cannot_be_used_is_made_anew(home: Path, content: bytes | None) -> None:
    if content is None:
        Catalog.open(home / FILE, write=True, clock=clock).close()
        whole = bytearray((home / FILE).read_bytes())
        whole[100:2000] = bytes(1900)
        content = bytes(whole)
    (home / FILE).write_bytes(content)
    with rebuild.reopen(home, clock=clock) as catalog:
        rebuild.reconcile(catalog, home)
    assert len(Catalog.open(home / FILE).files("flows")) == 2


def test_files_that_are_no_segments_are_told_and_the_others_taken_in(
    home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    odd = "logs/school-a/flows/2027/01/15/x.parquet"
    (home / SECOND).write_bytes(b"PAR1 nothing PAR1")
    (home / odd).write_bytes((home / FIRST).read_bytes())
    whole = bytearray((home / PEOPLE).read_bytes())
    whole[4:400] = bytes(396)
    (home / PEOPLE).write_bytes(whole)
    with rebuild.reopen(home, clock=clock) as catalog:
        mended = rebuild.reconcile(catalog, home)
        assert mended.unreadable == (SECOND, odd, PEOPLE)
        assert catalog.paths() == {FIRST}
    assert [record.message.count("\n") for record in caplog.records] == [0, 0, 0]


def test_the_name_of_a_segment_says_what_it_is(home: Path) -> None:
    for wrong in ("logs/x.parquet", "logs/a/weather/2027/01/15/0.parquet"):
        with pytest.raises(StoreError, match="not the name of a segment"):
            rebuild.entry_of(home, wrong, (0, 1))
