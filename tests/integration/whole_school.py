"""The school of `gate_school` with the whole box as its router, and devices that know nothing.

Devices get their addresses by DHCP and router advertisements, ask the box for names, and have a
browser. Beside them an access point, 10.20.0.2, that asks the box by RADIUS.
"""

from __future__ import annotations

import contextlib
import json
import re
import shlex
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from collector import control
from collector.errors import CollectorError
from tests.integration import gate_school, inside
from tests.integration.gate_school import BOX, MACS, SETTINGS, GateSchool
from tests.integration.machine import wait_for

PASSWORD = "ladda-2569-x"
THIRD = "02:00:5e:10:00:14"
ACCESS_POINT = "10.20.0.2"
PAGE = "https://login.school.example/"
PROBE = "http://captive.apple.com/hotspot-detect.html"
SECRET = "radius-between-us"
ANSWER = b"HTTP/1.0 200 OK\r\nContent-Length: 7\r\n\r\nSuccess"
PHONE_SIZE: Mapping[str, Any] = {
    "viewport": {"width": 360, "height": 740},
    "device_scale_factor": 3,
    "is_mobile": True,
    "has_touch": True,
    "ignore_https_errors": True,  # a phone's owner says yes to a certificate of the box's own
}
OWN = f"""
[conntrack]
enabled = true
[seal]
part_s = 1.0
[[radius.clients]]
network = "{ACCESS_POINT}"
secret_file = "nas/ap"
site = "school-a"
"""
LEASE = """#!/bin/sh
[ "$1" = bound ] || exit 0
ip -4 address flush dev $interface scope global
ip address add $ip/$mask dev $interface
ip route replace default via $router
env > {told}
"""


def said(got: bytes) -> bytes:
    """Return what a server on the Internet says: a page to a browser, an echo to all others."""
    return ANSWER if got.startswith(b"GET ") else got


def token(page: str) -> str:
    """Return the token of a page's form."""
    found = re.search(r'name="token" value="([^"]+)"', page)
    assert found, page
    return found[1]


@dataclass
class WholeSchool(GateSchool):
    """All machines; `open` starts the box too."""

    leases: dict[str, dict[str, str]] = field(default_factory=dict)
    """What each device was told by DHCP."""
    own: str = OWN
    """More settings of the box."""

    def open(self) -> None:
        """Lay the cables, start the box, let everybody have an address."""
        self.internet = said
        self.page = False
        self.build()
        self.join("third", THIRD)
        self.join("ap", "02:00:5e:10:00:02")
        self.give("ap", "eth0", f"{ACCESS_POINT}/20")
        settings = SETTINGS.replace("port = 8080", "port = 8080\ntls_port = 8443", 1)
        self.box.init(settings=settings + self.own, secrets={"ap": SECRET})
        self.start()
        resolver = self.machine.folder / "resolv.conf"
        resolver.write_text(f"nameserver {BOX}\n")
        for name in (*MACS, "third"):
            self.lease(name)

    def start(self) -> None:
        """Start the box; it is the router from then on."""
        self.box.up()
        self.box.await_ready("privileged")
        wait_for("the gate", lambda: self.portal("review"), seconds=60)

    def join(self, name: str, mac: str) -> None:
        """Add a device behind the pupils' bridge."""
        self.spaces[name] = self.machine.namespace(name)
        self.machine.link((self.spaces[name], "eth0"), (self.spaces["gate"], f"to-{name}"))
        self.run("gate", ["ip", "link", "set", f"to-{name}", "master", "lan0"])
        self.run(name, ["ip", "link", "set", "eth0", "address", mac])

    def lease(self, name: str) -> str:
        """Let a device ask for addresses of both families; return the IPv4 one."""
        script, told = (self.machine.folder / f"{name}.{what}" for what in ("sh", "lease"))
        script.write_text(LEASE.format(told=told))
        script.chmod(0o755)
        own = [f"net.ipv6.conf.eth0.{what}=1" for what in ("accept_ra", "autoconf")]
        self.run(name, ["sysctl", "-qw", *own, "net.ipv6.conf.eth0.accept_dad=0"])
        for state in ("down", "up"):
            self.run(name, ["ip", "link", "set", "eth0", state])
        asks = ["busybox", "udhcpc", "-i", "eth0", "-n", "-q", "-f", "-t", "10", "-T", "1"]
        self.run(name, [*asks, "-s", str(script), "-O", "114"])
        pairs = (line.partition("=") for line in told.read_text().splitlines())
        self.leases[name] = {key: value for key, _, value in pairs}
        return self.leases[name]["ip"]

    def address(self, name: str) -> str:
        """Return a device's IPv4 address."""
        return self.leases[name]["ip"]

    def address6(self, name: str) -> str:
        """Return the IPv6 address that a device made for itself, or nothing."""
        shown = self.run(name, ["ip", "-6", "-o", "address", "show", "scope", "global"])
        found = re.search(r"inet6 (2001:db8:\S+)/64", shown)
        return found[1] if found else ""

    # --- what devices do ---------------------------------------------------------------------

    def curl(self, name: str, *words: str) -> str:
        """Let a device call an address; names are the box's to find."""
        command = ["curl", "-s", "-S", "--max-time", "20", *self._trusts(), *words]
        return self.run(name, self._with_names(command), check=False)

    def browser(self, name: str) -> Path:
        """Return a command that runs Chromium on a device."""
        wrapper = self.machine.folder / f"chromium-{name}"
        words = ["ip", "netns", "exec", self.spaces[name], *self._with_names(["chromium"])]
        wrapper.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n', encoding="ascii")
        wrapper.chmod(0o755)
        return wrapper

    def sign_in(self, name: str, account: str, *, url: str = PAGE) -> str:
        """Sign in by the form, as a browser would; return the page that follows."""
        form = ["-d", f"token={token(self.curl(name, url))}", "-d", f"account={account}"]
        return self.curl(name, "-L", *form, "-d", f"password={PASSWORD}", url)

    def act(self, name: str, act: str) -> str:
        """Press a button on the session's page."""
        token_there = token(self.curl(name, f"{PAGE}session"))
        return self.curl(
            name, "-L", "-d", f"token={token_there}", "-d", f"act={act}", f"{PAGE}session"
        )

    def api(self, name: str, *words: str) -> dict[str, Any]:
        """Ask as RFC 8908 has it, over checked TLS."""
        told: dict[str, Any] = json.loads(self.curl(name, *words, gate_school.API))
        return told

    def is_out(self, name: str, address: str = gate_school.WEB) -> bool:
        """Say whether a device reaches the Internet."""
        return inside.connect(self.spaces[name], address, 443)[0] == "open"

    def await_out(self, name: str, out: bool = True, address: str = gate_school.WEB) -> None:
        """Wait until a device does or does not reach the Internet."""
        wait_for(
            f"{name} {'on' if out else 'off'}",
            lambda: self.is_out(name, address) == out,
            seconds=60,
        )

    # --- what the box says -------------------------------------------------------------------

    def person(self, account: str, group: str = "", **limits: object) -> None:
        """Make somebody, and a group with these limits for them."""
        add = ["people", "add", account, "--name", f"{account} ใจดี", "--password-stdin"]
        self.box.prathu(*add, stdin=f"{PASSWORD}\n")
        if group:
            self.group(group, **limits)
            self.box.prathu("people", "group", account, group)

    def group(self, name: str, **limits: object) -> None:
        """Make or change a group."""
        self.box.prathu("groups", "set", name, *(f"{key}={limits[key]}" for key in limits))

    def live(self, account: str) -> list[dict[str, Any]]:
        """Return somebody's sessions that go on."""
        return [one for one in self.box.rows("sessions", "--live") if one["account"] == account]

    def portal(self, do: str) -> bool:
        """Ask the portal to do what it does each minute; say whether it could."""
        try:
            control.ask(self.box.home / "run" / "portal.sock", {"do": do})
        except CollectorError:
            return False
        return True

    def log(self, question: str, log: str = "sessions") -> list[dict[str, Any]]:
        """Ask a log."""
        return self.box.rows("search", question, "--log", log, "--format", "jsonl")

    def _with_names(self, command: list[str]) -> list[str]:
        bind = f"mount --bind {self.machine.folder / 'resolv.conf'} /etc/resolv.conf"
        return ["sh", "-c", f'{bind} && exec "$@"', "sh", *command]

    def _trusts(self) -> list[str]:
        return ["--cacert", str(self.box.home / "tls" / "sign-in.crt")]


class Download:
    """An open connection that brings something all the time."""

    def __init__(self, space: str, address: str, port: int = 5000) -> None:
        self.wire = inside.dial(space, address, port)
        self.last = 0.0
        """When something came last, by the monotonic clock."""
        self._thread = threading.Thread(target=self._go_on, daemon=True)
        self._thread.start()

    def ended(self) -> bool:
        """Say whether nothing comes any more."""
        return not self._thread.is_alive()

    def _go_on(self) -> None:
        with contextlib.suppress(OSError):  # the test has closed it
            while inside.echo(self.wire, b"more"):
                self.last = time.monotonic()
                time.sleep(0.02)

    def __enter__(self) -> Self:
        wait_for("the download", lambda: self.last)
        return self

    def __exit__(self, *error: object) -> None:
        self.wire.close()
