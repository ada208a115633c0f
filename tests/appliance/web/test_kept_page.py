"""What is kept: days, holds and the disk, for who manages the box."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from collector.keeping import Keeper
from collector.pipeline import Pipeline
from collector.records import moment
from collector.settings import CollectorSettings, Site
from collector.spool import SpoolReader, SpoolWriter, first_position
from tests.appliance.web.rooms import NOW_US, VIEWER, House
from tests.collector.homes import BOOT, flow_frame, session_frame


def fill(home: Path) -> None:
    """Seal an hour of the house's site, and hold it."""
    settings = CollectorSettings(sites=(Site(id="default"),))
    at = moment(NOW_US)
    for folder in ("run", "spool"):
        (home / folder).mkdir(exist_ok=True)
    with SpoolWriter(home / "spool", settings.spool, clock=lambda: NOW_US * 1000) as spool:
        spool.append(session_frame(at, "malee", "10.0.0.1", site="default"))
        spool.wait_durable(spool.append(flow_frame(at, 1000, 3, site="default")))
    pipeline = Pipeline(home, settings, clock=lambda: NOW_US * 1000, boot_id=BOOT)
    pipeline.start(first_position(home / "spool"))
    reader = SpoolReader(home / "spool", pipeline.position)
    while frames := reader.read(4096):
        pipeline.feed(frames)
    pipeline.seal_now()
    keeper = Keeper(home, settings, clock=lambda: NOW_US * 1000)
    hold = {
        "do": "hold", "hold": "h1", "reference": "<b>12/2569</b>", "actor": "uid.0",
        "from_us": None, "to_us": None, "logs": ["flows"], "sites": [],
        "until_us": NOW_US + 20 * 86_400_000_000,
    }  # fmt: skip
    keeper.handlers(pipeline.worker)["hold"](hold)
    pipeline.stop()


def test_days_holds_and_disk_are_told_in_both_languages(house: House) -> None:
    fill(house.home)
    browser = house.signed_in()
    page = browser.get("/kept").text
    assert "คำสั่งให้เก็บ" in page
    assert ">180<" in page
    english = browser.get("/kept?lang=en").text
    assert "What is kept, and until when" in english
    assert "&lt;b&gt;12/2569&lt;/b&gt;" in english
    assert "ends soon" in english
    assert "Legal holds that end within 30 days: 1" in english
    assert "hold" in house.control.acts


def test_an_empty_box_says_so(house: House) -> None:
    assert "There is no hold." in house.signed_in().get("/kept?lang=en").text


def test_only_who_manages_may_see_cases(house: House) -> None:
    assert house.signed_in(VIEWER).get("/kept").status_code == 403


def test_a_disk_that_gets_full_is_told_on_every_first_page(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full:
        total, free, used = 1000, 90, 910

    monkeypatch.setattr(shutil, "disk_usage", lambda _: Full)
    for path in ("/?lang=en", "/kept?lang=en"):
        page = house.signed_in().get(path).text
        assert "Less than 10 % of the disk is free" in page
