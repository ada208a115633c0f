"""A box with 802.1X: `prathu up` runs FreeRADIUS, a phone signs in, nothing is left behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from captive_portal.radius import certificate, freeradius
from tests.integration.box import PORTS, Box, free_ports, loopback_settings
from tests.integration.machine import Machine, wait_for

EAPOL = shutil.which("eapol_test")
pytestmark = pytest.mark.skipif(
    EAPOL is None or freeradius.program() is None,
    reason="eapol_test or FreeRADIUS is not here (eapoltest, freeradius, freeradius-rest)",
)
PASSWORD = "รหัสผ่าน ๑๒๓"
LAPTOP = "02:00:5e:00:53:11"


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    with Machine(tmp_path) as machine:
        ports = free_ports(*PORTS, "eap", "rest")
        eap = f"[radius]\neap = true\neap_port = {ports['eap']}\neap_rest_port = {ports['rest']}\n"
        box = Box(machine, machine.folder / "home")
        box.init(settings=loopback_settings(ports).replace("[radius]\n", eap))
        yield box


def status(box: Box) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((box.home / "run" / "portal.json").read_text())
    return told


def phone(box: Box) -> bool:
    """Say whether somchai's phone gets in."""
    return gets_in(
        box,
        " eap=TTLS\n"
        f' identity="somchai"\n anonymous_identity="anonymous@school.example"\n'
        f' password={PASSWORD.encode().hex()}\n phase2="auth=PAP"\n',
    )


def gets_in(box: Box, how: str) -> bool:
    """Say whether a device gets in, by these lines of wpa_supplicant's."""
    conf = box.machine.folder / "phone.conf"
    trust = f' ca_cert="{box.home / certificate.ROOT}"\n domain_match="{certificate.NAME}"\n'
    conf.write_text(f"network={{\n key_mgmt=WPA-EAP\n{how}{trust}}}\n")
    secret = (box.home / "nas" / "loopback").read_text().strip()
    port = status(box)["listening"]["radius_authentication"]
    argv = [str(EAPOL), "-c", str(conf), "-a", "127.0.0.1", "-p", str(port), "-s", secret]
    return subprocess.run([*argv, "-M", LAPTOP, "-t", "5"], capture_output=True).returncode == 0


def daemons(box: Box) -> list[int]:
    """Return the processes of FreeRADIUS on this box's folder."""
    folder = str(box.home / freeradius.FOLDER).encode()
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if folder in words and b"radius" in words[0]:
            found.append(int(path.parent.name))
    return found


def test_a_phone_signs_in_at_a_running_box_and_after_freeradius_was_killed(box: Box) -> None:
    box.prathu("people", "add", "somchai", "--password-stdin", stdin=PASSWORD + "\n")
    box.up()
    wait_for("a phone", lambda: phone(box), seconds=60)
    assert status(box)["radius_eap"]["freeradius"]
    (daemon,) = daemons(box)
    os.kill(daemon, signal.SIGKILL)
    wait_for("the next one", lambda: daemons(box) not in ([], [daemon]), seconds=60)
    wait_for("a phone again", lambda: phone(box), seconds=60)
    a_device_of_the_school_comes_and_goes(box)
    box.down()
    assert daemons(box) == []


def a_device_of_the_school_comes_and_goes(box: Box) -> None:
    """Give a device a certificate at the command line, and take it back."""
    box.prathu("devices", "add", LAPTOP, "--owner", "somchai", "--name", "notebook")
    file = box.machine.folder / "device.p12"
    made = json.loads(box.prathu("radius", "certificate", "add", LAPTOP, "--out", str(file)))
    how = f' eap=TLS\n identity="anonymous"\n private_key="{file}"\n'
    how += f' private_key_passwd="{made["password"]}"\n'
    assert gets_in(box, how)
    (daemon,) = daemons(box)
    box.prathu("radius", "certificate", "revoke", made["serial"])
    assert not gets_in(box, how)
    wait_for("the next one", lambda: daemons(box) not in ([], [daemon]), seconds=60)
    wait_for("a phone once more", lambda: phone(box), seconds=60)
    assert not gets_in(box, how)
    assert "certificate revoked" in box.words()
