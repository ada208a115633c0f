"""Who may send: the longest prefix, our port, and a list of who may not."""

from __future__ import annotations

from ipaddress import IPv4Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.receive import admission, strangers
from collector.receive.accounts import Accounts
from collector.receive.admission import Admission, canonical
from collector.receive.losses import What
from collector.settings import Exporter, Limits, Site
from tests.collector.receive.home import StillQueue


def _admission(*exporters: tuple[str, str, int | None]) -> Admission:
    return Admission(
        [Exporter(address=address, site=site, port=port) for address, site, port in exporters],
        Accounts(Limits(), StillQueue()),
        clock=lambda: 7,
    )


def _site(admitting: Admission, host: str, port: int = 2055) -> str | None:
    sender = admitting.admit(host, port)
    return sender.site if sender else None


def test_the_longest_prefix_wins() -> None:
    admitting = _admission(
        ("192.0.2.0/24", "a", None), ("192.0.2.128/25", "b", None), ("192.0.2.200", "c", None)
    )
    assert [_site(admitting, f"192.0.2.{n}") for n in (1, 130, 200, 201)] == ["a", "b", "c", "b"]
    assert _site(admitting, "198.51.100.1") is None


def test_two_sites_with_the_same_address_are_told_apart_by_our_port() -> None:
    admitting = _admission(("10.0.0.1", "a", 9001), ("10.0.0.1", "b", 9002))
    assert admitting.ports == [9001, 9002]
    assert _site(admitting, "10.0.0.1", 9001) == "a"
    assert _site(admitting, "10.0.0.1", 9002) == "b"
    assert _site(admitting, "10.0.0.1", 2055) is None


def test_a_port_opened_for_one_exporter_takes_no_other() -> None:
    admitting = _admission(("10.0.0.0/8", "a", None), ("10.0.0.1", "b", 9001))
    assert _site(admitting, "10.0.0.2", 9001) is None
    assert _site(admitting, "10.0.0.2", 2055) == "a"


@pytest.mark.parametrize(
    ("host", "text"),
    [
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::1"),
        ("2001:0db8:0000::0001", "2001:db8::1"),
        ("192.0.2.1", "192.0.2.1"),
    ],
)
def test_addresses_become_canonical(host: str, text: str) -> None:
    admitting = _admission(("0.0.0.0/0", "a", None), ("::/0", "a", None))
    for _ in range(2):  # the second time from the cache
        sender = admitting.admit(host, 2055)
        assert sender is not None
        assert sender.address == text == str(canonical(host))


def test_an_ipv4_sender_on_an_ipv6_socket_is_matched_as_ipv4() -> None:
    assert _site(_admission(("192.0.2.1", "a", None)), "::ffff:192.0.2.1") == "a"
    assert _site(_admission(("::/0", "a", None)), "::ffff:192.0.2.1") is None


def test_strangers_are_counted_and_listed_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strangers, "_LISTED", 10)
    admitting = _admission(("192.0.2.1", "a", None))
    for _ in range(2):
        for n in range(50):
            assert admitting.admit(f"198.51.100.{n}", 2055) is None
    listed = admitting.strangers.listed()
    assert admitting.strangers.refused == 100
    assert len(listed) == 10
    assert {each.refused for each in listed} == {2}
    assert {(each.local_port, each.first_ns) for each in listed} == {(2055, 7)}


def test_the_cache_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "_CACHE", 10)
    admitting = _admission(("10.0.0.0/8", "a", None))
    for n in range(1000):
        assert _site(admitting, str(IPv4Address("10.0.0.0") + n)) == "a"
    assert len(admitting._cache) <= 10


@given(
    st.dictionaries(
        st.tuples(st.ip_addresses(), st.integers(0, 128)).map(
            lambda pair: (
                ip_network(
                    (pair[0], min(pair[1], pair[0].max_prefixlen)), strict=False
                ).with_prefixlen
            )
        ),
        st.sampled_from(["a", "b", "c"]),
        max_size=20,
    ),
    st.ip_addresses(),
)
def test_the_answer_is_that_of_a_search_through_all(networks: dict[str, str], host: object) -> None:
    address = canonical(str(host))
    inside = [
        (network.prefixlen, site)
        for network, site in ((ip_network(text), site) for text, site in networks.items())
        if ip_address(str(address)) in network
    ]
    expected = max(inside)[1] if inside else None
    admitting = _admission(*((text, site, None) for text, site in networks.items()))
    assert _site(admitting, str(host)) == expected


def _told(admitting: Admission, *sites: Site) -> list[tuple[str, str, int]]:
    found: list[tuple[str, str, int]] = []

    class Losses:
        def add(self, what: What, lost: int, *, since_ns: int = 0) -> None:
            assert (what.kind, what.unit) == ("unknown-sender", "datagrams")
            found.append((what.site, what.source, lost))

    admitting.strangers.write_down(Losses(), sites)  # type: ignore[arg-type]
    return found


def test_strangers_are_written_down_for_the_site_whose_networks_they_are_in() -> None:
    admitting = _admission(("192.0.2.1", "a", None))
    for host in ("10.1.0.1", "10.1.0.1", "10.2.0.1", "198.51.100.1"):
        admitting.admit(host, 2055)
    a, b = Site(id="a", networks=("10.1.0.0/16",)), Site(id="b", networks=("10.2.0.0/16",))
    assert _told(admitting, a, b) == [("a", "10.1.0.1", 2), ("b", "10.2.0.1", 1)]
    assert _told(admitting, a, b) == []
    admitting.admit("10.2.0.1", 2055)
    assert _told(admitting, a, b) == [("b", "10.2.0.1", 1)]


def test_many_strangers_are_few_rows_that_lose_none() -> None:
    admitting = _admission(("192.0.2.1", "a", None))
    for n in range(5000):
        admitting.admit(str(IPv4Address("10.0.0.0") + n), 2055)
    told = _told(admitting, Site(id="a"))
    assert len(told) == strangers._TOLD_EACH + 1
    assert sum(lost for _, _, lost in told) == 5000


def test_made_up_addresses_do_not_hide_a_stranger_that_goes_on() -> None:
    now = [0]
    admitting = Admission([], Accounts(Limits(), StillQueue()), clock=lambda: now[0])
    for n in range(20_000):
        now[0] += 1_000_000
        admitting.admit(str(IPv4Address("10.0.0.0") + n), 2055)
        if n % 50 == 0:
            admitting.admit("192.0.2.77", 2055)
    assert admitting.strangers.listed()[0].address == "192.0.2.77"
    assert len(admitting.strangers.listed()) <= strangers._LISTED
    assert admitting.strangers.refused == 20_400


def test_who_comes_back_after_long_silence_is_counted_again() -> None:
    now = [0]
    counted = Accounts(Limits(senders=16), StillQueue())
    exporters = [Exporter(address="10.0.0.0/8", site="a")]
    admitting = Admission(exporters, counted, clock=lambda: now[0])
    first = admitting.admit("10.0.0.1", 2055)
    now[0] = 3600 * 10**9
    for n in range(2, 20):
        admitting.admit(f"10.0.0.{n}", 2055)
    admitting.tidy()
    again = admitting.admit("10.0.0.1", 2055)
    assert first is not None
    assert again is not None
    assert first.account not in counted.listed()
    assert again.account in counted.listed()
