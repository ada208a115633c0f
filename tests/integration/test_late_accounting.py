"""Accounting that comes an hour late, after its flows are sealed, still names the person."""

from __future__ import annotations

import hashlib
import socket
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.integration.box import PORTS, Box, free_ports, loopback_settings
from tests.integration.load import netflow5
from tests.integration.machine import Machine, wait_for

ADDRESS = "10.21.0.1"
HOUR_S = 3600


@dataclass
class Late:
    """The box, and what its segments were before the session was told of."""

    box: Box
    accounting: int
    segments: dict[str, str]
    flow: dict[str, Any]


@pytest.fixture(scope="module")
def late(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Late]:
    folder: Path = tmp_path_factory.mktemp("late")
    with Machine(folder) as machine:
        box = Box(machine, folder / "home")
        ports = free_ports(*PORTS)
        box.init(settings=loopback_settings(ports))
        box.up()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
            wire.sendto(netflow5(1, 0, int(time.time())), ("127.0.0.1", ports["flows"]))
        wait_for("the flows", lambda: _flows(box))
        box.prathu("seal", "--now")
        [flow] = _flows(box)
        assert "account" not in flow
        story = Late(box, ports["accounting"], _segments(box), flow)
        secret = (box.home / "nas" / "loopback").read_bytes().strip()
        _account(story.accounting, secret, delay_s=HOUR_S)
        wait_for("the session", lambda: _flows(box)[0].get("account"))
        yield story


def test_search_names_the_person_and_says_when_it_was_learnt(late: Late) -> None:
    [flow] = _flows(late.box)
    assert flow["account"] == "malee"
    assert flow["learnt_after_sealing"] is True


def test_who_names_the_person_and_says_when_it_was_learnt(late: Late) -> None:
    command = ["who", f"{ADDRESS}:40000", "--at", late.flow["time"]]
    [answer] = late.box.rows(*command)
    [reading] = answer["readings"]
    assert (reading["verdict"], [p["account"] for p in reading["persons"]]) == ("person", ["malee"])
    assert "late" in [note["word"] for note in reading["notes"]]


def test_the_sealed_rows_are_unchanged(late: Late) -> None:
    now = _segments(late.box)
    assert {path: now.get(path) for path in late.segments} == late.segments
    late.box.prathu("verify", "--deep")


def test_it_stays_so_when_the_session_is_sealed_too(late: Late) -> None:
    late.box.prathu("seal", "--now")
    test_search_names_the_person_and_says_when_it_was_learnt(late)
    test_who_names_the_person_and_says_when_it_was_learnt(late)
    test_the_sealed_rows_are_unchanged(late)


def _account(port: int, secret: bytes, *, delay_s: int) -> None:
    """Send an Accounting-Request that is so late by its Acct-Delay-Time (RFC 2866, 5.2)."""
    attributes = b"".join(
        bytes([kind, 2 + len(value)]) + value
        for kind, value in (
            (40, struct.pack("!I", 1)), (44, b"late-1"), (1, b"malee"),
            (8, socket.inet_aton(ADDRESS)), (4, socket.inet_aton("127.0.0.1")),
            (41, struct.pack("!I", delay_s)),
        )
    )  # fmt: skip
    head = struct.pack("!BBH", 4, 9, 20 + len(attributes))
    authenticator = hashlib.md5(head + bytes(16) + attributes + secret).digest()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        wire.settimeout(10)
        wire.sendto(head + authenticator + attributes, ("127.0.0.1", port))
        assert wire.recv(4096)[:2] == bytes([5, 9])


def _flows(box: Box) -> list[dict[str, Any]]:
    return box.rows("search", f"src:{ADDRESS}", "--from", "-2h", "--format", "jsonl")


def _segments(box: Box) -> dict[str, str]:
    files = (box.home / "logs").rglob("*.parquet")
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
