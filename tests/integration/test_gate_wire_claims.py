"""Devices that claim what is another's: seen, told, and without harm to whose it is (P-22).

The whole box runs, with the program that watches the wire; a thief sends frames of its own making.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest
from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import (
    ICMPv6ND_NA,
    ICMPv6ND_RA,
    ICMPv6NDOptDstLLAddr,
    ICMPv6NDOptPrefixInfo,
    IPv6,
)
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Packet

from captive_portal.desk import doubted
from tests.integration import inside
from tests.integration.box import Box
from tests.integration.gate_school import BOX, BOX6, MACS, WEB, WEB6
from tests.integration.gate_wire import Frames
from tests.integration.machine import Machine, require, wait_for
from tests.integration.whole_school import WholeSchool

THIEF = MACS["tablet"]
ALL = "ff:ff:ff:ff:ff:ff"
SNIFF = """
[[sniff]]
site = "school-a"
interface = "lan0"
"""


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WholeSchool]:
    require("ip", "nft", "dnsmasq", "curl", "busybox")
    folder = tmp_path_factory.mktemp("gate-claims")
    with Machine(folder) as machine:
        made = WholeSchool(machine, Box(machine, folder / "home"))
        made.own += SNIFF
        try:
            made.open()
            yield made
            made.box.down()
        finally:
            made.close()


def arp(address: str, mac: str = THIEF) -> Packet:
    """Return a gratuitous ARP: everybody is to believe that the address is the thief's."""
    told = ARP(op=1, hwsrc=mac, psrc=address, pdst=address)
    return Ether(src=mac, dst=ALL) / told


def nd(address: str, mac: str = THIEF) -> Packet:
    """Return the same of IPv6."""
    told = IPv6(src=address, dst="ff02::1", hlim=255) / ICMPv6ND_NA(tgt=address, R=0, S=0, O=1)
    return Ether(src=mac, dst="33:33:00:00:00:01") / told / ICMPv6NDOptDstLLAddr(lladdr=mac)


def alarms(school: WholeSchool, kind: str, source: str) -> list[str]:
    """Return the notes of rows of coverage."""
    rows = school.log(f"kind:{kind}", "coverage")
    return [row["note"] for row in rows if row["source"] == source]


def at_thiefs(school: WholeSchool, family: str, address: str) -> bool:
    """Say whether the box's kernel believes the thief."""
    return THIEF in school.run("gate", ["ip", family, "neigh", "show", address, "dev", "lan0"])


def test_a_session_outlives_those_who_claim_its_addresses(school: WholeSchool) -> None:
    school.person("owner")
    school.sign_in("phone", "owner")
    school.await_out("phone")
    school.await_out("phone", address=WEB6)
    four, six = school.address("phone"), school.address6("phone")
    [session] = school.live("owner")
    assert session["doubt"] == ""
    with (
        inside.dial(school.spaces["phone"], WEB, 5000) as wire,
        Frames(school.spaces["tablet"]) as thief,
    ):
        assert inside.echo(wire)
        thief.send(arp(four), nd(six))
        for family, address in (("-4", four), ("-6", six)):
            wait_for("the thief", partial(at_thiefs, school, family, address))
        wait_for("the mark", lambda: doubted(school.box.home).keys() >= {four, six}, seconds=60)
        assert inside.echo(wire)
    assert inside.connect(school.spaces["tablet"], WEB, 443)[0] == "reset"
    [after] = school.live("owner")
    assert after["session"] == session["session"]
    assert after["doubt"] == "claimed by two devices"
    for address in (four, six):
        notes = [note for note in alarms(school, "double-address", address) if "claimed" in note]
        assert notes == [f"{address} is claimed by {MACS['phone']} and {THIEF}"]
    school.box.prathu("kick", session["session"])


def test_who_says_to_be_the_box_is_told_and_the_box_is_not_misled(school: WholeSchool) -> None:
    with Frames(school.spaces["tablet"]) as thief:
        thief.send(arp(BOX), nd(BOX6))
        # The box itself speaks up when somebody asks for it.
        school.run("phone", ["ip", "neigh", "flush", "dev", "eth0"])
        assert inside.connect(school.spaces["phone"], WEB, 443)[0] == "reset"
        thief.send(arp(BOX))
        wait_for("the alarm", lambda: alarms(school, "double-address", BOX), seconds=60)
    assert THIEF in alarms(school, "double-address", BOX)[0]
    assert THIEF not in school.run("gate", ["ip", "neigh", "show", BOX])


def test_foreign_servers_and_routers_on_the_childrens_wire_are_told(school: WholeSchool) -> None:
    lent = BOOTP(op=2, yiaddr="10.20.3.3", siaddr="10.20.0.66", chaddr=bytes(6), xid=7)
    options = [("message-type", "offer"), ("server_id", "10.20.0.66"), ("router", "10.20.0.66")]
    offer = Ether(src=THIEF, dst=ALL) / IP(src="10.20.0.66", dst="255.255.255.255")
    offer /= UDP(sport=67, dport=68) / lent / DHCP(options=[*options, "end"])
    own = "fe80::5eff:fe10:12"
    advert = Ether(src=THIEF, dst="33:33:00:00:00:01") / IPv6(src=own, dst="ff02::1", hlim=255)
    advert /= ICMPv6ND_RA(routerlifetime=1800)
    advert /= ICMPv6NDOptPrefixInfo(prefix="2001:db8:666::", prefixlen=64)
    with Frames(school.spaces["tablet"]) as thief:
        thief.send(offer, advert)
    wait_for("rogue-dhcp", lambda: alarms(school, "rogue-dhcp", "10.20.0.66"), seconds=60)
    wait_for("rogue-ra", lambda: alarms(school, "rogue-ra", own), seconds=60)
    # The box's own are no strangers: it has lent addresses and sent advertisements all the while.
    assert not alarms(school, "rogue-dhcp", BOX)
    rows = school.log("kind:rogue-ra", "coverage")
    assert {row["source"] for row in rows} == {own}


def test_a_session_outlives_a_claim_that_is_repeated_without_end(school: WholeSchool) -> None:
    school.run("phone", ["ip", "neigh", "flush", "dev", "eth0"])
    school.person("attacked")
    school.sign_in("phone", "attacked")
    school.await_out("phone")
    school.await_out("phone", address=WEB6)
    four, six = school.address("phone"), school.address6("phone")
    [session] = school.live("attacked")
    before = doubted(school.box.home)
    with Frames(school.spaces["tablet"]) as thief:

        def told() -> bool:
            # Never silent for so long that the kernel would ask everybody.
            thief.send(arp(four), nd(six))
            now = doubted(school.box.home)
            return all(now.get(one, 0) > before.get(one, 0) for one in (four, six))

        wait_for("the marks", told, seconds=60)
    [after] = school.live("attacked")
    assert after["session"] == session["session"]
    school.box.prathu("kick", session["session"])
