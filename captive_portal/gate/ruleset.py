"""The gate as a text for `nft -f`: `config/gate.nft` with the zones and their numbers in it.

The same text begins a gate and changes one that works: chains and fixed sets are made anew in the
same transaction, sessions, garden and counters stay (portal.md P-19).
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator

import jinja2

from captive_portal.gate.classes import Classes
from captive_portal.gate.plan import TEMPLATES, Network, Plan

TABLE = "prathu"
CHAINS = (
    "pieces", "piece", "mark_client", "classify", "redirect_client", "divert", "input",
    "from_client", "dns", "from_uplink", "forward", "unknown", "upload", "refuse", "download",
    "leave",
)  # fmt: skip
"""Those of the template; the chains of classes are beside them."""
_HOOKS = {
    "pieces": "type filter hook prerouting priority -450; policy accept;",
    "mark_client": "type filter hook prerouting priority mangle; policy accept;",
    "redirect_client": "type nat hook prerouting priority dstnat; policy accept;",
    "input": "type filter hook input priority filter; policy drop;",
    "forward": "type filter hook forward priority filter; policy drop;",
    "leave": "type nat hook postrouting priority srcnat; policy accept;",
}
COUNTERS = {
    "blocked": "from blocked devices",
    "spoofed": "from an address that is not of the zone, or nobody's",
    "routed": "whose sender chooses the way (source routes)",
    "pieces_limited": "pieces of packets beyond the rate",
    "no_ipv6": "IPv6 in a zone that has none",
    "refused": "before sign-in",
    "dot": "DNS over TLS or QUIC",
    "doh": "to known DNS-over-HTTPS servers",
    "dns_limited": "DNS beyond the rate",
    "nd_limited": "talk of IPv6 neighbours beyond the rate",
    "dhcp_limited": "questions for an address beyond the rate",
    "page_limited": "calls of the sign-in page beyond the rate, or too many at a time",
    "syn_limited": "new connections beyond the rate, or more of them than a device may have",
    "too_fast": "beyond the speed of the group",
    "isolated": "from device to device, from zone to zone, or past the uplink",
    "after_end": "to a session that has ended",
    "uninvited": "from outside, of no connection",
    "closed": "to the box itself where nothing is open",
    "invalid": "of no connection that could be",
}
"""What is not let through, each with its counter."""


def render(plan: Plan, classes: Classes) -> str:
    """Return the whole ruleset.

    Args:
        plan: The gate.
        classes: Speeds that are in use.
    """
    captive = [zone for zone in plan.zones if zone.portal]
    text = _template().render(
        uplink=plan.uplink,
        zones=plan.zones,
        captive=captive,
        ports=plan.ports,
        counters=list(COUNTERS),
        chains=[(name, _HOOKS.get(name, "")) for name in CHAINS],
        fixed=_fixed(plan),
        nobody4=sorted(_nobody4(plan)),
        nobody6=sorted(str(zone.address6.ip) for zone in plan.zones if zone.address6),
    )
    return text + class_rules(classes)


def class_rules(classes: Classes) -> str:
    """Return what makes classes of speed known; others limit nothing from then on."""
    lines = [f"flush map inet {TABLE} up_class", f"flush map inet {TABLE} down_class"]
    for way, number, kbit in classes.limits():
        name = f"{way}_{kbit}"
        rate = kbit * 125  # bytes a second
        burst = max(rate, 65536)
        lines += [
            f"add set inet {TABLE} {name} {{ typeof meta mark; flags dynamic,timeout; "
            "timeout 5m; size 65536; }",
            f"add chain inet {TABLE} {name}",
            f"flush chain inet {TABLE} {name}",
            f"add rule inet {TABLE} {name} update @{name} {{ meta mark limit rate over "
            f"{rate} bytes/second burst {burst} bytes }} counter name too_fast drop",
            f"add element inet {TABLE} {way}_class {{ {number} : jump {name} }}",
        ]
    return "\n".join([*lines, ""])


def _fixed(plan: Plan) -> list[tuple[str, list[str]]]:
    """Return the sets that the settings fill, and with what."""
    ports = plan.ports
    pages = {port for port in (ports.page, ports.page_tls) if port}
    return [
        ("free_mac", list(plan.free)),
        ("block_mac", list(plan.block)),
        *_both("doh", plan.doh),
        *_both("manage", plan.manage),
        *_both("sender", ports.senders),
        ("sender_udp", _numbers(ports.senders_udp)),
        ("sender_tcp", _numbers(ports.senders_tcp)),
        ("page_port", _numbers(pages)),
        ("client_if", [f'"{zone.interface}"' for zone in plan.zones]),
        ("open_if", [f'"{zone.interface}"' for zone in plan.zones if not zone.portal]),
    ]


def _nobody4(plan: Plan) -> Iterator[str]:
    """Yield addresses within zones that no device has: the box's, and those of the whole zone."""
    for zone in plan.zones:
        yield str(zone.address.ip)
        if zone.address.network.prefixlen < 31:  # RFC 3021 has no such addresses
            yield str(zone.address.network.network_address)
            yield str(zone.address.network.broadcast_address)


def _both(name: str, networks: Iterable[Network]) -> list[tuple[str, list[str]]]:
    listed = list(networks)
    return [
        (f"{name}{version}", [str(net) for net in listed if net.version == version])
        for version in (4, 6)
    ]


def _numbers(ports: Iterable[int]) -> list[str]:
    return [str(port) for port in sorted(set(ports)) if port]


@functools.cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(  # noqa: S701  # no HTML; values are checked in `plan`
        loader=jinja2.FileSystemLoader(TEMPLATES),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("gate.nft")
