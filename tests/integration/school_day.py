"""One short day at the school: it happens once, and tests ask what the box knows of it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.integration import nat
from tests.integration.box import Box
from tests.integration.browser import sign_in
from tests.integration.machine import Machine, wait_for
from tests.integration.school import BOX, CLIENTS, EXPORTERS, INTERNET, PUBLIC, SECRET, School

SITE = "school-a"
PASSWORD = "ladda-2569-x"
SOMCHAI, SOMSRI = "somchai", "somsri"
CLOCK_S = 2.5
"""softflowd tells NetFlow v9 times by a clock cut to whole seconds: steps lie further apart."""

SETTINGS = (
    "".join(
        f"""
[[exporters]]
address = "{exporter.sender}"
site = "{SITE}"
"""
        for exporter in EXPORTERS
    )
    + f"""
[[radius.clients]]
network = "10.20.0.1"
secret_file = "nas/school"
site = "{SITE}"

[seal]
part_s = 1.0
"""
)


@dataclass
class Day:
    """What happened, and the box that was told of it."""

    school: School
    box: Box
    before: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Per client, what it did while nobody was signed in."""
    signed: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Per client, what it did after two of them had signed in."""
    after: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Per client, what it did after the second had gone."""
    sign_in_at: float = 0.0
    """When both were signed in."""
    gone_at: float = 0.0

    def flows(self, question: str = "*") -> list[dict[str, Any]]:
        """Return all flows that the box knows, whoever reported them."""
        command = ["search", question, "--from", "-1h", "--to", "now", "--format", "jsonl"]
        return self.box.rows(*command, "--limit", "100000")

    def who(self, address: str, at: float, *more: str) -> dict[str, Any]:
        """Ask who was behind an address at a time; return the one reading."""
        [answer] = self.box.rows("who", address, "--at", iso(at), *more)
        [reading] = answer["readings"]
        return dict(reading)


def iso(seconds: float) -> str:
    """Return a time as the command line takes it."""
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def play(machine: Machine, folder: Path) -> Day:
    """Let the day happen, and wait until the box can tell all of it."""
    school = School(machine)
    school.build()
    box = Box(machine, folder / "home", within=school.spaces["box"])
    day = Day(school, box)
    _open(day)
    day.before = _use(school)
    time.sleep(CLOCK_S)
    _sign_in(day)
    time.sleep(CLOCK_S)
    day.signed = _use(school)
    _translations(day)
    school.log("dhcp lease for somebody's phone")
    school.log("link up on port 7 ✓ พอร์ต", tag="over-tcp")
    time.sleep(CLOCK_S)
    school.account("Stop", _session("Stop"))
    day.gone_at = time.time()
    time.sleep(CLOCK_S)
    day.after = _use(school)
    school.export_now()
    wait_for("every flow of the clients", lambda: _all_there(day), seconds=30)
    return day


def _open(day: Day) -> None:
    """Start the box and what reports to it; people get their accounts."""
    day.box.init(site=SITE, settings=SETTINGS, secrets={"school": SECRET})
    day.box.up()
    add = ["people", "add", SOMCHAI, "--name", "สมชาย ใจดี", "--password-stdin"]
    day.box.prathu(*add, stdin=f"{PASSWORD}\n")
    day.school.start_exporters()
    day.school.start_rsyslog()


def _use(school: School) -> dict[str, dict[str, Any]]:
    """Let each client fetch a page and ask for a name."""
    used = {}
    for client in CLIENTS:
        page, name = school.browse(client), school.resolve(client)
        used[client] = {"time": page["time"], "tcp": page["port"], "udp": name["port"]}
    return used


def _sign_in(day: Day) -> None:
    """One signs in on the page, with a real browser; of the other the access point tells."""
    page = sign_in(day.school.chromium("client1"), f"http://{BOX}:8080/", SOMCHAI, PASSWORD)
    assert "สมชาย ใจดี" in page
    day.school.account("Start", _session("Start"))
    day.sign_in_at = time.time()


def _session(status: str) -> dict[str, str]:
    told = {
        "User-Name": f'"{SOMSRI}"',
        "Acct-Session-Id": '"00000001"',
        "Framed-IP-Address": CLIENTS["client2"],
        "Calling-Station-Id": '"02-00-00-00-00-12"',
        "Called-Station-Id": '"02-00-00-00-00-01:school-wifi"',
        "NAS-IP-Address": "10.20.0.1",
        "NAS-Port": "7",
    }
    if status == "Stop":
        told |= {"Acct-Terminate-Cause": "User-Request", "Acct-Session-Time": "6"}
    return told


def _translations(day: Day) -> None:
    """Tell the box of the gateway's NAT for what the clients just did."""
    ports = {str(day.signed[client]["tcp"]) for client in CLIENTS}
    listed = [c for c in day.school.translations() if c.get("sport") in ports]
    assert len(listed) == len(CLIENTS)
    assert {c["reply_dst"] for c in listed} == {PUBLIC}
    start = min(day.signed[client]["time"] for client in CLIENTS)
    payload = nat.datagram(listed, start=start, now=time.time())
    day.school.send("gateway", payload, BOX, 2055)


def _all_there(day: Day) -> bool:
    wanted = {
        (exporter.sender, CLIENTS[client], used[client][kind])
        for exporter in EXPORTERS
        for used in (day.before, day.signed, day.after)
        for client in CLIENTS
        for kind in ("tcp", "udp")
    }
    found = {
        (row["source"], row["src_ip"], row["src_port"]) for row in day.flows(f"dst:{INTERNET}")
    }
    return wanted <= found
