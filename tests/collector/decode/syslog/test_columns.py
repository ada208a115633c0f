"""Texts of lines to addresses: what is none is nothing, and is not remembered."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.decode.syslog import columns


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("10.0.0.5", "10.0.0.5"),
        ("[2001:DB8::5]", "2001:db8::5"),
        ("fe80::5%eth0.100", "fe80::5"),
        ("10.0.0.500", None),
        ("fe80::5%" + "x" * 1000, None),
        ("", None),
    ],
)
def test_addresses(text: str, wanted: str | None) -> None:
    assert columns.canonical(text) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("02-00-5E-00-53-01", "02:00:5e:00:53:01"),
        ("0200.5e00.5301", "02:00:5e:00:53:01"),
        ("02005e005301", "02:00:5e:00:53:01"),
        ("02:00:5e:00:53", None),
        ("0" * 1000, None),
    ],
)
def test_macs(text: str, wanted: str | None) -> None:
    assert columns.mac(text) == wanted


@given(st.text(min_size=81, max_size=300))
def test_long_texts_are_not_remembered(text: str) -> None:
    before = columns._address.cache_info(), columns._mac.cache_info()
    assert (columns.address(text), columns.mac(text)) == (None, None)
    assert (columns._address.cache_info(), columns._mac.cache_info()) == before


@given(st.lists(st.sampled_from(["0", "1", "01", "99", "255", "256", "", "٣", "+1", " 1", "1_0"])))
def test_what_is_an_ipv4_address_is_so_in_the_standard_library(parts: list[str]) -> None:
    text = ".".join(parts)
    try:
        wanted = int(ipaddress.IPv4Address(text))
    except ValueError:
        wanted = None
    assert columns.address(text) == wanted
