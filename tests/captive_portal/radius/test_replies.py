"""Each maker's NAS is told in its own words; what is told can be encoded and read again."""

from datetime import timedelta
from typing import Any, get_args
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyrad import packet

from captive_portal.radius import replies
from captive_portal.radius.guard import dictionary
from captive_portal.radius.replies import Allowed, cut
from captive_portal.settings import NasKind
from tests.captive_portal.conftest import NOW

KNOWN = dictionary()
ALL = Allowed(
    until=NOW + timedelta(hours=2),
    idle=timedelta(minutes=15),
    up_kbit=2000,
    down_kbit=10_000,
    left_bytes=(5 << 32) + 7,
    vlan=20,
    group="นักเรียน ม.1",
)
COMMON = {"User-Name", "Class", "Session-Timeout", "Acct-Interim-Interval", "Idle-Timeout"}
VLAN = {"Tunnel-Type:1", "Tunnel-Medium-Type:1", "Tunnel-Private-Group-Id:1"}
WISPR = {"WISPr-Bandwidth-Max-Up": 2_000_000, "WISPr-Bandwidth-Max-Down": 10_000_000}
OF_KIND: dict[str, dict[str, Any]] = {
    "mikrotik": {
        "Mikrotik-Rate-Limit": "2000k/10000k",
        "Mikrotik-Total-Limit": 7,
        "Mikrotik-Total-Limit-Gigawords": 5,
    },
    "ruckus": {"Ruckus-User-Groups": ALL.group, **WISPR},
    "aruba": {"Aruba-User-Role": ALL.group, "Aruba-User-Vlan": 20},
    "cisco": {
        "Airespace-Data-Bandwidth-Average-Contract-Upstream": 2000,
        "Airespace-Data-Bandwidth-Average-Contract": 10_000,
    },
    "fortigate": {"Fortinet-Group-Name": ALL.group},
    "pfsense": {**WISPR, "pfSense-Max-Total-Octets": 2**32 - 1},
    "chillispot": {
        "ChilliSpot-Bandwidth-Max-Up": 2000,
        "ChilliSpot-Bandwidth-Max-Down": 10_000,
        "ChilliSpot-Max-Total-Octets": 7,
        "ChilliSpot-Max-Total-Gigawords": 5,
    },
}


def told(kind: NasKind, allowed: Allowed = ALL, user: str = "สมชาย") -> dict[str, Any]:
    given = replies.of(kind, allowed, now=NOW, session=UUID(int=77), ticket=b"0x123", user=user)
    return dict(given)


@pytest.mark.parametrize("kind", get_args(NasKind))
def test_a_nas_is_told_in_the_words_of_its_maker(kind: NasKind) -> None:
    given = told(kind)
    assert {name: given[name] for name in given.keys() - COMMON - VLAN} == OF_KIND.get(kind, WISPR)
    assert given.keys() >= COMMON | VLAN
    assert (given["Session-Timeout"], given["Idle-Timeout"]) == (7200, 900)


@pytest.mark.parametrize("kind", get_args(NasKind))
def test_what_is_told_is_what_is_read(kind: NasKind) -> None:
    reply = packet.Packet(code=2, id=1, secret=b"s", authenticator=bytes(16), dict=KNOWN)
    given = told(kind)
    for name, value in given.items():
        if name != "Class":
            reply.AddAttribute(name, value)
    read = packet.Packet(secret=b"s", dict=KNOWN, packet=reply.ReplyPacket())
    for name, value in given.items():
        if name != "Class":
            assert read[name] == [value]
    assert read["Tunnel-Private-Group-Id:1"] == ["20"]


def test_who_has_no_limit_is_told_none() -> None:
    for kind in get_args(NasKind):
        given = told(kind, Allowed(until=NOW + timedelta(hours=1)))
        assert given.keys() == COMMON - {"Idle-Timeout"}


def test_updates_are_spread() -> None:
    def interim(session: UUID) -> Any:
        given = replies.of("generic", ALL, now=NOW, session=session, ticket=b"", user="")
        return dict(given)["Acct-Interim-Interval"]

    intervals = {interim(UUID(int=n * 7919)) for n in range(500)}
    assert len(intervals) > 50
    assert min(intervals) >= 60
    assert max(intervals) <= 600


@given(st.text(max_size=300))
def test_a_text_is_cut_at_a_character(text: str) -> None:
    kept = cut(text)
    assert len(kept.encode()) <= 253
    assert text.encode("utf-8", "replace").decode().startswith(kept)


def test_84_thai_letters_fill_an_attribute() -> None:
    assert cut("ก" * 100) == "ก" * 84
