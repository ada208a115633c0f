"""A start finds again what the catalogue lacks, whatever a crash or damage took from it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import uuid5

import pyarrow.parquet as pq
import pytest

from collector.records import FrameKind, LeaseEvent, SessionEvent
from collector.store.catalog import Catalog
from tests.collector.homes import (
    BEGIN,
    SPACE,
    Home,
    flow_frame,
    session_frame,
)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_a_session_told_late_reaches_open_rows_and_is_listed_for_sealed_ones(home: Home) -> None:
    home.write([flow_frame(BEGIN, 1000, 2)])
    pipeline, reader = home.start()
    pipeline.feed(reader.read(1 << 20))
    pipeline.seal_now()
    sealed = next((home.folder / "logs").rglob("flows/**/*.parquet")).read_bytes()
    home.write(
        [
            flow_frame(BEGIN + timedelta(minutes=5), 2000, 2),
            session_frame(
                BEGIN + timedelta(minutes=9),
                "anan",
                "10.0.0.1",
                start=BEGIN - timedelta(hours=1),
            ),
        ]
    )
    while frames := reader.read(1 << 20):
        pipeline.feed(frames)
    pipeline.stop()
    anan = str(uuid5(SPACE, "anan"))
    rows = home.sealed("flows").select(["src_port", "person"]).to_pylist()
    assert {row["src_port"]: row["person"] for row in rows} == {
        1000: None,
        1001: None,
        2000: anan,
        2001: anan,
    }
    with Catalog.open(home.folder / "catalog.sqlite") as catalog:
        (late,) = catalog.late_bindings(sites=["school-a"], address="10.0.0.1")
        (name,) = catalog.persons(text="anan")
    assert (late.person, name.person) == (anan, anan)
    assert next((home.folder / "logs").rglob("flows/**/0.parquet")).read_bytes() == sealed

    (home.folder / "catalog.sqlite").unlink()
    home.run()
    with Catalog.open(home.folder / "catalog.sqlite") as catalog:
        (again,) = catalog.late_bindings(sites=["school-a"], address="10.0.0.1")
    assert (again.person, again.start_us) == (anan, late.start_us)


def test_a_lease_told_late_reaches_sealed_flows_in_the_catalogue(home: Home) -> None:
    mac, since = "02:00:00:00:00:01", BEGIN - timedelta(hours=1)
    told = session_frame(since, "anan", "10.0.0.1")
    session = replace(SessionEvent.from_json(told.payload), addresses=(), mac=mac)
    lease = LeaseEvent(
        time=since, site="school-a", kind="dhcp", event="add", ip="10.0.0.1", mac=mac
    )
    home.write([told._replace(payload=session.to_json()), flow_frame(BEGIN, 1000, 2)])
    pipeline, reader = home.start()
    pipeline.feed(reader.read(1 << 20))
    pipeline.seal_now()
    late = session_frame(BEGIN + timedelta(minutes=9), "anan", "10.0.0.1")
    home.write([late._replace(kind=FrameKind.LEASE, payload=lease.to_json())])
    pipeline.feed(reader.read(1 << 20))
    pipeline.stop()
    for _ in range(2):
        with Catalog.open(home.folder / "catalog.sqlite") as catalog:
            (binding,) = catalog.late_bindings(sites=["school-a"], address="10.0.0.1")
        assert binding.person == str(uuid5(SPACE, "anan"))
        (home.folder / "catalog.sqlite").unlink()
        home.run()


def test_a_damaged_segment_does_not_keep_a_new_catalogue_from_being_made(home: Home) -> None:
    home.write([flow_frame(BEGIN, 1000, 2), session_frame(BEGIN, "malee", "10.0.0.1")])
    home.run()
    for log, column in (("sessions", "event_id"), ("flows", "src_port")):
        (file,) = (home.folder / "logs" / "school-a" / log).rglob("*.parquet")
        group = pq.read_metadata(file).row_group(0)
        place = [group.column(i).path_in_schema for i in range(group.num_columns)].index(column)
        chunk = group.column(place)
        data = bytearray(file.read_bytes())
        start = chunk.dictionary_page_offset or chunk.data_page_offset
        data[start : start + chunk.total_compressed_size] = b"\xff" * chunk.total_compressed_size
        file.write_bytes(data)
    (home.folder / "catalog.sqlite").unlink()
    pipeline, _ = home.start()
    pipeline.close()


def test_what_a_crash_kept_from_the_catalogue_counts_as_sealed(home: Home) -> None:
    """A session told after it must be listed for the rows that were sealed without it."""
    home.write([session_frame(BEGIN, "other", "10.9.9.9"), flow_frame(BEGIN, 1000, 2)])
    pipeline, reader = home.start()
    pipeline.feed(reader.read(1 << 20))
    pipeline.seal_now()
    pipeline.close()
    with Catalog.open(home.folder / "catalog.sqlite", write=True, clock=home.clock) as catalog:
        catalog.gone([file.path for file in catalog.files("flows")])
    late = BEGIN + timedelta(minutes=9)
    before = BEGIN - timedelta(hours=1)
    home.write([session_frame(late, "anan", "10.0.0.1", start=before)])
    home.run()
    with Catalog.open(home.folder / "catalog.sqlite") as catalog:
        (found,) = catalog.late_bindings(sites=["school-a"], address="10.0.0.1")
    assert found.person == str(uuid5(SPACE, "anan"))


def test_a_catalogue_is_made_anew_whole_or_not_at_all(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.write([flow_frame(BEGIN, 1000, 2)])
    home.run()
    late = BEGIN + timedelta(minutes=9)
    home.write([session_frame(late, "anan", "10.0.0.1", start=BEGIN - timedelta(hours=1))])
    home.run()
    (home.folder / "catalog.sqlite").unlink()
    with monkeypatch.context() as patch:
        patch.setattr("collector.relearn.late_bindings", _no_disk)
        with pytest.raises(OSError, match="no disk"):
            home.start()
    (home.folder / "run" / "seal.lock").unlink()
    (home.folder / "run" / "seal.school-a.lock").unlink()
    home.run()
    with Catalog.open(home.folder / "catalog.sqlite") as catalog:
        assert catalog.late_bindings(sites=["school-a"], address="10.0.0.1")


def _no_disk(*_: object) -> None:
    raise OSError("no disk")
