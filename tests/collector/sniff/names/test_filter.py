"""The kernel lets through what may tell a name, and nothing else."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Dot1Q, Ether
from scapy.packet import Raw

from collector.sniff.names import segment
from collector.sniff.names.filter import program
from tests.collector.sniff.names import wire
from tests.collector.sniff.wires import heard

OPENING = """
from collector.sniff.listen import Wire
from collector.sniff.names.filter import LONGEST, program
with Wire("eth0", program(), cooked=True, longest=LONGEST)"""
ETHER = Ether(src="02:00:5e:00:53:01", dst="02:00:5e:00:53:02")
V4, V6 = IP(src=wire.CLIENT, dst=wire.SERVER), IPv6(src="2001:db8::5", dst="2001:db8:1::9")
ANSWER = b"\0\7\x81\x80" + bytes(8)
HELLO = wire.record(wire.hello())
INITIAL, INITIAL_V2 = (wire.initial(b"\1", version=v, size=40) for v in (wire.V1, wire.V2))


def udp(payload: bytes, sport: int = 50_000, dport: int = 443, ip: Any = V4) -> Any:
    return ip / UDP(sport=sport, dport=dport) / Raw(payload)


def tcp(payload: bytes, sport: int = 50_000, dport: int = 443, ip: Any = V4, **more: Any) -> Any:
    return ip / TCP(sport=sport, dport=dport, **{"flags": "PA", **more}) / Raw(payload)


UNSEEN: dict[str, Any] = {
    "a ping": V4 / ICMP(),
    "a question": udp(b"\0\7\1\0" + bytes(8), dport=53),
    "an answer to port 53, not from it": udp(ANSWER, dport=53),
    "a later fragment": IP(src=wire.RESOLVER, dst=wire.CLIENT, frag=8, proto=17)
    / Raw(bytes(8) + ANSWER),
    "a server's Initial": udp(INITIAL, sport=443, dport=50_000),
    "a Handshake packet": udp(bytes([INITIAL[0] | 0x20]) + INITIAL[1:]),
    "a Handshake packet of version 2": udp(bytes([INITIAL_V2[0] | 0x30]) + INITIAL_V2[1:]),
    "a short header": udp(b"\x40" + bytes(60)),
    "a version that nobody knows": udp(INITIAL[:1] + b"\xff\0\0\x1d" + INITIAL[5:]),
    "a SYN": V4 / TCP(sport=50_000, dport=443, flags="S", options=[("NOP", None)] * 8),
    "an acknowledgement": V4 / TCP(sport=50_000, dport=443, flags="A"),
    "application data": tcp(b"\x17\3\3\0\x20" + bytes(32)),
    "a key exchange": tcp(b"\x16\3\3\0\x20\x10\0\0\x1c" + bytes(32)),
    "the middle of an upload": tcp(bytes(1400), flags="A"),
    "the end of an upload to another port": tcp(bytes(400), dport=80),
    "what a server sends": tcp(bytes(400), sport=443, dport=50_000),
    "a SYN from port 53": V4 / TCP(sport=53, dport=50_000, flags="SA"),
    "a question over TCP": tcp(b"\0\x0c\0\7\1\0" + bytes(8), dport=53),
}  # fmt: skip
SEEN: dict[str, Any] = {
    "an answer": udp(ANSWER, sport=53, dport=40_000),
    "an answer over IPv6": udp(ANSWER, sport=53, dport=40_000, ip=V6),
    "an answer behind IP options": udp(
        ANSWER, sport=53, dport=40_000, ip=IP(src=wire.RESOLVER, dst=wire.CLIENT, options=b"\1" * 8)
    ),
    "an answer in a VLAN": Dot1Q(vlan=30) / udp(ANSWER, sport=53, dport=40_001),
    "an answer over TCP": tcp(b"\0\x0c" + ANSWER, sport=53, dport=40_000),
    "an Initial": udp(INITIAL),
    "an Initial of version 2": udp(INITIAL_V2, ip=V6, dport=8443),
    "a hello": tcp(HELLO),
    "a hello behind TCP options": tcp(HELLO, options=[("NOP", None)] * 12),
    "a hello to any port, over IPv6": tcp(HELLO, dport=9993, ip=V6),
    "the beginning of a hello": tcp(HELLO[:60], flags="A"),
    "the end of a hello": tcp(HELLO[60:]),
}


def test_only_what_may_tell_a_name_comes_through(tmp_path: Path) -> None:
    # VLAN tags are the kernel's to take off, and packets begin at the IP header.
    bare = [bytes(each.payload if Dot1Q in each else each) for each in SEEN.values()]
    sent = [bytes(ETHER / each) for each in (*UNSEEN.values(), *SEEN.values())]
    found = heard(tmp_path, OPENING, sent, bare[-1])
    hidden = [bytes(each) for each in UNSEEN.values()]
    words = dict(zip([*bare, *hidden], [*SEEN, *UNSEEN], strict=True))
    assert [words.get(packet, packet.hex()) for packet in found] == list(SEEN)


def test_the_filter_never_jumps_out_of_itself() -> None:
    steps = list(struct.iter_unpack("=HBBI", program()))
    for at, (code, so, not_so, constant) in enumerate(steps):
        far = constant if code == 0x05 else max(so, not_so)
        assert at + 1 + far < len(steps) or code == 0x06


@pytest.mark.parametrize("name", ["a hello", "an Initial", "an answer"])
def test_what_comes_through_is_read(name: str) -> None:
    assert segment.read(bytes(SEEN[name])).payload
