"""A thousand phones on one cable: each has an address and a MAC of its own.

One interface has all the addresses; the kernel's own rules write each packet's MAC by its address,
and take in what is for any of them.
"""

from __future__ import annotations

from tests.integration.gate_school import BOX, MACS, GateSchool

FIRST = 10 << 24 | 20 << 16 | 4 << 8
"""Their addresses begin at 10.20.4.0 and stay within 10.20.0.0/20."""
MOST = 3000
ROUTER = "02:00:5e:00:00:01"
_RULES = """
table netdev crowd {{
    map macs {{
        type ipv4_addr : ether_addr
        elements = {{ {macs} }}
    }}
    chain out {{
        type filter hook egress device "eth0" priority 0;
        ether saddr set ip saddr map @macs
    }}
    chain in {{
        type filter hook ingress device "eth0" priority 0;
        meta protocol ip ether daddr set {mac} meta pkttype set host
    }}
}}
"""


def address(number: int) -> str:
    """Return the address of a phone."""
    value = FIRST + number
    return ".".join(str(value >> shift & 255) for shift in (24, 16, 8, 0))


def mac(number: int) -> str:
    """Return its MAC, locally administered as a phone's own are."""
    return f"02:00:5e:20:{number >> 8:02x}:{number & 255:02x}"


def come(school: GateSchool, phones: int) -> None:
    """Put phones on the cable of the school's `phone`.

    Who has which MAC is told to the box's kernel beforehand: their ARP is not what is measured.
    """
    if phones > MOST:
        raise ValueError(f"{phones} phones, but there is room for {MOST}")
    everyone = [(address(n), mac(n)) for n in range(phones)]
    own = "".join(f"address add {ip}/20 dev eth0\n" for ip, _ in everyone)
    # A bridge changes its MAC with its ports, if nobody gives it one.
    school.run("gate", ["ip", "link", "set", "lan0", "address", ROUTER])
    route = f"neigh replace {BOX} lladdr {ROUTER} dev eth0 nud permanent\n"
    school.run("phone", ["ip", "-batch", "-"], stdin=own + route)
    known = "".join(f"neigh replace {ip} lladdr {m} dev lan0 nud permanent\n" for ip, m in everyone)
    school.run("gate", ["ip", "-batch", "-"], stdin=known)
    macs = ", ".join(f"{ip} : {m}" for ip, m in everyone)
    rules = _RULES.format(macs=macs, mac=MACS["phone"])
    school.run("phone", ["nft", "-f", "-"], stdin=rules)
