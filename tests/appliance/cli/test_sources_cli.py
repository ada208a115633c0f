"""`prathu sources`: the same for people and programs, whether the box runs or not."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest

from collector.control import ControlServer
from collector.records import FrameKind
from collector.store import snapshots
from tests.appliance.cli.asking import SETTINGS, Prathu, prathu_at
from tests.appliance.search.homes import SITE
from tests.appliance.web import senders
from tests.appliance.web.rooms import NOW_US
from tests.collector.homes import v5


@pytest.fixture
def prathu(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Prathu:
    (tmp_path / "prathu.toml").write_text(SETTINGS)
    (tmp_path / "run").mkdir()
    return prathu_at(tmp_path, capsys)


def serving(home: Path) -> ControlServer:
    """Return a sealing process that knows sources in every state."""
    told: dict[str, Any] = senders.told_of(SITE, NOW_US)
    return ControlServer(home / "run" / "seal.sock", {"sources": lambda _: told})


def test_a_box_that_runs_tells_who_sends_and_what_to_do(prathu: Prathu, tmp_path: Path) -> None:
    with serving(tmp_path):
        said = prathu("sources")
        data = json.loads(prathu("sources", "--json").out)
        before = json.loads(prathu("--json", "sources").out)
        one = prathu("sources", senders.SKEWED, "--site", SITE)
        other = prathu("sources", "--site", "school-b")
    lines = said.out.splitlines()
    assert lines[1].split()[0] == "silent", "the worst first"
    assert "192.0.2.3 (flows): Not heard since" in said.out
    assert "Set the zone of 192.0.2.5 to UTC+7" in one.out
    assert senders.SILENT not in one.out
    assert "udp 0.0.0.0:2055" in said.out
    assert [source["state"] for source in data["sources"]][:2] == ["silent", "losing"]
    assert data["sources"][0]["advice"][0]["problem"] == "silent"
    assert data["sources"] == before["sources"]
    assert "nobody has sent anything" in other.err


def test_a_box_that_rests_tells_what_it_knew(prathu: Prathu, tmp_path: Path) -> None:
    school = senders.School(SITE, NOW_US)
    frame = school.frame(school.now, senders.FINE, v5(school.now, 1, 1), FrameKind.FLOW)
    school.hear([frame], 3)
    state = {"decoder": school.decoder.snapshot(), "sources": school.book.snapshot()}
    snapshots.write(tmp_path / "state", 1, {SITE: state})
    said = prathu("sources")
    assert said.status == 0
    assert senders.FINE in said.out
    assert "; as of 2026-" in said.err


def test_templates_of_a_box_that_rests_are_those_from_the_disk(
    prathu: Prathu, tmp_path: Path
) -> None:
    school = senders.School(SITE, NOW_US)
    template = struct.pack("!8H", 0, 16, 256, 2, 8, 4, 12, 4)
    payload = struct.pack("!HHIIII", 9, 1, 0, int(school.now.timestamp()), 1, 77) + template
    frame = school.frame(school.now, senders.FINE, payload, FrameKind.FLOW)
    school.book.see([frame], [])
    school.decoder.decode([frame])
    state = {"decoder": school.decoder.snapshot(), "sources": school.book.snapshot()}
    snapshots.write(tmp_path / "state", 1, {SITE: state})
    for asked in (("sources",), ("sources", senders.FINE)):
        (source,) = json.loads(prathu("--json", *asked).out)["sources"]
        (told,) = source["template_list"]
        names = [field["name"] for field in told["fields"]]
        assert names == ["sourceIPv4Address", "destinationIPv4Address"]
        assert (told["template"], told["first_us"], told["restored"]) == (256, NOW_US, True)
        assert source["templates_restored"] == 1


def test_an_unknown_site_is_one_line(prathu: Prathu) -> None:
    said = prathu("sources", "--site", "school-z")
    assert (said.status, said.err.count("\n")) == (2, 1)
    assert "known: school-a, school-b" in said.err
