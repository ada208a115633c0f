"""A school whose router is the box: two zones, devices, and an Internet, in namespaces.

```
 phone  10.20.0.11, 2001:db8:20::11 ─┐ lan0 (bridge, zone pupils)
 tablet 10.20.0.12, 2001:db8:20::12 ─┴── gate ── wan0 198.51.100.7, 2001:db8:7::7 ── internet
 laptop 10.30.0.13 ─────────────────── lan1 (zone staff-room, no IPv6)        198.51.100.80
```
The Internet answers TCP and UDP on any port of `PORTS` with what it got, and DNS.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from captive_portal.gate.client import GateClient
from captive_portal.gate.wire import SOCKET
from captive_portal.sessions.passes import Pass, Passed
from tests.integration import inside
from tests.integration.box import Box
from tests.integration.machine import Machine, wait_for

PHONE, PHONE6 = "10.20.0.11", "2001:db8:20::11"
TABLET, TABLET6 = "10.20.0.12", "2001:db8:20::12"
LAPTOP = "10.30.0.13"
BOX, BOX6, BOX_STAFF = "10.20.0.1", "2001:db8:20::1", "10.30.0.1"
WEB, WEB6 = "198.51.100.80", "2001:db8:7::80"
GARDEN, GARDEN6 = "198.51.100.90", "2001:db8:7::90"
PROVIDER, PROVIDER6 = "198.51.100.91", "2001:db8:7::91"
DOH = "203.0.113.53"
PUBLIC = "198.51.100.7"
MACS = {"phone": "02:00:5e:10:00:11", "tablet": "02:00:5e:10:00:12", "laptop": "02:00:5e:10:00:13"}
PORTS = (80, 443, 853, 8443, 5000)
PAGE = b"HTTP/1.0 200 OK\r\n\r\nthe sign-in page"
API = "https://login.school.example/captive-portal/api"
SETTINGS = """
[sign_in]
port = 8080
public_url = "https://login.school.example/"
[gateway]
uplink = "wan0"
upstream_dns = ["198.51.100.80"]
doh = ["203.0.113.53"]
[[zones]]
id = "pupils"
site = "school-a"
interface = "lan0"
address = "10.20.0.1/20"
address6 = "2001:db8:20::1/64"
leases = "10.20.1.50-10.20.1.250"
garden = ["www.school.example"]
[[zones]]
id = "staff-room"
site = "school-a"
interface = "lan1"
address = "10.30.0.1/24"
leases = "10.30.0.50-10.30.0.250"
"""
OIDC = """
[[oidc]]
id = "school"
site = "school-a"
name = "School"
issuer = "https://id.provider.example"
client_id = "prathu"
client_secret_file = "nas/oidc"
anybody = true
"""
"""A provider of OpenID Connect for zones that have that way."""
INTERNET_DNS = """
port=53
no-resolv
no-hosts
host-record=www.school.example,198.51.100.90,2001:db8:7::90,3600
host-record=id.provider.example,198.51.100.91,2001:db8:7::91,3600
host-record=captive.apple.com,198.51.100.80,2001:db8:7::80,3600
host-record=www.far.example,198.51.100.80,2001:db8:7::80,3600
address=/many.school.example/198.51.100.90
address=/use-application-dns.net/198.51.100.80
address=/mask.icloud.com/198.51.100.80
txt-record=www.school.example,"a word"
txt-record=t.far.example,"a tunnel"
"""


@dataclass
class GateSchool:
    """All machines of the school; the box is not started yet."""

    machine: Machine
    box: Box
    page: bool = True
    """Answer in the page's place; the box itself is not up."""
    internet: Callable[[bytes], bytes] = bytes
    """What servers on the Internet say to what they got; `bytes`: the same."""
    spaces: dict[str, str] = field(default_factory=dict)
    servers: list[socket.socket] = field(default_factory=list)

    def build(self) -> None:
        """Lay the cables, start the Internet and the page."""
        for name in ("gate", "internet", *MACS):
            self.spaces[name] = self.machine.namespace(name)
        self.box.within = self.spaces["gate"]
        gate = self.spaces["gate"]
        self.run("gate", ["ip", "link", "add", "lan0", "type", "bridge"])
        for name in ("phone", "tablet"):
            self.machine.link((self.spaces[name], "eth0"), (gate, f"to-{name}"))
            self.run("gate", ["ip", "link", "set", f"to-{name}", "master", "lan0"])
        self.machine.link((self.spaces["laptop"], "eth0"), (gate, "lan1"))
        self.machine.link((self.spaces["internet"], "eth0"), (gate, "wan0"))
        self._addresses()
        self._internet()
        self.serve("gate", (8080, 22) if self.page else (22,), lambda _: PAGE)

    def _addresses(self) -> None:
        self.give("gate", "wan0", f"{PUBLIC}/24", "2001:db8:7::7/64")
        self.run("gate", ["ip", "route", "add", f"{DOH}/32", "via", WEB])
        self.give("internet", "eth0", f"{WEB}/24", f"{GARDEN}/24", f"{PROVIDER}/24")
        self.give("internet", "eth0", f"{WEB6}/64", f"{GARDEN6}/64", f"{PROVIDER6}/64")
        # Answers come from the address that was asked.
        late = ["dev", "eth0", "preferred_lft", "0"]
        for address in (GARDEN6, PROVIDER6):
            self.run("internet", ["ip", "address", "change", f"{address}/64", *late])
        self.give("internet", "lo", f"{DOH}/32")
        for net in ("2001:db8:20::/64", "2001:db8:30::/64"):
            self.run("internet", ["ip", "-6", "route", "add", net, "via", "2001:db8:7::7"])
        self.run("gate", ["ip", "route", "add", "default", "via", WEB])
        for name, mac in MACS.items():
            own = [f"net.ipv6.conf.eth0.{what}=0" for what in ("accept_ra", "autoconf")]
            self.run(name, ["sysctl", "-qw", *own])
            self.run(name, ["ip", "link", "set", "eth0", "address", mac])
        self.readdress()

    def readdress(self) -> None:
        """Give all devices the addresses that they have at the beginning."""
        own = {
            "phone": (f"{PHONE}/20", f"{PHONE6}/64"),
            "tablet": (f"{TABLET}/20", f"{TABLET6}/64"),
        }
        own["laptop"] = (f"{LAPTOP}/24", "2001:db8:30::13/64")
        for name, addresses in own.items():
            self.run(name, ["ip", "address", "flush", "dev", "eth0", "scope", "global"])
            self.give(name, "eth0", *addresses)
            router = BOX_STAFF if name == "laptop" else BOX
            self.run(name, ["ip", "route", "replace", "default", "via", router])
            if name != "laptop":
                self.run(name, ["ip", "-6", "route", "replace", "default", "via", BOX6])
        self.run("gate", ["ip", "neigh", "flush", "all"], check=False)

    def _internet(self) -> None:
        self.serve("internet", PORTS, self.internet)
        for port in (443, 853, 5000):
            for family in (socket.AF_INET, socket.AF_INET6):
                self._echo(port, family)
        config = self.machine.folder / "internet.conf"
        config.write_text(INTERNET_DNS)
        command = ["dnsmasq", "-k", "-C", str(config), "--log-facility=-", "--pid-file="]
        self.machine.start(command, within=self.spaces["internet"], name="internet-dns")
        wait_for("DNS", lambda: ":53 " in self.run("internet", ["ss", "-Hlnu"]))

    def close(self) -> None:
        """Close what listens."""
        for server in self.servers:
            server.close()

    def run(self, host: str, command: list[str], *, stdin: str = "", check: bool = True) -> str:
        """Run a command on one of the machines."""
        return self.machine.run(command, within=self.spaces[host], stdin=stdin, check=check)

    def give(self, host: str, interface: str, *addresses: str) -> None:
        """Give an interface addresses."""
        for address in addresses:
            quick = ["nodad"] if ":" in address else []
            self.run(host, ["ip", "address", "add", address, "dev", interface, *quick])

    def serve(self, host: str, ports: Sequence[int], answer: Callable[[bytes], bytes]) -> None:
        """Answer on TCP ports, both families, whatever comes."""
        for port in ports:
            with inside.namespace(self.spaces[host]):
                server = socket.create_server(
                    ("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=128
                )
            self.servers.append(server)
            threading.Thread(target=_accept, args=(server, answer), daemon=True).start()

    def _echo(self, port: int, family: socket.AddressFamily) -> None:
        with inside.namespace(self.spaces["internet"]):
            wire = socket.socket(family, socket.SOCK_DGRAM)
            if family == socket.AF_INET6:
                wire.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            wire.bind(("", port))
        self.servers.append(wire)
        threading.Thread(target=_bounce, args=(wire,), daemon=True).start()

    def dig(self, host: str, *words: str) -> str:
        """Return what dig says on one of the machines."""
        options = ["+tries=1", "+time=3"]
        return self.run(host, ["dig", *options, *words], check=False)

    # --- what the portal would do -------------------------------------------------------------

    def apply(self, let_in: Sequence[Pass] = (), shut_out: Sequence[Pass] = ()) -> None:
        """Change passes."""
        self.ask(lambda gate: gate.apply(let_in, shut_out))

    def restore(self, passes: Sequence[Pass]) -> None:
        """Make these the only passes."""
        self.ask(lambda gate: gate.restore(passes))

    def counted(self) -> Mapping[int, Passed]:
        """Return all counts."""
        counted: Mapping[int, Passed] = self.ask(lambda gate: gate.counted())
        return counted

    def status(self) -> Mapping[str, Any]:
        """Return how the gate stands."""
        status: Mapping[str, Any] = self.ask(lambda gate: gate.status())
        return status

    def ask(self, what: Callable[[GateClient], Coroutine[Any, Any, Any]]) -> Any:
        """Ask the gate something."""

        async def once() -> Any:
            gate = GateClient(self.box.home / SOCKET)
            try:
                return await what(gate)
            finally:
                gate.close()

        return asyncio.run(once())


def phone(
    serial: int = 7, *, until: datetime | None = None, up: int | None = None,
    down: int | None = None, addresses: tuple[str, ...] = (PHONE, PHONE6),
) -> Pass:  # fmt: skip
    """Return a pass of the phone."""
    return Pass(
        serial=serial, zone="pupils", mac=MACS["phone"], addresses=addresses, until=until,
        up_kbit=up, down_kbit=down,
    )  # fmt: skip


def laptop(serial: int = 9) -> Pass:
    """Return a pass of the laptop."""
    return Pass(serial=serial, zone="staff-room", mac=MACS["laptop"], addresses=(LAPTOP,))


def _accept(server: socket.socket, answer: Callable[[bytes], bytes]) -> None:
    while True:
        try:
            taken, _ = server.accept()
        except OSError:
            return
        threading.Thread(target=_answer, args=(taken, answer), daemon=True).start()


def _answer(taken: socket.socket, answer: Callable[[bytes], bytes]) -> None:
    with taken:
        try:
            while got := taken.recv(65536):
                taken.sendall(answer(got))
        except OSError:
            return


def _bounce(wire: socket.socket) -> None:
    """Send each datagram back; `many` asks for one each 20 ms, for ten seconds."""
    while True:
        try:
            got, sender = wire.recvfrom(65536)
            if got == b"many":
                threading.Thread(target=_stream, args=(wire, sender), daemon=True).start()
            else:
                wire.sendto(got, sender)
        except OSError:
            return


def _stream(wire: socket.socket, sender: Any) -> None:
    pause = threading.Event()
    for number in range(500):
        try:
            wire.sendto(b"%d" % number, sender)
        except OSError:
            return
        pause.wait(0.02)
