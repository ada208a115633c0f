"""The box takes its addresses, forwards, makes missing VLANs, and says what is not there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.errors import BoxError
from appliance.privileged import interfaces
from tests.captive_portal.gate.plans import PUPILS, plan_of
from tests.integration import inside
from tests.integration.machine import PATH, Machine


@pytest.fixture
def space(tmp_path: Path) -> Iterator[tuple[Machine, str]]:
    if os.geteuid() != 0 or not shutil.which("ip", path=PATH):
        pytest.skip("interfaces in a network namespace need root and iproute2")
    with Machine(tmp_path) as machine:
        made = machine.namespace("interfaces")
        machine.link((made, "lan0"), (made, "wan0"))
        yield machine, made


def test_the_box_takes_its_addresses_and_forwards(space: tuple[Machine, str]) -> None:
    machine, name = space
    for _ in range(2):  # the same again changes nothing
        with inside.namespace(name):
            interfaces.prepare(plan_of(PUPILS))
    shown = machine.run(["ip", "-o", "address", "show", "dev", "lan0"], within=name)
    assert "10.20.0.1/20" in shown
    assert "2001:db8:20::1/64" in shown
    for what in ("net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"):
        assert machine.run(["sysctl", "-n", what], within=name).strip() == "1"


def test_the_kernel_remembers_a_whole_school_and_what_an_admin_set_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(interfaces, "SYSCTL", tmp_path)
    for family, limits in {"ipv4": (128, 512, 1024), "ipv6": (128, 512, 99999)}.items():
        folder = tmp_path / family / "neigh" / "default"
        folder.mkdir(parents=True)
        for number, limit in enumerate(limits, 1):
            (folder / f"gc_thresh{number}").write_text(f"{limit}\n")
    interfaces._remember_neighbours()
    told = [int(path.read_text()) for path in sorted(tmp_path.rglob("gc_thresh*"))]
    assert told == [2048, 16384, 32768, 2048, 16384, 99999]
    assert not caplog.records


@pytest.mark.parametrize(
    ("zone", "says"),
    [
        ({"interface": "lan7"}, "zone pupils: there is no interface lan7; make it"),
        ({"interface": "lan7.20"}, "zone pupils: there is no interface lan7.20; make it"),
        ({"interface": "lan0.9999"}, "there is no interface lan0.9999"),
    ],
)
def test_an_interface_that_is_not_there_is_told(
    space: tuple[Machine, str], zone: dict[str, str], says: str
) -> None:
    with inside.namespace(space[1]), pytest.raises(BoxError, match=says):
        interfaces.prepare(plan_of(PUPILS.model_copy(update=zone)))


def test_a_vlan_that_is_missing_is_made(
    space: tuple[Machine, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []
    from appliance.privileged.run import run as real

    def run(words: list[str]) -> str:
        asked.append(words)
        return real(words) if words[1] == "-j" else ""

    monkeypatch.setattr("appliance.privileged.interfaces.run", run)
    monkeypatch.setattr(interfaces, "_set", lambda _name, _value: None)
    with inside.namespace(space[1]):
        interfaces.prepare(plan_of(PUPILS.model_copy(update={"interface": "lan0.20"})))
    vlan = ["ip", "link", "add", "link", "lan0", "name", "lan0.20", "type", "vlan", "id", "20"]
    assert vlan in asked


def test_a_kernel_without_vlans_is_told_with_the_zone(
    space: tuple[Machine, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from appliance.privileged.run import Failed
    from appliance.privileged.run import run as real

    def run(words: list[str]) -> str:
        if "vlan" in words:
            raise Failed("ip ended with 2: Error: Unknown device type.")
        return real(words)

    monkeypatch.setattr("appliance.privileged.interfaces.run", run)
    monkeypatch.setattr(interfaces, "_set", lambda _name, _value: None)
    says = "zone pupils: the VLAN lan0.20 cannot be made: .*8021q.* a card or a bridge"
    with inside.namespace(space[1]), pytest.raises(BoxError, match=says):
        interfaces.prepare(plan_of(PUPILS.model_copy(update={"interface": "lan0.20"})))
