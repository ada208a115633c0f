"""A Linux gateway in network namespaces: one client, NAT for IPv4, none for IPv6, the Internet.

```
 client 10.20.0.11, 2001:db8:20::11 ── gateway ── internet 198.51.100.80, 2001:db8:7::80
                                       198.51.100.7, 2001:db8:7::7
```
"""

from __future__ import annotations

import json
import subprocess
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.conftest import REPO
from tests.integration.machine import Machine, wait_for

CLIENT, CLIENT6 = "10.20.0.11", "2001:db8:20::11"
PUBLIC = "198.51.100.7"
INTERNET, INTERNET6 = "198.51.100.80", "2001:db8:7::80"
PORT = 80
MARK = 0x1234

RULES = f"""
table inet school {{
    chain out {{
        type nat hook postrouting priority srcnat; policy accept;
        ip saddr 10.20.0.0/24 oifname "outside" masquerade random
    }}
    chain through {{
        type filter hook forward priority 0; policy accept;
        ct mark set {MARK:#x}
    }}
}}
"""
SETTINGS = """
[conntrack]
enabled = true
[listen]
flows = ["127.0.0.1:0"]
syslog_udp = []
syslog_tcp = []
syslog_tls = []
ipfix_tcp = []
ipfix_tls = []
"""
"""Of a box on the gateway: it listens to the kernel, and to nobody else but on loopback."""
TALK = Path(__file__).with_name("talk.py")
SYSCTL = "net.netfilter.nf_conntrack"


@dataclass
class Gateway:
    """The three machines, and what the client does."""

    machine: Machine
    spaces: dict[str, str] = field(default_factory=dict)

    def build(self) -> None:
        """Lay the cables, set the rules, start the server."""
        for name in ("client", "gateway", "internet"):
            self.spaces[name] = self.machine.namespace(name)
        here, there, beyond = (self.spaces[n] for n in ("client", "gateway", "internet"))
        self.machine.link((here, "eth0"), (there, "inside"))
        self.machine.link((beyond, "eth0"), (there, "outside"))
        self._give("client", "eth0", f"{CLIENT}/24", f"{CLIENT6}/64")
        self._give("gateway", "inside", "10.20.0.1/24", "2001:db8:20::1/64")
        self._give("gateway", "outside", f"{PUBLIC}/24", "2001:db8:7::7/64")
        self._give("internet", "eth0", f"{INTERNET}/24", f"{INTERNET6}/64")
        self.run("client", ["ip", "route", "add", "default", "via", "10.20.0.1"])
        self.run("client", ["ip", "-6", "route", "add", "default", "via", "2001:db8:20::1"])
        self.run("internet", ["ip", "-6", "route", "add", "default", "via", "2001:db8:7::7"])
        forward = ["net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"]
        self.run("gateway", ["sysctl", "-qw", *forward])
        self.run("gateway", ["nft", "-f", "-"], stdin=RULES)
        self.account(on=True)
        python = str(REPO / ".venv/bin/python")
        self.machine.start(
            [python, "-I", str(TALK), "serve", str(PORT)],
            within=self.spaces["internet"],
            name="talk",
        )
        wait_for("the server", lambda: f":{PORT} " in self.run("internet", ["ss", "-Hlnt"]))

    def account(self, *, on: bool) -> None:
        """Let the kernel count and stamp connections that begin from now on, or not."""
        value = int(on)
        for name in ("acct", "timestamp"):
            self.run("gateway", ["sysctl", "-qw", f"{SYSCTL}_{name}={value}"])

    def talk(self, *command: object) -> dict[str, Any]:
        """Let the client speak; return from which port."""
        python = str(REPO / ".venv/bin/python")
        words = [python, "-I", str(TALK), *(str(word) for word in command)]
        answer: dict[str, Any] = json.loads(self.run("client", words))
        return answer

    def hold(self) -> tuple[subprocess.Popen[bytes], int]:
        """Let the client open a connection and keep it; return the process and its port."""
        python = str(REPO / ".venv/bin/python")
        words = [python, "-I", str(TALK), "hold", INTERNET, str(PORT)]
        log = self.machine.log("hold")
        log.unlink(missing_ok=True)
        process = self.machine.start(words, within=self.spaces["client"], name="hold")
        wait_for("a connection", lambda: log.is_file() and log.read_text().endswith("\n"))
        return process, int(json.loads(log.read_text())["port"])

    def ping(self, address: str) -> None:
        """Let the client ping once."""
        self.run("client", ["ping", "-q", "-c", "1", "-W", "5", address])

    def connections(self) -> list[dict[str, Any]]:
        """Return all open connections as `conntrack -L` tells them."""
        listed = self.run("gateway", ["conntrack", "-L", "-o", "xml"])
        return [told(flow) for flow in ET.fromstring(listed).iter("flow")] if listed else []

    def end_all(self) -> None:
        """Make the kernel forget all connections."""
        self.run("gateway", ["conntrack", "-F"])

    def run(self, host: str, command: list[str], *, stdin: str = "") -> str:
        """Run a command on one of the machines."""
        return self.machine.run(command, within=self.spaces[host], stdin=stdin)

    def _give(self, host: str, interface: str, *addresses: str) -> None:
        for address in addresses:
            quick = ["nodad"] if ":" in address else []
            self.run(host, ["ip", "address", "add", address, "dev", interface, *quick])


def told(flow: ET.Element) -> dict[str, Any]:
    """Return a connection of `conntrack -o xml` as a row of the log would tell it.

    Addresses and ports of both directions, protocol, counters; what is null stays out.
    """
    ways = {meta.get("direction"): meta for meta in flow.iter("meta")}
    there, back = ways["original"], ways["reply"]
    row: dict[str, Any] = {"protocol": int(_of(there, "layer4").get("protonum") or 0)}
    for column, way, end in (
        ("src", there, "src"),
        ("dst", there, "dst"),
        ("nat_src", back, "dst"),
        ("nat_dst", back, "src"),
    ):
        row[f"{column}_ip"] = _text(way, end)
        row[f"{column}_port"] = _number(way, "sport" if end == "src" else "dport")
    for side in ("src", "dst"):
        if all(row[f"nat_{side}_{what}"] == row[f"{side}_{what}"] for what in ("ip", "port")):
            row[f"nat_{side}_ip"] = row[f"nat_{side}_port"] = None
    for column, way in (("", there), ("_reverse", back)):
        row[f"packets{column}"] = _number(way, "packets")
        row[f"bytes{column}"] = _number(way, "bytes")
    return {name: value for name, value in row.items() if value is not None}


def _of(element: ET.Element, name: str) -> ET.Element:
    found = next(element.iter(name), None)
    return ET.Element(name) if found is None else found


def _text(element: ET.Element, name: str) -> str | None:
    return _of(element, name).text


def _number(element: ET.Element, name: str) -> int | None:
    text = _text(element, name)
    return None if text is None else int(text)
