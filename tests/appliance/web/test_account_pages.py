"""Signing in, signing out, one-time passwords, and who is kept out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.appliance.web.rooms import ADMIN, BASE, NEWCOMER, PASSWORD, VIEWER, House, csrf, sign_in

SECOND = 1_000_000_000


@pytest.mark.parametrize("path", ["/", "/search", "/search.csv", "/who", "/people"])
def test_a_stranger_is_led_to_the_door_and_back_again(house: House, path: str) -> None:
    client = house.browser()
    answer = client.get(path + "?q=x")
    assert answer.status_code == 303
    door = answer.headers["location"]
    assert door.startswith("/sign-in?next=")
    form = {"csrf": csrf(client, door), "account": "admin", "password": PASSWORD}
    answer = client.post("/sign-in", data={**form, "next": f"{path}?q=x"})
    assert answer.headers["location"] == f"{path}?q=x"


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(house: House) -> None:
    answer = sign_in(house.browser(), "admin", PASSWORD)
    cookie = next(c for c in answer.headers.get_list("set-cookie") if "prathu_admin=" in c)
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie


def test_a_wrong_password_opens_nothing_and_does_not_say_why(house: House) -> None:
    client = house.browser()
    known = sign_in(client, "admin", "wrong")
    unknown = sign_in(client, "nobody", "wrong")
    assert known.status_code == unknown.status_code == 422
    assert "บัญชีหรือรหัสผ่านไม่ถูกต้อง" in known.text
    assert "บัญชีหรือรหัสผ่านไม่ถูกต้อง" in unknown.text
    assert client.get("/").status_code == 303


def test_tries_are_slowed_per_account_and_begin_anew_after_a_minute(house: House) -> None:
    client = house.browser()
    for _ in range(5):
        sign_in(client, "admin", "wrong")
    assert "ลองหลายครั้งเกินไป" in sign_in(client, "ADMIN", PASSWORD).text
    assert house.staff.checks == 5
    assert sign_in(client, "viewer", PASSWORD).status_code == 303
    house.clock.ns += 61 * SECOND
    assert sign_in(house.browser(), "admin", PASSWORD).status_code == 303


def test_another_spelling_of_a_name_is_no_further_try(house: House) -> None:
    client = house.browser()
    for spaces in range(1, 6):
        sign_in(client, f"no{' ' * spaces}body", "wrong")
    assert "ลองหลายครั้งเกินไป" in sign_in(client, "No body", "wrong").text
    assert house.staff.checks == 5


def test_a_form_with_a_cookie_of_odd_letters_is_refused(house: House) -> None:
    client = house.browser()
    token = csrf(client, "/sign-in")
    answer = house.browser().post(
        "/sign-in", data={"csrf": token}, headers={"Cookie": b"prathu_admin_form=\xff"}
    )
    assert answer.status_code == 403


def test_a_sign_in_is_written_down_before_it_is_answered(house: House) -> None:
    house.signed_in()
    assert house.control.acts == ["sign-in"]
    assert house.control.events[0]["actor"] == str(ADMIN.id)


def test_without_an_audit_log_nobody_signs_in(house: House) -> None:
    client = house.browser()
    house.control.down = True
    answer = sign_in(client, "admin", PASSWORD)
    assert answer.status_code == 503
    assert "prathu_admin=" not in str(answer.headers.get_list("set-cookie"))
    assert client.get("/").status_code == 303


def test_signing_out_makes_the_cookie_worthless(house: House) -> None:
    client = house.signed_in()
    stolen = client.cookies["prathu_admin"]
    client.post("/sign-out", data={"csrf": csrf(client, "/")})
    client.cookies.set("prathu_admin", stolen)
    assert client.get("/").status_code == 303
    assert house.control.acts == ["sign-in", "sign-out"]


def test_a_one_time_password_opens_only_the_page_for_a_new_one(house: House) -> None:
    client = house.browser()
    assert sign_in(client, "newcomer", PASSWORD).headers["location"] == "/password"
    for path in ("/", "/search?q=*", "/people"):
        assert client.get(path).headers["location"] == "/password"
    assert client.get("/api/v1/search").status_code == 403
    form = {"csrf": csrf(client, "/password"), "old": PASSWORD, "new": "neu", "again": "other"}
    assert client.post("/password", data=form).status_code == 422
    assert client.post("/password", data={**form, "again": "neu"}).headers["location"] == "/"
    assert client.get("/search").status_code == 200


def test_a_new_password_closes_every_other_seat(house: House) -> None:
    client = house.signed_in()
    other = client.cookies["prathu_admin"]
    form = {"csrf": csrf(client, "/password"), "old": PASSWORD, "new": "n" * 9, "again": "n" * 9}
    client.post("/password", data=form)
    assert client.get("/").status_code == 200
    client.cookies.set("prathu_admin", other)
    assert client.get("/").status_code == 303


def test_a_password_changed_elsewhere_ends_the_seat(house: House) -> None:
    client = house.signed_in()
    house.staff.members[ADMIN.id] = replace(ADMIN, stamp="changed by the command line")
    assert client.get("/").status_code == 303


def test_rights_taken_away_count_at_once(house: House) -> None:
    client = house.signed_in()
    house.staff.members[ADMIN.id] = replace(ADMIN, may=VIEWER.may)
    assert client.get("/people").status_code == 403
    del house.staff.members[ADMIN.id]
    assert client.get("/search").status_code == 303


def test_an_idle_seat_ends_and_a_page_that_refreshes_itself_keeps_none_warm(house: House) -> None:
    client = house.signed_in()
    for _ in range(4):
        house.clock.ns += 20 * 60 * SECOND
        client.get("/", headers={"HX-Request": "true", "X-By-Itself": "1"})
    answer = client.get("/", headers={"HX-Request": "true"})
    assert answer.headers["hx-redirect"].startswith("/sign-in")


@pytest.mark.parametrize("path", ["/sign-out", "/password", "/demo", "/people"])
@pytest.mark.parametrize("token", ["", "made up"])
def test_a_form_of_another_site_does_nothing(house: House, path: str, token: str) -> None:
    client = house.signed_in()
    answer = client.post(path, data={"csrf": token})
    assert answer.status_code == 403
    assert house.control.acts == ["sign-in"]
    assert not house.demo.running


def test_a_right_token_sent_from_another_origin_does_nothing(house: House) -> None:
    client = house.signed_in()
    form = {"csrf": csrf(client, "/")}
    answer = client.post("/sign-out", data=form, headers={"Origin": "http://evil.example"})
    assert answer.status_code == 403
    assert client.post("/sign-out", data=form, headers={"Origin": BASE}).status_code == 303


@pytest.mark.parametrize("wish", ["//evil.example", "https://evil.example", "/\\evil.example"])
def test_the_door_leads_nowhere_else(house: House, wish: str) -> None:
    answer = sign_in(house.browser(), "admin", PASSWORD, next=wish)
    assert answer.headers["location"] == "/"


def test_a_newcomer_is_not_told_of_pages_that_are_closed(house: House) -> None:
    client = house.browser()
    sign_in(client, NEWCOMER.account, PASSWORD)
    assert 'href="/people"' not in client.get("/password").text
