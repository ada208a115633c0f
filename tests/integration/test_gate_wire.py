"""Attacks with frames of a device's own making: before sign-in, during a session, after its end.

What must not pass is looked for on the Internet's side, and what refused it in the gate's counters.
"""

from __future__ import annotations

import re
import socket
import struct
from collections.abc import Iterator, Sequence
from functools import partial

import pytest
from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.inet import (
    ICMP,
    IP,
    TCP,
    UDP,
    IPOption_LSRR,
    IPOption_SSRR,
    fragment,
)
from scapy.layers.inet6 import (
    ICMPv6EchoRequest,
    ICMPv6ND_NS,
    ICMPv6ND_RA,
    ICMPv6NDOptPrefixInfo,
    ICMPv6NDOptSrcLLAddr,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
    PadN,
    fragment6,
)
from scapy.layers.l2 import ARP, GRE, Dot1Q, Ether
from scapy.packet import Packet, Raw

from captive_portal.sessions.passes import Pass
from tests.integration import inside
from tests.integration.box import Box
from tests.integration.gate_school import (
    BOX,
    BOX6,
    BOX_STAFF,
    LAPTOP,
    MACS,
    PAGE,
    PHONE,
    PHONE6,
    PUBLIC,
    SETTINGS,
    TABLET,
    TABLET6,
    WEB,
    WEB6,
    GateSchool,
    phone,
)
from tests.integration.gate_wire import Frames
from tests.integration.machine import Machine, require, wait_for

BOX_MAC = "02:00:5e:10:00:01"
WORD = b"what is to get out or in"
FOUR = IP(src=PHONE, dst=WEB)
SIX = IPv6(src=PHONE6, dst=WEB6)
DATAGRAM = UDP(sport=4000, dport=5000) / Raw(WORD)
SYN = TCP(sport=4000, dport=8080, flags="S")
PADDED = [PadN(optdata=bytes(4))]
ELSEWHERE = "2001:db8:7::99"

PASSES_IN_A_SESSION = {
    "echo with a payload": FOUR / ICMP(id=7) / Raw(WORD),
    "echo with a payload, IPv6": SIX / ICMPv6EchoRequest(id=7, data=WORD),
    "IPv6 in IPv4": IP(src=PHONE, dst=WEB, proto=41) / SIX / DATAGRAM,
    "GRE": FOUR / GRE() / IP(src=PHONE, dst=WEB) / DATAGRAM,
    "ESP": IP(src=PHONE, dst=WEB, proto=50) / Raw(WORD * 2),
    "an unknown protocol": IP(src=PHONE, dst=WEB, proto=253) / Raw(WORD),
    "hop-by-hop options": SIX / IPv6ExtHdrHopByHop(options=PADDED) / DATAGRAM,
    "destination options twice": SIX
    / IPv6ExtHdrDestOpt(options=PADDED)
    / IPv6ExtHdrDestOpt(options=PADDED)
    / DATAGRAM,
    "a fragment that is the whole": SIX / IPv6ExtHdrFragment(id=8) / DATAGRAM,
    "TCP without a beginning": FOUR / TCP(sport=4000, dport=5000, flags="A") / Raw(WORD),
}
NEVER_PASSES = {
    "loose source route by the box": (
        IP(src=PHONE, dst=BOX, options=[IPOption_LSRR(routers=[WEB])]) / DATAGRAM, "routed",
    ),
    "strict source route": (
        IP(src=PHONE, dst=WEB, options=[IPOption_SSRR(routers=[LAPTOP])]) / DATAGRAM, "routed",
    ),
    "routing header by the box": (
        IPv6(src=PHONE6, dst=BOX6) / IPv6ExtHdrRouting(addresses=[WEB6]) / DATAGRAM, "routed",
    ),
    "routing header behind options": (
        SIX / IPv6ExtHdrDestOpt(options=PADDED) / IPv6ExtHdrRouting(addresses=[ELSEWHERE])
        / DATAGRAM, "routed",
    ),
    "from loopback": (IP(src="127.0.0.1", dst=WEB) / DATAGRAM, "spoofed"),
    "from the box itself": (IP(src=BOX, dst=WEB) / DATAGRAM, "spoofed"),
    "from the box itself, IPv6": (IPv6(src=BOX6, dst=WEB6) / DATAGRAM, "spoofed"),
    "from the box's public address": (IP(src=PUBLIC, dst=WEB) / DATAGRAM, "spoofed"),
    "from another zone": (IP(src=LAPTOP, dst=WEB) / DATAGRAM, "spoofed"),
    "from the box in another zone": (IP(src=BOX_STAFF, dst=WEB) / DATAGRAM, "spoofed"),
    "from the Internet, IPv6": (IPv6(src=ELSEWHERE, dst=WEB6) / DATAGRAM, "spoofed"),
    "from nobody": (IP(src="0.0.0.0", dst=WEB) / DATAGRAM, "spoofed"),
    "from a group": (IP(src="224.0.0.5", dst=WEB) / DATAGRAM, "spoofed"),
    "from loopback, IPv6": (IPv6(src="::1", dst=WEB6) / DATAGRAM, "spoofed"),
    "from all of the zone, to the page": (IP(src="10.20.15.255", dst=BOX) / SYN, "spoofed"),
    "from the device beside": (IP(src=TABLET, dst=WEB) / DATAGRAM, "refused"),
    "from the device beside, IPv6": (IPv6(src=TABLET6, dst=WEB6) / DATAGRAM, "refused"),
    "mDNS to the box": (IP(src=PHONE, dst=BOX) / UDP(sport=5353, dport=5353) / WORD, "closed"),
    "SSDP to the box, IPv6": (IPv6(src=PHONE6, dst=BOX6) / UDP(dport=1900) / WORD, "closed"),
    "SNMP to the box": (IP(src=PHONE, dst=BOX) / UDP(dport=161) / WORD, "closed"),
    "RADIUS to the box": (IP(src=PHONE, dst=BOX) / UDP(dport=1812) / WORD, "closed"),
    "a database on the box": (IP(src=PHONE, dst=BOX) / TCP(dport=5432), "closed"),
    "a tunnel's end on the box": (IP(src=PHONE, dst=BOX, proto=41) / SIX / DATAGRAM, "closed"),
}  # fmt: skip


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GateSchool]:
    require("ip", "nft", "dnsmasq", "busybox")
    folder = tmp_path_factory.mktemp("gate-wire")
    with Machine(folder) as machine:
        made = GateSchool(machine, Box(machine, folder / "home"))
        try:
            made.build()
            made.run("gate", ["ip", "link", "set", "lan0", "address", BOX_MAC])
            made.box.init(settings=SETTINGS)
            made.box.start_alone("privileged")
            for device in ("phone", "tablet"):
                inside.connect(made.spaces[device], WEB6, 443)  # addresses are in use by now
            yield made
        finally:
            made.close()


@pytest.fixture(autouse=True)
def nobody_is_in(school: GateSchool) -> Iterator[None]:
    school.restore([])
    yield


def tablet() -> Pass:
    return Pass(serial=8, zone="pupils", mac=MACS["tablet"], addresses=(TABLET, TABLET6))


def to_box(packet: Packet, *, mac: str = MACS["phone"]) -> Packet:
    return Ether(src=mac, dst=BOX_MAC) / packet


def counted(school: GateSchool, name: str) -> int:
    return int(school.status()["dropped"][name][0])


def got_out(school: GateSchool, packets: Sequence[Packet], until: str = "") -> list[Packet]:
    """Send from the phone; return what came out on the far side, once `until` has counted it."""
    before = counted(school, until) if until else 0
    with Frames(school.spaces["internet"]) as far, Frames(school.spaces["phone"]) as wire:
        wire.send(*(to_box(packet) for packet in packets))
        if until:
            wait_for(until, lambda: counted(school, until) > before)
        # What was let through is there by now, unless it is the first and its way is asked for.
        return [frame for frame in far.all_heard(0.05 if until else 0.5) if WORD in bytes(frame)]


# --- one packet of a kind -------------------------------------------------------------------------


@pytest.mark.parametrize("name", PASSES_IN_A_SESSION)
def test_only_a_session_opens_the_way(school: GateSchool, name: str) -> None:
    packet = PASSES_IN_A_SESSION[name]
    assert not got_out(school, [packet], "refused")
    school.apply([phone()])
    assert got_out(school, [packet])
    school.apply([], [phone()])
    assert not got_out(school, [packet], "refused")


@pytest.mark.parametrize("name", NEVER_PASSES)
def test_what_no_session_opens(school: GateSchool, name: str) -> None:
    packet, counter = NEVER_PASSES[name]
    for passes in ([], [phone()]):
        school.restore(passes)
        with Frames(school.spaces["tablet"]) as beside:
            assert not got_out(school, [packet], counter)
            # Nor does the box say to all of the zone what it would have said to one.
            assert not [f for f in beside.all_heard(0.05) if TCP in f and f[TCP].sport == 8080]


def test_who_has_only_the_address_or_only_the_mac_of_a_session_is_outside(
    school: GateSchool,
) -> None:
    school.apply([phone()])
    before = counted(school, "refused")
    with Frames(school.spaces["internet"]) as far, Frames(school.spaces["tablet"]) as wire:
        for packet in (FOUR / DATAGRAM, SIX / DATAGRAM):
            wire.send(to_box(packet, mac=MACS["tablet"]))
        for source in (TABLET, "10.20.0.99"):
            wire.send(to_box(IP(src=source, dst=WEB) / DATAGRAM))
        wire.send(to_box(IPv6(src="2001:db8:20::99", dst=WEB6) / DATAGRAM))
        wait_for("refusals", lambda: counted(school, "refused") - before >= 5)
        assert not [frame for frame in far.all_heard(0.05) if WORD in bytes(frame)]


def test_a_frame_with_a_vlan_tag_leads_nowhere(school: GateSchool) -> None:
    school.apply([phone()])
    tagged = to_box(Dot1Q(vlan=5) / FOUR / DATAGRAM)
    with Frames(school.spaces["internet"]) as far, Frames(school.spaces["phone"]) as wire:
        wire.send(tagged)
        assert not [frame for frame in far.all_heard(0.3) if WORD in bytes(frame)]


def test_nobody_on_the_wire_becomes_the_boxs_router(school: GateSchool) -> None:
    own = "fe80::5eff:fe10:11"
    to_all = Ether(src=MACS["phone"], dst="33:33:00:00:00:01")
    advert = to_all / IPv6(src=own, dst="ff02::1", hlim=255) / ICMPv6ND_RA(routerlifetime=1800)
    before = counted(school, "closed")
    with Frames(school.spaces["phone"]) as wire:
        wire.send(advert / ICMPv6NDOptPrefixInfo(prefix="2001:db8:666::", prefixlen=64))
        wait_for("the refusal", lambda: counted(school, "closed") > before)
    assert own not in school.run("gate", ["ip", "-6", "route"])
    assert "2001:db8:666" not in school.run("gate", ["ip", "-6", "address"])


# --- pieces ---------------------------------------------------------------------------------------


def pieces(packet: Packet, size: int) -> list[Packet]:
    if IPv6 in packet:
        return list(fragment6(packet, size))  # type: ignore[no-untyped-call]  # scapy's
    return list(fragment(packet, fragsize=size))  # type: ignore[no-untyped-call]  # as above


LONG = UDP(sport=4000, dport=5000) / Raw(WORD * 60)
WHOLE = [IP(src=PHONE, dst=WEB, id=9) / LONG, SIX / IPv6ExtHdrFragment(id=9) / LONG]


@pytest.mark.parametrize(("family", "size"), [(0, 24), (1, 600)], ids=["ipv4", "ipv6"])
def test_pieces_are_judged_as_the_packet_that_they_are(
    school: GateSchool, family: int, size: int
) -> None:
    cut = pieces(WHOLE[family], size)
    assert len(cut) > 2
    assert not got_out(school, cut, "refused")
    school.run("gate", ["nft", "flush", "set", "inet", "prathu", "piece_rate"])
    school.apply([phone()])
    assert got_out(school, cut)
    assert not got_out(school, cut[1:])


def test_pieces_that_overlap_are_no_packet(school: GateSchool) -> None:
    school.apply([phone()])
    head = bytes(UDP(sport=4000, dport=5000, len=80, chksum=0)) + bytes(48)
    first = IP(src=PHONE, dst=WEB, id=11, flags="MF", proto=17) / Raw(head)
    second = IP(src=PHONE, dst=WEB, id=11, frag=1, proto=17) / Raw(WORD * 3)
    assert not got_out(school, [first, second])


def renumbered(frame: bytes, number: int, ends: int, *, checksum: bool) -> bytes:
    """Return a piece of packet 0 as one of another; the number's last octet is before `ends`."""
    told = frame[: ends - 2] + struct.pack("!H", number) + frame[ends:]
    if not checksum:
        return told
    (sum_,) = struct.unpack_from("!H", frame, 24)  # of IPv4's header (RFC 1624)
    return told[:24] + struct.pack("!H", (sum_ - number) % 0xFFFF) + told[26:]


def test_one_devices_pieces_leave_room_for_those_of_others(school: GateSchool) -> None:
    school.apply([phone(), tablet()])
    before = counted(school, "pieces_limited")
    one = IP(src=PHONE, dst=WEB, id=0, flags="MF") / UDP(dport=5000) / Raw(bytes(1300))
    six = SIX / IPv6ExtHdrFragment(id=0, m=1) / UDP(dport=5000) / Raw(bytes(1200))
    with Frames(school.spaces["phone"]) as wire:
        for frame, ends in ((bytes(to_box(one)), 20), (bytes(to_box(six)), 62)):
            for number in range(3000):
                wire.send_bytes(renumbered(frame, number, ends, checksum=ends == 20))
    wait_for("drops", lambda: counted(school, "pieces_limited") - before > 5000)
    for web in (WEB, WEB6):
        with inside.open_socket(school.spaces["tablet"], socket.SOCK_DGRAM, web) as wire_:
            wire_.sendto(b"x" * 4000, (web, 5000))
            assert len(wire_.recv(65536)) == 4000


# --- tables ---------------------------------------------------------------------------------------


def test_one_device_does_not_take_all_addresses(school: GateSchool) -> None:
    """Each question in another machine's name, as a starving tool asks; the pool has 201."""
    before = counted(school, "dhcp_limited")
    asked = Ether(src=MACS["phone"], dst="ff:ff:ff:ff:ff:ff")
    asked /= IP(src="0.0.0.0", dst="255.255.255.255") / UDP(sport=68, dport=67)
    with Frames(school.spaces["phone"]) as wire:
        for number in range(250):
            client = bytes([2, 9, 0, 0, 0, number, *bytes(10)])
            wanted = [
                ("message-type", "request"),
                ("requested_addr", f"10.20.1.{50 + number % 200}"),
            ]
            wire.send(asked / BOOTP(chaddr=client, xid=number) / DHCP(options=[*wanted, "end"]))
    wait_for("refusals", lambda: counted(school, "dhcp_limited") - before >= 200)
    leases = school.box.home / "gate" / "leases-pupils"
    assert len(leases.read_text().splitlines()) < 40
    lent, most = school.status()["pools"]["pupils"]
    assert (0 < lent < 40, most) == (True, 201)
    said = ["busybox", "udhcpc", "-i", "eth0", "-n", "-q", "-f", "-s", "/bin/true"]
    school.run("tablet", said)
    wait_for("a lease", lambda: MACS["tablet"] in leases.read_text())


def is_open(device: str, web: str) -> bool:
    return inside.connect(device, web, 443)[0] == "open"


@pytest.mark.parametrize("family", ["arp", "nd"])
def test_made_up_neighbours_keep_nobody_out(school: GateSchool, family: str) -> None:
    """Thousands of machines that are none, each once; a namespace remembers 1,024.

    While all that is remembered is fresh, who comes anew waits: the kernel forgets after 5 s.
    """
    school.apply([tablet()])
    frames = []
    for number in range(1500):
        mac = f"02:09:00:00:{number >> 8:02x}:{number & 255:02x}"
        if family == "arp":
            source = f"10.20.{2 + number // 250 % 12}.{1 + number % 250}"
            told = ARP(hwsrc=mac, psrc=source, pdst=BOX)
            frames.append(Ether(src=mac, dst="ff:ff:ff:ff:ff:ff") / told)
        else:
            asked = IPv6(src=f"2001:db8:20::9:{number:x}", dst="ff02::1:ff00:1", hlim=255)
            asked /= ICMPv6ND_NS(tgt=BOX6) / ICMPv6NDOptSrcLLAddr(lladdr=mac)
            frames.append(Ether(src=mac, dst="33:33:ff:00:00:01") / asked)
    with Frames(school.spaces["phone"]) as wire:
        wire.send(*frames)
    listed = school.run("gate", ["ip", "-4" if family == "arp" else "-6", "neigh"])
    assert len(re.findall("02:09:00", listed)) > 100, "the table was not filled at all"
    for web in (WEB, WEB6):
        wait_for("a way", partial(is_open, school.spaces["tablet"], web))
    school.run("gate", ["ip", "neigh", "flush", "dev", "lan0"], check=False)


def test_one_devices_silent_calls_leave_the_page_to_others(school: GateSchool) -> None:
    """Connections that say nothing: over TLS the page cannot know yet whose they are."""
    before = counted(school, "page_limited")
    open_ones = ["ss", "-Htn", "state", "established", "sport", "=", ":8080"]

    def taken() -> int:
        return len(school.run("gate", open_ones).splitlines())

    wires = []
    for number in range(400):
        wires.append(inside.open_socket(school.spaces["phone"], socket.SOCK_STREAM))
        wires[-1].setblocking(False)
        wires[-1].connect_ex((BOX, 8080))
        if number % 100 == 99:  # it is their number that counts, not their pace
            school.run("gate", ["nft", "flush", "set", "inet", "prathu", "page_rate"])
    try:
        wait_for("refusals", lambda: counted(school, "page_limited") - before >= 100)
        assert inside.fetch(school.spaces["tablet"], BOX) == PAGE
        # The page's queue of the kernel is short: some calls are repeated before they are taken.
        wait_for("the device's share", lambda: taken() > 200)
        assert taken() <= 257
    finally:
        for wire in wires:
            wire.close()
