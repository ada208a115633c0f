"""NASes are found by the smallest network they are in."""

import ipaddress
from dataclasses import replace
from pathlib import Path

import pytest

from captive_portal.errors import PortalError
from captive_portal.radius.clients import Client, Clients, load, parse_address, spelt
from captive_portal.settings import RadiusClient


def a_client(network: str, site: str) -> Client:
    return Client(
        network=ipaddress.ip_network(network),
        site=site,
        secret=b"12345678901",
    )


def test_the_longest_match_wins_whatever_the_order() -> None:
    clients = [
        a_client("10.0.0.0/8", "wide"),
        a_client("10.1.2.3/32", "host"),
        a_client("10.1.0.0/16", "middle"),
        a_client("2001:db8::/32", "six"),
    ]
    for order in (clients, clients[::-1]):
        found = Clients(order)
        sites = [found.find(a) for a in ("10.9.9.9", "10.1.9.9", "10.1.2.3", "2001:db8::1")]
        assert [one.site for one in sites if one] == ["wide", "middle", "host", "six"]
        assert found.find("192.0.2.1") is None
        assert found.find("2001:db9::1") is None


def test_a_peer_address_is_plain() -> None:
    assert str(parse_address("::ffff:192.0.2.1")) == "192.0.2.1"
    assert str(parse_address("fe80::1%eth0")) == "fe80::1"


@pytest.mark.parametrize(
    "secret", ["", "short", "testing123", "testing123\n", "fifteen-letters", "aaaaaaaaaaaaaaaaaaaa"]
)
def test_a_secret_that_is_soon_found_is_refused(tmp_path: Path, secret: str) -> None:
    (tmp_path / "s").write_text(secret)
    with pytest.raises(PortalError, match=r"too (easy|short)"):
        load(tmp_path, [RadiusClient(network="10.0.0.0/8", secret_file="s", site="a")])


def test_a_secret_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(PortalError, match="nas/none"):
        load(tmp_path, [RadiusClient(network="10.0.0.0/8", secret_file="nas/none", site="a")])


def test_the_line_end_of_a_secret_file_is_no_part_of_it(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("correct-horse-battery\r\n")
    clients = load(tmp_path, [RadiusClient(network="10.0.0.0/8", secret_file="s", site="a")])
    found = clients.find("10.0.0.1")
    assert found is not None
    assert found.secret == b"correct-horse-battery"


def test_two_sites_behind_one_address_are_told_apart_by_what_they_call_themselves() -> None:
    clients = Clients(
        [
            replace(a_client("198.51.100.7/32", "a"), identifier="ap-a"),
            replace(a_client("198.51.100.7/32", "b"), identifier="ap-b"),
            a_client("198.51.100.0/24", "wide"),
        ]
    )
    sites = [clients.find("198.51.100.7", name) for name in ("ap-a", "ap-b", "ap-c")]
    assert [one and one.site for one in sites] == ["a", "b", None]
    assert (clients.shared("198.51.100.7"), clients.shared("198.51.100.8")) == (True, False)


def test_an_entry_that_stands_there_twice_is_refused() -> None:
    with pytest.raises(PortalError, match="identifier"):
        Clients([a_client("10.0.0.0/8", "a"), a_client("10.0.0.0/8", "b")])


def test_a_kind_tells_where_it_takes_orders_unless_the_settings_do(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("correct-horse-battery")
    clients = load(
        tmp_path,
        [
            RadiusClient(network="10.0.0.1", secret_file="s", site="a", kind="cisco"),
            RadiusClient(network="10.0.0.2", secret_file="s", site="a", kind="mikrotik"),
            RadiusClient(network="10.0.0.3", secret_file="s", site="a", coa_port=1234),
        ],
    )
    ports = [clients.find(f"10.0.0.{last}") for last in (1, 2, 3)]
    assert [one and one.coa_port for one in ports] == [1700, 3799, 1234]


@pytest.mark.parametrize(
    ("pattern", "told"),
    [
        ("AA-BB-CC-DD-EE-FF", "00-00-5E-00-53-0A"),
        ("aa:bb:cc:dd:ee:ff", "00:00:5e:00:53:0a"),
        ("AABBCCDDEEFF", "00005E00530A"),
        ("aabb.ccdd.eeff", "0000.5e00.530a"),
    ],
)
def test_a_mac_is_spelt_as_the_nas_does(pattern: str, told: str) -> None:
    assert spelt("00:00:5e:00:53:0a", pattern) == told
