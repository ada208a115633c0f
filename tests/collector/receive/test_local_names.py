"""Names of hosts come in through the local door only where a reason is set, and only right ones."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from collector.control import ask
from collector.errors import CollectorError
from collector.records import FrameKind, NameEvent
from collector.settings import Names
from tests.collector.receive.home import SITE, payloads, receiver

NAME: dict[str, Any] = {
    "time": "2026-11-22T08:00:00+00:00",
    "site": SITE,
    "origin": "tls-sni",
    "client": "10.0.0.5",
    "client_port": 50_000,
    "name": "www.example.org",
    "kind": "sni",
    "answers": ["203.0.113.9"],
    "port": 443,
}


def hand_in(home: Path, **changes: Any) -> None:
    ask(
        home / "run" / "receive.sock", {"do": "event", "kind": "name", "event": {**NAME, **changes}}
    )


def test_a_name_is_taken_where_a_reason_is_set(tmp_path: Path) -> None:
    with receiver(tmp_path, names=Names(reason="a test")):
        hand_in(tmp_path)
        (payload,) = payloads(tmp_path, FrameKind.NAME)
    assert NameEvent.from_json(payload).answers == ("203.0.113.9",)


def test_without_a_reason_no_name_reaches_the_disk(tmp_path: Path) -> None:
    payload = base64.b64encode(json.dumps(NAME).encode()).decode()
    frame = {"kind": "name", "site": SITE, "payload": payload}
    with receiver(tmp_path, names=Names(reason="  ")):
        with pytest.raises(CollectorError, match="reason is empty"):
            hand_in(tmp_path)
        for kind in ("name", "NAME", int(FrameKind.NAME)):
            many = {"do": "frames", "frames": [{**frame, "kind": kind}]}
            with pytest.raises(CollectorError, match="reason is empty"):
                ask(tmp_path / "run" / "receive.sock", many)
        assert payloads(tmp_path, FrameKind.NAME) == []


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"origin": "hearsay"}, "no origin 'hearsay'"),
        ({"name": ""}, "a name of 0 characters"),
        ({"name": "x" * 1021}, "a name of 1021 characters"),
        ({"client": ""}, "not an address"),
        ({"client": "10.0.0.05"}, "10.0.0.05"),
        ({"answers": ["::ffff:10.0.0.5"]}, "canonical text"),
        ({"answers": [""]}, "not an address"),
        ({"answers": "203.0.113.9"}, "'2' does not appear to be"),
        ({"port": 65_536}, "no port 65536"),
        ({"ttl": -1}, "ttl is out of range"),
        ({"site": "school-z"}, "no site 'school-z'"),
    ],
)
def test_a_wrong_name_is_refused_in_words(
    tmp_path: Path, changes: dict[str, Any], error: str
) -> None:
    with (
        receiver(tmp_path, names=Names(reason="a test")),
        pytest.raises(CollectorError) as caught,
    ):
        hand_in(tmp_path, **changes)
    assert error in str(caught.value)
    assert "\n" not in str(caught.value)
