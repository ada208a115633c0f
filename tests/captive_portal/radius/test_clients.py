"""NASes are found by the smallest network they are in."""

import ipaddress
from pathlib import Path

import pytest

from captive_portal.errors import PortalError
from captive_portal.radius.clients import Client, Clients, load, parse_address
from captive_portal.settings import RadiusClient


def a_client(network: str, site: str) -> Client:
    return Client(
        network=ipaddress.ip_network(network),
        site=site,
        secret=b"12345678901",
        require_message_authenticator=False,
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


@pytest.mark.parametrize("secret", ["", "short", "testing123", "testing123\n"])
def test_a_secret_that_everybody_knows_is_refused(tmp_path: Path, secret: str) -> None:
    (tmp_path / "s").write_text(secret)
    with pytest.raises(PortalError, match="too easy"):
        load(tmp_path, [RadiusClient(network="10.0.0.0/8", secret_file="s", site="a")])


def test_a_secret_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(PortalError, match="nas/none"):
        load(tmp_path, [RadiusClient(network="10.0.0.0/8", secret_file="nas/none", site="a")])


def test_the_line_end_of_a_secret_file_is_no_part_of_it(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("correct-horse\r\n")
    clients = load(tmp_path, [RadiusClient(network="10.0.0.0/8", secret_file="s", site="a")])
    found = clients.find("10.0.0.1")
    assert found is not None
    assert found.secret == b"correct-horse"
