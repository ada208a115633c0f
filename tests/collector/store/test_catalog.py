"""The catalogue lists what may hold rows of a time, newest first, and swaps files in one step."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.errors import StoreError
from collector.records import Binding
from collector.store.catalog import Catalog, FileEntry, Mention, PersonName, fold

NOW_US = 1_800_000_000_000_000


def clock() -> int:
    return NOW_US * 1000


def entry(path: str = "open/a/flows/0-9.parquet", **more: object) -> FileEntry:
    part = FileEntry(
        path=path,
        kind="part",
        site="a",
        log="flows",
        seq=None,
        schema_version=1,
        spool_from=0,
        spool_to=9,
        rows=5,
        event_min=100,
        event_max=200,
        received_min=150,
        received_max=250,
        size=1000,
    )
    return replace(part, **more)  # type: ignore[arg-type]  # fields by name


def binding(**more: object) -> Binding:
    fixed = Binding(
        site="a",
        address="10.0.0.1",
        start_us=100,
        end_us=200,
        person="p1",
        session="s1",
        method="portal",
        learnt_frame=7,
    )
    return replace(fixed, **more)  # type: ignore[arg-type]  # fields by name


def person(**more: object) -> PersonName:
    fixed = PersonName(
        site="a",
        person="p1",
        account="somchai",
        full_name="สมชาย ใจดี",
        proofing="school register",
        first_us=100,
        last_us=200,
    )
    return replace(fixed, **more)  # type: ignore[arg-type]  # fields by name


def mention(**more: object) -> Mention:
    fixed = Mention(name="10.0.0.1", site="a", session="s1", first_us=100, last_us=200)
    return replace(fixed, **more)  # type: ignore[arg-type]  # fields by name


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "catalog.sqlite"


def paths(catalog: Catalog, **question: object) -> list[str]:
    return [f.path for f in catalog.files("flows", **question)]  # type: ignore[arg-type]


def test_a_reader_gets_back_what_was_written(path: Path) -> None:
    segment = entry("logs/a/flows/2027/01/15/0.parquet", kind="segment", seq=0)
    with Catalog.open(path, write=True, clock=clock) as writer:
        writer.add_part(entry())
        writer.publish(segment)
        writer.add_late_bindings([binding()])
        writer.add_persons([person()])
    reader = Catalog.open(path)
    assert set(reader.files("flows")) == {entry(), segment}
    assert reader.late_bindings() == [binding()]
    assert reader.persons() == [person()]


def test_files_come_newest_first(path: Path) -> None:
    with Catalog.open(path, write=True, clock=clock) as catalog:
        for number in (3, 1, 2):
            catalog.add_part(
                entry(str(number), event_max=1000 + number, received_max=2000 - number)
            )
        assert paths(catalog) == ["3", "2", "1"]
        assert paths(catalog, by="received") == ["1", "2", "3"]


@pytest.mark.parametrize(
    ("start", "end", "found"),
    [(0, 100, 0), (0, 101, 1), (200, 900, 1), (201, 900, 0), (150, 151, 1), (None, None, 1)],
)
def test_an_instant_finds_flows_that_were_running(
    path: Path, start: int | None, end: int | None, found: int
) -> None:
    with Catalog.open(path, write=True, clock=clock) as catalog:
        catalog.add_part(entry())
        assert len(catalog.files("flows", start_us=start, end_us=end)) == found
        assert catalog.files("events", start_us=start, end_us=end) == []


def test_times_of_receipt_are_asked_for_by_themselves(path: Path) -> None:
    with Catalog.open(path, write=True, clock=clock) as catalog:
        catalog.add_part(entry())
        assert paths(catalog, start_us=250, end_us=251, by="received")
        assert not paths(catalog, start_us=250, end_us=251)


def test_sites_are_asked_for_by_name(path: Path) -> None:
    with Catalog.open(path, write=True, clock=clock) as catalog:
        catalog.add_part(entry("1", site="a"), entry("2", site="b"), entry("3", site="ก"))
        assert set(paths(catalog, sites=["b", "ก"])) == {"2", "3"}
        assert paths(catalog, sites=[]) == []


def test_parts_give_way_to_their_segment_and_stay_for_a_grace(path: Path) -> None:
    with Catalog.open(path, write=True, clock=clock) as catalog:
        catalog.add_part(entry("1"), entry("2"), entry("3"))
        catalog.publish(entry("s", kind="segment", seq=0), replaces=["1", "2"])
        assert set(paths(catalog)) == {"s", "3"}
        assert catalog.expired(NOW_US + 59, 60) == []
        assert catalog.expired(NOW_US + 60, 60) == ["1", "2"]
        catalog.gone(["1", "2"])
        assert catalog.expired(NOW_US + 60, 60) == []
        assert catalog.paths() == {"s", "3"}


def test_a_part_made_anew_under_its_old_name_is_there_again(path: Path) -> None:
    with Catalog.open(path, write=True, clock=clock) as catalog:
        catalog.add_part(entry("1"), entry("s", kind="segment", seq=0))
        catalog.retire_parts()
        assert paths(catalog) == ["s"]
        catalog.add_part(entry("1", rows=9))
        assert set(paths(catalog)) == {"s", "1"}
        assert catalog.expired(NOW_US + 1) == []


def test_a_swap_is_seen_whole_or_not_at_all(path: Path) -> None:
    seen, stop = set[tuple[str, ...]](), threading.Event()

    def watch() -> None:
        reader = Catalog.open(path)
        while not stop.is_set():
            seen.add(tuple(sorted(paths(reader))))

    with Catalog.open(path, write=True, clock=clock) as catalog:
        catalog.add_part(entry("part"))
        watcher = threading.Thread(target=watch)
        watcher.start()
        for _ in range(50):
            catalog.publish(entry("segment", kind="segment", seq=0), replaces=["part"])
            with catalog.together():
                catalog.gone(["segment", "part"])
                catalog.add_part(entry("part"))
        stop.set()
        watcher.join()
    assert seen <= {("part",), ("segment",)}


def test_two_threads_of_the_writer_do_not_mix_their_steps(path: Path) -> None:
    with Catalog.open(path, write=True, clock=clock) as catalog:

        def fails() -> None:
            for _ in range(100):
                with pytest.raises(ZeroDivisionError), catalog.together():
                    catalog.add_part(entry("never"))
                    raise ZeroDivisionError

        thread = threading.Thread(target=fails)
        thread.start()
        for number in range(100):
            catalog.add_part(entry(str(number)))
        thread.join()
        assert catalog.paths() == {str(number) for number in range(100)}


def test_late_bindings_are_found_by_address_person_and_time(path: Path) -> None:
    other = binding(address="10.0.0.2", person="p2", start_us=150, end_us=300)
    with Catalog.open(path, write=True, clock=clock) as catalog:
        catalog.add_late_bindings([binding(), other])
        assert catalog.late_bindings(address="10.0.0.1") == [binding()]
        assert catalog.late_bindings(person="p2") == [other]
        assert catalog.late_bindings(start_us=200, end_us=201) == [other]
        assert catalog.late_bindings(start_us=0, end_us=100) == []
        assert catalog.late_bindings(sites=["b"]) == []


def test_a_corrected_binding_takes_the_place_of_the_old(path: Path) -> None:
    with Catalog.open(path, write=True, clock=clock) as catalog:
        catalog.add_late_bindings([binding()])
        catalog.add_late_bindings([binding(end_us=180)])
        assert catalog.late_bindings() == [binding(end_us=180)]
        catalog.add_late_bindings([binding(start_us=90)], withdrawn=[binding()])
        assert catalog.late_bindings() == [binding(start_us=90)]


def test_names_grow_in_time_and_changed_names_stand_beside(path: Path) -> None:
    with Catalog.open(path, write=True, clock=clock) as catalog:
        catalog.add_persons([person(), person(first_us=50, last_us=60), person(last_us=900)])
        catalog.add_persons([person(full_name="สมชาย มีสุข", first_us=1, last_us=2)])
        assert catalog.persons() == [
            person(first_us=50, last_us=900),
            person(full_name="สมชาย มีสุข", first_us=1, last_us=2),
        ]


def test_mentions_grow_in_time_and_are_found_by_name_site_and_time(path: Path) -> None:
    with Catalog.open(path, write=True, clock=clock) as catalog:
        catalog.add_mentions([mention(), mention(session="s2", first_us=500, last_us=600)])
        catalog.add_mentions([mention(first_us=150, last_us=300), mention(site="b")])
        first, second = mention(last_us=300), mention(session="s2", first_us=500, last_us=600)
        assert catalog.mentions(["10.0.0.1"], sites=["a"]) == [second, first], "the latest first"
        assert catalog.mentions(["10.0.0.1"], sites=["a"], most=1) == [second]
        assert catalog.mentions(["10.0.0.1"], sites=["a"], start_us=301) == [second]
        assert catalog.mentions(["10.0.0.1"], sites=["a"], end_us=500) == [first]
        assert catalog.mentions(["10.0.0.1"], sites=["b"]) == [mention(site="b")]
        assert catalog.mentions(["10.0.0.2"]) == []


def test_names_are_found_by_a_piece_in_any_case(path: Path) -> None:
    names = [
        person(),
        person(person="p2", account="Ärger", full_name="น้ำฝน", site="b"),
        person(person="p3", account="100%_x", full_name="", proofing=""),
    ]
    with Catalog.open(path, write=True, clock=clock) as catalog:
        catalog.add_persons(names)

        def ids(**question: object) -> set[str]:
            return {n.person for n in catalog.persons(**question)}  # type: ignore[arg-type]

        assert ids(text="ใจดี") == {"p1"}
        assert ids(text="SOMCHAI") == {"p1"}
        assert ids(text="ärger") == {"p2"}
        assert ids(text="น้ํา") == ids(text="น้ำ") == {"p2"}, "sara am in two spellings"
        assert ids(text="%") == {"p3"}
        assert ids(site="b") == {"p2"}
        assert ids(person_ids=["p1", "p3", "p9"]) == {"p1", "p3"}
        assert ids(text="nobody") == set()


def test_a_file_that_is_no_catalogue_is_one_clear_error(path: Path) -> None:
    with pytest.raises(StoreError, match="no catalogue at"):
        Catalog.open(path)
    path.write_bytes(b"this is not SQLite" * 100)
    with pytest.raises(StoreError, match=r"catalog\.sqlite"):
        Catalog.open(path).files("flows")
    with pytest.raises(StoreError, match=r"catalog\.sqlite"):
        Catalog.open(path, write=True, clock=clock)


def test_tables_of_another_version_are_refused(path: Path) -> None:
    Catalog.open(path, write=True, clock=clock).close()
    with sqlite3.connect(path) as tables:
        tables.execute("PRAGMA user_version = 99")
    tables.close()
    with pytest.raises(StoreError, match="version 99"):
        Catalog.open(path).files("flows")
    with pytest.raises(StoreError, match="version 99"):
        Catalog.open(path, write=True, clock=clock)


def test_who_reads_cannot_write(path: Path) -> None:
    Catalog.open(path, write=True, clock=clock).close()
    with pytest.raises(StoreError, match="opened for reading"):
        Catalog.open(path).add_part(entry())


_KILLED = """
import sqlite3, sys, time
tables = sqlite3.connect(sys.argv[1], isolation_level=None)
tables.execute("PRAGMA cache_size = 1")
tables.execute("BEGIN EXCLUSIVE")
tables.execute("DELETE FROM files")
tables.executemany("INSERT INTO files SELECT ?||hex(randomblob(9000)), 'part', 'a', 'flows', NULL,"
    " 1, 0, 0, 0, 0, 0, 0, 0, 0, NULL", [(str(n),) for n in range(500)])
print("half done", flush=True)
time.sleep(60)
"""


def test_a_reader_undoes_what_a_killed_writer_left_half_done(path: Path) -> None:
    with Catalog.open(path, write=True, clock=clock) as catalog:
        catalog.add_part(entry())
    writer = subprocess.Popen([sys.executable, "-c", _KILLED, str(path)], stdout=subprocess.PIPE)
    assert writer.stdout is not None
    assert writer.stdout.readline() == b"half done\n"
    os.kill(writer.pid, signal.SIGKILL)
    writer.communicate()
    assert path.with_name(path.name + "-journal").exists()
    assert Catalog.open(path).files("flows") == [entry()]


@given(st.text(max_size=20))
def test_folding_twice_changes_nothing_more(text: str) -> None:
    assert fold(fold(text)) == fold(text)
