"""The gate on the wire: what devices can do before sign-in, after, and after the end.

The box's privileged process runs as it is; the tests ask it what the portal would ask.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import struct
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from appliance.cli import status_gate
from captive_portal.errors import GateError
from captive_portal.sessions.passes import Pass
from tests.integration import inside
from tests.integration.box import Box
from tests.integration.gate_school import (
    API,
    BOX,
    BOX6,
    DOH,
    GARDEN,
    GARDEN6,
    LAPTOP,
    MACS,
    OIDC,
    PAGE,
    PHONE,
    PHONE6,
    PROVIDER,
    PROVIDER6,
    PUBLIC,
    SETTINGS,
    TABLET,
    TABLET6,
    WEB,
    WEB6,
    GateSchool,
    laptop,
    phone,
)
from tests.integration.machine import Machine, require, wait_for

BOTH = pytest.mark.parametrize("web", [WEB, WEB6], ids=["ipv4", "ipv6"])
HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GateSchool]:
    require("ip", "nft", "dnsmasq", "dig")
    folder = tmp_path_factory.mktemp("gate")
    with Machine(folder) as machine:
        made = GateSchool(machine, Box(machine, folder / "home"))
        try:
            made.build()
            asks = SETTINGS.replace("[[zones]]", "[[zones]]\nways = ['local', 'oidc']", 1)
            made.box.init(settings=asks + OIDC, secrets={"oidc": "a secret of the provider's"})
            made.box.start_alone("privileged")
            yield made
        finally:
            made.close()


@pytest.fixture(autouse=True)
def nobody_is_in(school: GateSchool) -> Iterator[None]:
    """Begin each test with a closed gate."""
    school.restore([])
    school.run("gate", ["nft", "flush", "set", "inet", "prathu", "dns_rate"])
    yield


def now() -> datetime:
    return datetime.now(UTC)


# --- before sign-in -------------------------------------------------------------------------------


@BOTH
def test_port_80_leads_to_the_page_and_nothing_else_opens(school: GateSchool, web: str) -> None:
    device = school.spaces["phone"]
    assert inside.fetch(device, web) == PAGE
    for port in (443, 853, 8443, 5000):
        assert inside.connect(device, web, port)[0] == "reset"
    assert inside.ask(device, web, 5000) == "refused"
    assert inside.ask(device, web, 443) == "refused"
    assert school.status()["dropped"]["refused"][0] >= 6


@pytest.mark.parametrize("box", [BOX, BOX6, PUBLIC])
def test_the_box_itself_is_silent_but_for_the_page(school: GateSchool, box: str) -> None:
    for serial in (0, 7):
        school.restore([phone(serial)] if serial else [])
        device = school.spaces["phone"]
        assert inside.fetch(device, box) == PAGE
        assert inside.connect(device, box, 22)[0] == "silent"
        assert inside.connect(device, box, 443)[0] == "reset"


def test_the_far_side_cannot_come_in(school: GateSchool) -> None:
    school.apply([phone()])
    beyond = school.spaces["internet"]
    assert inside.connect(beyond, PUBLIC, 22)[0] == "silent"
    assert inside.connect(beyond, PHONE6, 5000)[0] == "silent"


def test_any_resolver_is_the_boxs_and_it_knows_probes_and_garden_alone(school: GateSchool) -> None:
    for server in ("192.0.2.53", BOX, BOX6, "2001:db8:99::53"):
        told = school.dig("phone", f"@{server}", "captive.apple.com")
        assert re.search(r"captive\.apple\.com\.\s+60\s+IN\s+A\s+198\.51\.100\.80", told)
        assert "status: REFUSED" in school.dig("phone", f"@{server}", "www.far.example")
    over_tcp = school.dig("phone", "+tcp", "@192.0.2.53", "www.far.example")
    assert "status: REFUSED" in over_tcp
    assert BOX in school.dig("phone", "@192.0.2.53", "login.school.internal")


@pytest.mark.parametrize("kind", ["TXT", "NULL", "CNAME", "MX", "SRV", "ANY", "A", "AAAA"])
def test_a_tunnel_through_names_has_no_answer(school: GateSchool, kind: str) -> None:
    long = ".".join(["x" * 60] * 3) + ".t.far.example"
    for name in ("t.far.example", long):
        told = school.dig("phone", "@192.0.2.53", kind, name)
        assert "status: REFUSED" in told
        assert "ANSWER: 0" in told
    assert "a word" not in school.dig("phone", "@192.0.2.53", "TXT", "www.school.example")


def test_queries_beyond_the_rate_are_dropped_and_counted(school: GateSchool) -> None:
    query = b"\x12\x34\x01\0\0\1\0\0\0\0\0\0\1x\3far\7example\0\0\1\0\1"
    with inside.open_socket(school.spaces["tablet"], socket.SOCK_DGRAM) as wire:
        wire.sendto(query, ("192.0.2.53", 53))
        assert wire.recv(4096)  # from now on it is a flow that has been answered
        before = school.status()["dropped"]["dns_limited"][0]
        for _ in range(300):
            wire.sendto(query, ("192.0.2.53", 53))
    wait_for("drops", lambda: school.status()["dropped"]["dns_limited"][0] - before >= 200)


def test_a_device_does_not_fill_the_table_of_neighbours(school: GateSchool) -> None:
    before = school.status()["dropped"]["nd_limited"][0]
    solicit = struct.pack("!BBHI", 135, 0, 0, 0) + socket.inet_pton(socket.AF_INET6, BOX6)
    with inside.namespace(school.spaces["phone"]):
        wire = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
    with wire:
        wire.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, 255)
        for _ in range(400):
            wire.sendto(solicit, (BOX6, 0))
    wait_for("drops", lambda: school.status()["dropped"]["nd_limited"][0] - before >= 200)
    assert inside.connect(school.spaces["tablet"], BOX6, 8080)[0] == "open"
    school.run("gate", ["nft", "flush", "set", "inet", "prathu", "nd_rate"])


def test_a_query_that_is_too_long_is_dropped(school: GateSchool) -> None:
    before = school.status()["dropped"]["dns_limited"][0]
    with inside.open_socket(school.spaces["tablet"], socket.SOCK_DGRAM) as wire:
        wire.sendto(bytes(400), ("192.0.2.53", 53))
    wait_for("a drop", lambda: school.status()["dropped"]["dns_limited"][0] > before)


def test_dns_that_goes_round_the_box_is_told_that_there_is_no_such_name(
    school: GateSchool,
) -> None:
    for serial in (0, 7):
        school.restore([phone(serial)] if serial else [])
        for name in ("use-application-dns.net", "mask.icloud.com", "mask-h2.icloud.com"):
            told = school.dig("phone", "@192.0.2.53", name)
            assert "status: NXDOMAIN" in told
            assert "ANSWER: 0" in told


def test_the_garden_is_reached_by_name_at_the_first_try_each_time(school: GateSchool) -> None:
    device = school.spaces["phone"]
    for turn in range(100):
        for name in ("garden4_pupils", "garden6_pupils"):
            school.run("gate", ["nft", "flush", "set", "inet", "prathu", name])
        if turn % 20 == 0:
            school.run("gate", ["nft", "flush", "set", "inet", "prathu", "dns_rate"])
        kind, address = (1, GARDEN) if turn % 2 else (28, GARDEN6)
        assert inside.connect(device, address, 443)[0] == "reset"
        resolve(device, "www.school.example", kind)
        assert inside.connect(device, address, 443)[0] == "open", turn
    assert inside.connect(device, GARDEN6, 5000)[0] == "reset"  # the web alone
    assert (
        inside.fetch(device, GARDEN) == b"GET / HTTP/1.0\r\n\r\n"
    )  # the garden's own, not the page


@pytest.mark.parametrize(("there", "web"), [(PROVIDER, WEB), (PROVIDER6, WEB6)])
def test_who_goes_to_a_provider_reaches_it_for_a_while_and_nobody_else(
    school: GateSchool, there: str, web: str
) -> None:
    phone_, tablet = school.spaces["phone"], school.spaces["tablet"]
    for kind in ("A", "AAAA"):
        assert "id.provider.example" in school.dig("phone", f"@{BOX}", "id.provider.example", kind)
    assert inside.connect(phone_, there, 443)[0] == "reset", (
        "a name that is asked for opens nothing"
    )
    school.ask(lambda gate: gate.let_visit(MACS["phone"]))
    wire = inside.dial(phone_, there, 443)
    assert inside.echo(wire)
    assert inside.connect(phone_, web, 443)[0] == "reset"
    assert inside.connect(phone_, there, 5000)[0] == "reset"
    assert inside.connect(tablet, there, 443)[0] == "reset"
    visitor = f"{{ {MACS['phone']} }}"
    school.run("gate", ["nft", "delete", "element", "inet", "prathu", "at_provider", visitor])
    assert not inside.echo(wire)
    assert inside.connect(phone_, there, 443)[0] == "reset"
    wire.close()


def test_the_time_at_a_provider_begins_anew_with_each_visit_and_ends(school: GateSchool) -> None:
    ends = f"{{ {MACS['tablet']} timeout 1s }}"
    school.run("gate", ["nft", "add", "element", "inet", "prathu", "at_provider", ends])
    school.ask(lambda gate: gate.let_visit(MACS["tablet"]))
    listed = school.run("gate", ["nft", "-j", "list", "set", "inet", "prathu", "at_provider"])
    (left,) = [e["elem"]["expires"] for e in json.loads(listed)["nftables"][1]["set"]["elem"]]
    assert 590 <= left <= 600
    with pytest.raises(GateError, match="a MAC that is none"):
        school.ask(lambda gate: gate.let_visit("02:00:5e:10:00:12; flush ruleset"))


def test_a_zone_has_its_own_garden(school: GateSchool) -> None:
    resolve(school.spaces["phone"], "www.school.example", 1)
    assert inside.connect(school.spaces["laptop"], GARDEN, 443)[0] == "reset"
    told = school.dig("laptop", "@192.0.2.53", "www.school.example")
    assert "status: REFUSED" in told


def resolve(space: str, name: str, kind: int) -> None:
    """Ask for a name and wait for the answer, as a device does."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    query = b"\x12\x34\x01\0\0\1\0\0\0\0\0\0" + labels + b"\0" + bytes([0, kind, 0, 1])
    with inside.open_socket(space, socket.SOCK_DGRAM) as wire:
        wire.sendto(query, ("192.0.2.53", 53))
        answer = wire.recv(4096)
    assert answer[7] >= 1, "no answer"


# --- signed in ------------------------------------------------------------------------------------


@BOTH
def test_after_sign_in_everything_flows_and_counts(school: GateSchool, web: str) -> None:
    device = school.spaces["phone"]
    school.apply([phone()])
    before = school.counted()[7]
    assert inside.connect(device, web, 443)[0] == "open"
    assert inside.ask(device, web, 5000) == "open"
    assert inside.fetch(device, web) == b"GET / HTTP/1.0\r\n\r\n"
    with inside.dial(device, web, 5000) as wire:
        wire.sendall(bytes(100_000))
        got = 0
        while got < 100_000:
            got += len(wire.recv(65536))
    after = school.counted()[7]
    assert 100_000 < after.bytes_in - before.bytes_in < 130_000
    assert 100_000 < after.bytes_out - before.bytes_out < 130_000
    assert after.packets_in > before.packets_in


@BOTH
def test_encrypted_dns_stays_closed(school: GateSchool, web: str) -> None:
    device = school.spaces["phone"]
    school.apply([phone()])
    assert inside.connect(device, web, 853)[0] == "reset"
    assert inside.ask(device, web, 853) == "refused"
    assert inside.connect(device, DOH, 443)[0] == "reset"
    assert inside.connect(device, DOH, 5000)[0] == "open"
    dropped = school.status()["dropped"]
    assert dropped["dot"][0] >= 2
    assert dropped["doh"][0] >= 1


def test_dns_asked_before_sign_in_asks_the_other_resolver_after_it(school: GateSchool) -> None:
    # The same socket: its translation is older than the session.
    query = b"\x12\x34\x01\0\0\1\0\0\0\0\0\0\3www\3far\7example\0\0\1\0\1"
    with inside.open_socket(school.spaces["phone"], socket.SOCK_DGRAM) as wire:
        wire.bind((PHONE, 5301))
        wire.sendto(query, ("192.0.2.53", 53))
        assert wire.recv(4096)[3] & 15 == 5  # REFUSED
        school.apply([phone()])
        wire.sendto(query, ("192.0.2.53", 53))
        assert wire.recv(4096)[7] == 1


@BOTH
def test_the_page_can_answer_on_the_connection_that_brought_the_sign_in(
    school: GateSchool, web: str
) -> None:
    with inside.dial(school.spaces["phone"], web, 80) as wire:
        for change in ([], [phone()], [phone(8)]):
            school.apply(change, [phone()] if change == [phone(8)] else [])
            wire.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert wire.recv(4096) == PAGE


def test_mac_and_address_must_both_be_the_sessions(school: GateSchool) -> None:
    school.apply([phone(addresses=(PHONE, PHONE6))])
    assert inside.connect(school.spaces["phone"], WEB, 443)[0] == "open"
    # The same device, another address of its own.
    school.give("phone", "eth0", "10.20.0.99/20", "2001:db8:20::99/64")
    assert inside.connect(school.spaces["phone"], WEB, 443, source="10.20.0.99")[0] == "reset"
    source6 = "2001:db8:20::99"
    assert inside.connect(school.spaces["phone"], WEB6, 443, source=source6)[0] == "reset"
    # Another device with the address of the first.
    school.run("phone", ["ip", "address", "del", f"{PHONE}/20", "dev", "eth0"])
    school.give("tablet", "eth0", f"{PHONE}/20")
    try:
        school.run("gate", ["ip", "neigh", "flush", "dev", "lan0"])
        assert inside.connect(school.spaces["tablet"], WEB, 443, source=PHONE)[0] == "reset"
    finally:
        school.readdress()


def test_an_address_of_another_zone_is_no_address(school: GateSchool) -> None:
    school.apply([laptop()])
    school.give("phone", "eth0", f"{LAPTOP}/32")
    try:
        with inside.open_socket(school.spaces["phone"], socket.SOCK_DGRAM) as wire:
            wire.bind((LAPTOP, 0))
            before = school.status()["dropped"]["spoofed"][0]
            wire.sendto(b"hello", (WEB, 5000))
        assert school.status()["dropped"]["spoofed"][0] > before
    finally:
        school.run("phone", ["ip", "address", "del", f"{LAPTOP}/32", "dev", "eth0"])


def test_zones_do_not_meet_nor_does_a_zone_without_ipv6_have_any(school: GateSchool) -> None:
    school.apply([phone(), laptop()])
    school.serve("laptop", (5000,), lambda got: got)
    before = school.status()["dropped"]["isolated"][0]
    assert inside.connect(school.spaces["phone"], LAPTOP, 5000)[0] == "silent"
    assert school.status()["dropped"]["isolated"][0] > before
    assert inside.connect(school.spaces["laptop"], WEB, 443)[0] == "open"
    router = school.run("gate", ["ip", "-6", "-o", "address", "show", "dev", "lan1"])
    link_local = re.findall(r"fe80:\S+(?=/)", router)[0]
    school.run(
        "laptop", ["ip", "-6", "route", "replace", "default", "via", link_local, "dev", "eth0"]
    )
    assert inside.connect(school.spaces["laptop"], WEB6, 443)[0] != "open"
    assert school.status()["dropped"]["no_ipv6"][0] > 0


@BOTH
def test_a_policy_that_changes_keeps_open_connections(school: GateSchool, web: str) -> None:
    school.apply([phone()])
    with inside.dial(school.spaces["phone"], web, 5000) as wire:
        assert inside.echo(wire)
        settings = school.box.home / "prathu.d" / "test.toml"
        told = SETTINGS.replace("[[zones]]", f'block = ["{MACS["tablet"]}"]\n[[zones]]', 1)
        settings.write_text(told)
        os.kill(school.box.pid("privileged"), signal.SIGHUP)
        wait_for("a blocked tablet", lambda: not inside.fetch(school.spaces["tablet"], WEB))
        assert inside.echo(wire)
        settings.write_text(SETTINGS)
        os.kill(school.box.pid("privileged"), signal.SIGHUP)
        wait_for("a free tablet", lambda: inside.fetch(school.spaces["tablet"], WEB) == PAGE)
        assert inside.echo(wire)
    assert school.counted()[7].packets_in > 0


@BOTH
def test_rules_that_a_stranger_throws_away_come_back_and_connections_go_on(
    school: GateSchool, web: str
) -> None:
    school.apply([phone(until=now() + HOUR)])
    with inside.dial(school.spaces["phone"], web, 5000) as wire:
        assert inside.echo(wire)
        packets, mended = school.counted()[7].packets_in, school.status()["mended"]
        school.run("gate", ["nft", "flush", "ruleset"])
        wait_for("the rules", lambda: school.status()["mended"] > mended)
        school.apply([], [replace(phone(8), addresses=("10.20.0.77",))])  # whatever came before
        assert inside.connect(school.spaces["tablet"], WEB, 443)[0] == "reset"
        assert inside.connect(school.spaces["phone"], WEB, 443)[0] == "open"
        assert inside.echo(wire) or web == WEB  # a translation may have got lost
    assert school.counted()[7].packets_in > packets


def test_new_connections_beyond_the_rate_are_dropped_for_that_device_alone(
    school: GateSchool,
) -> None:
    tablet = replace(phone(8), mac=MACS["tablet"], addresses=(TABLET, TABLET6))
    school.apply([phone(), tablet])
    before = school.status()["dropped"]["syn_limited"][0]
    wires = [inside.open_socket(school.spaces["phone"], socket.SOCK_STREAM) for _ in range(800)]
    for wire in wires:
        wire.setblocking(False)
        wire.connect_ex((WEB, 9))
    wait_for("drops", lambda: school.status()["dropped"]["syn_limited"][0] > before)
    assert inside.connect(school.spaces["tablet"], WEB, 443)[0] == "open"
    for wire in wires:
        wire.close()
    school.run("gate", ["nft", "flush", "set", "inet", "prathu", "syn_rate"])


def test_a_flow_that_nobody_answers_is_one_new_connection(school: GateSchool) -> None:
    """What a camera or a call sends one way is new to the kernel for ever."""
    school.apply([phone()])
    school.run("gate", ["nft", "flush", "set", "inet", "prathu", "syn_rate"])
    before, sent = school.status()["dropped"]["syn_limited"][0], 2000
    with inside.open_socket(school.spaces["phone"], socket.SOCK_DGRAM) as wire:
        for _ in range(sent):
            wire.sendto(b"x", (WEB, 9))
    assert school.counted()[7].packets_in >= sent
    assert school.status()["dropped"]["syn_limited"][0] == before


def test_one_device_does_not_take_all_connections(school: GateSchool) -> None:
    """Without TCP's SYN too: each port asked is one that the kernel remembers."""
    tablet = replace(phone(8), mac=MACS["tablet"], addresses=(TABLET, TABLET6))
    school.apply([phone(), tablet])
    flush = ["nft", "flush", "set", "inet", "prathu", "syn_rate"]
    school.run("gate", flush)

    def dropped() -> int:
        return int(school.status()["dropped"]["syn_limited"][0])

    before, port = dropped(), iter(range(10_000, 20_000))
    with inside.open_socket(school.spaces["phone"], socket.SOCK_DGRAM) as wire:
        for _ in range(1000):
            wire.sendto(b"x", (WEB, next(port)))
        wait_for("drops by the rate", lambda: dropped() - before >= 100)
        for _ in range(6):  # below the rate each, and together too many
            school.run("gate", flush)
            before = dropped()
            for _ in range(390):
                wire.sendto(b"x", (WEB, next(port)))
        wait_for("drops by the number", lambda: dropped() > before)
    assert inside.connect(school.spaces["tablet"], WEB, 443)[0] == "open"
    school.run("gate", flush)


def test_a_flow_to_the_resolver_does_not_outlive_the_session(school: GateSchool) -> None:
    query = b"\x12\x34\x01\0\0\1\0\0\0\0\0\0\3www\3far\7example\0\0\1\0\1"
    school.apply([phone(until=now() + timedelta(seconds=3))])
    with inside.open_socket(school.spaces["phone"], socket.SOCK_DGRAM) as wire:
        wire.sendto(query, ("192.0.2.53", 53))
        assert socket.inet_aton(WEB) in wire.recv(4096)
        maps = ["nft", "list", "map", "inet", "prathu", "session4"]
        wait_for("the kernel's end", lambda: PHONE not in school.run("gate", maps))
        wire.settimeout(1)
        wire.sendto(query, ("192.0.2.53", 53))
        with contextlib.suppress(TimeoutError):
            assert socket.inet_aton(WEB) not in wire.recv(4096)


def test_both_families_share_one_speed(school: GateSchool) -> None:
    school.apply([phone(up=800)])  # 100 kB/s
    seconds, sent = 4.0, bytes(1000)
    wires = [inside.open_socket(school.spaces["phone"], socket.SOCK_DGRAM, w) for w in (WEB, WEB6)]
    before = counters(school)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for wire, web in zip(wires, (WEB, WEB6), strict=True):
            wire.sendto(sent, (web, 9))
        time.sleep(0.002)
    through = counters(school) - before
    assert 0.5 * seconds * 100_000 < through < 1.5 * seconds * 100_000 + 100_000
    assert school.status()["dropped"]["too_fast"][0] > 0


def counters(school: GateSchool) -> int:
    """Return the bytes that have left through the uplink."""
    return int(school.run("gate", ["cat", "/sys/class/net/wan0/statistics/tx_bytes"]))


# --- the end --------------------------------------------------------------------------------------


@BOTH
def test_at_the_end_all_stops_within_a_second(school: GateSchool, web: str) -> None:
    device = school.spaces["phone"]
    school.apply([phone()])
    with (
        inside.dial(device, web, 5000) as open_tcp,
        inside.open_socket(device, socket.SOCK_DGRAM, web) as up,
        inside.open_socket(device, socket.SOCK_DGRAM, web) as down,
    ):
        up.settimeout(1.0)
        up.connect((web, 5000))
        up.send(b"hello")
        assert up.recv(100) == b"hello"
        down.sendto(b"many", (web, 5000))
        assert down.recv(100)
        assert inside.echo(open_tcp)
        counts = school.counted()[7]
        school.apply([], [phone()])
        silent_since = quiet(down)
        assert silent_since < 1.0
        assert not inside.echo(open_tcp)
        with pytest.raises(OSError):
            up.send(b"hello")
            up.recv(100)
    last = school.counted()[7]
    assert last.packets_out >= counts.packets_out


def quiet(wire: socket.socket) -> float:
    """Read until nothing has come for a second; return when the last did, in seconds from now."""
    began = last = time.monotonic()
    wire.settimeout(1.0)
    try:
        while last - began < 20:
            wire.recv(100)
            last = time.monotonic()
    except OSError:
        pass
    return last - began


@BOTH
def test_the_kernel_ends_a_session_with_every_process_dead(school: GateSchool, web: str) -> None:
    device = school.spaces["phone"]
    school.apply([phone(until=now() + timedelta(seconds=4))])
    with (
        inside.dial(device, web, 5000) as open_tcp,
        inside.open_socket(device, socket.SOCK_DGRAM, web) as down,
    ):
        down.sendto(b"many", (web, 5000))
        assert down.recv(100)
        school.box.kill("privileged")
        try:
            assert inside.echo(open_tcp)
            assert quiet(down) < 7
            assert not inside.echo(open_tcp)
            assert inside.connect(device, web, 443)[0] == "reset"
        finally:
            school.box.start_alone("privileged")
    school.apply([], [phone()])  # the portal's own end comes after the kernel's


def test_who_is_in_stays_in_while_the_box_is_started_again(school: GateSchool) -> None:
    device = school.spaces["phone"]
    school.apply([phone(up=2000, down=2000, until=now() + HOUR)])
    with inside.dial(device, WEB, 5000) as wire:
        assert inside.echo(wire)
        before = school.counted()[7]
        school.box.stop_alone("privileged")
        assert inside.echo(wire)
        school.box.start_alone("privileged")
        assert inside.echo(wire)
        after = school.counted()[7]
        assert after.packets_in > before.packets_in
        school.restore([phone(up=2000, down=2000, until=now() + HOUR)])
        assert inside.echo(wire)
        assert school.counted()[7].packets_in > after.packets_in
        school.restore([])
        assert not inside.echo(wire)


def test_a_longer_stay_or_another_speed_keeps_counts_and_connections(school: GateSchool) -> None:
    school.apply([phone(until=now() + HOUR)])
    with inside.dial(school.spaces["phone"], WEB, 5000) as wire:
        assert inside.echo(wire)
        before = school.counted()[7]
        school.apply([phone(until=now() + 2 * HOUR, up=4000)])
        assert inside.echo(wire)
        tablet = replace(phone(8), mac=MACS["tablet"], addresses=(TABLET, TABLET6))
        school.apply([phone(until=now() + 3 * HOUR), tablet])
        assert inside.echo(wire)
    assert school.counted()[7].bytes_in > before.bytes_in
    assert inside.connect(school.spaces["tablet"], WEB6, 443)[0] == "open"
    school.apply([], [phone()])
    alone = school.ask(lambda gate: gate.counted([7, 8]))
    whole = school.counted()
    assert alone[7] == whole[7], "of who is out too"
    assert 0 < alone[8].bytes_in <= whole[8].bytes_in


def test_a_wish_that_cannot_be_is_refused_alone(school: GateSchool) -> None:
    bad = Pass(serial=1, zone="pupils", mac="no", addresses=(PHONE,))
    with pytest.raises(GateError, match="MAC"):
        school.apply([phone(), bad])
    assert inside.connect(school.spaces["phone"], WEB, 443)[0] == "reset"


def test_dhcp_tells_of_the_box_and_of_the_page(school: GateSchool, tmp_path: Path) -> None:
    require("busybox")
    script = tmp_path / "told"
    script.write_text(f"#!/bin/sh\nenv > {tmp_path}/lease.$1\n")
    script.chmod(0o755)
    options = ["-i", "eth0", "-n", "-q", "-f", "-s", str(script), "-O", "114"]
    school.run("tablet", ["busybox", "udhcpc", *options])
    told = (tmp_path / "lease.bound").read_text()
    assert f"router={BOX}\n" in told
    assert f"dns={BOX}\n" in told
    assert re.search(r"ip=10\.20\.1\.\d+", told)
    assert f"opt114={API.encode().hex()}" in told
    leases = school.box.home / "gate" / "leases-pupils"
    wait_for("the lease", lambda: MACS["tablet"] in leases.read_text())


def test_dhcp_for_ipv6_tells_of_the_page(school: GateSchool) -> None:
    # Information-Request (RFC 8415 section 18.2.6), asking for option 103 (RFC 8910).
    duid = b"\0\3\0\1" + bytes.fromhex(MACS["tablet"].replace(":", ""))
    ask = b"\x0b\1\2\3" + struct.pack("!HH", 1, len(duid)) + duid
    ask += struct.pack("!HHH", 6, 2, 103)
    with inside.namespace(school.spaces["tablet"]):
        wire = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        device = socket.if_nametoindex("eth0")
    with wire:
        wire.settimeout(10)
        wire.bind(("::", 546))
        wire.sendto(ask, ("ff02::1:2", 547, 0, device))
        said = wire.recv(2000)
    assert struct.pack("!HH", 103, len(API)) + API.encode() in said


def test_routers_are_told_where_there_is_ipv6_and_only_there(school: GateSchool) -> None:
    def listen(device: str, on: int) -> None:
        own = [f"net.ipv6.conf.eth0.{what}={on}" for what in ("accept_ra", "autoconf")]
        school.run(device, ["sysctl", "-qw", *own])
        for state in ("down", "up"):
            school.run(device, ["ip", "link", "set", "eth0", state])

    def told(device: str) -> str:
        return school.run(device, ["ip", "-6", "-o", "address", "show", "dev", "eth0", "dynamic"])

    try:
        listen("laptop", 1)
        listen("tablet", 1)
        wait_for("an address", lambda: "2001:db8:20:" in told("tablet"))
        assert "dynamic" not in told("laptop")
    finally:
        listen("laptop", 0)
        listen("tablet", 0)
        school.readdress()


def test_free_and_open_and_blocked_as_the_settings_say(school: GateSchool) -> None:
    settings = school.box.home / "prathu.d" / "test.toml"
    device = school.spaces["tablet"]
    free = f'free = ["{MACS["tablet"]}"]\n[[zones]]'
    told = SETTINGS.replace("[[zones]]", free, 1)
    settings.write_text(told + "portal = false\n")  # the staff room's
    try:
        school.ask(lambda gate: gate.reload())
        assert inside.connect(device, WEB, 443)[0] == "open"
        assert inside.connect(school.spaces["laptop"], WEB, 443)[0] == "open"
        assert "198.51.100.80" in school.dig("laptop", "@192.0.2.53", "www.far.example")
        with inside.dial(device, WEB6, 5000) as wire:
            assert inside.echo(wire)
            settings.write_text(SETTINGS)
            school.ask(lambda gate: gate.reload())
            assert not inside.echo(wire)
    finally:
        settings.write_text(SETTINGS)
        school.ask(lambda gate: gate.reload())
    assert inside.connect(school.spaces["laptop"], WEB, 443)[0] == "reset"


def test_settings_that_cannot_be_leave_the_gate_as_it_is(school: GateSchool) -> None:
    settings = school.box.home / "prathu.d" / "test.toml"
    school.apply([phone()])
    settings.write_text(SETTINGS.replace("10.30.0.1/24", "10.20.0.1/24"))
    try:
        with pytest.raises(GateError, match="the settings stay as they were"):
            school.ask(lambda gate: gate.reload())
    finally:
        settings.write_text(SETTINGS)
    assert inside.connect(school.spaces["phone"], WEB, 443)[0] == "open"


def test_a_resolver_that_dies_is_started_again(school: GateSchool) -> None:
    listening = school.run("gate", ["ss", "-Hlnup", "sport", "=", ":5300"])
    numbers = {int(number) for number in re.findall(r"pid=(\d+)", listening)}
    for number in numbers:
        os.kill(number, signal.SIGKILL)
    wait_for("them", lambda: all(school.status()["daemons"].values()))

    def answers() -> bool:
        return "60\tIN\tA" in school.dig("phone", "@192.0.2.53", "captive.apple.com")

    wait_for("an answer", answers)
    assert school.status()["restarts"] >= 2


def test_status_tells_what_was_stopped_and_why(school: GateSchool) -> None:
    school.apply([phone()])
    assert inside.connect(school.spaces["tablet"], WEB, 443)[0] == "reset"
    told = "\n".join(text for name, text in status_text(school) if name == "gate")
    assert "1 sessions are in" in told
    assert re.search(r"packets stopped: before sign-in", told)
    assert "NOT RUNNING" not in told


def status_text(school: GateSchool) -> list[tuple[str, str]]:
    record = json.loads(school.box.prathu("status"))
    assert record["processes"]["privileged"]
    return list(status_gate.lines(record["gate"]))
