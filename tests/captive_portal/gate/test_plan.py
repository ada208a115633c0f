"""What the settings say of the gate is checked before any daemon hears of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from captive_portal.errors import PortalError
from captive_portal.gate import plan
from captive_portal.settings import Gateway, Zone
from tests.captive_portal.gate.plans import PORTS, PUPILS, STAFF, UPLINK, plan_of


def test_zones_that_the_box_is_not_the_router_of_are_left_out() -> None:
    beside = Zone(id="beside", site="school-a", networks=("192.0.2.0/24",))
    assert plan.build([beside], Gateway(), ports=PORTS) is None
    assert [zone.id for zone in plan_of(beside, PUPILS).zones] == ["pupils"]


def test_an_interface_without_an_uplink_is_a_mistake() -> None:
    with pytest.raises(PortalError, match="pupils has an interface, but the box has no uplink"):
        plan.build([PUPILS], Gateway(), ports=PORTS)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"address": "2001:db8::1/64"}, "is not IPv4"),
        ({"address6": "10.0.0.1/8"}, "is not IPv6"),
        ({"address6": "2001:db8:20::1/56"}, "is not in a /64"),
        ({"address": "10.20.0.0/20"}, "is the network"),
        ({"leases": "10.20.0.50"}, "are not two addresses"),
        ({"leases": "10.20.0.50-10.99.0.1"}, "are not within 10.20.0.0/20"),
        ({"leases": "10.20.0.50-10.20.0.40"}, "are not within"),
        ({"garden": ("no name\nserver=/x/",)}, "is no name"),
        ({"garden": ("localhost",)}, "is no name"),
        ({"interface": "wan0"}, "stands twice"),
    ],
)
def test_a_wrong_zone_is_told_in_one_line(change: dict[str, object], says: str) -> None:
    zone = PUPILS.model_copy(update=change)
    with pytest.raises(PortalError, match=says) as caught:
        plan_of(zone)
    assert "\n" not in str(caught.value)


def test_a_page_without_a_port_of_its_own_cannot_be_led_to() -> None:
    with pytest.raises(PortalError, match=r"sign_in\.port is 0"):
        plan_of(ports=plan.Ports(page=0))


def test_zones_never_share_addresses() -> None:
    other = STAFF.model_copy(update={"address": "10.20.15.1/24"})
    with pytest.raises(PortalError, match="pupils and staff-room share addresses"):
        plan_of(PUPILS, other)


def test_macs_are_taken_in_any_spelling() -> None:
    gateway = Gateway(uplink="wan0", free=("02-00-5E-10-00-01",), block=("0200.5e10.0002",))
    made = plan_of(gateway=gateway)
    assert (made.free, made.block) == (("02:00:5e:10:00:01",), ("02:00:5e:10:00:02",))
    with pytest.raises(ValidationError):
        Gateway(free=('02:00:5e:10:00:01" }',))


def test_a_device_cannot_be_free_and_blocked() -> None:
    mac = "02:00:5e:10:00:01"
    with pytest.raises(PortalError, match="both free and blocked"):
        plan_of(gateway=Gateway(uplink="wan0", free=(mac,), block=(mac,)))


def test_the_pages_name_and_the_api_come_from_the_public_url() -> None:
    made = plan_of(public_url="https://login.school.example:8443/")
    assert made.public_host == "login.school.example"
    assert made.api_url == "https://login.school.example:8443/captive-portal/api"
    for url in ("http://login.school.example", "https://x,y", 'https://x"'):
        with pytest.raises(PortalError, match="public_url"):
            plan_of(public_url=url)


@given(st.text(max_size=40))
def test_no_name_of_a_garden_brings_more_than_a_name(text: str) -> None:
    try:
        made = plan_of(PUPILS.model_copy(update={"garden": (text,)}), gateway=UPLINK)
    except PortalError:
        return
    name = made.zones[0].garden[0]
    assert not set(name) - set("abcdefghijklmnopqrstuvwxyz0123456789.-_*")
