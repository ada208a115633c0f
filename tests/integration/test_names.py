"""A gateway reads names off its own wire: real DNS, TLS and QUIC, joined to its kernel's flows.

dnsmasq answers, dig and curl ask, openssl serves, Chromium speaks QUIC to nobody.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import REPO
from tests.integration.box import Box
from tests.integration.gateway import CLIENT, INTERNET, INTERNET6, SETTINGS, Gateway
from tests.integration.machine import Machine, require, wait_for

NAMES = """
[names]
reason = "a test, until it is over"
[[names.capture]]
site = "school-a"
interface = "inside"
"""
ZONE = [
    f"--host-record=cdn.example.net,{INTERNET},{INTERNET6},60",
    "--cname=www.example.org,cdn.example.net,30",
    "--host-record=short.example.org,198.51.100.81,7",
]
SWALLOW = """
import socket
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as here:
    here.bind(("0.0.0.0", 443))
    while True:
        here.recv(2048)
"""
LONG_HELLO = """
import socket, ssl, sys
context = ssl._create_unverified_context()
context.set_alpn_protocols([f"made-up-protocol-{number:03}" for number in range(70)])
with socket.create_connection((sys.argv[1], 443), timeout=10) as wire:
    print(wire.getsockname()[1])
    context.wrap_socket(wire, server_hostname=sys.argv[2]).close()
"""
PYTHON = str(REPO / ".venv/bin/python")


@dataclass
class School:
    """A gateway with a box on it."""

    gateway: Gateway
    box: Box

    def client(self, *command: str, check: bool = True, seconds: float = 60) -> str:
        space = self.gateway.spaces["client"]
        return self.gateway.machine.run(command, within=space, check=check, seconds=seconds)

    def rows(self, question: str, log: str = "names") -> list[dict[str, Any]]:
        words = ["search", question, "--log", log, "--limit", "200", "--format", "jsonl"]
        return self.box.rows(*words)


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory) -> Iterator[School]:
    require("ip", "nft", "ss", "sysctl", "conntrack", "dnsmasq", "dig", "curl", "openssl")
    folder = tmp_path_factory.mktemp("names")
    with Machine(folder) as machine:
        gateway = Gateway(machine)
        gateway.build()
        _serve(gateway, folder)
        box = Box(machine, folder / "home", within=gateway.spaces["gateway"])
        box.init(settings=SETTINGS + NAMES)
        for name in ("receive", "seal", "sniff"):
            box.start_alone(name)
        wait_for("the ear", lambda: "reading names on" in machine.log("sniff").read_text())
        yield School(gateway, box)
        unread = box.rows("search", "kind:names-unread", "--log", "coverage", "--format", "jsonl")
        box.stop_alone("sniff", "seal", "receive")
        assert unread == []
        box.prathu("verify", "--deep")


def _serve(gateway: Gateway, folder: Path) -> None:
    machine, inside, outside = (
        gateway.machine,
        gateway.spaces["gateway"],
        gateway.spaces["internet"],
    )
    dns = ["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts"]
    dns += [f"--pid-file={folder}/dnsmasq.pid", "--user=root", "--log-facility=-", *ZONE]
    machine.start(dns, within=inside, name="dnsmasq")
    key, certificate = str(folder / "key.pem"), str(folder / "certificate.pem")
    make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    make += ["-nodes", "-subj", "/CN=example", "-keyout", key, "-out", certificate]
    subprocess.run(make, check=True, capture_output=True)
    server = ["openssl", "s_server", "-quiet", "-www", "-key", key, "-cert", certificate]
    machine.start([*server, "-accept", "*:443"], within=outside, name="s_server")
    machine.start([PYTHON, "-c", SWALLOW], within=outside, name="swallow")
    wait_for("the server", lambda: ":443 " in gateway.run("internet", ["ss", "-Hlnt"]))
    wait_for("dnsmasq", lambda: ":53 " in gateway.run("gateway", ["ss", "-Hlnu"]))


def test_an_answer_is_told_by_its_first_name_and_gives_it_to_flows_within_its_ttl(
    school: School,
) -> None:
    for kind in ("A", "AAAA"):
        told = school.client("dig", "+short", "@10.20.0.1", kind, "www.example.org")
        assert (INTERNET if kind == "A" else INTERNET6) in told
    school.client("dig", "+tcp", "+short", "@10.20.0.1", "A", "short.example.org")
    school.client("dig", "@10.20.0.1", "TXT", "secret.example.org")
    wait_for("the answers", lambda: len(school.rows("origin:dns-capture")) >= 3)
    found = {(r["name"], r["kind"]): r for r in school.rows("origin:dns-capture")}
    assert found.keys() == {
        ("www.example.org", "A"),
        ("www.example.org", "AAAA"),
        ("short.example.org", "A"),
    }
    row = found["www.example.org", "A"]
    assert (row["client"], row["answer"], row["ttl"]) == (CLIENT, INTERNET, 30)
    assert row["source"] == "sniff inside"
    assert found["short.example.org", "A"]["ttl"] == 7

    said = school.gateway.talk("tcp", INTERNET, 80, 100)
    school.gateway.end_all()
    question = f"src_port:{said['port']} AND host:www.example.org"
    wait_for("the name on the flow", lambda: school.rows(question, "flows"))


def test_each_connection_gets_the_name_that_it_began_with(school: School) -> None:
    names = [f"site-{number}.example.org" for number in range(5)]
    for name in names:
        at = ["--resolve", f"{name}:443:{INTERNET}", f"https://{name}/"]
        school.client("curl", "-sk", "--max-time", "20", "-o", "/dev/null", *at)
    wait_for("the hellos", lambda: len(school.rows("origin:tls-sni")) >= len(names))
    told = {row["client_port"]: row for row in school.rows("origin:tls-sni")}
    assert sorted(row["name"] for row in told.values()) == names
    assert {(row["kind"], row["answer"], row["port"]) for row in told.values()} == {
        ("sni", INTERNET, 443)
    }
    time.sleep(0.5)
    school.gateway.end_all()
    question = "source:conntrack AND _exists_:packets AND dst_port:443 AND protocol:6"
    wait_for("the ends", lambda: len(school.rows(question, "flows")) >= len(names))
    ends = {row["src_port"]: row.get("host") for row in school.rows(question, "flows")}
    assert {port: ends[port] for port in told} == {port: row["name"] for port, row in told.items()}


def test_a_hello_that_takes_two_packets_on_the_wire_is_read(school: School) -> None:
    gateway = school.gateway
    gateway.run("client", ["ip", "link", "set", "eth0", "gso_max_segs", "1"])
    told = school.client(PYTHON, "-c", LONG_HELLO, INTERNET, "long.example.org")
    wait_for("the hello", lambda: school.rows("name:long.example.org"))
    (row,) = school.rows("name:long.example.org")
    assert (row["client_port"], row["kind"]) == (int(told), "sni")


def test_a_browser_that_speaks_quic_is_heard(school: School) -> None:
    require("chromium")
    name = "quic.example.org"
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--enable-quic"]
    command += [f"--user-data-dir={school.gateway.machine.folder}/browser", "--no-first-run"]
    command += [f"--origin-to-force-quic-on={name}:443", "--disable-background-networking"]
    command += [f"--host-resolver-rules=MAP {name} {INTERNET}", "--timeout=4000", "--dump-dom"]
    space = school.gateway.spaces["client"]
    school.gateway.machine.start([*command, f"https://{name}/"], within=space, name="chromium")
    wait_for("the hello", lambda: school.rows("origin:quic-sni"), seconds=45)
    row = school.rows("origin:quic-sni")[0]
    assert (row["client"], row["name"], row["answer"], row["port"]) == (CLIENT, name, INTERNET, 443)
    # Its hello is longer than a packet, and bears what looks like an encrypted one.
    assert row["kind"] == "sni-ech"
    school.gateway.end_all()
    question = f"protocol:17 AND src_port:{row['client_port']} AND host:{name}"
    wait_for("the name on the flow", lambda: school.rows(question, "flows"))
