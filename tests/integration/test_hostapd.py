"""802.1X at a real authenticator: hostapd as a switch, wpa_supplicant as a computer on its port.

```
 computer ── port ── switch: hostapd, 10.20.0.5 ── 10.20.0.1: box, FreeRADIUS behind its server
```
hostapd's wired driver opens and closes the port in its books alone: nothing is filtered on the
cable.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from captive_portal.radius import certificate, freeradius
from tests.integration.box import PORTS, Box, free_ports, loopback_settings
from tests.integration.machine import Machine, require, wait_for

BOX, SWITCH, VLAN = "10.20.0.1", "10.20.0.5", "20"
SECRET = "a-secret-of-the-switch"
ACCOUNT, PASSWORD = "สมหญิง.รักเรียน", "รหัสผ่าน ๑๒๓"
COMPUTER = "02:00:5e:00:53:21"
HOSTAPD = """
interface=port
driver=wired
logger_stdout=-1
logger_stdout_level=0
ieee8021x=1
use_pae_group_addr=1
own_ip_addr={switch}
radius_client_addr={switch}
nas_identifier=switch-1
auth_server_addr={box}
auth_server_port={authentication}
auth_server_shared_secret={secret}
acct_server_addr={box}
acct_server_port={accounting}
acct_server_shared_secret={secret}
radius_das_port={orders}
radius_das_client={box} {secret}
radius_das_require_event_timestamp=1
radius_das_require_message_authenticator=1
ctrl_interface={folder}/switch
"""
SUPPLICANT = """
ctrl_interface={folder}/computer
ap_scan=0
network={{
 key_mgmt=IEEE8021X
 eapol_flags=0
 eap=TTLS
 identity={account}
 anonymous_identity="anonymous"
 password={password}
 phase2="auth=PAP"
 ca_cert="{root}"
 domain_match="{name}"
}}
"""


@dataclass
class Room:
    """A switch with a computer on its port, and the box."""

    machine: Machine
    box: Box
    switch: str
    computers: str

    def listens(self, what: str) -> int:
        told = json.loads((self.box.home / "run" / "portal.json").read_text())
        return int(told["listening"][what])

    def begin(self, orders: int) -> None:
        """Start the switch, then the computer."""
        folder = self.machine.folder
        (folder / "hostapd.conf").write_text(
            HOSTAPD.format(
                box=BOX,
                switch=SWITCH,
                secret=SECRET,
                folder=folder,
                orders=orders,
                authentication=self.listens("radius_authentication"),
                accounting=self.listens("radius_accounting"),
            )
        )
        (folder / "supplicant.conf").write_text(
            SUPPLICANT.format(
                folder=folder,
                account=ACCOUNT.encode().hex(),
                password=PASSWORD.encode().hex(),
                root=self.box.home / certificate.ROOT,
                name=certificate.NAME,
            )
        )
        hostapd = ["hostapd", "-dd", str(folder / "hostapd.conf")]
        self.machine.start(hostapd, within=self.switch, name="hostapd")
        wait_for("hostapd", lambda: "AP-ENABLED" in self.said())
        supplicant = ["wpa_supplicant", "-D", "wired", "-i", "port"]
        self.machine.start(
            [*supplicant, "-c", str(folder / "supplicant.conf")], within=self.computers
        )

    def said(self) -> str:
        """Return what the switch wrote down."""
        return self.machine.log("hostapd").read_text(errors="replace")

    def open(self) -> bool:
        """Say whether the port is open to the computer."""
        return "[AUTHORIZED]" in self.port()

    def port(self) -> str:
        """Return what the switch knows of the computer."""
        ask = ["hostapd_cli", "-p", str(self.machine.folder / "switch"), "sta", COMPUTER]
        return self.machine.run(ask, within=self.switch, check=False)

    def computer(self, order: str) -> None:
        ask = ["wpa_cli", "-p", str(self.machine.folder / "computer"), "-i", "port", order]
        self.machine.run(ask, within=self.computers)

    def reported(self, count: int) -> None:
        """Wait until the box has taken so many reports of the switch."""
        wait_for("accounting", lambda: self.said().count("(Accounting-Response)") >= count)

    def live(self) -> list[dict[str, Any]]:
        return self.box.rows("sessions", "--live")


@pytest.fixture
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Room, int]]:
    require("hostapd", "hostapd_cli", "wpa_supplicant", "wpa_cli")
    if freeradius.program() is None:
        pytest.skip("FreeRADIUS is not here (freeradius, freeradius-rest)")
    with Machine(tmp_path_factory.mktemp("x")) as machine:  # short: paths of sockets are
        school, switch, outside = (machine.namespace(name) for name in ("box", "switch", "pc"))
        machine.link((switch, "port"), (outside, "port"))
        machine.run(["ip", "link", "set", "port", "address", COMPUTER], within=outside)
        machine.link((school, "lan"), (switch, "lan"))
        for space, address in ((school, BOX), (switch, SWITCH)):
            machine.run(["ip", "addr", "add", f"{address}/24", "dev", "lan"], within=space)
        box = Box(machine, machine.folder / "home", within=school)
        ports = free_ports(*PORTS, "eap", "rest", "orders")
        eap = f"eap = true\neap_port = {ports['eap']}\neap_rest_port = {ports['rest']}\n"
        radius = f'[radius]\nhost = "{BOX}"\n{eap}'
        client = (
            f'[[radius.clients]]\nnetwork = "{SWITCH}"\nsecret_file = "nas/switch"\n'
            f'site = "school-a"\ncoa_port = {ports["orders"]}\n'
        )
        usual = loopback_settings(ports)
        settings = usual.replace('[radius]\nhost = "127.0.0.1"\n', radius) + client
        box.init(settings=settings, secrets={"switch": SECRET})
        box.prathu("people", "add", ACCOUNT, "--password-stdin", stdin=PASSWORD + "\n")
        box.prathu("groups", "set", "lab", f"vlan={VLAN}")
        box.prathu("people", "group", ACCOUNT, "lab")
        box.up()
        wait_for("FreeRADIUS", lambda: "Ready to process" in box.words(), seconds=60)
        yield Room(machine, box, switch, outside), ports["orders"]
        box.down()


def test_a_computer_on_a_switch_signs_in_is_told_of_and_is_put_out(
    room: tuple[Room, int],
) -> None:
    at, orders = room
    at.begin(orders)
    wait_for("the port to open", at.open, seconds=60)
    at.reported(2)  # that the switch is on, and the start
    (session,) = at.live()
    assert (session["account"], session["mac"]) == (ACCOUNT, COMPUTER)
    said = at.said()
    for told in ("Tunnel-Type", "Tunnel-Medium-Type", "Tunnel-Private-Group-Id", "Session-Timeout"):
        assert f"({told})" in said, told

    kicked = json.loads(at.box.prathu("kick", session["session"]))
    assert "the NAS confirmed" in json.dumps(kicked)
    assert "Disconnect-Request" in at.said()
    wait_for("the port to close", lambda: not at.open())

    # hostapd forgets it some seconds later; who comes back before that is put out once more.
    wait_for("the switch to forget it", lambda: COMPUTER not in at.port())
    at.computer("reassociate")
    wait_for("the port to open again", at.open, seconds=60)
    at.reported(4)  # the first end, and the next start
    (again,) = at.live()
    assert again["session"] != session["session"]
    at.computer("logoff")
    wait_for("the port to close", lambda: not at.open())
    at.reported(5)
    causes = {one["session"]: one["cause"] for one in at.box.rows("sessions")}
    assert causes == {session["session"]: "Admin-Reset", again["session"]: "User-Request"}
