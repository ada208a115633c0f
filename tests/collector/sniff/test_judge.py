"""What is worth telling of what passes, from packets that scapy builds."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.dhcp6 import (
    DUID_LL,
    DHCP6_Reply,
    DHCP6OptClientId,
    DHCP6OptIA_NA,
    DHCP6OptIAAddress,
    DHCP6OptServerId,
)
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import (
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6ND_RA,
    ICMPv6NDOptDstLLAddr,
    ICMPv6NDOptPrefixInfo,
    ICMPv6NDOptSrcLLAddr,
    IPv6,
)
from scapy.layers.l2 import ARP, Ether

from collector.records import CoverageEvent, LeaseEvent
from collector.sniff import crowd
from collector.sniff import judge as judging
from collector.sniff.judge import Judge
from collector.sniff.packets import Claim, Lent, Unreadable, read
from collector.sniff.records import Record

T = 1_795_338_000 * 10**9
S = 10**9
ONE, TWO, SERVER = "02:00:5e:00:53:01", "02:00:5e:00:53:02", "02:00:5e:00:53:fe"


def judge() -> Judge:
    servers, routers = frozenset({"10.0.0.1", "fe80::1"}), frozenset({"fe80::1"})
    return Judge("school-a", "eth1", servers=servers, routers=routers)


def told(by: Judge, packet: Any, at: int = T) -> list[Record]:
    return [record for sighting in read(bytes(packet)) for record in by.take(sighting, at)]


def arp(ip: str, mac: str) -> Any:
    return Ether(src=mac, dst="ff:ff:ff:ff:ff:ff") / ARP(op=2, psrc=ip, hwsrc=mac, pdst=ip)


def ack(server: str = "10.0.0.1", ip: str = "10.0.0.5", **more: Any) -> Any:
    options: list[Any] = [("message-type", "ack"), ("server_id", server), ("lease_time", 3600)]
    options += [("hostname", b"somchai-phone"), ("router", server), *more.items(), "end"]
    chaddr = bytes.fromhex(ONE.replace(":", "")) + bytes(10)
    return (
        Ether(src=SERVER, dst=ONE)
        / IP(src=server, dst=ip)
        / UDP(sport=67, dport=68)
        / BOOTP(op=2, yiaddr=ip, chaddr=chaddr, xid=7)
        / DHCP(options=options)
    )


def asks(vendor: str, wanted: list[int], *, word: str = "discover", mac: str = ONE) -> Any:
    options: list[Any] = [("message-type", word), ("vendor_class_id", vendor)]
    options += [("param_req_list", wanted), ("hostname", b"x"), "end"]
    chaddr = bytes.fromhex(mac.replace(":", "")) + bytes(10)
    return (
        Ether(src=mac, dst="ff:ff:ff:ff:ff:ff")
        / IP(src="0.0.0.0", dst="255.255.255.255")
        / UDP(sport=68, dport=67)
        / BOOTP(chaddr=chaddr, xid=7)
        / DHCP(options=options)
    )


def advert(router: str, mac: str) -> Any:
    return (
        Ether(src=mac, dst="33:33:00:00:00:01")
        / IPv6(src=router, dst="ff02::1")
        / ICMPv6ND_RA(routerlifetime=1800)
        / ICMPv6NDOptSrcLLAddr(lladdr=mac)
        / ICMPv6NDOptPrefixInfo(prefix="2001:db8:1::", prefixlen=64)
    )


def test_a_lease_of_a_server_is_told_with_its_term() -> None:
    ((kind, lease),) = told(judge(), ack())
    assert kind == "lease"
    event = LeaseEvent.from_json(_json(lease))
    assert (event.kind, event.event, event.ip, event.mac) == ("dhcp", "add", "10.0.0.5", ONE)
    assert (event.hostname, event.server, event.note) == ("somchai-phone", "10.0.0.1", "")
    assert event.expires is not None
    assert (event.expires - event.time).total_seconds() == 3600


def test_a_second_lease_of_the_same_machine_is_a_renewal() -> None:
    by = judge()
    told(by, arp("10.0.0.5", ONE))
    ((_, lease),) = told(by, ack())
    assert lease["event"] == "renew"


def test_a_server_that_is_not_allowed_raises_one_alarm_for_many_offers() -> None:
    by = judge()
    first = told(by, ack(server="10.0.0.66"))
    again = told(by, ack(server="10.0.0.66"), T + 5 * S)
    later = told(by, ack(server="10.0.0.66"), T + 700 * S)
    assert [kind for kind, _ in first] == ["coverage", "lease"]
    event = CoverageEvent.from_json(_json(first[0][1]))
    assert (event.kind, event.source) == ("rogue-dhcp", "10.0.0.66")
    assert SERVER in event.note
    assert "10.0.0.66" in event.note
    assert first[1][1]["note"].startswith("of a server that is not")
    assert [kind for kind, _ in again] == ["lease"]
    assert later[0][1]["note"].endswith("seen 1 more times before")


def test_an_answer_that_lends_nothing_is_no_lease() -> None:
    packet = ack()
    packet[DHCP].options = [o for o in packet[DHCP].options if o[0] != "lease_time"]
    ((_, lease),) = told(judge(), packet)
    assert (lease["event"], "expires" in lease) == ("seen", False)


def test_a_foreign_server_that_only_refuses_is_an_alarm_too() -> None:
    packet = ack(server="10.0.0.66")
    packet[DHCP].options = [("message-type", "nak"), ("server_id", "10.0.0.66"), "end"]
    ((kind, alarm),) = told(judge(), packet)
    assert (kind, alarm["kind"]) == ("coverage", "rogue-dhcp")


def test_leases_of_dhcpv6_are_told_with_the_clients_machine() -> None:
    duid = DUID_LL(lladdr=ONE)
    packet = (
        Ether(src=SERVER, dst=ONE)
        / IPv6(src="fe80::1", dst="fe80::5")
        / UDP(sport=547, dport=546)
        / DHCP6_Reply(trid=5)
        / DHCP6OptClientId(duid=duid)
        / DHCP6OptServerId(duid=DUID_LL(lladdr=SERVER))
        / DHCP6OptIA_NA(ianaopts=[DHCP6OptIAAddress(addr="2001:db8:1::5", validlft=600)])
    )
    ((kind, lease),) = told(judge(), packet)
    assert (kind, lease["kind"], lease["ip"]) == ("lease", "dhcp6", "2001:db8:1::5")
    assert lease["mac"] == ONE
    assert lease["client_id"].endswith("5e:00:53:01")


def test_an_allowed_router_is_silent_and_any_other_an_alarm() -> None:
    by = judge()
    fine = told(by, advert("fe80::1", ONE))
    rogue = told(by, advert("fe80::66", TWO))
    assert [record[0] for record in fine] == ["lease"]  # where the router was seen
    assert (rogue[0][0], rogue[0][1]["kind"]) == ("coverage", "rogue-ra")
    assert "2001:db8:1::/64" in rogue[0][1]["note"]


def test_an_address_that_two_machines_use_is_an_alarm() -> None:
    by = judge()
    assert [k for k, _ in told(by, arp("10.0.0.9", ONE))] == ["lease"]
    assert [k for k, _ in told(by, arp("10.0.0.9", TWO), T + 10 * S)] == ["lease"]
    ((kind, alarm),) = told(by, arp("10.0.0.9", ONE), T + 20 * S)
    assert (kind, alarm["kind"], alarm["source"]) == ("coverage", "double-address", "10.0.0.9")
    assert ONE in alarm["note"]
    assert TWO in alarm["note"]
    assert told(by, arp("10.0.0.9", TWO), T + 21 * S) == []


def test_an_address_handed_on_is_no_alarm() -> None:
    by = judge()
    told(by, arp("10.0.0.9", ONE))
    told(by, arp("10.0.0.9", TWO), T + 10 * S)
    much_later = told(by, arp("10.0.0.9", ONE), T + 3600 * S)
    assert [kind for kind, _ in much_later] == ["lease"]


def test_a_probe_and_a_solicitation_of_nobody_claim_nothing() -> None:
    probe = Ether(src=ONE) / ARP(op=1, psrc="0.0.0.0", hwsrc=ONE, pdst="10.0.0.9")
    trial = Ether(src=ONE) / IPv6(src="::", dst="ff02::1:ff00:9") / ICMPv6ND_NS(tgt="fe80::9")
    assert read(bytes(probe)) == []
    assert read(bytes(trial)) == []


def test_a_neighbour_that_answers_claims_its_target() -> None:
    answer = Ether(src=ONE) / IPv6(src="fe80::9", dst="ff02::1") / ICMPv6ND_NA(tgt="2001:db8:1::9")
    ((_, lease),) = told(judge(), answer / ICMPv6NDOptDstLLAddr(lladdr=ONE))
    assert (lease["kind"], lease["ip"], lease["mac"]) == ("nd", "2001:db8:1::9", ONE)


def made_up(number: int) -> str:
    return f"02:{number >> 24:02x}:{number >> 16 & 255:02x}:{number >> 8 & 255:02x}" + (
        f":{number & 255:02x}:77"
    )


def claim(ip: str, mac: str) -> Claim:
    return Claim(ip=ip, mac=mac, how="nd" if ":" in ip else "arp")


def test_machines_that_are_made_up_hide_nothing_of_those_that_were_there_before() -> None:
    by = judge()
    school = {f"10.0.0.{n}": f"02:00:5e:00:00:{n:02x}" for n in range(200)}
    for ip, mac in school.items():
        assert len(by.take(claim(ip, mac), T)) == 1
    rows = 0
    for n in range(100_000):  # in 1000 s, half an hour later
        at = T + 1800 * S + n * S // 100
        address = f"10.{1 + (n >> 16)}.{n >> 8 & 255}.{n & 255}"
        rows += len(by.take(claim(address, made_up(n)), at))
    assert rows <= crowd.NEW_AT_ONCE + 1000
    later = T + 3700 * S
    assert all(by.take(claim(ip, mac), later) for ip, mac in school.items()), "told as every hour"
    for n, mac in enumerate(school.values()):
        (lease,) = by.take(claim(f"2001:db8::{n:x}", mac), later)
        assert lease[1]["mac"] == mac, "a known machine's new address has room"
    told_of = [event for kind, event in by.tally(later) if kind == "coverage"]
    assert sum(event["lost"] for event in told_of) == 100_000 - rows
    assert {event["note"] for event in told_of} <= {crowd.FAST, crowd.MANY}


def test_leases_of_a_large_school_are_all_told_whoever_is_seen_besides() -> None:
    by, rows = judge(), 0
    clients = [(f"10.8.{n >> 8}.{n & 255}", made_up(n)) for n in range(5000)]
    for hour in range(12):
        for n, (ip, mac) in enumerate(clients):
            lent = Lent(word="ack", ip=ip, mac=mac, server="10.0.0.1", how="dhcp")
            rows += len(by.take(lent, T + hour * 3600 * S + n * S // 5))
    assert rows == 12 * 5000
    nameless = [
        Lent(word="ack", ip=f"2001:db8::{n:x}", client_id=f"{n:08x}", server="fe80::1", how="dhcp6")
        for n in range(500)
    ]
    assert all(by.take(each, T + 13 * 3600 * S) for each in nameless)
    assert by.tally(T + 14 * 3600 * S) == []


def test_one_machine_that_makes_up_addresses_is_bounded_each_minute() -> None:
    by = judge()
    rows = sum(len(by.take(claim(f"10.0.{n >> 8}.{n & 255}", ONE), T)) for n in range(1000))
    assert rows == crowd.MOST_EACH
    assert by.take(claim("10.9.9.9", ONE), T + 60 * S)
    ((_, lost),) = by.tally(T + 61 * S)
    assert (lost["lost"], lost["note"]) == (1000 - rows, crowd.EACH)


def test_a_flood_of_claims_is_bounded_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "MOST_ADDRESSES", 100)
    by, rows = judge(), 0
    by.tally(T)
    for i in range(3000):
        rows += len(told(by, arp(f"10.0.{i >> 8}.{i & 255}", made_up(i))))
    assert rows == crowd.ROWS_AT_ONCE
    assert len(by._places) == 100
    ((_, lost),) = by.tally(T + 20 * S)
    assert (lost["kind"], lost["lost"]) == ("sniff-rows", 3000 - rows)
    assert CoverageEvent.from_json(_json(lost)).unit == "records"
    # Even then a foreign server is heard.
    assert "rogue-dhcp" in [e.get("kind") for _, e in told(by, ack(server="10.0.0.66"))]


@given(st.binary(max_size=300))
def test_any_bytes_are_sightings_or_unreadable(packet: bytes) -> None:
    with contextlib.suppress(Unreadable):
        read(packet)


PACKETS = [
    bytes(arp("10.0.0.9", ONE)),
    bytes(ack()),
    bytes(advert("fe80::66", TWO)),
]


@given(st.sampled_from(PACKETS), st.integers(0, 400), st.integers(0, 255), st.integers(0, 400))
def test_damaged_packets_end_in_records_that_are_taken(
    packet: bytes, at: int, value: int, length: int
) -> None:
    damaged = bytearray(packet)
    damaged[at % len(damaged)] = value
    by = judge()
    with contextlib.suppress(Unreadable):
        for sighting in read(bytes(damaged[:length])):
            for kind, event in by.take(sighting, T):
                (LeaseEvent if kind == "lease" else CoverageEvent).from_json(_json(event))


def _json(event: Any) -> bytes:
    return json.dumps(event).encode()


def test_an_address_that_stays_is_told_again_in_an_hour() -> None:
    by = judge()
    told(by, arp("10.0.0.9", ONE))
    assert told(by, arp("10.0.0.9", ONE), T + 3599 * S) == []
    assert len(told(by, arp("10.0.0.9", ONE), T + 3600 * S)) == 1


def test_two_kinds_of_machine_with_one_mac_are_told() -> None:
    one = judge()
    phone, computer = ("android-dhcp-14", [1, 3, 6, 15]), ("MSFT 5.0", [1, 3, 6, 44])
    for word in ("discover", "request"):
        assert told(one, asks(*phone, word=word)) == []
    assert told(one, asks(*phone), T + 3600 * S) == []
    [(kind, row)] = told(one, asks(*computer), T + 3601 * S)
    assert (kind, row["kind"], row["source"]) == ("coverage", "double-mac", ONE)
    both = "(MSFT 5.0; 1 3 6 44) and as (android-dhcp-14; 1 3 6 15)"
    assert both in row["note"]
    assert told(one, asks(*phone), T + 3602 * S) == []  # told a second ago


def test_another_system_after_half_a_day_or_one_that_starts_from_the_net_is_one_machine() -> None:
    one = judge()
    assert told(one, asks("PXEClient:Arch:00007", [1, 3, 60, 66])) == []
    assert told(one, asks("MSFT 5.0", [1, 3, 6, 44]), T + 60 * S) == []
    assert told(one, asks("", [1, 28, 2]), T + 60 * S + judging.KIND_NS + 1) == []
