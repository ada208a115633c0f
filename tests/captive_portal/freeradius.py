"""A real FreeRADIUS server on loopback, with a configuration of the test's own."""

from __future__ import annotations

import contextlib
import random
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Self

import pytest

from tests.integration.machine import wait_for

SECRET = "a-secret-between-servers"
_LIBRARIES = Path("/usr/lib/freeradius")
_DICTIONARY = Path("/usr/share/freeradius/dictionary")


def program() -> str:
    """Return where FreeRADIUS is; the test is left out where it is not."""
    found = shutil.which("freeradius", path="/usr/sbin:/usr/local/sbin:/usr/bin")
    if not found or not _DICTIONARY.exists():
        pytest.skip("FreeRADIUS is not installed (Debian package freeradius)")
    return found


def free_ports(count: int) -> list[int]:
    """Return ports that nobody has at this moment, for UDP and for TCP.

    They are below those that the kernel gives to whoever calls out (32,768 and more): what is free
    now is not taken by the next connection.
    """
    ports: list[int] = []
    with contextlib.ExitStack() as stack:
        while len(ports) < count:
            port = random.randrange(15_000, 32_000)
            kinds = (socket.SOCK_DGRAM, socket.SOCK_STREAM)
            wires = [stack.enter_context(socket.socket(socket.AF_INET, kind)) for kind in kinds]
            with contextlib.suppress(OSError):
                for wire in wires:
                    wire.bind(("127.0.0.1", port))
                ports.append(port)
    return ports


class FreeRadius:
    """One server; what it hears of sessions is in the file `detail`."""

    def __init__(self, folder: Path, *, users: str, post_auth: str = "", ports: list[int]) -> None:
        self._program = program()
        self._folder = folder
        self.auth_port, self.acct_port = ports
        self.detail = folder / "detail"
        self._process: subprocess.Popen[bytes] | None = None
        told = subprocess.run([self._program, "-v"], capture_output=True, text=True).stdout
        self.version = told.partition("\n")[0]
        folder.mkdir(exist_ok=True)
        (folder / "dictionary").write_text(f"$INCLUDE {_DICTIONARY}\n")
        (folder / "users").write_text(users)
        (folder / "radiusd.conf").write_text(
            _CONF.format(
                folder=folder,
                libraries=_LIBRARIES,
                auth=self.auth_port,
                acct=self.acct_port,
                secret=SECRET,
                post_auth=post_auth,
                detail=self.detail,
            )
        )

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start it, and wait until it has its ports."""
        command = [self._program, "-f", "-l", str(self._folder / "log"), "-d", str(self._folder)]
        self._process = subprocess.Popen(command)
        wait_for("FreeRADIUS", self._listens)

    def _listens(self) -> bool:
        assert self._process is not None
        log = self._folder / "log"
        told = log.read_text() if log.exists() else ""
        assert self._process.poll() is None, told
        return "Ready to process requests" in told

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(20)
            self._process = None
            (self._folder / "log").unlink(missing_ok=True)


_CONF = """
prefix = {folder}
logdir = {folder}
run_dir = {folder}
db_dir = {folder}
libdir = {libraries}
name = radiusd
max_request_time = 10
cleanup_delay = 5
max_requests = 4096
log {{
destination = files
file = {folder}/log
auth = no
}}
security {{
status_server = yes
reject_delay = 0
}}
thread pool {{
start_servers = 2
max_servers = 4
min_spare_servers = 1
max_spare_servers = 2
max_requests_per_server = 0
}}
client loopback {{
ipaddr = 127.0.0.0/8
secret = {secret}
require_message_authenticator = yes
}}
modules {{
pap {{
}}
mschap {{
}}
always ok {{
rcode = ok
}}
files {{
filename = {folder}/users
}}
detail {{
filename = {detail}
header = "%t"
permissions = 0600
}}
}}
server default {{
listen {{
type = auth
ipaddr = 127.0.0.1
port = {auth}
}}
listen {{
type = acct
ipaddr = 127.0.0.1
port = {acct}
}}
authorize {{
mschap
files
pap
}}
authenticate {{
Auth-Type PAP {{
pap
}}
Auth-Type MS-CHAP {{
mschap
}}
}}
preacct {{
ok
}}
accounting {{
detail
}}
post-auth {{
{post_auth}
Post-Auth-Type REJECT {{
{post_auth}
}}
}}
}}
"""
