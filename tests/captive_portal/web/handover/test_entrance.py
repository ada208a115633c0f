"""Devices that gateways send: what is let through, and what is refused and counted."""

import hashlib
import re

import pytest

from captive_portal.people.accounts import Kind, NewAccount
from captive_portal.sign_in.one_time import VALID_NS, Bound
from captive_portal.web.tokens import VALID_NS as FORM_NS
from tests.captive_portal.conftest import NOW, SITE
from tests.captive_portal.web.handover.school import MAC, Button, School, form, path, send
from tests.captive_portal.web.test_app import PUPIL

BACK = "http://portal.test/portal/done?lang=th"
ROUTER = {"mac": MAC.upper(), "ip": PUPIL, "link_login_only": "http://10.5.50.1/login"}
FIREWALL = {
    "post": "https://192.0.2.2:1003/fgtauth",
    "magic": "0a0b0c0d0e0f",
    "usermac": MAC,
    "userip": PUPIL,
    "ssid": "โรงเรียน",
}
WAYS = [
    (path("mikrotik", **ROUTER), "http://10.5.50.1/login", "username", "password"),
    (path("fortigate", **FIREWALL), "https://192.0.2.2:1003/fgtauth", "username", "password"),
    (
        path("aruba", cmd="login", mac=MAC, essid="school", ip=PUPIL),
        "https://securelogin.school.example/cgi-bin/login",
        "user",
        "password",
    ),
    (
        path("aruba", cmd="login", mac=MAC, network="school", post="192.0.2.3"),
        "https://192.0.2.3/cgi-bin/login",
        "user",
        "password",
    ),
    (
        path("ruckus", sip="192.0.2.4", client_mac="02005e100001", uip=PUPIL, ssid="school"),
        "http://192.0.2.4:9997/login",
        "username",
        "password",
    ),
    (
        path("ruckus", sip="192.0.2.4", client_mac=MAC, uip=PUPIL, zoneName="a", proxy="0"),
        "http://192.0.2.4:9997/SubscriberPortal/hotspotlogin",
        "username",
        "password",
    ),
    (
        path(
            "pfsense",
            portal_action="http://192.0.2.5:8002/index.php?zone=school",
            zone="school",
            client_mac=MAC,
            client_ip=PUPIL,
        ),
        "http://192.0.2.5:8002/index.php?zone=school",
        "auth_user",
        "auth_pass",
    ),
]


def taken(school: School, nas: str, user: str, password: str, mac: str = MAC) -> bool:
    """Take a password as a gateway does; say whether it was theirs, who have seen the notice."""
    where = Bound(site=SITE, nas=nas, mac=mac)
    found = school.one_time.take(user, where, lambda one: one == password)
    account = school.people.find(SITE, "somchai")
    if found is None or account is None:
        return False
    return found.person == account.id and re.fullmatch("[0-9a-f]{16}", found.notice) is not None


@pytest.mark.parametrize(("way", "action", "user", "password"), WAYS)
def test_who_signs_in_goes_back_with_a_password_for_one_use(
    school: School, way: str, action: str, user: str, password: str
) -> None:
    answer = school.sign_in(way)
    assert answer.status_code == 200
    button = form(answer)
    assert (button.action, button.method) == (action, "post")
    assert button.fields[user] == "somchai"
    assert any(value.startswith(BACK) for value in button.fields.values())
    assert "correct horse" not in answer.text
    assert "<script" not in answer.text
    assert school.desk.sessions == {}, "the gateway's accounting begins it"
    host = re.sub(r"^https?://|:.*|/.*", "", action)
    nas = {"10.5.50.1": "192.0.2.1", "securelogin.school.example": "192.0.2.3"}.get(host, host)
    assert taken(school, f"{nas}/32", "somchai", button.fields[password])
    assert not taken(school, f"{nas}/32", "somchai", button.fields[password])


@pytest.mark.parametrize("way", [way for way, *_ in WAYS])
def test_a_gateway_is_known_by_its_parameters_at_the_root_too(school: School, way: str) -> None:
    word, query = way.removeprefix("/portal/").split("?")
    page = school.device().get(f"/?{query}")
    assert page.status_code == 200
    assert form(page).action.startswith(f"/portal/{word}?")
    assert form(school.device().get("/?lang=en")).action == "/?lang=en"


def test_the_proof_by_chap_is_made_without_a_script(school: School) -> None:
    way = path("mikrotik", **ROUTER) + "&chap-id=%5C371&chap-challenge=%5C357%5C015"
    fields = form(school.sign_in(way)).fields
    given = school.one_time._given[SITE, "somchai"].password.encode()
    assert fields["password"] == hashlib.md5(b"\xf9" + given + b"\xef\x0d").hexdigest()


def test_pages_speak_english_and_keep_what_the_gateway_said(school: School) -> None:
    device = school.device()
    page = device.get(path("fortigate", **FIREWALL))
    assert '<html lang="th">' in page.text
    other = re.search(r'<a href="([^"]*)" lang="en"', page.text)
    assert other is not None
    english = device.get(other[1].replace("&amp;", "&"))
    assert '<html lang="en">' in english.text
    answer = send(device, english, account="somchai", password="correct horse")
    assert "Begin using the Internet" in answer.text
    assert form(answer).fields["magic"] == FIREWALL["magic"]
    assert "lang=en&" in form(answer).fields["4Tredir"]
    assert "form-action http: https:" in answer.headers["content-security-policy"]
    assert "form-action 'self'" in english.headers["content-security-policy"]


FORGED = [
    ("unknown-gateway", {"link_login_only": "http://203.0.113.9/login"}),
    ("unknown-gateway", {"link_login_only": "http://10.5.50.1.evil.example/login"}),
    ("unknown-gateway", {"link_login_only": "http://10.9.9.9/login"}),  # of a wide network
    ("unknown-gateway", {"link_login_only": "http://10.5.50.1:22/"}),
    ("unknown-gateway", {"link_login_only": "http://198.51.100.1/login"}),  # another site's
    ("unknown-gateway", {"link_login_only": "http://192.0.2.2/login"}),  # another maker's
    ("no-url", {"link_login_only": "javascript:alert(1)"}),
    ("no-url", {"link_login_only": "http://10.5.50.1@203.0.113.9/"}),
    ("control", {"link_login_only": "http://10.5.50.1/\r\nX-Injected: 1"}),
    ("no-mac", {"mac": "---"}),
    ("no-mac", {"mac": "<script>"}),
    ("no-address", {"ip": "10.0.0.5.6"}),
    ("other-device", {"ip": "10.0.0.6"}),
    ("long", {"mac": "0" * 3000}),
    ("chap", {"chap_id": "%5C371"}),
]


@pytest.mark.parametrize(("reason", "change"), FORGED)
def test_forged_parameters_are_refused_and_counted(
    school: School, reason: str, change: dict[str, str]
) -> None:
    page = school.refused(path("mikrotik", **(ROUTER | change)))
    assert "x-injected" not in page.headers
    assert "203.0.113.9" not in page.text
    assert school.gateways.counts == {f"mikrotik {reason}": 1}
    (told,) = school.gateways.recent
    assert (told["vendor"], told["reason"], told["address"]) == ("mikrotik", reason, PUPIL)


def test_a_form_with_other_parameters_than_it_was_given_with_is_refused(school: School) -> None:
    device = school.device()
    page = device.get(path("mikrotik", **ROUTER))
    own = form(page).fields
    for query in (
        own["query"].replace("10.5.50.1", "203.0.113.9"),
        own["query"].replace("10.5.50.1", "192.0.2.1"),
        "",
    ):
        answer = device.post(
            form(page).action,
            data=own | {"query": query, "account": "somchai", "password": "correct horse"},
        )
        assert answer.status_code == 403
    assert school.one_time.counts == {}


def test_the_state_of_a_form_is_good_once_for_its_device_and_an_hour(school: School) -> None:
    device = school.device()
    page = device.get(path("mikrotik", **ROUTER))
    typed = {"account": "somchai", "password": "correct horse"}
    assert send(device, page, **typed).status_code == 200
    again = send(device, page, **typed)
    assert (again.status_code, school.gateways.counts["mikrotik replayed"]) == (403, 1)
    assert send(device, again, **typed).status_code == 200  # the new form of that page
    page = device.get(path("mikrotik", **ROUTER))
    school.now[0] += FORM_NS + 1
    assert send(device, page, **typed).status_code == 403
    assert school.gateways.counts["mikrotik stale"] == 1


def test_a_form_of_one_device_is_of_no_use_on_another(school: School) -> None:
    way = path("mikrotik", **{name: ROUTER[name] for name in ("mac", "link_login_only")})
    page = school.device().get(way)
    answer = send(school.device("10.0.0.9"), page, account="somchai", password="correct horse")
    assert answer.status_code == 403


def test_a_device_whose_mac_the_kernel_knows_otherwise_is_refused(school: School) -> None:
    school.known[PUPIL] = "02:00:5e:10:00:99"
    page = school.refused(path("mikrotik", **ROUTER))
    assert "ลิงก์" in page.text
    school.known[PUPIL] = MAC
    assert school.sign_in(path("mikrotik", **ROUTER)).status_code == 200


def test_devices_behind_the_address_of_their_gateway_are_told_apart_by_it(school: School) -> None:
    school.known["10.5.50.1"] = "02:00:5e:ff:00:01"
    way = path("mikrotik", **(ROUTER | {"ip": "172.31.0.7"}))
    button = form(school.sign_in(way, address="10.5.50.1"))
    password = button.fields["password"]
    assert not taken(school, "192.0.2.1/32", "somchai", password, mac="02:00:5e:10:00:02")
    assert taken(school, "192.0.2.1/32", "somchai", password)


def test_where_the_form_names_the_device_it_must_be_the_one_that_asks(school: School) -> None:
    way = path("ruckus", sip="192.0.2.4", client_mac=MAC, ssid="school")
    school.refused(way)
    school.refused(path("ruckus", sip="192.0.2.4", client_mac="ENC12f09", uip=PUPIL))
    school.known[PUPIL] = MAC
    assert school.sign_in(way).status_code == 200
    assert school.gateways.counts["ruckus encrypted-mac"] == 1


def test_wrong_passwords_are_told_as_everywhere_and_can_be_typed_again(school: School) -> None:
    device = school.device()
    page = device.get(path("mikrotik", **ROUTER))
    answer = send(device, page, account="somchai", password="wrong")
    assert answer.status_code == 403
    assert "ชื่อผู้ใช้หรือรหัสผ่านไม่ถูกต้อง" in answer.text
    assert school.one_time.counts == {}
    right = send(device, answer, account="somchai", password="correct horse")
    assert form(right).action == "http://10.5.50.1/login"


def test_a_password_of_a_slip_is_changed_on_the_way(school: School) -> None:
    school.people.add(
        NewAccount(
            site=SITE,
            account="mali",
            full_name="มะลิ ใจงาม",
            kind=Kind.PUPIL,
            proofing="x",
            password="from a slip",
            must_change=True,
        ),
        now=NOW,
    )
    device = school.device()
    page = device.get(path("mikrotik", **ROUTER))
    change = send(device, page, account="mali", password="from a slip")
    assert 'name="again"' in change.text
    short = send(device, change, new="short", again="short")
    assert short.status_code == 422
    other = dict(form(short).fields, person="0" * 32, new="my own words", again="my own words")
    assert device.post(form(short).action, data=other).status_code == 403
    answer = send(device, short, new="my own words", again="my own words")
    assert form(answer).fields["username"] == "mali"


def test_a_gateway_that_refused_is_told_in_our_words(school: School) -> None:
    page = school.device().get(path("mikrotik", **ROUTER, error="<b>call 1234"))
    assert page.status_code == 200
    assert "call 1234" not in re.sub(r'value="[^"]*"|href="[^"]*"', "", page.text)
    assert "อุปกรณ์เครือข่ายยังไม่อนุญาต" in page.text


def test_who_comes_back_waits_for_the_gateway_and_not_for_ever(school: School) -> None:
    device = school.device()
    for number in range(6):
        page = device.get(f"/portal/done?n={number}")
        assert page.headers["refresh"] == f"2; url=/portal/done?lang=th&n={number + 1}"
    forged = device.get("/portal/done?of=x%0d%0aX-Injected:1")
    assert "of=" not in forged.headers["refresh"]
    assert "x-injected" not in forged.headers
    for last in ("6", "-1", "x", "9" * 5000):
        assert "refresh" not in device.get(f"/portal/done?n={last}").headers


def test_makers_that_are_not_known_have_no_page(school: School) -> None:
    assert school.device().get("/portal/nobody?mac=1").status_code == 404
    assert school.device().post("/portal/nobody").status_code == 404
    assert school.device("203.0.113.5").get(path("mikrotik", **ROUTER)).status_code == 403
    school.refused("/portal/unifi?ap=1&id=02:00:5e:10:00:01")
    assert school.gateways.counts["unifi no-controller"] == 1


def test_wifidog_brings_a_token_that_the_gateway_asks_of(school: School) -> None:
    way = "/portal/ruijie/login?gw_id=a&gw_address=192.0.2.6&gw_port=2060"
    button = form(school.sign_in(f"{way}&mac={MAC}&ip={PUPIL}"))
    assert (button.action, button.method) == ("http://192.0.2.6:2060/wifidog/auth", "get")
    assert asks(school, "login", button, address=PUPIL) == "Auth: 1\n"
    assert school.desk.notices[-1], "the log has the version of the notice"
    session = school.desk.sessions[SITE, PUPIL]
    assert (session.mac, session.person and session.person.account) == (MAC, "somchai")
    assert asks(school, "login", button, address=PUPIL) == "Auth: 0\n"
    assert asks(school, "counters", button, address=PUPIL) == "Auth: 1\n"
    assert asks(school, "counters", button, address=PUPIL, mac="02:00:5e:10:00:02") == "Auth: 0\n"
    assert asks(school, "logout", button, address=PUPIL) == "Auth: 0\n"
    assert school.desk.sessions == {}


def test_wifidog_answers_gateways_alone_and_lets_no_other_device_in(school: School) -> None:
    way = "/portal/ruijie/login?gw_id=a&gw_address=192.0.2.6&gw_port=2060"
    button = form(school.sign_in(f"{way}&mac={MAC}&ip={PUPIL}"))
    assert asks(school, "login", button, address=PUPIL, caller=PUPIL) == "Auth: 0\n"
    assert asks(school, "login", button, address=PUPIL, mac="02:00:5e:10:00:02") == "Auth: 0\n"
    school.now[0] += VALID_NS
    assert asks(school, "login", button, address=PUPIL) == "Auth: 0\n"
    assert asks(school, "login", button, address="x") == "Auth: 0\n"
    school.desk.fails = True
    assert school.gateways.counts["ruijie unknown-caller"] == 1
    assert school.desk.sessions == {}


def test_a_gateway_that_cannot_be_told_to_the_log_lets_nobody_in(school: School) -> None:
    way = "/portal/ruijie/login?gw_id=a&gw_address=192.0.2.6&gw_port=2060"
    button = form(school.sign_in(f"{way}&mac={MAC}&ip={PUPIL}"))
    school.desk.fails = True
    assert asks(school, "login", button, address=PUPIL) == "Auth: 0\n"
    assert school.gateways.counts["ruijie not-begun"] == 1


def asks(
    school: School,
    stage: str,
    button: Button,
    *,
    address: str,
    mac: str = MAC,
    caller: str = "192.0.2.6",
) -> str:
    given = {"stage": stage, "ip": address, "mac": mac, "token": button.fields["token"]}
    return str(school.device(caller).get("/portal/ruijie/auth/", params=given).text)
