"""Sockets and strangers on the first page, from what the receiving process tells."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.web import sources
from appliance.web.sources import Meter

SECOND = 10**9


def reply(datagrams: int, **more: Any) -> dict[str, Any]:
    udp = {"socket": "udp 0.0.0.0:2055", "datagrams": datagrams, "bytes": 10, "kernel_drops": 2}
    tcp = {"sockets": ["tcp 0.0.0.0:5514"], "messages": 5, "bytes": 1, "refused": 0}
    return {
        "udp": [{**udp, "refused": 1, "not_stored": 3}],
        "tcp": {**tcp, "not_stored": 0},
        "unknown_senders": [{"address": "192.0.2.9", "refused": 7, "local_port": 2055}],
        **more,
    }


def test_rates_come_from_two_looks_and_survive_a_restart_of_the_process() -> None:
    meter = Meter()
    looks = [(0, 100), (1, 150), (10, 1100), (11, 5), (21, 25)]
    rates = [sources.listed(reply(count), meter, at * SECOND)[0].per_second for at, count in looks]
    assert rates == [None, None, 100.0, 100.0, 2.0]


def test_losses_of_kernel_and_disk_are_added_and_refusals_told_apart() -> None:
    udp, tcp = sources.listed(reply(1), Meter(), 0)
    assert (udp.lost, udp.refused) == (5, 1)
    assert (tcp.name, tcp.received) == ("tcp 0.0.0.0:5514", 5)


def test_syslog_over_tls_is_a_source_of_its_own() -> None:
    tls = {"sockets": ["tls 0.0.0.0:6514"], "messages": 9, "refused": 1, "refused_tls": 2}
    *_, last = sources.listed(reply(1, tls=tls), Meter(), 0)
    assert (last.name, last.received, last.refused) == ("tls 0.0.0.0:6514", 9, 3)


def test_strangers_are_named_and_an_empty_reply_is_nothing() -> None:
    (stranger,) = sources.strangers(reply(1))
    assert (stranger.address, stranger.count) == ("192.0.2.9", 7)
    assert sources.listed({}, Meter(), 0) == []
    assert sources.strangers({}) == []


@pytest.mark.parametrize(
    ("receive", "seal", "frames"),
    [
        ({"spool": {"head": 3500}}, {"sealed_position": 1200}, 2300),
        ({"spool": {"head": 10}}, {"sealed_position": 12}, 0),
        ({}, {"sealed_position": 12}, None),
        ({"spool": {"head": 10}}, {}, None),
    ],
)
def test_frames_wait_from_the_lowest_sealed_position_on(
    receive: dict[str, Any], seal: dict[str, Any], frames: int | None
) -> None:
    assert sources.unsealed(receive, seal) == frames
