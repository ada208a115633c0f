"""The laboratory itself: three real exporters tell an independent collector what clients did."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.machine import Machine, require, wait_for
from tests.integration.school import CLIENTS, EXPORTERS, PUBLIC, School


@pytest.fixture
def school(tmp_path: Path) -> Iterator[School]:
    require("ip", "nft", "ss", "conntrack", "dnsmasq", "softflowd", "nfcapd", "nfdump", "ping")
    with Machine(tmp_path) as machine:
        school = School(machine)
        school.build()
        yield school


def test_every_exporter_tells_what_each_client_did(school: School) -> None:
    folders = [_listen(school, port) for port in sorted({e.port for e in EXPORTERS})]
    school.start_exporters()
    ports = {address: school.browse(client)["port"] for client, address in CLIENTS.items()}
    assert school.resolve("client1")["address"] == "198.51.100.80"

    school.export_now()

    expected = {(e.sender, a, str(p)) for e in EXPORTERS for a, p in ports.items()}
    wait_for("flows", lambda: expected <= _flows(school, folders), seconds=15)


def test_the_gateway_hides_the_clients_behind_one_address(school: School) -> None:
    port = school.browse("client2")["port"]

    table = school.translations()

    [line] = [line for line in table if line["src"] == CLIENTS["client2"] and line["dport"] == "80"]
    assert line["sport"] == str(port)
    assert line["reply_dst"] == PUBLIC


def _listen(school: School, port: int) -> Path:
    folder = school.machine.folder / f"flows-{port}"
    folder.mkdir()
    command = ["nfcapd", "-w", str(folder), "-p", str(port), "-t", "2"]
    school.machine.start(command, within=school.spaces["box"], name=f"nfcapd-{port}")
    listening = ["ss", "-Hlnu"]
    wait_for(
        "nfcapd", lambda: f":{port} " in school.machine.run(listening, within=school.spaces["box"])
    )
    return folder


def _flows(school: School, folders: list[Path]) -> set[tuple[str, str, str]]:
    found = set()
    for folder in folders:
        command = ["nfdump", "-q", "-R", str(folder), "-o", "fmt:%ra,%sa,%sp"]
        for line in school.machine.run(command, check=False).splitlines():
            parts = [part.strip() for part in line.split(",")]
            if len(parts) == 3:
                found.add((parts[0], parts[1], parts[2]))
    return found
