"""Frames in, sealed rows out: every durable frame exactly once, whatever happens between."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid5

import pytest

from collector.records import AuditEvent, Frame, FrameKind, LeaseEvent, SessionEvent
from collector.settings import Site
from collector.spool import first_position
from collector.store.catalog import Catalog
from tests.collector.homes import (
    BEGIN,
    SPACE,
    Home,
    coverage_frame,
    flow_frame,
    ns,
    session_frame,
    stream,
)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_flows_carry_the_person_who_held_the_address(home: Home) -> None:
    seen = BEGIN + timedelta(seconds=30)
    home.write(
        [
            session_frame(BEGIN, "malee", "10.0.0.1"),
            flow_frame(seen, 1000, 3),
            flow_frame(seen, 2000, 2, host=7),
        ]
    )
    home.run()
    rows = home.sealed("flows").select(["src_port", "person", "certainty", "via"]).to_pylist()
    named = {row["src_port"]: (row["person"], row["certainty"], row["via"]) for row in rows}
    malee = str(uuid5(SPACE, "malee"))
    assert [named[1000 + i] for i in range(3)] == [(malee, "sure", "src_ip")] * 3
    assert [named[2000 + i] for i in range(2)] == [(None, "unknown", None)] * 2


def test_a_lease_ties_an_address_to_the_session_of_its_machine(home: Home) -> None:
    mac, since = "02:00:00:00:00:01", BEGIN - timedelta(minutes=10)
    named = SessionEvent.from_json(session_frame(since, "somchai", "10.0.0.1").payload)
    session = replace(named, addresses=(), mac=mac, method="802.1X")
    leases = [
        LeaseEvent(time=since, site="school-a", kind="dhcp", event="add", ip=ip, mac=of)
        for ip, of in (("10.0.0.1", mac), ("10.0.0.2", "02:00:00:00:00:02"))
    ]
    first = session_frame(since, "somchai", "10.0.0.1")
    frames = [first._replace(payload=session.to_json())]
    frames += [first._replace(kind=FrameKind.LEASE, payload=each.to_json()) for each in leases]
    home.write([*frames, flow_frame(BEGIN, 1000, 1, host=1), flow_frame(BEGIN, 2000, 1, host=2)])
    home.run()
    known = {
        row["src_ip"]: (row["person"], row["method"], row["certainty"], row["device"])
        for row in home.sealed("flows").to_pylist()
    }
    assert known == {
        "10.0.0.1": (str(session.person), "802.1X", "sure", None),
        "10.0.0.2": (None, "lease", "unknown", "02:00:00:00:00:02"),
    }


def test_a_process_that_dies_anywhere_stores_every_frame_once(home: Home) -> None:
    """It is left with rows that are not sealed, at another place each time."""
    frames = list(stream(60))
    home.write(frames)
    for fed in (0, 7, 23, 40, 41, 60):
        pipeline, reader = home.start()
        while pipeline.position < fed and (some := reader.read(1)):
            pipeline.feed(some)
        if fed in (23, 41):
            pipeline.seal_now()
        pipeline.close()
    home.run()
    assert home.ports() == Counter(range(10_000, 10_600))
    assert home.findings() == []


def test_a_full_segment_ends_its_interval_between_two_frames(tmp_path: Path) -> None:
    home = Home(tmp_path, rows=25)
    home.write(list(stream(7)))
    home.run()
    with Catalog.open(tmp_path / "catalog.sqlite") as catalog:
        files = catalog.files("flows")
    assert sorted((f.spool_from, f.spool_to, f.rows) for f in files) == [
        (0, 2, 20),
        (2, 4, 20),
        (4, 6, 20),
        (6, 7, 10),
    ]
    assert home.ports() == Counter(range(10_000, 10_070))


def test_an_interval_ends_on_the_full_hour(home: Home) -> None:
    home.write(list(stream(4, timedelta(minutes=20))))
    pipeline, reader = home.start()
    for _ in range(4):
        home.clock.now += timedelta(minutes=20)
        pipeline.feed(reader.read(1))
    pipeline.stop()
    with Catalog.open(home.folder / "catalog.sqlite") as catalog:
        found = sorted((f.seq, f.rows) for f in catalog.files("flows"))
    assert found == [(0, 20), (1, 20)]
    assert home.findings() == []


def test_what_is_not_sealed_yet_can_be_searched(home: Home) -> None:
    home.write(list(stream(3)))
    pipeline, reader = home.start()
    pipeline.feed(reader.read(1 << 20))
    pipeline.flush()
    with Catalog.open(home.folder / "catalog.sqlite") as catalog:
        (part,) = catalog.files("flows")
    assert (part.kind, part.rows) == ("part", 30)
    pipeline.stop()


def test_an_event_told_twice_is_stored_once(home: Home) -> None:
    home.write([session_frame(BEGIN, "malee", "10.0.0.1")] * 3)
    pipeline = home.run()
    assert home.sealed("sessions").num_rows == 1
    assert pipeline.counts["repeated"] == 2


def test_two_sites_with_the_same_addresses_know_nothing_of_one_another(tmp_path: Path) -> None:
    home = Home(tmp_path, sites=("school-a", "school-b"))
    seen = BEGIN + timedelta(seconds=5)
    home.write(
        [
            session_frame(BEGIN, "malee", "10.0.0.1", site="school-a"),
            flow_frame(seen, 1000, 1, site="school-a"),
            flow_frame(seen, 2000, 1, site="school-b"),
        ]
    )
    home.run()
    assert home.sealed("flows", "school-a")["person"].to_pylist() == [str(uuid5(SPACE, "malee"))]
    assert home.sealed("flows", "school-b")["person"].to_pylist() == [None]


def test_a_frame_of_no_known_site_is_counted_and_not_fatal(home: Home) -> None:
    home.write([flow_frame(BEGIN, 1000, 1, site="elsewhere"), flow_frame(BEGIN, 2000, 1)])
    pipeline = home.run()
    assert pipeline.counts["malformed"] == 1
    assert home.ports() == Counter([2000])


def test_other_settings_and_acts_of_people_are_entries_of_the_ledger(tmp_path: Path) -> None:
    home = Home(tmp_path)
    act = AuditEvent(
        event_id=uuid5(SPACE, "act"), time=BEGIN, site="school-a", actor="staff", act="search"
    )
    told = {"kind": FrameKind.AUDIT, "site": "school-a", "payload": act.to_json()}
    home.write([Frame(received_ns=ns(BEGIN), wire_ns=ns(BEGIN), **told)])  # type: ignore[arg-type]
    home.run()
    home.settings = home.settings.model_copy(
        update={"seal": home.settings.seal.model_copy(update={"interval_s": 1800})}
    )
    home.run()
    assert home.findings() == []
    entries = b"".join(p.read_bytes() for p in (tmp_path / "ledger").rglob("entries/*.p/*"))
    assert b'"searches":1' in entries
    assert b'"type":"config"' in entries


def test_acts_that_are_decoded_again_are_not_counted_again(tmp_path: Path) -> None:
    home = Home(tmp_path)
    for i in range(2):
        event_id = uuid5(SPACE, f"act {i}")
        act = AuditEvent(event_id=event_id, time=BEGIN, site="school-a", actor="s", act="search")
        told = {"kind": FrameKind.AUDIT, "site": "school-a", "payload": act.to_json()}
        home.write([Frame(received_ns=ns(BEGIN), wire_ns=ns(BEGIN), **told)])  # type: ignore[arg-type]
        home.run()
        for state in (tmp_path / "state").glob("*.json"):
            state.unlink()  # so that the next start decodes all that the spool has
    entries = b"".join(p.read_bytes() for p in (tmp_path / "ledger").rglob("entries/*.p/*"))
    assert (entries.count(b'"searches":1'), entries.count(b'"searches":2')) == (2, 0)


def test_the_spool_lets_go_of_what_is_sealed(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.settings = home.settings.model_copy(
        update={"spool": home.settings.spool.model_copy(update={"file_bytes": 1 << 16})}
    )
    for _ in range(3):
        home.write(list(stream(300)))
        home.run()
    assert first_position(tmp_path / "spool") >= 600


def test_a_loss_told_by_two_stages_at_once_is_stored_once(tmp_path: Path) -> None:
    """A full segment ends between two frames, whichever stage told what of them."""
    home = Home(tmp_path, rows=16)
    frames = []
    for i in range(40):
        at = BEGIN + timedelta(minutes=i)
        # The first flow of each exporter's number is far off, so decoding tells of a loss too.
        frames += [flow_frame(at, 1000 * (i % 2) + i, 1), coverage_frame(at, f"drop {i}")]
    home.write(frames)
    pipeline, reader = home.start()
    pipeline.feed(reader.read(1 << 20))
    pipeline.close()
    home.run()
    notes = Counter(note for note in home.sealed("coverage")["note"].to_pylist() if note)
    drops = {note: count for note, count in notes.items() if note.startswith("drop")}
    assert drops == {f"drop {i}": 1 for i in range(40)}
    assert home.sealed("coverage").num_rows > 40


def test_a_clock_put_right_over_new_year_ends_the_year_first(home: Home) -> None:
    home.write([flow_frame(BEGIN, 1000, 1)])
    pipeline, reader = home.start()
    pipeline.feed(reader.read(1 << 20))
    home.clock.now = datetime(2027, 1, 5, 9, 0, tzinfo=UTC)
    pipeline.tick(idle=True)
    home.write([flow_frame(home.clock.now, 2000, 1)])
    pipeline.feed(reader.read(1 << 20))
    pipeline.stop()
    assert home.ports() == Counter([1000, 2000])
    years = {path.name for path in (home.folder / "ledger" / "school-a").iterdir()}
    assert {"2026", "2027"} <= years


def test_a_frame_stamped_by_a_clock_that_ran_ahead_ends_no_interval(home: Home) -> None:
    ahead = BEGIN + timedelta(days=3650)
    home.write([flow_frame(BEGIN, 1000, 1), flow_frame(ahead, 2000, 1), flow_frame(BEGIN, 3000, 1)])
    pipeline, reader = home.start()
    pipeline.feed(reader.read(1 << 20))
    pipeline.stop()
    assert home.ports() == Counter([1000, 2000, 3000])
    with Catalog.open(home.folder / "catalog.sqlite") as catalog:
        assert [file.seq for file in catalog.files("flows")] == [0]


def test_the_status_tells_which_frames_are_sealed(home: Home) -> None:
    pipeline, reader = home.start()
    home.write([flow_frame(BEGIN + timedelta(seconds=n), 1000 + n, 1) for n in range(3)])
    pipeline.feed(reader.read(1 << 20))
    status = pipeline.status()
    assert (status["sealed_position"], status["position"]) == (0, 3)
    pipeline.seal_now()
    assert pipeline.status()["sealed_position"] == 3
    pipeline.stop()


def test_a_stamp_from_far_ahead_does_not_make_a_long_interval(home: Home) -> None:
    pipeline, reader = home.start()
    home.write([flow_frame(BEGIN + timedelta(days=20), 1000, 1)])
    home.clock.now += timedelta(hours=1)
    pipeline.feed(reader.read(1 << 20))
    hour = timedelta(hours=1)
    assert pipeline.status()["interval_end_us"] * 1000 <= ns(home.clock.now + hour)
    pipeline.stop()


def test_a_backlog_is_cut_on_the_hours_in_which_it_came(home: Home) -> None:
    pipeline, reader = home.start()
    home.write(list(stream(10, timedelta(minutes=30))))
    home.clock.now += timedelta(hours=6)
    pipeline.feed(reader.read(1 << 20))
    pipeline.stop()
    with Catalog.open(home.folder / "catalog.sqlite") as catalog:
        assert sorted(file.rows for file in catalog.files("flows")) == [10, 10, 20, 20, 20, 20]


def test_a_site_that_is_added_costs_the_others_nothing(tmp_path: Path) -> None:
    home = Home(tmp_path)
    small = home.settings.spool.model_copy(update={"file_bytes": 1 << 16})
    home.settings = home.settings.model_copy(update={"spool": small})
    home.write([session_frame(BEGIN, "malee", "10.0.0.1"), *stream(400)])
    home.run()
    home.write(list(stream(10)))
    home.run()
    assert first_position(tmp_path / "spool") > 0
    sites = (Site(id="school-a"), Site(id="school-b"))
    home.settings = home.settings.model_copy(update={"sites": sites})
    at = BEGIN + timedelta(minutes=9)
    home.write([flow_frame(at, 60_000, 1), flow_frame(at, 60_001, 1, site="school-b")])
    home.run()
    rows = home.sealed("flows").select(["src_port", "person"]).to_pylist()
    assert [row["person"] for row in rows if row["src_port"] == 60_000] == [
        str(uuid5(SPACE, "malee"))
    ]
    assert home.ports("school-b") == Counter([60_001])


def test_a_full_spool_closes_segments_early(home: Home) -> None:
    small = home.settings.spool.model_copy(update={"mark_bytes": 4096})
    home.settings = home.settings.model_copy(update={"spool": small})
    home.write(list(stream(60)))
    pipeline, reader = home.start()
    while frames := reader.read(2048):
        pipeline.feed(frames)
    pipeline.stop()
    with Catalog.open(home.folder / "catalog.sqlite") as catalog:
        assert len(catalog.files("flows")) >= 4
    assert home.ports() == Counter(range(10_000, 10_600))


def test_a_state_of_another_version_does_not_keep_the_box_from_starting(home: Home) -> None:
    home.write(list(stream(5)))
    home.run()
    for path in (home.folder / "state").glob("*.json"):
        path.write_text(path.read_text().replace("prathu-decoder/1", "prathu-decoder/0"))
    home.write([flow_frame(BEGIN, 60_000, 1)])
    home.run()
    assert home.ports() == Counter([*range(10_000, 10_050), 60_000])


def test_silence_is_sealed_once_however_often_the_process_dies(home: Home) -> None:
    """And the sources are known after a restart as they were before it."""
    minutes = [BEGIN + timedelta(minutes=i) for i in range(20)]
    frames = [flow_frame(at, 10_000 + 10 * i, 10) for i, at in enumerate(minutes)]
    late = BEGIN + timedelta(minutes=26)
    home.write([*frames, session_frame(late, "malee", "10.0.0.1")])
    for fed in (7, 20, 21, 21):
        pipeline, reader = home.start()
        while pipeline.position < fed and (some := reader.read(1)):
            pipeline.feed(some)
        if fed == 20:
            pipeline.seal_now()
        pipeline.close()
    pipeline = home.run()
    rows = home.sealed("coverage").select(["kind", "source", "time"]).to_pylist()
    silences = [(row["source"], row["time"]) for row in rows if row["kind"] == "exporter-silence"]
    assert silences == [("192.0.2.1", minutes[-1])]
    (line,) = pipeline.lines()
    (known,) = line.told(ns(late) // 1000)["sources"]
    assert (known["name"], known["state"], known["first_us"]) == (
        "192.0.2.1",
        "silent",
        ns(BEGIN) // 1000,
    )
    assert known["totals"]["datagrams"] == 20
    assert known["totals"]["records"] == 200
