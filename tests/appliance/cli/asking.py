"""A home whose box is down, and the command line that asks it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from appliance.cli import main
from collector.records import FrameKind
from collector.spool import SpoolReader
from tests.appliance.search.homes import MINUTE, SITE, Home, flow

SOMCHAI = "00000000-0000-4000-8000-000000000001"
SESSION = "00000000-0000-4000-9000-000000000001"
PUBLIC = "198.51.100.7"
SETTINGS = f"""
[[sites]]
id = "{SITE}"
networks = ["10.0.0.0/8"]
[[sites]]
id = "school-b"
networks = ["10.0.0.0/8"]
[spool]
least_free_bytes = 0
"""


@dataclass(frozen=True)
class Said:
    """What one run of the command line left."""

    status: int
    out: str
    err: str


Prathu = Callable[..., Said]


def now_us() -> int:
    """The time now, rounded to a second."""
    return time.time_ns() // 10**9 * 10**6


def filled(path: Path) -> Home:
    """Return a home where Somchai signed in half an hour ago and had ten flows since."""
    (path / "prathu.toml").write_text(SETTINGS)
    home, now = Home(path), now_us()
    home.person(SOMCHAI, "somchai", "สมชาย ใจดี")
    whose = {"person": SOMCHAI, "session": SESSION, "via": "src_ip", "certainty": "sure"}
    key = int(IPv4Address(PUBLIC)) << 16 | 40211
    natted = {"nat_src_ip": PUBLIC, "nat_src_port": 40211, "nat_key": key, "host": "=1+1"}
    home.segment(
        flow(now - (20 - i) * MINUTE, "10.0.0.5", "203.0.113.9", **whose, **natted)
        for i in range(10)
    )
    start = {
        "time": now - 30 * MINUTE,
        "event": "start",
        "start": now - 30 * MINUTE,
        "session": SESSION,
        "person": SOMCHAI,
        "ip": "10.0.0.5",
        "addresses": '["10.0.0.5"]',
        "method": "portal",
        "account": "somchai",
        "full_name": "สมชาย ใจดี",
    }
    home.segment([start], log="sessions")
    return home


def prathu_at(path: Path, capsys: pytest.CaptureFixture[str]) -> Prathu:
    """Return the command `prathu --home path …`."""

    def prathu(*arguments: str) -> Said:
        try:
            main.run(["--home", str(path), *arguments])
            status = 0
        except SystemExit as end:
            status = int(end.code or 0)
        said = capsys.readouterr()
        return Said(status, said.out, said.err)

    return prathu


def audited(path: Path) -> list[dict[str, str]]:
    """Return the audit events that lie durable in the spool."""
    frames = SpoolReader(path / "spool", 0).read(1 << 20)
    return [json.loads(frame.payload) for frame in frames if frame.kind == FrameKind.AUDIT]
