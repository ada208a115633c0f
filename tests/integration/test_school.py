"""A school in namespaces: real traffic, exporters, browser, RADIUS, syslog; then the box is asked.

The day happens once; the same questions are put to open parts and again to sealed segments.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.machine import Machine, require, wait_for
from tests.integration.school import BOX, CLIENTS, EXPORTERS, INTERNET, PUBLIC
from tests.integration.school_day import SOMCHAI, SOMSRI, Day, play

PEOPLE = {CLIENTS["client1"]: SOMCHAI, CLIENTS["client2"]: SOMSRI}


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Day]:
    require("ip", "nft", "ss", "conntrack", "dnsmasq", "softflowd", "ping", "rsyslogd", "logger")
    require("radclient", "chromium")
    folder: Path = tmp_path_factory.mktemp("school")
    with Machine(folder) as machine:
        yield play(machine, folder)


@pytest.fixture(scope="module", params=["open parts", "sealed segments"])
def day(request: pytest.FixtureRequest, played: Day) -> Day:
    if request.param == "sealed segments":
        played.box.prathu("seal", "--now")
    return played


def test_every_flow_of_a_signed_in_client_carries_the_person(day: Day) -> None:
    told = {exporter.sender for exporter in EXPORTERS}
    signed_in = [("client1", day.signed), ("client1", day.after), ("client2", day.signed)]
    for client, used in signed_in:
        address = CLIENTS[client]
        for port in (used[client]["tcp"], used[client]["udp"]):
            for near, far in (("src", "dst"), ("dst", "src")):
                rows = day.flows(f"{near}:{address} AND {near}_port:{port} AND {far}:{INTERNET}")
                assert told <= {row["source"] for row in rows}
                assert {row.get("account") for row in rows} == {PEOPLE[address]}
                assert {row["certainty"] for row in rows} == {"sure"}


def test_no_other_flow_carries_a_person(day: Day) -> None:
    for row in day.flows():
        ends = {row["src_ip"], row["dst_ip"]}
        ports = {row.get("src_port"), row.get("dst_port")}
        if BOX in ends:
            continue  # signing in itself runs while the sign-in happens
        known = {PEOPLE.get(end) for end in ends} - {None}
        assert "account" not in row or {row["account"]} == known
        for client, address in CLIENTS.items():
            free = [day.before] + ([day.after] if client != "client1" else [])
            free_ports = {used[client][kind] for used in free for kind in ("tcp", "udp")}
            if address in ends and ports & free_ports:
                assert "account" not in row, row


def test_who_names_both_and_nobody_before(day: Day) -> None:
    for client, account in (("client1", SOMCHAI), ("client2", SOMSRI)):
        used = day.signed[client]
        reading = day.who(f"{CLIENTS[client]}:{used['tcp']}", used["time"] + 0.1)
        assert (reading["verdict"], [p["account"] for p in reading["persons"]]) == (
            "person",
            [account],
        )

        early = day.who(CLIENTS[client], day.before[client]["time"], "--within", "1s")
        assert (early["verdict"], early["persons"]) == ("nobody", [])


def test_who_names_the_person_behind_the_public_address(day: Day) -> None:
    for client, account in (("client1", SOMCHAI), ("client2", SOMSRI)):
        used = day.signed[client]
        reading = day.who(f"{PUBLIC}:{used['tcp']}", used["time"] + 0.1, "--dst", f"{INTERNET}:80")
        assert (reading["verdict"], [p["account"] for p in reading["persons"]]) == (
            "person",
            [account],
        )

    stranger = day.who(
        f"{PUBLIC}:{day.signed['client3']['tcp']}", day.signed["client3"]["time"] + 0.1
    )
    assert (stranger["verdict"], stranger["persons"]) == ("nobody", [])


def test_syslog_is_kept_as_it_came_over_udp_and_tcp(day: Day) -> None:
    rows = day.box.rows("search", "*", "--log", "events", "--from", "-1h", "--format", "jsonl")
    told = {(row["transport"], row["message"].strip()) for row in rows if row.get("message")}
    assert ("udp", "dhcp lease for somebody's phone") in told
    assert ("tcp", "link up on port 7 ✓ พอร์ต") in told
    assert all(row["message"].strip() in row["raw"] for row in rows if row.get("message"))


def test_both_ways_to_be_known_make_sessions(day: Day) -> None:
    rows = day.box.rows("search", "*", "--log", "sessions", "--from", "-1h", "--format", "jsonl")
    told = {(row.get("account"), row["method"], row["event"], row.get("ip")) for row in rows}
    assert (SOMCHAI, "portal", "start", CLIENTS["client1"]) in told
    assert (SOMSRI, "accounting", "start", CLIENTS["client2"]) in told
    assert (SOMSRI, "accounting", "stop", CLIENTS["client2"]) in told


def test_every_question_is_on_record(day: Day) -> None:
    day.flows("src_port:4711")

    def on_record() -> bool:
        rows = day.box.rows("search", "*", "--log", "audit", "--from", "-1h", "--format", "jsonl")
        return "src_port:4711" in {row.get("question") for row in rows}

    # The row is durable before the answer is out; soon after, it can be searched too.
    wait_for("the question in the audit log", on_record)


def test_all_of_it_is_whole(day: Day) -> None:
    day.box.prathu("verify", "--deep")
    status = json.loads(day.box.prathu("status"))
    assert status
