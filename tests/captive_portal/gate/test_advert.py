"""Router advertisements as another program reads them; and any bytes are a question or none."""

from __future__ import annotations

from ipaddress import IPv6Address, IPv6Interface

from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet6 import (
    ICMPv6ND_RA,
    ICMPv6ND_RS,
    ICMPv6NDOptCaptivePortal,
    ICMPv6NDOptMTU,
    ICMPv6NDOptPrefixInfo,
    ICMPv6NDOptRDNSS,
    ICMPv6NDOptSrcLLAddr,
)

from captive_portal.gate import advert
from tests.captive_portal.gate.plans import PUPILS, STAFF, plan_of

BOX = IPv6Interface("2001:db8:20::1/64")
MAC = bytes.fromhex("02005e100001")
NONE, DEVICE = IPv6Address("::"), IPv6Address("fe80::11")
API = "https://login.school.example/captive-portal/api"


def read(message: bytes) -> ICMPv6ND_RA:
    assert len(message) % 8 == 0
    return ICMPv6ND_RA(message)


def test_an_advertisement_has_all_that_a_device_needs() -> None:
    told = read(advert.advert(BOX, mac=MAC, mtu=1480, capport=API))
    assert (told.M, told.O, told.routerlifetime, told.chlim) == (0, 1, 1800, 64)
    assert told[ICMPv6NDOptSrcLLAddr].lladdr == "02:00:5e:10:00:01"
    prefix = told[ICMPv6NDOptPrefixInfo]
    assert (prefix.prefix, prefix.prefixlen, prefix.L, prefix.A) == ("2001:db8:20::", 64, 1, 1)
    assert (prefix.validlifetime, prefix.preferredlifetime) == (3600, 3600)
    assert told[ICMPv6NDOptMTU].mtu == 1480
    assert told[ICMPv6NDOptRDNSS].dns == ["2001:db8:20::1"]
    # RFC 8910 section 2.3: padded with NUL.
    assert told[ICMPv6NDOptCaptivePortal].URI.rstrip(b"\0").decode() == API


def test_nothing_is_told_of_a_page_that_has_no_address() -> None:
    assert ICMPv6NDOptCaptivePortal not in read(advert.advert(BOX, mac=MAC, mtu=1500, capport=""))


def test_a_farewell_takes_back_router_prefix_and_resolver() -> None:
    told = read(advert.farewell(BOX, mac=MAC))
    assert told.routerlifetime == 0
    prefix = told[ICMPv6NDOptPrefixInfo]
    assert (prefix.prefix, prefix.validlifetime, prefix.preferredlifetime) == (
        "2001:db8:20::", 0, 0,
    )  # fmt: skip
    assert told[ICMPv6NDOptRDNSS].lifetime == 0


def test_zones_say_where_the_api_is_or_that_there_is_nothing_to_sign_in_to() -> None:
    open_zone = STAFF.model_copy(update={"portal": False})
    plan = plan_of(PUPILS, open_zone, public_url="https://login.school.example/")
    assert [advert.capport(plan, zone) for zone in plan.zones] == [API, advert.UNRESTRICTED]
    assert advert.capport(plan_of(), plan_of().zones[0]) == ""


def test_a_question_is_one_only_from_this_link_and_whole() -> None:
    plain = bytes(ICMPv6ND_RS())
    named = bytes(ICMPv6ND_RS() / ICMPv6NDOptSrcLLAddr(lladdr="02:00:5e:10:00:11"))
    for message, source, hops, so in (
        (plain, NONE, 255, True),
        (named, DEVICE, 255, True),
        (named, NONE, 255, False),
        (plain, DEVICE, 64, False),
        (plain[:7], DEVICE, 255, False),
        (named[:-1], DEVICE, 255, False),
        (plain + bytes(8), DEVICE, 255, False),
        (b"\x86" + plain[1:], DEVICE, 255, False),
    ):
        found = advert.is_solicitation(message, source=source, hop_limit=hops)
        assert found == so, (message, source, hops)


@given(st.binary(max_size=64), st.integers(-1, 255))
def test_any_bytes_are_a_question_or_none(message: bytes, hops: int) -> None:
    for prefix in (b"", b"\x85\0"):
        advert.is_solicitation(prefix + message, source=DEVICE, hop_limit=hops)


@given(st.text(st.characters(codec="ascii"), max_size=2038), st.integers(1280, 65535))
def test_whatever_the_length_of_the_address_options_are_whole(uri: str, mtu: int) -> None:
    message = advert.advert(BOX, mac=MAC, mtu=mtu, capport=uri)
    at, kinds = 16, []
    while at < len(message):
        kinds.append(message[at])
        assert message[at + 1]
        at += message[at + 1] * 8
    assert at == len(message)
    assert kinds == [1, 3, 5, 25] + [37] * bool(uri)
