"""A school in network namespaces: clients, a gateway with NAT, the Internet, a place for the box.

```
 client1 10.20.0.11 ─┐                    ┌─ 198.51.100.80 internet (HTTP, DNS)
 client2 10.20.0.12 ─┤ br0 10.20.0.1      │
 client3 10.20.0.13 ─┼──── gateway ───────┘ 198.51.100.7
 box     10.20.0.2  ─┘      .3 .4
```
The gateway is three exporters: it speaks NetFlow v5 as 10.20.0.1 to the box's 10.20.0.2, v9 as .3
to .5 and IPFIX as .4 to .6 (a route chooses the sender's address by the receiver's).
"""

from __future__ import annotations

import json
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.conftest import REPO
from tests.integration.machine import Machine, wait_for

CLIENTS = {"client1": "10.20.0.11", "client2": "10.20.0.12", "client3": "10.20.0.13"}
GATEWAY = "10.20.0.1"
BOX = "10.20.0.2"
PUBLIC = "198.51.100.7"
INTERNET = "198.51.100.80"
SECRET = "radius-for-tests"


@dataclass(frozen=True)
class Exporter:
    """One softflowd: what it speaks, as whom, to which of the box's addresses."""

    version: str
    sender: str
    receiver: str
    port: int


EXPORTERS = (
    Exporter("5", "10.20.0.1", "10.20.0.2", 2055),
    Exporter("9", "10.20.0.3", "10.20.0.5", 2055),
    Exporter("10", "10.20.0.4", "10.20.0.6", 4739),
)

NAT = """
table ip school {
    chain after {
        type nat hook postrouting priority srcnat; policy accept;
        ip saddr 10.20.0.0/24 oifname "outside" masquerade
    }
}
"""

RSYSLOG = """
module(load="imuxsock" SysSock.Use="off")
input(type="imuxsock" Socket="{folder}/log" UseSpecialParser="on")
module(load="builtin:omfwd")
if $programname == "over-tcp" then {{
    action(type="omfwd" target="{box}" port="{port}" protocol="tcp"
           TCP_Framing="octet-counted" template="RSYSLOG_SyslogProtocol23Format")
    stop
}}
action(type="omfwd" target="{box}" port="{port}" protocol="udp")
"""


@dataclass
class School:
    """The hosts of one school, and what the people in it do."""

    machine: Machine
    spaces: dict[str, str] = field(default_factory=dict)
    exporters: list[Path] = field(default_factory=list)

    def build(self) -> None:
        """Lay the cables and start the Internet."""
        for name in ("gateway", "internet", "box", *CLIENTS):
            self.spaces[name] = self.machine.namespace(name)
        self._inside()
        self._outside()
        self._serve()

    def start_exporters(self) -> None:
        """Start the three softflowd of the gateway."""
        for exporter in EXPORTERS:
            control = self.machine.folder / f"softflowd-{exporter.version}.ctl"
            self.exporters.append(control)
            command = ["softflowd", "-d", "-i", "br0", "-v", exporter.version, "-c", str(control)]
            command += [
                "-p",
                str(control.with_suffix(".pid")),
                "-t",
                "maxlife=30",
                "-t",
                "expint=1",
            ]
            command += ["-n", f"{exporter.receiver}:{exporter.port}"]
            command += ["-C", "65535", "not port 2055 and not port 4739"]
            self._start("gateway", command, name=f"softflowd-{exporter.version}")
        for control in self.exporters:
            wait_for(f"{control.name}", control.exists)

    def export_now(self) -> None:
        """Make every exporter send what it has seen.

        softflowd's capture buffer hands over whole blocks of 256 KiB only, however old: large pings
        between box and gateway fill the one that holds the clients' packets.
        """
        for _ in range(2):
            self._run("box", ["ping", "-q", "-f", "-c", "200", "-s", "1400", GATEWAY])
        time.sleep(0.3)
        for control in self.exporters:
            self._run("gateway", ["softflowctl", "-c", str(control), "expire-all"])

    def start_rsyslog(self, port: int = 5514) -> None:
        """Start the gateway's syslog daemon, which sends everything to the box."""
        folder = self.machine.folder
        config = folder / "rsyslog.conf"
        config.write_text(RSYSLOG.format(folder=folder, box=BOX, port=port))
        pid = folder / "rsyslog.pid"
        self._start("gateway", ["rsyslogd", "-n", "-f", str(config), "-i", str(pid)])
        wait_for("rsyslog's socket", (folder / "log").exists)

    def log(self, text: str, *, tag: str = "gateway") -> None:
        """Log a line on the gateway; with the tag `over-tcp` it travels over TCP."""
        socket = self.machine.folder / "log"
        self._run("gateway", ["logger", "-u", str(socket), "-t", tag, "--", text])

    def account(self, status: str, attributes: dict[str, str]) -> str:
        """Send RADIUS accounting from the gateway, as an access point would."""
        lines = [f"Acct-Status-Type = {status}", *(f"{k} = {v}" for k, v in attributes.items())]
        command = ["radclient", "-x", "-t", "5", "-r", "3", f"{BOX}:1813", "acct", SECRET]
        return self._run("gateway", command, stdin="\n".join(lines) + "\n")

    def browse(self, client: str, url: str = f"http://{INTERNET}/page.html") -> dict[str, Any]:
        """Let a client fetch a page; return when and from which port."""
        return self._visit(client, ["http", url])

    def resolve(self, client: str, name: str = "www.school.example") -> dict[str, Any]:
        """Let a client ask the DNS server; return when, from which port, and the answer."""
        return self._visit(client, ["dns", INTERNET, name])

    def chromium(self, client: str) -> Path:
        """Return a command that runs Chromium inside a client's namespace."""
        wrapper = self.machine.folder / f"chromium-{client}"
        wrapper.write_text(
            f'#!/bin/sh\nexec ip netns exec {self.spaces[client]} chromium "$@"\n', encoding="ascii"
        )
        wrapper.chmod(0o755)
        return wrapper

    def send(self, host: str, payload: bytes, address: str, port: int) -> None:
        """Send one UDP datagram from a host of the school."""
        python = str(REPO / ".venv/bin/python")
        visit = str(Path(__file__).with_name("visit.py"))
        self._run(host, [python, "-I", visit, "send", address, str(port), payload.hex()])

    def translations(self) -> list[dict[str, str]]:
        """Return the gateway's NAT table as the kernel tells it: both tuples of each connection."""
        listed = self._run("gateway", ["conntrack", "-L", "-n"], check=False)
        return [_tuples(line) for line in listed.splitlines() if "src=" in line]

    def _visit(self, client: str, command: list[str]) -> dict[str, Any]:
        python = str(REPO / ".venv/bin/python")
        visit = str(Path(__file__).with_name("visit.py"))
        answer: dict[str, Any] = json.loads(self._run(client, [python, "-I", visit, *command]))
        return answer

    def _inside(self) -> None:
        gateway = self.spaces["gateway"]
        self._run("gateway", ["ip", "link", "add", "br0", "type", "bridge"])
        self._run("gateway", ["ip", "link", "set", "br0", "up"])
        for name, address in {"box": BOX, **CLIENTS}.items():
            self.machine.link((self.spaces[name], "eth0"), (gateway, f"to-{name}"))
            self._run("gateway", ["ip", "link", "set", f"to-{name}", "master", "br0"])
            self._run(name, ["ip", "address", "add", f"{address}/24", "dev", "eth0"])
            self._run(name, ["ip", "route", "add", "default", "via", GATEWAY])
        for exporter in EXPORTERS:
            self._run("gateway", ["ip", "address", "add", f"{exporter.sender}/24", "dev", "br0"])
            if exporter.receiver != BOX:
                self._run("box", ["ip", "address", "add", f"{exporter.receiver}/24", "dev", "eth0"])
            route = ["ip", "route", "add", exporter.receiver, "dev", "br0"]
            self._run("gateway", [*route, "src", exporter.sender])

    def _outside(self) -> None:
        pair = (self.spaces["gateway"], "outside"), (self.spaces["internet"], "eth0")
        self.machine.link(*pair)
        self._run("gateway", ["ip", "address", "add", f"{PUBLIC}/24", "dev", "outside"])
        self._run("internet", ["ip", "address", "add", f"{INTERNET}/24", "dev", "eth0"])
        self._run("gateway", ["sysctl", "-qw", "net.ipv4.ip_forward=1"])
        self._run("gateway", ["nft", "-f", "-"], stdin=NAT)

    def _serve(self) -> None:
        site = self.machine.folder / "site"
        site.mkdir()
        (site / "page.html").write_text("<title>page</title>" + "lesson " * 2000)
        python = str(REPO / ".venv/bin/python")
        serve = [python, "-m", "http.server", "80", "--bind", INTERNET, "--directory", str(site)]
        self._start("internet", serve, name="http")
        dns = [
            "dnsmasq",
            "--no-daemon",
            "--no-resolv",
            "--no-hosts",
            "--user=root",
            "--conf-file=/dev/null",
        ]
        dns += ["--pid-file", f"--listen-address={INTERNET}", "--bind-interfaces"]
        self._start("internet", [*dns, f"--address=/school.example/{INTERNET}"])
        listening = ["ss", "-Hlntu"]
        wait_for("the web server", lambda: f"{INTERNET}:80" in self._run("internet", listening))
        wait_for("the DNS server", lambda: f"{INTERNET}:53" in self._run("internet", listening))

    def _run(self, host: str, command: list[str], *, stdin: str = "", check: bool = True) -> str:
        return self.machine.run(command, within=self.spaces[host], stdin=stdin, check=check)

    def _start(self, host: str, command: list[str], *, name: str = "") -> subprocess.Popen[bytes]:
        return self.machine.start(command, within=self.spaces[host], name=name)


def _tuples(line: str) -> dict[str, str]:
    """Return a line of conntrack: `src`, `dport`, … of the first tuple, `reply_…` of the other."""
    found: dict[str, str] = {"protocol": line.split()[0]}
    for word in line.split():
        name, equals, value = word.partition("=")
        if equals:
            found[f"reply_{name}" if name in found else name] = value
    return found
