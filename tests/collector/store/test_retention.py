"""Names and what sessions were told with go when no row needs them any more."""

from __future__ import annotations

from pathlib import Path

from collector.records import Binding
from collector.store import retention
from collector.store.catalog import Catalog, FileEntry, Mention, PersonName
from collector.store.retention import AFTER_US, DAY_US, Forgotten

NOW_US = 400 * DAY_US
OLD = (10 * DAY_US, 11 * DAY_US)
MAC = "02:00:5e:00:53:01"


def clock() -> int:
    return NOW_US * 1000


def file(start_us: int, end_us: int) -> FileEntry:
    return FileEntry(
        path=f"logs/a/sessions/{start_us}.parquet", kind="segment", site="a", log="sessions",
        seq=0, schema_version=1, spool_from=0, spool_to=1, rows=1, event_min=start_us,
        event_max=end_us, received_min=start_us, received_max=end_us, size=1,
    )  # fmt: skip


def told(catalog: Catalog, first_us: int, last_us: int) -> None:
    """Let the catalogue know a person, a late session and its machine of some time."""
    span = {"first_us": first_us, "last_us": last_us}
    name = PersonName(
        site="a", person="p", account="somchai", full_name="สมชาย", proofing="", **span
    )
    late = Binding(
        site="a", address="10.0.0.5", start_us=first_us, end_us=last_us, person="p",
        session="s", method="portal", learnt_frame=1,
    )  # fmt: skip
    catalog.add_persons([name])
    catalog.add_late_bindings([late])
    catalog.add_mentions([Mention(name=MAC, site="a", session="s", **span)])


def test_what_no_row_needs_is_forgotten_and_gone_from_the_file(tmp_path: Path) -> None:
    path = tmp_path / "catalog.sqlite"
    with Catalog.open(path, write=True, clock=clock) as catalog:
        told(catalog, *OLD)
        forgotten = retention.forget(catalog, ["sessions"], NOW_US)
        assert forgotten == Forgotten(names=1, bindings=1, mentions=1)
        assert (catalog.persons(), catalog.late_bindings(), catalog.mentions([MAC])) == ([], [], [])
    assert MAC.encode() not in path.read_bytes()
    assert b"somchai" not in path.read_bytes()


def test_what_a_stored_row_needs_stays(tmp_path: Path) -> None:
    with Catalog.open(tmp_path / "c.sqlite", write=True, clock=clock) as catalog:
        told(catalog, *OLD)
        catalog.publish(file(*OLD))
        forgotten = retention.forget(catalog, ["sessions"], NOW_US)
        assert forgotten == Forgotten(names=0, bindings=0, mentions=0)
        assert [mention.session for mention in catalog.mentions([MAC])] == ["s"]


def test_it_stays_for_90_days_after_the_last_session(tmp_path: Path) -> None:
    with Catalog.open(tmp_path / "c.sqlite", write=True, clock=clock) as catalog:
        told(catalog, OLD[0], NOW_US - AFTER_US)
        assert retention.forget(catalog, ["sessions"], NOW_US) == Forgotten(
            names=0, bindings=0, mentions=0
        )
        assert retention.forget(catalog, ["sessions"], NOW_US + 1) == Forgotten(
            names=1, bindings=1, mentions=1
        )
