"""The collector is told, or a ReportError says that it was not."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from captive_portal.errors import ReportError, ReportRefused
from captive_portal.report import SOCKET, Reporter
from collector.records import SessionEvent
from tests.captive_portal.collector_stub import CollectorStub

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)


def an_event(seconds: int = 0) -> SessionEvent:
    return SessionEvent(
        event_id=uuid4(),
        session=uuid4(),
        event="start",
        time=NOW + timedelta(seconds=seconds),
        site="school-a",
        method="portal",
        addresses=("10.0.0.5",),
        full_name="สมชาย ใจดี",
    )


def test_one_and_many_events_arrive_whole_and_in_order(tmp_path: Path) -> None:
    one, many = an_event(), [an_event(n) for n in range(1200)]
    with CollectorStub(tmp_path / SOCKET) as stub, Reporter(tmp_path / SOCKET) as reporter:
        reporter.sessions([one])()
        reporter.sessions(many)()
        assert stub.sessions == [one, *many]


def test_a_collector_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with (
        Reporter(tmp_path / SOCKET) as reporter,
        pytest.raises(ReportError, match="cannot be told"),
    ):
        reporter.sessions([an_event()])()


def test_a_refusal_is_an_error_with_its_reason(tmp_path: Path) -> None:
    reporter = Reporter(tmp_path / SOCKET)
    full = pytest.raises(ReportRefused, match="the disk is full")
    with CollectorStub(tmp_path / SOCKET, "refuse"), reporter, full:
        reporter.sessions([an_event()])()


def test_a_mute_collector_is_an_error_in_time_and_the_next_answer_is_its_own(
    tmp_path: Path,
) -> None:
    reporter = Reporter(tmp_path / SOCKET, timeout=0.2)
    with CollectorStub(tmp_path / SOCKET, "mute") as stub, reporter:
        with pytest.raises(ReportError, match=r"no answer in 0\.2 s"):
            reporter.sessions([an_event()])()
        stub.mode = "ack"
        reporter.sessions([an_event()])()


def test_a_collector_started_anew_is_found_again(tmp_path: Path) -> None:
    with Reporter(tmp_path / SOCKET) as reporter:
        with CollectorStub(tmp_path / SOCKET):
            reporter.sessions([an_event()])()
        with CollectorStub(tmp_path / SOCKET) as stub:
            reporter.sessions([an_event()])()
            assert len(stub.sessions) == 1


def test_a_home_with_a_long_path_works(tmp_path: Path) -> None:
    home = tmp_path / ("long" * 30)
    home.mkdir(parents=True)
    (tmp_path / "s").symlink_to(home)
    (home / "run").mkdir()
    with CollectorStub(tmp_path / "s" / SOCKET) as stub, Reporter(home / SOCKET) as reporter:
        reporter.sessions([an_event()])()
        assert len(stub.sessions) == 1


def test_an_answer_that_nobody_waited_for_is_not_taken_for_the_next(tmp_path: Path) -> None:
    one, other = an_event(), an_event(1)
    with CollectorStub(tmp_path / SOCKET) as stub, Reporter(tmp_path / SOCKET) as reporter:
        reporter.sessions([one])
        stub.mode = "refuse"
        with pytest.raises(ReportRefused, match="the disk is full"):
            reporter.sessions([other])()
        assert other not in stub.sessions
