"""A Linux gateway is its own exporter: what its kernel did stands in the log, and names the person.

Real connections through real NAT; the `conntrack` program is the witness.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from collector import control
from collector.decode.conntrack.decoder import ConntrackDecoder
from collector.errors import CollectorError
from collector.records import FrameKind
from tests.collector.decode import rows
from tests.collector.receive.home import coverage, frames
from tests.integration.box import ENVIRONMENT, Box
from tests.integration.gateway import (
    CLIENT,
    INTERNET,
    INTERNET6,
    PORT,
    PUBLIC,
    SETTINGS,
    Gateway,
)
from tests.integration.machine import Machine, require, stop, wait_for

FLOOD = 15_000


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    require("ip", "nft", "ss", "conntrack", "ping", "sysctl")
    with Machine(tmp_path_factory.mktemp("gateway")) as machine:
        made = Gateway(machine)
        made.build()
        yield made


@dataclass
class Receiving:
    """A receiving process on the gateway."""

    home: Path
    process: subprocess.Popen[bytes]
    log: Path

    def told(self) -> dict[str, Any]:
        """Return what it says of the kernel."""
        try:
            status = control.ask(self.home / "run" / "receive.sock", {"do": "status"})
        except CollectorError:
            return {"answers": 0}
        found: dict[str, Any] = status["conntrack"]
        return found

    def flows(self) -> list[dict[str, Any]]:
        """Return all that the kernel told until now, decoded here."""
        found = frames(self.home, FrameKind.CONNTRACK)
        return rows.of(ConntrackDecoder("school-a").decode(found))


@pytest.fixture
def receive(gateway: Gateway, tmp_path: Path) -> Iterator[Callable[..., Receiving]]:
    """Start a process with a kernel buffer of some size; nothing is open before it."""
    made: list[Receiving] = []

    def start(buffer: int, *before: str) -> Receiving:
        gateway.end_all()
        name = f"receiving-{tmp_path.name}"
        command = [*before, sys.executable, "-m", "tests.integration.receiving"]
        process = gateway.machine.start(
            [*command, str(tmp_path), str(buffer)],
            within=gateway.spaces["gateway"],
            name=name,
            env=ENVIRONMENT,
        )
        made.append(Receiving(tmp_path, process, gateway.machine.log(name)))
        return made[-1]

    yield start
    for one in made:
        stop(one.process)


def number(found: list[dict[str, Any]], word: str) -> int:
    return sum(f'"conntrack":"{word}"' in row.get("extra", "") for row in found)


def test_the_log_has_what_the_conntrack_program_lists_and_who_names_the_person(
    gateway: Gateway, tmp_path: Path
) -> None:
    gateway.end_all()
    here = Box(gateway.machine, tmp_path / "home", within=gateway.spaces["gateway"])
    here.init(settings=SETTINGS)
    here.start_alone("receive")
    here.start_alone("seal")
    sessions = tmp_path / "sessions.csv"
    began = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 3600))
    sessions.write_text(
        "site,person,address,mac,nas,method,start,stop\n"
        f"school-a,dao,{CLIENT},02:00:00:00:00:11,ap1,import,{began},\n"
    )
    here.prathu("sessions", "import", str(sessions))
    for address in (INTERNET, INTERNET6):
        assert gateway.talk("tcp", address, PORT, 1000)["got"] == 3000
        assert gateway.talk("udp", address, PORT, 200)["got"] == 200
        gateway.ping(address)
    holding, port = gateway.hold()
    listed = gateway.connections()
    [held] = [row for row in listed if row.get("src_port") == port]

    # Still open: the row of its beginning names who it is.
    public = f"{PUBLIC}:{held['nat_src_port']}"
    wait_for("the open connection", lambda: "dao" in here.prathu("who", public, check=False))
    stop(holding)
    gateway.end_all()

    question = ["search", "source:conntrack AND _exists_:packets", "--limit", "100"]
    wait_for("all ends", lambda: len(here.rows(*question, "--format", "jsonl")) >= len(listed))
    found = here.rows(*question, "--format", "jsonl")
    # The held connection sent more after it was listed.
    others = [row for row in found if row.get("src_port") != port]
    assert _plain(others, listed) == _plain([row for row in listed if row is not held], listed)
    assert None not in {row["person"] for row in found if row["src_ip"] == CLIENT}
    assert "dao" in here.prathu("who", public)
    here.stop_alone("seal", "receive")


def _plain(found: list[dict[str, Any]], like: list[dict[str, Any]]) -> list[str]:
    """Return rows as sorted texts, by the columns that both sides know."""
    names = sorted({name for row in like for name in row})
    return sorted(str([row.get(name) for name in names]) for row in found)


def test_five_thousand_connections_a_second_are_all_told(
    gateway: Gateway, receive: Callable[..., Receiving]
) -> None:
    here = receive(1 << 25)
    wait_for("the table", lambda: here.told()["answers"])
    gateway.talk("flood", INTERNET, FLOOD, 5000)
    gateway.end_all()
    wait_for("all ends", lambda: here.told()["messages"] >= 2 * FLOOD)
    assert (here.told()["overflows"], here.told()["lost"]) == (0, 0)
    stop(here.process)
    found = here.flows()
    assert number(found, "new") == FLOOD
    ends = {row.get("dst_port") for row in found if "packets" in row}
    assert ends >= set(range(1024, 1024 + FLOOD))
    assert coverage(here.home, "conntrack-overflow") == []


def test_what_the_kernel_could_not_tell_is_counted_and_found_in_its_table(
    gateway: Gateway, receive: Callable[..., Receiving]
) -> None:
    here, sent = receive(1 << 16), 3000
    wait_for("the table", lambda: here.told()["answers"])
    here.process.send_signal(signal.SIGSTOP)
    gateway.talk("flood", INTERNET, sent, 20_000)
    here.process.send_signal(signal.SIGCONT)
    wait_for("the table again", lambda: here.told()["answers"] >= 2)
    told = here.told()
    stop(here.process)
    assert told["overflows"] >= 1
    assert 0 < told["messages"] < sent
    assert told["messages"] + told["lost"] == sent
    found = here.flows()
    assert number(found, "new") == told["messages"]
    listed = {row.get("dst_port") for row in found if '"open"' in row["extra"]}
    assert listed >= set(range(1024, 1024 + sent))
    events = coverage(here.home, "conntrack-overflow")
    assert sum(event.lost or 0 for event in events) == told["lost"]


def test_a_kernel_that_does_not_count_is_told(
    gateway: Gateway, receive: Callable[..., Receiving]
) -> None:
    gateway.account(on=False)
    try:
        here = receive(1 << 20)
        wait_for("the table", lambda: here.told()["answers"])
        gateway.talk("udp", INTERNET, PORT, 100)
        gateway.end_all()
        wait_for("the end", lambda: here.told()["messages"] >= 2)
        assert here.told()["switched_off"] == ["nf_conntrack_acct", "nf_conntrack_timestamp"]
        stop(here.process)
    finally:
        gateway.account(on=True)
    new, end = here.flows()
    assert "sysctl -w net.netfilter.nf_conntrack_acct=1" in here.log.read_text()
    assert coverage(here.home, "conntrack-acct-off")
    assert coverage(here.home, "conntrack-timestamp-off")
    assert "packets" not in end
    assert (end["time"], end["clock"]) == (new["time"], "ok")
    assert end["time_end"] > end["time"]


def test_without_the_right_it_says_what_to_do(receive: Callable[..., Receiving]) -> None:
    require("setpriv")
    refused = receive(1 << 20, "setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin")
    assert refused.process.wait(60) == 1
    said = refused.log.read_text()
    assert "it needs CAP_NET_ADMIN" in said
    assert "Traceback" not in said
