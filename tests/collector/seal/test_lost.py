"""Segments whose files are gone: two people may say so, and nothing that is wrong becomes right."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.errors import SealError
from collector.seal import files, lost
from collector.seal.fault import Refused
from collector.seal.holds import Book
from tests.collector.seal import checking
from tests.collector.seal.school import SITE, School

TWO = ("p1", "p2")


def said(home: Path, **other: Any) -> list[Mapping[str, Any]]:
    """Return what two people say of all that is gone."""
    book = Book(home, SITE)
    book.refresh()
    told: dict[str, Any] = {"cause": "disk-fault", "reason_commit": "0" * 64, "approvals": TWO}
    return list(lost.entries(lost.missing(home, book), **{**told, **other}))


@pytest.fixture
def school(tmp_path: Path) -> Iterator[School]:
    school = School(tmp_path)
    school.start()
    yield school
    school.sealer.stop()


@pytest.fixture
def gone(school: School) -> Path:
    """Return the Parquet file of a sealed hour, which is not there any more."""
    path = school.hour()[0].path
    assert path is not None
    school.hour()
    school.sealer.stop()
    (school.home / path).unlink()
    return school.home / path


def test_what_is_gone_is_told_as_missing_and_then_as_lost(school: School, gone: Path) -> None:
    found = checking.verify(school.home).findings
    assert [(one.number, one.text) for one in found] == [("E-02", files.MISSING)]
    told = said(school.home)
    assert [len(entry["segments"]) for entry in told] == [1]
    school.start(lost=tuple(told))
    school.hour()
    report = checking.verify(school.home)
    assert report.whole
    (one,) = report.lost
    assert (one.log, one.first, one.last, one.cause, one.approvals) == (
        "demo", 0, 0, "disk-fault", TWO
    )  # fmt: skip
    assert said(school.home) == []
    school.start()
    assert checking.verify(school.home).whole


def test_a_file_that_comes_back_is_checked_like_any_other(school: School, gone: Path) -> None:
    kept = gone.with_name("1.parquet").read_bytes()
    school.start(lost=tuple(said(school.home)))
    gone.write_bytes(kept)
    report = checking.verify(school.home)
    assert not report.whole
    assert report.lost == []
    assert {one.number for one in report.findings} <= {"E-25", "E-17"}
    gone.write_bytes(b"")
    assert not checking.verify(school.home, deep=False).whole
    gone.unlink()
    gone.with_suffix(".groups").unlink()
    assert checking.verify(school.home).whole


def test_the_right_file_that_comes_back_is_whole_again(school: School) -> None:
    path = school.hour()[0].path
    assert path is not None
    kept = (school.home / path).read_bytes()
    school.sealer.stop()
    (school.home / path).unlink()
    school.start(lost=tuple(said(school.home)))
    (school.home / path).write_bytes(kept)
    report = checking.verify(school.home)
    assert (report.whole, report.lost) == (True, [])


def test_nobody_can_say_it_of_what_was_never_sealed_or_has_another_root(
    school: School, gone: Path
) -> None:
    (told,) = said(school.home)
    ((log, seq, root),) = told["segments"]
    school.start(lost=(told,))
    for segments in ([[log, seq + 7, root]], [[log, seq + 1, "0" * 64]]):
        school.sealer.record({**told, "segments": segments})
    found = checking.verify(school.home).findings
    assert [one.number for one in found] == ["E-02", "E-02"]
    assert all("was not there to be lost" in one.text for one in found)


@pytest.mark.parametrize("approvals", [(), ("p1",), ("p1", "p1"), ("p1", "p2", "p3")])
def test_one_person_alone_says_nothing(
    school: School, gone: Path, approvals: tuple[str, ...]
) -> None:
    with pytest.raises((SealError, Refused), match="approvals"):
        school.start(lost=tuple(said(school.home, approvals=approvals)))


def test_what_is_lost_is_destroyed_when_due_like_the_rest(school: School, gone: Path) -> None:
    school.start(lost=tuple(said(school.home)))
    book = Book(school.home, SITE)
    book.refresh()
    assert list(book.lost) == [("demo", 0)]
    entry = {
        "type": "destroyed", "segments": [["demo", 0, book.kept["demo", 0].root]],
        "policy": "days-90", "due": 0, "holds_checked": 0, "actor": "box", "second": "policy",
        "method": "overwrite-unlink", "backups_gone_by": 0,
    }  # fmt: skip
    school.sealer.destroy(entry)
    report = checking.verify(school.home)
    assert report.lost == []
    assert report.destroyed[0].first == 0


@pytest.fixture(scope="module")
def half(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[Path, bytes]]]:
    """Give a home of four segments, of which the first two were declared lost, and their bytes."""
    school = School(tmp_path_factory.mktemp("half"))
    school.start()
    paths = [school.home / str(school.hour()[0].path) for _ in range(4)]
    school.sealer.stop()
    kept = {path: path.read_bytes() for path in paths}
    for path in paths[:2]:
        path.unlink()
    school.start(lost=tuple(said(school.home)))
    school.sealer.stop()
    yield school.home, kept


@given(st.lists(st.sampled_from(["right", "absent", "changed", "other's"]), min_size=4, max_size=4))
def test_whatever_lies_there_only_an_absence_is_explained(
    half: tuple[Path, dict[Path, bytes]], lies: list[str]
) -> None:
    home, kept = half
    for (path, data), what in zip(kept.items(), lies, strict=True):
        path.unlink(missing_ok=True)
        if what == "right":
            path.write_bytes(data)
        elif what == "changed":
            path.write_bytes(data[:40] + bytes([data[40] ^ 1]) + data[41:])
        elif what == "other's":
            path.write_bytes(next(other for other in kept.values() if other != data))
    report = checking.verify(home)
    wrong = {
        path
        for number, (path, what) in enumerate(zip(kept, lies, strict=True))
        if what in ("changed", "other's") or (what == "absent" and number >= 2)
    }
    assert {home / one.place for one in report.findings} == wrong
    assert sum(one.segments for one in report.lost) == lies[:2].count("absent")
