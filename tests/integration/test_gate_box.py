"""The whole box as the router of a school: a pupil signs in on the page and is let through."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.integration import inside
from tests.integration.box import Box
from tests.integration.gate_school import BOX, MACS, PHONE, SETTINGS, WEB, GateSchool
from tests.integration.machine import Machine, require, wait_for

PASSWORD = "correct-horse-battery"
PROBE = "http://captive.apple.com/hotspot-detect.html"


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GateSchool]:
    require("ip", "nft", "dnsmasq", "curl")
    folder = tmp_path_factory.mktemp("gate-box")
    with Machine(folder) as machine:
        made = GateSchool(machine, Box(machine, folder / "home"), page=False)
        try:
            made.build()
            made.box.init(settings=re.sub("public_url.*", "", SETTINGS))
            made.box.up()
            made.box.await_ready("privileged")
            add = ["people", "add", "somchai", "--name", "สมชาย ใจดี", "--password-stdin"]
            made.box.prathu(*add, stdin=f"{PASSWORD}\n")
            yield made
            made.box.down()
        finally:
            made.close()


def curl(school: GateSchool, *words: str) -> str:
    """Let the phone call an address; it finds names as it can."""
    found = school.dig("phone", "+short", "@192.0.2.53", "captive.apple.com").strip()
    options = ["-s", "-S", "--max-time", "20", "--resolve", f"captive.apple.com:80:{found}"]
    return school.run("phone", ["curl", *options, *words], check=False)


def token(page: str) -> str:
    found = re.search(r'name="token" value="([^"]+)"', page)
    assert found, page
    return found[1]


def test_a_pupil_signs_in_uses_the_internet_and_signs_out(school: GateSchool) -> None:
    device = school.spaces["phone"]
    page = curl(school, "-L", PROBE)  # what a phone asks by itself
    for words in (("-I", f"http://{WEB}/generate_204"), (f"http://{WEB}/anything",)):
        told = curl(school, "-o", "-", "-w", "%{http_code} %{redirect_url}", *words)
        assert re.search(rf"302 http://{BOX}(:[0-9]+)?/$", told), told
    assert inside.connect(device, WEB, 443)[0] == "reset"
    form = ["-d", f"token={token(page)}", "-d", "account=somchai", "-d", f"password={PASSWORD}"]
    curl(school, "-L", *form, f"http://{BOX}/")
    wait_for("the way out", lambda: inside.connect(device, WEB, 443)[0] == "open", seconds=10)
    assert inside.connect(school.spaces["tablet"], WEB, 443)[0] == "reset"

    with inside.dial(device, WEB, 5000) as wire:
        assert inside.echo(wire)
        # Those who are in need no process of the box; it comes back and knows them.
        before = school.box.pid("privileged")
        school.box.kill("privileged")
        assert inside.echo(wire)
        wait_for("another one", lambda: _other(school, "privileged", before), seconds=60)
        assert inside.echo(wire)
        assert [each for each in school.counted().values() if each.packets_in]

        session = curl(school, f"http://{BOX}/session")
        form = ["-d", f"token={token(session)}", "-d", "act=sign-out"]
        curl(school, *form, f"http://{BOX}/session")
        wait_for("the end", lambda: inside.connect(device, WEB, 443)[0] == "reset", seconds=10)
        assert not inside.echo(wire)
    asked = ("search", "mac:" + MACS["phone"].replace(":", "\\:"), "--log", "sessions")
    wait_for("its rows", lambda: PHONE in school.box.prathu(*asked), seconds=30)


def _other(school: GateSchool, name: str, before: int) -> bool:
    path = school.box.home / "run" / f"{name}.pid"
    try:
        return int(path.read_text()) != before
    except (OSError, ValueError):
        return False
