"""Who is on: shown to admins alone, ended by a button, and written down."""

import json
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine

from appliance.web.deps import SessionLine
from appliance.web.live import PortalLive
from captive_portal.database import open_database
from captive_portal.sessions.rows import Rows
from tests.appliance.web.rooms import NASTY, VIEWER, House, csrf
from tests.captive_portal.sessions.test_gated_machine import ONE

LINE = SessionLine(
    id=UUID(int=5),
    site="default",
    zone="pupils",
    account="somchai",
    name=NASTY,
    group="ม.1",
    addresses=("10.20.0.5", "2001:db8::5"),
    mac="02:00:00:00:00:05",
    method="portal",
    nas="",
    start=datetime(2026, 11, 22, 3, 0, tzinfo=UTC),
    until=datetime(2026, 11, 22, 9, 0, tzinfo=UTC),
    bytes_in=1_500_000,
    bytes_out=None,
    slow=True,
)


@pytest.fixture
def house(tmp_path: Path) -> House:
    house = House(tmp_path)
    house.live.lines = [LINE]
    house.control.replies["kick"] = {"account": "somchai", "gate": "shut out", "nas": ""}
    return house


def test_the_list_has_counters_group_zone_and_end(house: House) -> None:
    page = house.signed_in().get("/sessions?lang=en").text
    for word in ("somchai", "ม.1", "pupils", "2001:db8::5", "1.5 MB", "slow: quota used up"):
        assert word in page
    assert NASTY not in page
    assert "Nobody" not in page


def test_the_button_ends_a_session_once_it_is_written_down(house: House) -> None:
    client = house.signed_in()
    form = {"csrf": csrf(client, "/sessions"), "q": "somchai"}
    page = client.post(f"/sessions/{LINE.id}/end", data=form).text
    assert "somchai" in page
    assert "shut out" in page
    assert house.control.kicked == [str(LINE.id)]
    assert house.control.acts == ["sign-in", "kick"]
    assert house.control.events[-1]["target"] == str(LINE.id)


def test_without_token_or_right_nothing_ends(house: House) -> None:
    path = f"/sessions/{LINE.id}/end"
    admin, viewer = house.signed_in(), house.signed_in(VIEWER)
    assert admin.post(path, data={"csrf": "x"}).status_code == 403
    assert viewer.get("/sessions").status_code == 403
    assert viewer.post(path, data={"csrf": csrf(viewer, "/search")}).status_code == 403
    assert house.browser().get("/sessions").status_code == 303
    assert house.control.kicked == []


def test_what_cannot_be_written_down_is_not_done(house: House) -> None:
    client = house.signed_in()
    form = {"csrf": csrf(client, "/sessions")}
    house.control.down = True
    assert client.post(f"/sessions/{uuid4()}/end", data=form).status_code == 503
    assert house.control.kicked == []


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return open_database(tmp_path)


def test_sessions_are_found_by_any_word(engine: Engine, tmp_path: Path) -> None:
    Rows(engine).write([ONE])
    live = PortalLive(engine, tmp_path)
    for text in ("", "PERSON1", "10.0.0.1", "02:00"):
        assert [line.id for line in live.sessions(text)] == [ONE.id]
    assert live.sessions("nobody") == []
    engine.dispose()


def test_a_session_whose_device_two_claim_is_marked(engine: Engine, tmp_path: Path) -> None:
    Rows(engine).write([ONE])
    live, status = PortalLive(engine, tmp_path), tmp_path / "run" / "portal.json"
    status.parent.mkdir()
    began = int(ONE.start.timestamp() * 10**9)
    for told, so in (
        ({ONE.addresses[0]: began + 1}, True),
        ({ONE.mac: began + 1}, True),
        ({ONE.addresses[0]: began - 1}, False),  # of whoever had it before
        ({"10.0.0.99": began + 1}, False),
    ):
        status.write_text(json.dumps({"claims": {"doubted": told}}))
        assert [line.doubted for line in live.sessions("")] == [so]
    for nonsense in ("{", "[]", '{"claims": {"doubted": 3}}', '{"claims": null}'):
        status.write_text(nonsense)
        assert [line.doubted for line in live.sessions("")] == [False]
    engine.dispose()
