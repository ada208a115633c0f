"""Wireless controllers tell in their flows which station has an address, and who is on it."""

from __future__ import annotations

import json
import struct
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid5

import pytest

from collector.records import Frame, FrameKind, SessionEvent
from tests.collector.decode import wire
from tests.collector.homes import BEGIN, SPACE, Home, ns

ANAN = "02:00:5e:00:53:01"
NOBODYS = "02:00:5e:00:53:99"
ACCESS_POINT = bytes.fromhex("02005e005380")
UP, DOWN = 0, 1

CLIENT_APP = [(365, 6), (366, 4), (147, 33), (367, 6), (61, 1), (95, 4), (2, 8), (1, 8)]
"""What AireOS sends of each station and application: no address but the station's."""
SRC_DST = [
    *((8, 4), (12, 4), (7, 2), (11, 2), (4, 1), (365, 6), (147, 33), (367, 6), (61, 1)),
    *((371, 32), (152, 8), (153, 8), (2, 8), (1, 8)),
]
"""What it sends of each connection, with the name under which the station signed in."""


def mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def of_station(station: str, address: str, direction: int = UP) -> bytes:
    ssid = b"school".ljust(33, b"\0")
    head = mac(station) + wire.ip4(address) + ssid + ACCESS_POINT + bytes([direction])
    return head + struct.pack(">BBHQQ", 13, 0, 453, 10, 5000)


def connection(
    at: datetime, ends: tuple[str, str], station: str, user: str = "", direction: int = UP
) -> bytes:
    first = ns(at) // 1_000_000
    head = wire.ip4(ends[0]) + wire.ip4(ends[1]) + struct.pack(">HHB", 50_000, 443, 6)
    radio = mac(station) + b"school".ljust(33, b"\0") + ACCESS_POINT + bytes([direction])
    name = user.encode().ljust(32, b"\0")
    return head + radio + name + struct.pack(">QQQQ", first, first + 2000, 10, 5000)


def controller(at: datetime, fields: list[tuple[int, int]], *records: bytes) -> Frame:
    payload = wire.v9(
        wire.v9_template(256, fields),
        wire.a_set(256, b"".join(records)),
        sent_s=int(at.timestamp()),
    )
    return Frame(
        kind=FrameKind.FLOW,
        site="school-a",
        received_ns=ns(at),
        wire_ns=ns(at),
        address="192.0.2.60",
        port=50_000,
        local_port=2055,
        payload=payload,
    )


def signed_in(at: datetime, person: str, station: str, *addresses: str) -> Frame:
    event = SessionEvent(
        event_id=uuid5(SPACE, f"{person} {at}"),
        session=uuid5(SPACE, f"session {person}"),
        event="start",
        time=at,
        start=at,
        site="school-a",
        method="802.1X",
        person=uuid5(SPACE, person),
        addresses=addresses,
        mac=station,
        account=person,
    )
    return Frame(
        kind=FrameKind.SESSION,
        site="school-a",
        received_ns=ns(at),
        wire_ns=ns(at),
        transport="local",
        payload=event.to_json(),
    )


def after(minutes: float) -> datetime:
    return BEGIN + timedelta(minutes=minutes)


def told(home: Home) -> list[tuple[Any, ...]]:
    names = ("src_ip", "dst_ip", "person", "method", "certainty", "device")
    rows = sorted(home.sealed("flows").to_pylist(), key=lambda row: (row["time"], row["src_ip"]))
    return [tuple(row[name] for name in names) for row in rows]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_a_station_that_signed_in_by_its_mac_is_known_by_the_flows_of_the_controller(
    home: Home,
) -> None:
    home.write(
        [
            signed_in(BEGIN, "anan", ANAN),
            controller(after(1), CLIENT_APP, of_station(ANAN, "10.0.0.5")),
            controller(after(2), CLIENT_APP, of_station(NOBODYS, "10.0.0.6", DOWN)),
        ]
    )
    home.run()
    anan = str(uuid5(SPACE, "anan"))
    assert told(home) == [
        ("10.0.0.5", None, anan, "802.1X", "sure", None),
        ("10.0.0.6", None, None, "lease", "unknown", NOBODYS),
    ]
    extra = json.loads(str(home.sealed("flows")["extra"][0]))
    assert extra["wlanSSID"] == "school"
    assert {extra["staMacAddress"], extra["wtpMacAddress"]} <= {ANAN, NOBODYS, "02:00:5e:00:53:80"}
    assert home.findings() == []


def test_the_station_is_the_inside_end_in_both_directions(home: Home) -> None:
    web = "203.0.113.9"
    home.write(
        [
            signed_in(BEGIN, "anan", ANAN),
            controller(
                after(2),
                SRC_DST,
                connection(after(1), ("10.0.0.5", web), ANAN),
                connection(after(1.1), (web, "10.0.0.5"), ANAN, direction=DOWN),
                connection(after(1.2), ("10.0.0.7", "10.0.0.5"), ANAN, direction=DOWN),
            ),
        ]
    )
    home.run()
    anan = str(uuid5(SPACE, "anan"))
    assert told(home) == [
        ("10.0.0.5", web, anan, "802.1X", "sure", None),
        (web, "10.0.0.5", anan, "802.1X", "sure", None),
        ("10.0.0.7", "10.0.0.5", None, None, "unknown", None),
    ]
    assert home.sealed("flows")["peer_person"].to_pylist().count(anan) == 1


def test_a_session_that_names_its_address_is_not_led_astray_by_a_station(home: Home) -> None:
    home.write(
        [
            signed_in(BEGIN, "anan", ANAN, "10.0.0.8"),
            controller(after(1), CLIENT_APP, of_station(ANAN, "10.0.0.5")),
        ]
    )
    home.run()
    assert told(home) == [("10.0.0.5", None, None, "lease", "unknown", ANAN)]


def test_the_name_that_a_controller_tells_makes_a_candidate(home: Home) -> None:
    home.write(
        [
            signed_in(BEGIN, "malee", "02:00:5e:00:53:02", "10.0.0.9"),
            controller(
                after(2),
                SRC_DST,
                connection(after(1), ("10.0.0.6", "203.0.113.9"), NOBODYS, "malee"),
            ),
        ]
    )
    home.run()
    assert told(home) == [("10.0.0.6", "203.0.113.9", None, "flow-borne", "ambiguous", None)]
    candidates = json.loads(str(home.sealed("flows")["candidates"][0]))
    assert [each["person"] for each in candidates] == [str(uuid5(SPACE, "malee"))]
