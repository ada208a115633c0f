"""Whatever stands in an address becomes a hint, nobody's, or is refused; never anything else."""

import contextlib
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captive_portal.web.handover.gateways import ASKED, POSTING
from captive_portal.web.handover.hint import MOST_QUERY, Forged, Given, PostVendor, Query, Target
from captive_portal.web.handover.mikrotik import Mikrotik

VENDORS = (*POSTING.values(), *ASKED.values())
NAMES = [
    *("mac", "ip", "link-login-only", "chap-id", "chap-challenge", "error", "magic", "post"),
    *("usermac", "userip", "ssid", "cmd", "switchip", "sip", "client_mac", "uip", "nbiIP"),
    *(
        "portal_action",
        "zone",
        "client_ip",
        "gw_id",
        "gw_address",
        "gw_port",
        "id",
        "ap",
        "site",
        "lang",
    ),
    *("clientMac", "apMac", "gatewayMac", "radioId", "vid"),
]
VALUES = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        ["02-00-5e-10-00-01", "http://10.5.50.1/login", "10.5.50.1:9997", "\\371", "[::1]:80", "1"]
    ),
)


@given(st.lists(st.tuples(st.sampled_from(NAMES), VALUES), max_size=45))
def test_any_parameters_are_read_or_refused(pairs: list[tuple[str, str]]) -> None:
    every(urlencode(pairs))


@given(st.text(max_size=200) | st.text(alphabet="&=%;+\\:/@[]#?\0\r\na0", max_size=200))
def test_any_text_is_read_or_refused(raw: str) -> None:
    every(raw)


def every(raw: str) -> None:
    for vendor in VENDORS:
        with contextlib.suppress(Forged):
            hint = vendor.read(Query.parse(raw))
            if hint is None:
                continue
            assert len(hint.mac) == 17
            where = hint.target or Target("https", "a.example", 443)
            assert where.origin.isascii()
            assert not set(where.origin) & set(" \r\n\t\"'<>@\\")
            if vendor.word in POSTING:
                made = POSTING[vendor.word].form(
                    hint, where, Given(user="u", password="p", back="/")
                )
                assert made.action.startswith(where.origin + "/")


def url(text: str) -> Target:
    return Query.parse(urlencode({"u": text})).url("u")


@pytest.mark.parametrize(
    "text",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "//evil.example/login",
        "http://10.5.50.1@evil.example/login",
        "http://10.5.50.1:80@evil.example/",
        "http://evil.example\\@10.5.50.1/",
        "http://10.5.50.1\r\nSet-Cookie: a=b",
        "http://10.5.50.1\x00.evil.example/",
        "http://[10.5.50.1/",
        "http://[::1/",
        "http://[abc]/",
        "http://10.5.50.1:0/",
        "http://10.5.50.1:65536/",
        "http://10.5.50.1:99999999/",
        "http://ｅvil.example/",
        "http:///login",
        "http://",
        "",
        " ",
        "x" * 600,
    ],
)
def test_what_is_no_plain_http_address_is_refused(text: str) -> None:
    with pytest.raises(Forged):
        url(text)


def test_of_an_address_only_scheme_host_and_port_are_taken() -> None:
    assert url("http://10.5.50.1/login?a=b#c") == Target("http", "10.5.50.1", 80)
    assert url("HTTPS://Login.School.Example.:8443/x").origin == "https://login.school.example:8443"
    assert url("http://[2001:DB8::0:1]:80").origin == "http://[2001:db8::1]"


def test_long_many_and_contradicting_parameters_are_refused() -> None:
    for raw in (
        "a=" + "x" * 600,
        "a=b&" * (MOST_QUERY // 4 + 1),
        "&".join(f"a{number}=1" for number in range(60)),
        "mac=02-00-5e-10-00-01&mac=02-00-5e-10-00-02",
    ):
        with pytest.raises(Forged):
            Query.parse(raw)
    assert Query.parse("a=1&a=1&lang=th&lang=en").text("a") == "1"


@pytest.mark.parametrize("chap_id", ["%f9", "%5C371"])
def test_a_chap_challenge_is_octets_in_either_spelling(chap_id: str) -> None:
    hint = Mikrotik().read(
        Query.parse(
            "mac=02:00:5e:10:00:01&link-login-only=http://10.5.50.1/login"
            f"&chap-id={chap_id}&chap-challenge=%5C357%5C015%5C330"
        )
    )
    assert hint is not None
    assert hint.extra == {"chap-id": "f9", "chap-challenge": "ef0dd8"}


def test_every_maker_is_known_by_one_word() -> None:
    assert len({vendor.word for vendor in VENDORS}) == len(VENDORS) == 8
    posting: list[PostVendor] = list(POSTING.values())
    assert all(vendor.ports for vendor in posting)
