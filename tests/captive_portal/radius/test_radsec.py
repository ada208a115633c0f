"""RadSec as docs/radius.md has it: radsecproxy at both ends, and a stranger's certificate."""

import json
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from captive_portal.__main__ import STATUS
from captive_portal.people.accounts import People
from tests.captive_portal.collector_stub import CollectorStub
from tests.captive_portal.conftest import SECRET, Start
from tests.captive_portal.freeradius import free_ports
from tests.conftest import REPO
from tests.integration.machine import wait_for

PROXY, RADCLIENT, OPENSSL = (shutil.which(name) for name in ("radsecproxy", "radclient", "openssl"))
pytestmark = pytest.mark.skipif(
    not (PROXY and RADCLIENT and OPENSSL), reason="radsecproxy, radclient or openssl is not here"
)
BRANCH = """
listenUDP 127.0.0.1:{port}
tls default {{
    CACertificateFile {folder}/ca.pem
    CertificateFile {folder}/{name}.pem
    CertificateKeyFile {folder}/{name}.key
}}
client ap {{
    host 127.0.0.1
    type udp
    secret {secret}
}}
server box {{
    host 127.0.0.1
    type tls
    port {tls}
    secret radsec
    certificateNameCheck off
}}
realm * {{
    server box
    accountingServer box
}}
"""


def certificates(folder: Path) -> None:
    """Make a root, and certificates of the box, of the branch and of somebody else's."""
    for root, names in (("ca", ("box", "branch")), ("other", ("stranger",))):
        _openssl(
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
            *("-keyout", f"{folder}/{root}.key", "-out", f"{folder}/{root}.pem"),
            *("-subj", f"/CN={root}", "-days", "2"),
        )
        for name in names:
            _openssl(
                *("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
                *("-keyout", f"{folder}/{name}.key", "-out", f"{folder}/{name}.csr"),
                *("-subj", "/CN=ap.branch.example"),
            )
            _openssl(
                *("x509", "-req", "-in", f"{folder}/{name}.csr", "-CA", f"{folder}/{root}.pem"),
                *("-CAkey", f"{folder}/{root}.key", "-CAcreateserial", "-days", "2"),
                *("-out", f"{folder}/{name}.pem"),
            )


def _openssl(*words: str) -> None:
    subprocess.run([str(OPENSSL), *words], check=True, capture_output=True)


def box_end(folder: Path, tls: int, ports: dict[str, int]) -> str:
    """Return the configuration of the documentation, with a test's places in it."""
    text = (REPO / "docs" / "radius.md").read_text(encoding="utf-8")
    found = re.search(r"```\n(listenTLS.*?)```", text, re.DOTALL)
    assert found is not None
    for was, now in (
        ("*:2083", f"127.0.0.1:{tls}"),
        ("/etc/radsecproxy", str(folder)),
        ("192.0.2.7", "127.0.0.1"),
        ("1812", str(ports["radius_authentication"])),
        ("1813", str(ports["radius_accounting"])),
        ("a-long-secret-of-the-loopback-entry", SECRET),
    ):
        assert was in found[1]
        text = found[1] if was == "*:2083" else text
        text = text.replace(was, now)
    return text


@pytest.fixture
def proxies(tmp_path: Path) -> Iterator["Proxies"]:
    with ExitStack() as stack:
        yield Proxies(tmp_path, stack)


def _takes(port: int) -> bool:
    with socket.socket() as caller:
        return caller.connect_ex(("127.0.0.1", port)) == 0


class Proxies:
    """radsecproxy processes that end with the test."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self._stack = stack

    def start(self, name: str, text: str) -> None:
        path = self.folder / f"{name}.conf"
        path.write_text(text)
        log = self.folder / f"{name}.log"
        with log.open("wb") as file:
            argv = [str(PROXY), "-f", "-d", "1", "-c", str(path)]
            process = subprocess.Popen(argv, stdout=file, stderr=file)
        self._stack.callback(process.wait)
        self._stack.callback(process.terminate)


def test_what_comes_by_radsec_is_answered_and_a_stranger_is_not(
    start: Start, collector: CollectorStub, people: People, tmp_path: Path, proxies: Proxies
) -> None:
    portal = start()
    ports = json.loads((portal.home / STATUS).read_text())["listening"]
    certificates(tmp_path)
    tls, branch, stranger = free_ports(3)
    proxies.start("box", box_end(tmp_path, tls, ports))
    wait_for("radsecproxy", lambda: _takes(tls))
    for name, port in (("branch", branch), ("stranger", stranger)):
        given = {"folder": tmp_path, "name": name, "port": port, "tls": tls, "secret": SECRET}
        proxies.start(name, BRANCH.format(**given))
    (tmp_path / "secret").write_text(SECRET)

    def say(port: int, what: str, more: str, tries: int = 10) -> str:
        argv = [str(RADCLIENT), "-x", "-r", str(tries), "-t", "2", "-S", str(tmp_path / "secret")]
        told = f"User-Name = 'somchai', {more}".encode()
        done = subprocess.run([*argv, f"127.0.0.1:{port}", what], input=told, capture_output=True)
        return done.stdout.decode("utf-8", "replace")

    password = "User-Password = 'correct horse', Message-Authenticator = 0x00"
    assert "Received Access-Accept" in say(branch, "auth", password)
    begin = "Acct-Status-Type = Start, Acct-Session-Id = 'R1'"
    assert "Received Accounting-Response" in say(branch, "acct", begin)
    assert "Received" not in say(stranger, "auth", password, tries=2)
