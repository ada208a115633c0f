"""What the kernel says is read right, against the kernel itself; any message at all has an end."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.privileged import netlink
from captive_portal.gate import ruleset
from captive_portal.gate.classes import Classes
from captive_portal.gate.elements import MAPS, Element, change, of_pass, orders
from captive_portal.sessions.passes import Pass
from tests.captive_portal.gate.plans import plan_of
from tests.integration import inside
from tests.integration.machine import PATH, Machine

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)


@given(st.binary(max_size=200))
def test_any_message_ends(data: bytes) -> None:
    list(netlink._messages(data))
    list(netlink._attributes(data))
    list(netlink._read(data))


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[tuple[Machine, str, netlink.Netlink]]:
    if os.geteuid() != 0 or not shutil.which("nft", path=PATH):
        pytest.skip("nft in a network namespace needs root and nftables")
    with Machine(tmp_path) as machine:
        space = machine.namespace("netlink")
        with inside.namespace(space):
            opened = netlink.Netlink()
        with opened:
            yield machine, space, opened


def test_elements_are_found_listed_and_missed(
    kernel: tuple[Machine, str, netlink.Netlink],
) -> None:
    machine, space, asked = kernel
    assert not asked.has_table("prathu")
    with pytest.raises(FileNotFoundError):
        asked.elements("prathu", "session4")
    load(machine, space, ruleset.render(plan_of(), Classes()))
    assert asked.has_table("prathu")
    passes = [
        Pass(
            serial=n, zone="pupils", mac=f"02:00:00:00:{n >> 8:02x}:{n & 255:02x}",
            addresses=(f"10.20.{n >> 8}.{n & 255}", f"2001:db8::{n:x}"),
            until=NOW + timedelta(hours=1) if n % 2 else None,
        )
        for n in range(1, 1500)
    ]  # fmt: skip
    wanted = dict(each for p in passes for each in of_pass(p, 3))
    asked.change("prathu", orders(change({}, wanted), NOW))
    for name in MAPS:
        listed = asked.elements("prathu", name)
        assert {raw: each.mark for raw, each in listed.items()} == {
            key.raw: element.mark for key, element in wanted.items() if key.map == name
        }
    for key, element in list(wanted.items())[:8]:
        found = asked.element("prathu", key.map, key.raw)
        assert found is not None
        assert found.mark == element.mark
        assert (found.expires_ms is None) == (element.until is None)
        assert found.expires_ms is None or 3_500_000 < found.expires_ms <= 3_600_000
    assert asked.element("prathu", "session4", bytes(12)) is None
    text = machine.run(["nft", "list", "map", "inet", "prathu", "session6"], within=space)
    assert "02:00:00:00:00:07 . 2001:db8::7 counter packets 0 bytes 0 timeout 1h" in text
    asked.change("prathu", orders(change(wanted, {}), NOW))
    assert not any(asked.elements("prathu", name) for name in MAPS)
    assert len(asked.elements("prathu", "doh4")) > 10
    assert Element(0x102, None).serial == 1


def test_connections_end_by_mark_by_address_and_many_at_once(
    kernel: tuple[Machine, str, netlink.Netlink],
) -> None:
    if not shutil.which("conntrack", path=PATH):
        pytest.skip("conntrack is not installed")
    machine, space, asked = kernel

    def put(source: str, mark: int) -> None:
        far = "2001:db8:9::9" if ":" in source else "192.0.2.9"
        ends = ["-s", source, "-d", far, "--sport", str(1000 + mark), "--dport", "53"]
        command = ["conntrack", "-I", "-p", "udp", "-t", "600", "-m", str(mark), *ends]
        machine.run(command, within=space)

    def left() -> set[str]:
        listed = [["conntrack", "-L", "-f", family] for family in ("ipv4", "ipv6")]
        told = "".join(machine.run(each, within=space) for each in listed)
        return {line.split("src=")[1].split()[0] for line in told.splitlines() if "src=" in line}

    put("10.20.0.1", 0x102)
    put("2001:db8::1", 0x102)
    put("10.20.0.2", 0)
    put("2001:db8::2", 0)
    put("10.20.0.3", 0x203)
    put("2001:db8::3", 0x304)
    asked.end_marked(0x100, 0xFFFFFF00)
    assert len(left()) == 4
    assert asked.end_from4(ip_address("10.20.0.2").packed) == 1
    assert asked.end_from6({ip_address("2001:db8::2").packed}) == 1
    assert asked.end_from4(ip_address("10.20.0.99").packed) == 0
    assert asked.end_from6({ip_address("2001:db8::99").packed}) == 0
    assert left() == {"10.20.0.3", "2001:db8::3"}
    assert asked.end_many({ip_address("10.20.0.3").packed}, {3}) == 2
    assert left() == set()


def load(machine: Machine, space: str, text: str) -> None:
    machine.run(["nft", "-f", "-"], within=space, stdin=text)
