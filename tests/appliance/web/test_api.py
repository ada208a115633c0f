"""The API: the same rights as the pages, a token for local programs, and one JSON error."""

from __future__ import annotations

import pytest

from tests.appliance.web.rooms import NOW_US, VIEWER, House

TOKEN = {"Authorization": "Bearer token-of-the-box"}


@pytest.mark.parametrize("path", ["search", "who?address=10.0.0.1", "status"])
@pytest.mark.parametrize("word", [None, "Bearer", "Bearer wrong", "Basic dG9rZW4="])
def test_a_stranger_gets_nothing(house: House, path: str, word: str | None) -> None:
    headers = {"Authorization": word} if word else {}
    answer = house.browser().get(f"/api/v1/{path}", headers=headers)
    assert answer.status_code == 401
    assert "error" in answer.json()
    assert house.asking.askers == []


def test_no_token_file_means_no_token(house: House) -> None:
    house.api_token = ""
    answer = house.browser().get("/api/v1/status", headers={"Authorization": "Bearer "})
    assert answer.status_code == 401


def test_a_local_program_asks_with_the_token_and_is_named_so(house: House) -> None:
    answer = house.browser().get("/api/v1/search?q=*&from=-1h&limit=7", headers=TOKEN)
    body = answer.json()
    assert answer.status_code == 200
    assert len(body["rows"]) == 2
    assert body["sentence_th"] == "ประโยคไทย"
    wish = house.asking.wishes[-1]
    assert (wish.limit, wish.end_us, wish.count) == (7, NOW_US + 1, False)
    assert house.asking.askers[-1].actor == "local:api-token"


def test_a_program_asks_for_multiplied_counters(house: House) -> None:
    client = house.browser()
    body = client.get("/api/v1/search?scaled=true", headers=TOKEN).json()
    assert (body["scaled_rows"], house.asking.wishes[-1].scaled) == (2, True)
    assert client.get("/api/v1/search", headers=TOKEN).json()["scaled_rows"] is None


def test_a_seat_counts_here_too(house: House) -> None:
    client = house.signed_in(VIEWER)
    assert client.get("/api/v1/search").status_code == 200
    assert house.asking.askers[-1].actor == str(VIEWER.id)


def test_who_and_status_answer(house: House) -> None:
    client = house.browser()
    who = client.get("/api/v1/who?address=10.20.1.11&at=-2m", headers=TOKEN).json()
    assert who["verdict"] == "person"
    assert who["readings"][0]["certainty"] == "sure"
    status = client.get("/api/v1/status", headers=TOKEN).json()
    assert status["empty"] is True
    assert {p["name"] for p in status["processes"]} == {"receive", "seal", "portal", "web"}


@pytest.mark.parametrize(
    "query", ["q=user:(", "from=nonsense", "limit=0", "limit=x", "limit=100001"]
)
def test_what_is_wrong_is_one_json_error(house: House, query: str) -> None:
    answer = house.browser().get(f"/api/v1/search?{query}", headers=TOKEN)
    assert answer.status_code == 422
    assert list(answer.json()) == ["error"]


def test_no_route_changes_a_record(house: House) -> None:
    document = house.browser().get("/api/v1/openapi.json").json()
    methods = {m for route in document["paths"].values() for m in route}
    assert methods == {"get"}


def test_a_raw_line_that_is_no_utf8_is_hex(house: House) -> None:
    house.asking.rows = [{"raw": None, "raw_bytes": b"\xff\xfe"}]
    answer = house.browser().get("/api/v1/search?q=*&log=events", headers=TOKEN)
    assert answer.json()["rows"] == [{"raw": None, "raw_bytes": "fffe"}]
