"""What a bad neighbour sends, made by scapy. Run inside a namespace: `wire.py KIND INTERFACE …`."""

from __future__ import annotations

import sys
import time

from scapy.all import conf, sendp
from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import ICMPv6ND_RA, ICMPv6NDOptPrefixInfo, ICMPv6NDOptSrcLLAddr, IPv6
from scapy.layers.l2 import ARP, Ether

ROGUE = "02:00:5e:00:53:66"
ALL = "ff:ff:ff:ff:ff:ff"


def main() -> None:
    """Send packets of the kind asked for."""
    kind, interface, *words = sys.argv[1:]
    conf.verb = 0
    packets = double(*words) if kind == "double" else {"dhcp": dhcp, "ra": advert}[kind]()
    for packet in packets:
        sendp(packet, iface=interface)
        time.sleep(0.3)


def dhcp() -> list[Ether]:
    """Offer an address as a server that nobody set up."""
    options = [("message-type", "offer"), ("server_id", "10.20.0.66"), ("router", "10.20.0.66")]
    lower = BOOTP(op=2, yiaddr="10.20.0.99", chaddr=bytes.fromhex("02005e005301") + bytes(10))
    frame = Ether(src=ROGUE, dst=ALL) / IP(src="10.20.0.66", dst="255.255.255.255")
    return [frame / UDP(sport=67, dport=68) / lower / DHCP(options=[*options, "end"])] * 3


def advert() -> list[Ether]:
    """Call oneself a router."""
    frame = Ether(src=ROGUE, dst="33:33:00:00:00:01") / IPv6(src="fe80::66", dst="ff02::1")
    told = ICMPv6ND_RA(routerlifetime=1800) / ICMPv6NDOptSrcLLAddr(lladdr=ROGUE)
    return [frame / told / ICMPv6NDOptPrefixInfo(prefix="2001:db8:66::", prefixlen=64)] * 3


def double(ip: str, mac: str) -> list[Ether]:
    """Let two machines use one address, in turns."""
    return [
        Ether(src=who, dst=ALL) / ARP(op=2, psrc=ip, hwsrc=who, pdst=ip)
        for who in (mac, ROGUE, mac, ROGUE)
    ]


if __name__ == "__main__":
    main()
