"""Who held an address, from RADIUS and flow packets to what `prathu search --json` says.

Everything happens within seconds, as it does: events lie a fifth of a second apart, and each flow
begins and ends in the middle between two of them.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import socket
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.collector.decode import wire
from tests.integration.box import PORTS, Box, free_ports, loopback_settings
from tests.integration.machine import Machine, wait_for

START, STOP, ON = 1, 2, 7
APART_S = 0.1
WEB, PUBLIC = "203.0.113.9", "198.51.100.7"
FIELDS = [(8, 4), (12, 4), (225, 4), (226, 4), (7, 2), (11, 2), (4, 1), (152, 8), (153, 8)]
SHARED = "10.30.7.0/28"
OTHERS_SECRET = "another secret of another device"
OURS, ANOTHER = "127.0.0.1", "127.0.0.2"
SETTINGS = f"""
[[radius.clients]]
network = "{ANOTHER}"
secret_file = "nas/another"
site = "school-a"
"""


@dataclass
class Lab:
    """A box, NASes that speak to it, and an exporter."""

    box: Box
    ports: dict[str, int]
    secrets: dict[str, bytes]
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    sent: int = 0

    def radius(self, status: int, account: str = "", address: str = "", **more: Any) -> None:
        """Send an Accounting-Request and wait for its answer; then some time passes."""
        source = more.get("source", OURS)
        name = str(more.get("nas", "ap-1")).encode()
        told = [
            (40, struct.pack("!I", status)),
            (32, name),
            (44, str(more.get("id", "x")).encode()),
        ]
        told += [(1, account.encode())] if account else []
        told += [(8, socket.inet_aton(address))] if address else []
        told += [(31, more["mac"].encode())] if "mac" in more else []
        told += [(27, struct.pack("!I", more["lasts_s"]))] if "lasts_s" in more else []
        attributes = b"".join(bytes([kind, 2 + len(value)]) + value for kind, value in told)
        head = struct.pack("!BBH", 4, next(self.numbers) % 256, 20 + len(attributes))
        secret = self.secrets[source]
        proof = hashlib.md5(head + bytes(16) + attributes + secret).digest()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as to:
            to.settimeout(30)
            to.bind((source, 0))
            to.sendto(head + proof + attributes, ("127.0.0.1", self.ports["accounting"]))
            assert to.recv(4096)[0] == 5
        time.sleep(APART_S)

    def now(self) -> float:
        """Return a time that lies between the events before and those after."""
        at = time.time()
        time.sleep(APART_S)
        return at

    def flow(self, src: str, dst: str, begin: float, end: float, *, nat_dst: str = "") -> None:
        """Send a flow; its source port tells it from others."""
        self.sent += 1
        body = wire.ip4(src) + wire.ip4(dst) + bytes(4) + wire.ip4(nat_dst or "0.0.0.0")
        body += struct.pack(">HHB", 20_000 + self.sent, 443, 6)
        body += struct.pack(">QQ", int(begin * 1000), int(end * 1000))
        message = wire.ipfix(
            wire.ipfix_template(300, FIELDS),
            wire.a_set(300, body),
            sequence=self.sent,
            sent_s=int(time.time()) + 1,
        )
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as to:
            to.sendto(message, ("127.0.0.1", self.ports["flows"]))

    def found(self, address: str, flows: int) -> list[dict[str, Any]]:
        """Return the flows of an address in the order they were sent, once all are there."""

        rows: list[dict[str, Any]] = []

        def all_there() -> bool:
            asked = ("search", f"ip:{address}", "--from", "-1h", "--format", "jsonl")
            rows[:] = self.box.rows(*asked)
            return len(rows) == flows

        wait_for("the flows", all_there)
        return sorted(rows, key=lambda row: int(row["src_port"]))

    def accounts(self, address: str, flows: int) -> list[tuple[str | None, str | None]]:
        """Return who was told of each flow, and how sure."""
        found = self.found(address, flows)
        return [(row.get("account"), row.get("certainty")) for row in found]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("held")
    with Machine(folder) as machine:
        box = Box(machine, folder / "home")
        ports = free_ports(*PORTS)
        settings = loopback_settings(ports, part_s=0.5) + SETTINGS
        box.init(settings=settings, secrets={"another": OTHERS_SECRET})
        told = box.home / "prathu.toml"
        site = 'id = "school-a"'
        text = told.read_text(encoding="utf-8")
        assert text.count(site) == 1
        told.write_text(text.replace(site, f'{site}\nshared = ["{SHARED}"]'), encoding="utf-8")
        box.up()
        ours = (box.home / "nas" / "loopback").read_bytes().strip()
        yield Lab(box, ports, {OURS: ours, ANOTHER: OTHERS_SECRET.encode()})


def test_after_a_lost_stop_the_next_on_the_address_is_the_one(lab: Lab) -> None:
    address = "10.30.1.1"
    lab.radius(START, "anan", address, id="a1")
    anan = lab.now()
    lab.radius(START, "boon", address, id="a2")
    boon = lab.now()
    lab.flow(address, WEB, anan, anan)
    lab.flow(address, WEB, boon, boon)
    assert lab.accounts(address, 2) == [("anan", "sure"), ("boon", "sure")]


def test_after_a_lost_stop_a_session_ends_when_the_nas_had_said(lab: Lab) -> None:
    address = "10.30.1.2"
    lab.radius(START, "anan", address, id="b1", lasts_s=1)
    held = lab.now()
    time.sleep(1.2)
    over = lab.now()
    lab.flow(address, WEB, held, held)
    lab.flow(address, WEB, over, over)
    assert lab.accounts(address, 2) == [("anan", "sure"), (None, "unknown")]


def test_a_restart_of_another_nas_ends_nothing_and_one_of_its_own_does(lab: Lab) -> None:
    address = "10.30.2.1"
    lab.radius(START, "anan", address, id="c1", nas="ap-2")
    lab.radius(ON, nas="ap-2", source=ANOTHER)
    lab.radius(ON, nas="ap-3")
    held = lab.now()
    lab.radius(ON, nas="ap-2")
    over = lab.now()
    lab.flow(address, WEB, held, held)
    lab.flow(address, WEB, over, over)
    assert lab.accounts(address, 2) == [("anan", "sure"), (None, "unknown")]


def test_a_stop_of_another_client_ends_nothing(lab: Lab) -> None:
    address = "10.30.2.2"
    session = {"id": "d1", "nas": "ap-4", "mac": "02-00-5E-00-53-04"}
    lab.radius(START, "anan", address, **session)
    lab.radius(STOP, "anan", address, **session, source=ANOTHER)
    held = lab.now()
    lab.flow(address, WEB, held, held)
    assert lab.accounts(address, 1) == [("anan", "sure")]
    wait_for("its count", lambda: "not-its-session" in json.dumps(lab.box.rows("status")))


def test_who_roams_between_two_nases_is_known_all_the_time(lab: Lab) -> None:
    address, device = "10.30.3.1", "02-00-5E-00-53-05"
    lab.radius(START, "anan", address, id="e1", nas="ap-5", mac=device)
    times = [lab.now()]
    lab.radius(START, "anan", address, id="e2", nas="ap-6", mac=device)
    times.append(lab.now())
    lab.radius(STOP, "anan", address, id="e1", nas="ap-5", mac=device)
    times.append(lab.now())
    for at in times:
        lab.flow(address, WEB, at, at)
    lab.flow(address, WEB, times[0], times[2])
    assert lab.accounts(address, 4) == [("anan", "sure")] * 4


def test_an_address_that_is_used_again_within_a_second_is_each_ones_own(lab: Lab) -> None:
    address = "10.30.4.1"
    lab.radius(START, "anan", address, id="f1")
    anan = lab.now()
    lab.radius(STOP, "anan", address, id="f1")
    lab.radius(START, "boon", address, id="f2")
    boon = lab.now()
    lab.flow(address, WEB, anan, anan)
    lab.flow(address, WEB, boon, boon)
    lab.flow(address, WEB, anan, boon)
    first, second, both = lab.found(address, 3)
    told = [(row.get("account"), row["certainty"]) for row in (first, second, both)]
    assert told == [("anan", "sure"), ("boon", "sure"), (None, "ambiguous")]
    candidates = [each["person"] for each in json.loads(both["candidates"])]
    assert candidates == [first["person"], second["person"]]


def test_an_answer_that_a_router_addresses_to_the_nats_other_side_is_the_clients(lab: Lab) -> None:
    """MikroTik exports the answer with the address after NAT as its destination."""
    address = "10.30.5.1"
    lab.radius(START, "anan", address, id="g1")
    at = lab.now()
    lab.flow(WEB, PUBLIC, at, at, nat_dst=address)
    [row] = lab.found(PUBLIC, 1)
    told = ("account", "certainty", "via")
    assert [row[name] for name in told] == ["anan", "sure", "nat_dst_ip"]


def test_at_a_shared_computer_everybody_is_a_candidate_and_nobody_is_named(lab: Lab) -> None:
    address = "10.30.7.3"
    lab.radius(START, "anan", address, id="h1")
    at = lab.now()
    lab.flow(address, WEB, at, at)
    [row] = lab.found(address, 1)
    assert (row.get("account"), row["certainty"], row["method"]) == (None, "ambiguous", "shared")
    assert len(json.loads(row["candidates"])) == 1
    [answer] = lab.box.rows("who", f"{address}:{row['src_port']}", "--at", row["time"])
    [reading] = answer["readings"]
    assert (reading["verdict"], reading["certainty"]) == ("candidates", "none")
    assert [person["account"] for person in reading["persons"]] == ["anan"]
    assert "shared" in [note["word"] for note in reading["notes"]]
