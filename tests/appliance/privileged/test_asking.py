"""What a device is asked whether it is still there, as another program reads it."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet6 import ICMPv6ND_NS, ICMPv6NDOptSrcLLAddr, IPv6
from scapy.layers.l2 import ARP, Ether

from appliance.privileged import asking

BOX, PHONE = "02:00:5e:10:00:01", "02:00:5e:10:00:11"


def made(own: str, address: str) -> Ether:
    """Return the question as scapy reads it."""
    octets = [bytes.fromhex(mac.replace(":", "")) for mac in (BOX, PHONE)]
    return Ether(asking.question(ip_address(own), octets[0], ip_address(address), octets[1]))


def test_arp_goes_to_one_device_alone() -> None:
    frame = made("10.20.0.1", "10.20.0.11")
    assert (frame.dst, frame.src) == (PHONE, BOX)
    arp = frame[ARP]
    assert (arp.op, arp.hwsrc, arp.psrc, arp.pdst) == (1, BOX, "10.20.0.1", "10.20.0.11")


def test_nd_asks_so_that_the_answer_names_the_mac() -> None:
    frame = made("2001:db8:20::1", "2001:db8:20::12:3456")
    assert (frame.dst, frame[IPv6].dst, frame[IPv6].hlim) == (PHONE, "ff02::1:ff12:3456", 255)
    assert frame[ICMPv6ND_NS].tgt == "2001:db8:20::12:3456"
    assert frame[ICMPv6NDOptSrcLLAddr].lladdr == BOX


@given(st.ip_addresses(v=6), st.ip_addresses(v=6))
def test_its_checksum_is_right(own: object, address: object) -> None:
    frame = made(str(own), str(address))
    told = frame[ICMPv6ND_NS].cksum
    del frame[ICMPv6ND_NS].cksum
    assert Ether(bytes(frame))[ICMPv6ND_NS].cksum == told


def test_families_do_not_mix() -> None:
    with pytest.raises(ValueError, match="no address of the box"):
        made("10.20.0.1", "2001:db8:20::11")
