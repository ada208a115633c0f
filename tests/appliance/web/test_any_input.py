"""Whatever is in an address or a form, the answer is a page, never a fault."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.web.app import create_app
from tests.appliance.web.rooms import BASE, House, csrf

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
NAMES = st.sampled_from(
    [
        "q",
        "log",
        "site",
        "range",
        "from",
        "to",
        "limit",
        "cols",
        "col",
        "lang",
        "address",
        "at",
        "state",
    ]
)
TIMES = st.one_of(
    TEXT, st.from_regex(r"-?[0-9๐-๙]{1,9}[smhdw]|[0-9]{4}-[0-9]{2}-[0-9]{2}", fullmatch=True)
)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    house = House(home=Path(tmp_path_factory.mktemp("home")))
    yield house.signed_in()


@settings(max_examples=150)
@given(
    st.sampled_from(
        [
            *("/search", "/search.csv", "/who", "/people", "/", "/sign-in", "/api/v1/search"),
            *("/sources", "/api/v1/sources"),
        ]
    ),
    st.dictionaries(NAMES, st.one_of(TEXT, TIMES), max_size=6),
    st.booleans(),
)
def test_any_query_gets_an_answer(
    client: TestClient, path: str, query: dict[str, str], part: bool
) -> None:
    headers = {"HX-Request": "true"} if part else {}
    answer = client.get(path, params=query, headers=headers)
    assert answer.status_code in (200, 303, 422)


@settings(max_examples=100)
@given(
    st.sampled_from(["/people", "/password", "/people/x/disable", "/sign-in", "/nowhere"]),
    st.dictionaries(st.sampled_from(["account", "name", "kind", "old", "new"]), TEXT, max_size=4),
    st.booleans(),
)
def test_any_form_gets_an_answer(
    client: TestClient, path: str, form: dict[str, str], signed: bool
) -> None:
    token = {"csrf": csrf(client, "/people")} if signed else {}
    answer = client.post(path, data={**form, **token})
    assert answer.status_code in (200, 303, 403, 404, 405, 422)


@settings(max_examples=50)
@given(
    st.binary(max_size=200),
    st.sampled_from(
        [
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=b",
            "text/plain",
            "multipart/form-data",
        ]
    ),
)
def test_any_body_is_refused_politely(client: TestClient, body: bytes, kind: str) -> None:
    answer = client.post("/people", content=body, headers={"Content-Type": kind})
    assert answer.status_code in (400, 403)


def test_a_fault_of_ours_is_a_page_without_its_traceback(tmp_path: Path) -> None:
    house = House(home=tmp_path)
    app = create_app(house.deps())
    client = TestClient(app, base_url=BASE, raise_server_exceptions=False, follow_redirects=False)
    house.staff.check = None  # type: ignore[assignment, method-assign]  # the fault
    form = {"csrf": csrf(client, "/sign-in"), "account": "admin", "password": "x"}
    answer = client.post("/sign-in", data=form)
    assert answer.status_code == 500
    assert "Traceback" not in answer.text
    assert "โปรแกรมผิดพลาด" in answer.text
    assert "content-security-policy" in answer.headers


def test_a_number_longer_than_python_reads_is_none(client: TestClient) -> None:
    assert client.get("/search", params={"limit": "1" * 5000}).status_code == 200
