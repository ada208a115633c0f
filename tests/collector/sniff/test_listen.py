"""The kernel lets through what is watched, and nothing else."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.inet6 import (
    ICMPv6EchoRequest,
    ICMPv6ND_NS,
    ICMPv6ND_RA,
    IPv6,
    IPv6ExtHdrDestOpt,
)
from scapy.layers.l2 import ARP, Ether

from collector.sniff.listen import program
from tests.collector.sniff.wires import heard

OPENING = """
from collector.sniff.listen import Wire, program
with Wire("eth0", program())"""
MAC = Ether(src="02:00:5e:00:53:01", dst="ff:ff:ff:ff:ff:ff")
UNSEEN: list[Any] = [
    MAC / IP(dst="10.0.0.9") / ICMP(),
    MAC / IP(dst="10.0.0.9") / UDP(sport=53, dport=5353),
    MAC / IP(dst="10.0.0.9", frag=8, proto=17) / b"\0\x43\0\x44 a later fragment",
    MAC / IPv6(dst="ff02::1") / ICMPv6EchoRequest(),
    MAC / IPv6(dst="ff02::1") / UDP(sport=5353, dport=5353),
]
SEEN: list[Any] = [
    MAC / IP(dst="10.0.0.9") / UDP(sport=68, dport=67),
    MAC / IP(dst="10.0.0.9", options=[]) / UDP(sport=5000, dport=68),
    MAC / IPv6(dst="ff02::1") / UDP(sport=547, dport=546),
    MAC / IPv6(dst="ff02::1") / ICMPv6ND_RA(),
    MAC / IPv6(dst="ff02::1") / ICMPv6ND_NS(tgt="fe80::9"),
    MAC / IPv6(dst="ff02::1") / IPv6ExtHdrDestOpt() / ICMPv6ND_RA(),
    MAC / ARP(psrc="10.0.0.1", pdst="10.0.0.9"),
]


def test_only_what_is_watched_comes_through(tmp_path: Path) -> None:
    sent = [bytes(packet) for packet in (*UNSEEN, *SEEN)]
    found = heard(tmp_path, OPENING, sent, sent[-1])
    assert found == [bytes(packet) for packet in SEEN]


def test_the_filter_never_jumps_out_of_itself() -> None:
    steps = list(struct.iter_unpack("=HBBI", program()))
    for at, (code, so, not_so, _) in enumerate(steps):
        assert at + 1 + max(so, not_so) < len(steps) or code == 0x06
