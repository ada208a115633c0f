"""The MAC behind an address, asked of a real kernel."""

import os
import shutil
import subprocess
import sys

import pytest

from captive_portal.web.neighbours import mac_of
from tests.conftest import REPO

PLAY = """
import subprocess
from captive_portal.web.neighbours import mac_of

def ip(*words): subprocess.run(["ip", *words], check=True)

ip("link", "add", "page-a", "type", "veth", "peer", "name", "page-b")
for name, own in (("lo", None), ("page-a", "10.20.0.1/24"), ("page-b", "10.21.0.1/24")):
    ip("link", "set", name, "up")
    if own:
        ip("address", "add", own, "dev", name)
ip("-6", "address", "add", "2001:db8::1/64", "dev", "page-a", "nodad")
mac = "02:00:00:00:00:05"
for address, state in (
    ("10.20.0.5", "reachable"), ("10.20.0.6", "stale"), ("2001:db8::5", "reachable"),
):
    ip("neigh", "replace", address, "lladdr", mac, "dev", "page-a", "nud", state)
# What a device left behind on another link is not where packets for the address go.
ip("neigh", "replace", "10.20.0.7", "lladdr", mac, "dev", "page-b", "nud", "stale")
ip("neigh", "replace", "10.20.0.8", "dev", "page-a", "nud", "incomplete")
for address in ("10.20.0.5", "10.20.0.6", "2001:db8::5"):
    assert mac_of(address) == mac, address
for address in ("10.20.0.7", "10.20.0.8", "10.20.0.9", "2001:db8::9", "192.0.2.1", "10.20.0.1"):
    assert mac_of(address) == "", address
"""


def test_an_address_far_away_has_no_mac() -> None:
    assert mac_of("192.0.2.99") == mac_of("2001:db8::99") == ""


@pytest.mark.skipif(os.getuid() != 0, reason="namespaces of one's own need root")
@pytest.mark.skipif(shutil.which("ip") is None, reason="ip (iproute2) is not installed")
def test_the_real_kernel_tells_the_mac_of_its_neighbours() -> None:
    done = subprocess.run(
        ["unshare", "--net", sys.executable, "-c", PLAY],
        cwd=REPO,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
