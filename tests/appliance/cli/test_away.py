"""What nobody saw while the box rested is told, whatever commands were run meanwhile."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pytest

from collector.records import CoverageEvent, FrameKind
from collector.spool import SpoolReader
from tests.appliance.cli.boxes import Box


@pytest.fixture
def box(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Box:
    return Box(tmp_path, capsys, monkeypatch)


def gaps(box: Box, site: str) -> list[tuple[datetime, datetime]]:
    """Return what the spool says of times without a listener, oldest first."""
    reader, found = SpoolReader(box.home / "spool", 0), list[tuple[datetime, datetime]]()
    while frames := reader.read(1 << 20):
        for frame in frames:
            if frame.kind is FrameKind.COVERAGE and frame.site == site:
                event = CoverageEvent.from_json(frame.payload)
                assert (event.kind, event.end is not None) == ("restart", True)
                found.append((event.time, event.end or event.time))
    return found


@pytest.mark.parametrize("site", ["school-a", "school-b"])
def test_commands_on_a_resting_box_hide_nothing_of_its_rest(box: Box, site: str) -> None:
    """Each gap begins where the last ended, or before: there is no time between that looks seen."""
    log = box.home / "router.log"
    log.write_bytes(b"<13>Nov 22 01:02:03 gate prog: line\n" * 100)
    box.prathu("people", "add", "one", "--site", "school-a")
    box.prathu("ingest", str(log), "--log", "events", "--site", "school-a")
    box.prathu("people", "list")
    told = gaps(box, site)
    assert len(told) >= 4
    for (_, end), (begin, _) in pairwise(told):
        assert begin <= end
