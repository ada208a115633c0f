"""Access points and routers: refusals with what to do about them, and what NASes are told."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.web import nas_standing
from appliance.web.nas_standing import KNOWN, standing
from appliance.web.texts import Texts
from tests.appliance.web.rooms import NASTY, VIEWER, House
from tests.appliance.web.test_sessions_page import LINE

TOLD = {
    "radius_authentication": {
        "192.0.2.1": {"accept": 7, "reject chap-needs-a-clear-password": 3},
        "192.0.2.2": {"reject chap-needs-a-clear-password": 1, "reject odd": 1, "copy": 9},
    },
    "radius_orders": {
        "sent": {"192.0.2.1": {"ack": 1, "coa-ack": 4, "coa-nak 401": 2, "coa-no-answer": 6}},
        "taken": {},
    },
    "radius_refused": [
        {"at_ns": 1_795_000_000_000_000_000, "account": NASTY, "nas": "ap", "reason": "hours"}
    ],
    "nas_waiting": {"192.0.2.3": {"waiting": 4711, "mute": True}},
    "nas_untold": 5,
}


def write(house: House, told: Any) -> None:
    path = house.home / nas_standing.STATUS
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(told))


def test_refusals_are_told_with_what_to_do_and_nases_with_what_waits(house: House) -> None:
    write(house, TOLD)
    page = house.signed_in().get("/sessions/nas?lang=en").text
    for word in (
        "CHAP needs the password itself",
        "4,711",
        "does not answer",
        "2 × it does not know an attribute (401)",
        "5 ends and changes were given up",
        "odd",
    ):
        assert word in page
    assert NASTY not in page
    thai = house.signed_in().get("/sessions/nas?lang=th").text
    assert "CHAP ต้องใช้ตัวรหัสผ่านจริง" in thai


def test_the_sessions_tell_what_their_nas_said(house: House) -> None:
    house.live.lines = [
        replace(LINE, nas_state="refused 401"),
        replace(LINE, nas_state="silent"),
    ]
    page = house.signed_in().get("/sessions?lang=en").text
    assert "change declined: it does not know an attribute (401)" in page
    assert "changed here, not confirmed" in page


def test_only_who_manages_sees_it_and_it_is_there_without_a_portal(house: House) -> None:
    assert "The portal does not run." in house.signed_in().get("/sessions/nas?lang=en").text
    assert house.signed_in(VIEWER).get("/sessions/nas").status_code == 403


def test_every_known_refusal_has_a_sentence_in_both_languages() -> None:
    for reason in KNOWN:
        for language in ("th", "en"):
            assert Texts(language)(f"refusal:{reason}") != reason


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=10,
)
sections = st.sampled_from([*TOLD, "sent"])


@given(st.dictionaries(sections, json_values) | json_values)
def test_anything_may_stand_in_the_status(told: Any) -> None:
    assert standing(told).running


@pytest.mark.parametrize("text", ["", "{", "[]", "null"])
def test_a_damaged_status_is_none(house: House, text: str) -> None:
    path = house.home / nas_standing.STATUS
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    assert house.signed_in().get("/sessions/nas").status_code == 200
