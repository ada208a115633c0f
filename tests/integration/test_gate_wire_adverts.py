"""Router advertisements of the box on the wire, and what a device's kernel makes of them."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from scapy.layers.inet6 import (
    ICMPv6ND_RA,
    ICMPv6ND_RS,
    ICMPv6NDOptCaptivePortal,
    ICMPv6NDOptPrefixInfo,
    ICMPv6NDOptSrcLLAddr,
    IPv6,
)
from scapy.layers.l2 import Ether
from scapy.packet import Packet
from scapy.utils import wrpcap

from tests.integration.box import Box
from tests.integration.gate_school import API, MACS, SETTINGS, GateSchool
from tests.integration.gate_wire import Frames
from tests.integration.machine import Machine, require, wait_for

OPEN = SETTINGS + 'address6 = "2001:db8:30::1/64"\nportal = false\n'
UNRESTRICTED = "urn:ietf:params:capport:unrestricted"
ALL_ROUTERS = "33:33:00:00:00:02"


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GateSchool]:
    require("ip", "nft", "dnsmasq")
    folder = tmp_path_factory.mktemp("gate-adverts")
    with Machine(folder) as machine:
        made = GateSchool(machine, Box(machine, folder / "home"), page=False)
        try:
            made.build()
            made.box.init(settings=OPEN)
            made.box.start_alone("privileged")
            # Both zones have been told once: the box has addresses of its links.
            wait_for("the first", lambda: made.status()["adverts"]["sent"] >= 2)
            yield made
        finally:
            made.close()


def link_local(school: GateSchool, device: str) -> str:
    [line] = school.run(
        device, ["ip", "-6", "-o", "address", "show", "dev", "eth0", "scope", "link"]
    ).splitlines()
    return line.split()[3].partition("/")[0]


def question(mac: str, source: str, *, hops: int = 255) -> Packet:
    asked = Ether(src=mac, dst=ALL_ROUTERS) / IPv6(src=source, dst="ff02::2", hlim=hops)
    named = [ICMPv6NDOptSrcLLAddr(lladdr=mac)] if source != "::" else []
    asked /= ICMPv6ND_RS()
    for option in named:
        asked /= option
    return asked


def is_advert(frame: Packet) -> bool:
    return ICMPv6ND_RA in frame


def uri(frame: Packet) -> str:
    told = frame[ICMPv6NDOptCaptivePortal].URI
    return str(bytes(told).rstrip(b"\0").decode())


@pytest.mark.parametrize(("device", "told"), [("tablet", API), ("laptop", UNRESTRICTED)])
def test_who_asks_is_answered_alone_and_told_of_the_page(
    school: GateSchool, tmp_path: Path, device: str, told: str
) -> None:
    own = link_local(school, device)
    wait_for("the link", lambda: "tentative" not in school.run(device, ["ip", "-6", "address"]))
    with Frames(school.spaces[device]) as wire:
        wire.send(question(MACS[device], own))
        answer = wire.heard(lambda frame: is_advert(frame) and frame.dst == MACS[device])
    assert (answer[IPv6].dst, answer[IPv6].hlim) == (own, 255)
    assert answer[IPv6].src.startswith("fe80::")
    assert uri(answer) == told
    require("tshark")
    file = tmp_path / "advert.pcap"
    wrpcap(str(file), [answer])
    seen = school.machine.run(["tshark", "-r", str(file), "-V"])
    assert "Malformed" not in seen
    assert f"Captive Portal: {told}" in seen
    assert "Checksum Status: Good" in seen


def test_who_has_no_address_yet_is_told_with_all_others(school: GateSchool) -> None:
    with Frames(school.spaces["phone"]) as wire:
        wire.send(question(MACS["phone"], "::"))
        told = wire.heard(is_advert)
    assert (told.dst, told[IPv6].dst) == ("33:33:00:00:00:01", "ff02::1")
    assert uri(told) == API


def test_questions_from_afar_are_refused_and_counted(school: GateSchool) -> None:
    before = school.status()["adverts"]["refused"]
    with Frames(school.spaces["tablet"]) as wire:
        wire.send(question(MACS["tablet"], link_local(school, "tablet"), hops=64))
    wait_for("a refusal", lambda: school.status()["adverts"]["refused"] > before)


def test_a_device_has_one_router_one_address_and_no_voice_contradicts_another(
    school: GateSchool,
) -> None:
    def said(*words: str) -> list[str]:
        return school.run("tablet", ["ip", "-6", "-o", *words, "dev", "eth0"]).splitlines()

    def listen(on: int) -> None:
        own = [f"net.ipv6.conf.eth0.{what}={on}" for what in ("accept_ra", "autoconf")]
        school.run("tablet", ["sysctl", "-qw", *own])

    school.run("tablet", ["ip", "-6", "route", "flush", "default"], check=False)
    listen(1)
    settings = school.box.home / "prathu.d" / "test.toml"
    try:
        for state in ("down", "up"):
            school.run("tablet", ["ip", "link", "set", "eth0", state])
        wait_for("an address", lambda: said("address", "show", "dynamic"))
        with Frames(school.spaces["tablet"]) as wire:
            for _ in range(3):
                wire.send(question(MACS["tablet"], link_local(school, "tablet")))
            heard = [frame for frame in wire.all_heard(3.0) if is_advert(frame)]
        assert len(heard) >= 3
        assert len({bytes(frame[ICMPv6ND_RA])[4:] for frame in heard}) == 1
        assert len({frame[IPv6].src for frame in heard}) == 1
        [own] = said("address", "show", "dynamic")
        assert "2001:db8:20:" in own
        [router] = said("route", "show", "default")
        assert "proto ra" in router

        # A zone that loses its IPv6 says so before it falls silent.
        with Frames(school.spaces["tablet"]) as wire:
            settings.write_text(OPEN.replace('address6 = "2001:db8:20::1/64"', ""))
            os.kill(school.box.pid("privileged"), signal.SIGHUP)
            last = wire.heard(is_advert)
        assert last[ICMPv6ND_RA].routerlifetime == 0
        assert last[ICMPv6NDOptPrefixInfo].preferredlifetime == 0
        wait_for("no router", lambda: not said("route", "show", "default"))
        assert "deprecated" in said("address", "show", "dynamic")[0]
    finally:
        settings.write_text(OPEN)
        os.kill(school.box.pid("privileged"), signal.SIGHUP)
        listen(0)
        school.readdress()
