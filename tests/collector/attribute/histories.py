"""Hypothesis strategies: histories of sessions and leases on few addresses within microseconds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from collector.records import LeaseEvent, SessionEvent
from tests.collector.attribute.oracle import event, leased

NETWORKS = ("10.0.0.0/8", "fd00::/8", "2001:db8:5::/48")
HELD = ("10.0.0.1", "10.0.0.2", "fd00::1", "198.51.100.7")
"""Addresses of sessions; one of them is public."""
IN_PREFIX = "2001:db8:5:1::1"
PREFIXES = ("2001:db8:5:1::/64", "2001:db8:5::/56", "2001:db8:5:1::/80")
ADDRESSES = (*HELD, IN_PREFIX, "2001:db8:5:0:2::1", "10.9.9.9", "203.0.113.9", "2001:db8::9")
MACS = ("02:00:00:00:00:01", "02:00:00:00:00:02", "02:00:00:00:00:03")
TIMES = st.integers(0, 24)


@st.composite
def events(draw: st.DrawFn) -> SessionEvent:
    """Return any event, sensible or not, of one of few sessions."""
    return event(
        draw(st.sampled_from(("start", "start", "update", "update", "stop", "reject"))),
        draw(TIMES),
        site=draw(st.sampled_from("aaab")),
        session=draw(st.integers(1, 4)),
        person=draw(st.sampled_from((None, 11, 11, 12, 13))),
        method=draw(st.sampled_from(("portal", "accounting", "syslog"))),
        start=draw(st.none() | TIMES),
        expires=draw(st.none() | st.none() | st.integers(0, 40)),
        addresses=tuple(draw(st.lists(st.sampled_from(HELD), max_size=2))),
    )


@st.composite
def wide_events(draw: st.DrawFn) -> SessionEvent:
    """Return an event that may name a MAC, and prefixes as addresses."""
    known = (*HELD, IN_PREFIX, *PREFIXES)
    told = draw(st.lists(st.sampled_from(known), max_size=2))
    mac = draw(st.sampled_from(("", *MACS)))
    return replace(draw(events()), mac=mac, addresses=tuple(told))


@st.composite
def leases(draw: st.DrawFn) -> LeaseEvent:
    """Return any word about an address and its machine."""
    return leased(
        draw(st.sampled_from(("add", "add", "renew", "seen", "release", "expire"))),
        draw(TIMES),
        site=draw(st.sampled_from("aaab")),
        kind=draw(st.sampled_from(("dhcp", "nd", "uplink"))),
        ip=draw(st.sampled_from((*HELD, IN_PREFIX, "10.9.9.9"))),
        mac=draw(st.sampled_from((*MACS, ""))),
        start=draw(st.none() | TIMES),
        expires=draw(st.none() | st.integers(0, 40)),
    )


@st.composite
def flows(draw: st.DrawFn) -> dict[str, Any]:
    """Return one flow; its end may be missing, and even lie before its begin."""
    end = draw(st.none() | TIMES)
    return {
        "time": draw(TIMES),
        "time_end": end,
        "src_ip": draw(st.sampled_from((*ADDRESSES, None))),
        "dst_ip": draw(st.sampled_from((*ADDRESSES, None))),
        "nat_src_ip": draw(st.sampled_from((None, None, *ADDRESSES))),
        "nat_dst_ip": draw(st.sampled_from((None, None, *ADDRESSES))),
    }


@st.composite
def blocks(draw: st.DrawFn) -> LeaseEvent:
    """Return any word about a block of ports that a NAT lent; blocks may overlap."""
    first, last = draw(st.sampled_from(((5, 6), (7, 9), (5, 9), (6, 7), (9, 9))))
    return leased(
        draw(st.sampled_from(("add", "add", "add", "renew", "release"))),
        draw(TIMES),
        site=draw(st.sampled_from("aaab")),
        kind="block",
        ip=draw(st.sampled_from((*HELD, IN_PREFIX, "10.9.9.9"))),
        nat_ip=draw(st.sampled_from(NATS)),
        port_first=first,
        port_last=last,
        start=draw(st.none() | st.none() | TIMES),
        expires=draw(st.none() | st.none() | st.integers(0, 40)),
    )


@st.composite
def outside_flows(draw: st.DrawFn) -> dict[str, Any]:
    """Return a flow that may have ports, and its ends where NATs lend them."""
    flow = draw(flows())
    for side in ("src", "dst"):
        flow[f"{side}_port"] = draw(st.sampled_from((None, 5, 6, 7, 9, 10)))
        if draw(st.booleans()):
            flow[f"{side}_ip"] = draw(st.sampled_from(NATS))
    return flow


NATS = ("203.0.113.9", "2001:db8::9", "198.51.100.7")
"""Public addresses that are lent by ports; of one of them sessions know as well."""
BLOCKS = st.lists(blocks(), min_size=1, max_size=8)
OUTSIDE_FLOWS = st.lists(outside_flows(), min_size=1, max_size=8)
WIDE_HISTORY = st.lists(wide_events(), max_size=8)
LEASES = st.lists(leases(), max_size=6)
HISTORY = st.lists(events(), max_size=12)
FLOWS = st.lists(flows(), min_size=1, max_size=12)
