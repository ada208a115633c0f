"""Plans of gates for the tests."""

from __future__ import annotations

from typing import Any

from captive_portal.gate import plan
from captive_portal.settings import Gateway, Zone

PUPILS = Zone(
    id="pupils",
    site="school-a",
    interface="lan0",
    address="10.20.0.1/20",
    address6="2001:db8:20::1/64",
    leases="10.20.0.50-10.20.15.250",
    garden=("www.school.example", "*.learn.example"),
)
STAFF = Zone(id="staff-room", site="school-a", interface="lan1", address="10.30.0.1/24")
UPLINK = Gateway(uplink="wan0")
PORTS = plan.Ports(page=8080, page_tls=8443)


def plan_of(*zones: Zone, gateway: Gateway = UPLINK, **more: Any) -> plan.Plan:
    """Return the plan of zones, by default of the two above."""
    made = plan.build(zones or (PUPILS, STAFF), gateway, ports=more.pop("ports", PORTS), **more)
    assert made is not None
    return made
