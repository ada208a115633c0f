"""A device is in the zone with the smallest network that has its address, else in its site."""

import pytest

from captive_portal.settings import Zone
from captive_portal.web.sites import Places

SITES = [("school-a", "โรงเรียน ก", ["10.0.0.0/8", "fd00::/8"]), ("school-b", "", ["172.16.0.0/12"])]
ZONES = [
    Zone(id="pupils", site="school-a", networks=("10.20.0.0/16",), ways=("local", "ldap")),
    Zone(id="lab", site="school-a", networks=("10.20.7.0/24",), ways=("voucher",)),
    Zone(
        id="wifi",
        site="school-b",
        interface="br0",
        address="10.99.0.1/20",
        address6="fd00:20::1/64",
        ways=("local",),
    ),
]


@pytest.mark.parametrize(
    ("address", "site", "zone", "ways"),
    [
        ("10.1.0.1", "school-a", "", ("local",)),
        ("10.20.1.1", "school-a", "pupils", ("local", "ldap")),
        ("10.20.7.9", "school-a", "lab", ("voucher",)),
        ("10.99.15.254", "school-b", "wifi", ("local",)),
        ("10.99.16.1", "school-a", "", ("local",)),
        ("fd00:20::77", "school-b", "wifi", ("local",)),
        ("127.0.0.1", "school-a", "", ("local",)),
    ],
)
def test_where_a_device_is(address: str, site: str, zone: str, ways: tuple[str, ...]) -> None:
    place = Places(SITES, ZONES).of(address)
    assert place is not None
    assert (place.id, place.zone.id if place.zone else "", place.ways) == (site, zone, ways)


def test_outside_is_nowhere() -> None:
    assert Places(SITES, ZONES).of("192.0.2.1") is None
