"""A portal that was killed tells of the time in which nobody watched; a stopped one does not."""

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from captive_portal.desk import Gap
from captive_portal.errors import ReportError
from captive_portal.report import SOCKET
from tests.captive_portal.collector_stub import CollectorStub

NOW_NS = 1_790_000_000 * 10**9
KILLED_NS = NOW_NS - 90 * 10**9


def gap(home: Path) -> Gap:
    return Gap(home / "portal.json", home / SOCKET, ["school-a", "school-b"], clock=lambda: NOW_NS)


def moment(time_ns: int) -> datetime:
    return datetime.fromtimestamp(time_ns / 1e9, UTC)


def test_a_killed_portal_is_told_once_for_each_site(
    tmp_path: Path, collector: CollectorStub
) -> None:
    (tmp_path / "portal.json").write_text(json.dumps({"at_ns": KILLED_NS}))
    told = gap(tmp_path)
    asyncio.run(told.tell())
    asyncio.run(told.tell())
    assert [(row.site, row.kind, row.time, row.end) for row in collector.coverage] == [
        (site, "restart", moment(KILLED_NS), moment(NOW_NS)) for site in ("school-a", "school-b")
    ]


def test_it_is_told_when_the_collector_comes(tmp_path: Path) -> None:
    (tmp_path / "portal.json").write_text(json.dumps({"at_ns": KILLED_NS}))
    told = gap(tmp_path)
    with pytest.raises(ReportError):
        asyncio.run(told.tell())
    with CollectorStub(tmp_path / SOCKET) as collector:
        asyncio.run(told.tell())
        assert len(collector.coverage) == 2


@pytest.mark.parametrize("status", [None, "", "[]", '{"at_ns":"x"}', '{"at_ns":-1}'])
def test_a_stopped_portal_and_a_damaged_status_tell_nothing(
    tmp_path: Path, collector: CollectorStub, status: str | None
) -> None:
    if status is not None:
        (tmp_path / "portal.json").write_text(status)
    asyncio.run(gap(tmp_path).tell())
    assert collector.coverage == []
