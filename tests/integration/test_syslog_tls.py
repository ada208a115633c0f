"""Real rsyslog and real syslog-ng send over UDP, TCP and TLS, with and without certificates."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from collector.receive.receiver import Receiver
from collector.records import FrameKind
from collector.settings import Exporter, Listen, SyslogTls
from tests.collector.receive import home
from tests.collector.receive.authority import Authority
from tests.conftest import REPO
from tests.integration.machine import Machine, require, wait_for

BESIDE = REPO / "build/beside/syslog-ng-core"
EACH = 200
"""Messages over each transport."""

RSYSLOG = """
global(workDirectory="{folder}" DefaultNetstreamDriverCAFile="{ca}" {own})
module(load="imuxsock" SysSock.Use="off" SysSock.RateLimit.Interval="0")
input(type="imuxsock" Socket="{folder}/log" RateLimit.Interval="0")
module(load="builtin:omfwd")
template(name="whole" type="string"
    string="<%PRI%>1 %TIMESTAMP:::date-rfc3339% fw %APP-NAME% - - - %msg%")
if $programname == "udp" then action(type="omfwd" target="127.0.0.1" port="{udp}" protocol="udp"
    template="whole")
if $programname == "tcp" then action(type="omfwd" target="127.0.0.1" port="{tcp}" protocol="tcp"
    TCP_Framing="octet-counted" template="whole")
if $programname == "tls" then action(type="omfwd" target="127.0.0.1" port="{tls}" protocol="tcp"
    TCP_Framing="octet-counted" template="whole" StreamDriver="gtls" StreamDriverMode="1"
    StreamDriverAuthMode="x509/fingerprint" StreamDriverPermittedPeers="{sha1}"
    action.resumeRetryCount="-1" action.resumeInterval="1")
"""

SYSLOG_NG = """
@version: 3.35
options {{ keep-hostname(yes); stats-freq(0); time-reopen(1); flush-lines(1); }};
source s_all {{ unix-dgram("{folder}/log"); }};
filter f_udp {{ program("udp"); }};
filter f_tcp {{ program("tcp"); }};
filter f_tls {{ program("tls"); }};
destination d_udp {{ syslog("127.0.0.1" port({udp}) transport("udp")); }};
destination d_tcp {{ syslog("127.0.0.1" port({tcp}) transport("tcp")); }};
destination d_tls {{ syslog("127.0.0.1" port({tls}) transport("tls")
    tls(ca-file("{ca}") peer-verify(required-trusted) trusted-keys("{sha1}") {own})); }};
log {{ source(s_all); filter(f_udp); destination(d_udp); }};
log {{ source(s_all); filter(f_tcp); destination(d_tcp); }};
log {{ source(s_all); filter(f_tls); destination(d_tls); }};
"""


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    with Machine(tmp_path) as made:
        yield made


@dataclass
class Daemon:
    """A syslog daemon that sends to us what it is told on a socket in its folder."""

    kind: str
    machine: Machine
    folder: Path

    def start(self, running: Receiver, authority: Authority, own: tuple[Path, Path] | None) -> None:
        """Start it, with a certificate of its own perhaps, and wait for its socket."""
        self.folder.mkdir()
        status = running.status()
        names = {
            "folder": self.folder,
            "udp": home.udp_ports(running)[0],
            "tcp": home.tcp_port(running),
            "tls": int(status["tls"]["sockets"][0].rpartition(":")[2]),
            "sha1": status["tls"]["sha1"],
            "ca": authority.path,
        }
        (self.rsyslog if self.kind == "rsyslog" else self.syslog_ng)(names, own)
        wait_for(f"the socket of {self.kind}", (self.folder / "log").exists)

    def rsyslog(self, names: dict[str, Any], own: tuple[Path, Path] | None) -> None:
        """Start rsyslogd."""
        require("rsyslogd", root=False)
        if not list(Path("/usr/lib").glob("*/rsyslog/lmnsd_gtls.so")):
            pytest.skip("rsyslog-gnutls is not installed")
        drivers = 'DefaultNetstreamDriverCertFile="{}" DefaultNetstreamDriverKeyFile="{}"'
        text = RSYSLOG.format(own=drivers.format(*own) if own else "", **names)
        path = self.folder / "rsyslog.conf"
        path.write_text(text)
        command = ["rsyslogd", "-n", "-f", str(path), "-i", str(self.folder / "pid")]
        self.machine.start(command, name="rsyslogd")

    def syslog_ng(self, names: dict[str, Any], own: tuple[Path, Path] | None) -> None:
        """Start syslog-ng."""
        program = BESIDE / "usr/sbin/syslog-ng"
        modules = sorted((BESIDE / "usr/lib/syslog-ng").glob("[0-9]*"))
        if not program.exists() or not modules:
            pytest.skip("syslog-ng is not there; packaging/setup/setup test unpacks it")
        own_files = 'cert-file("{}") key-file("{}")'.format(*own) if own else ""
        path = self.folder / "syslog-ng.conf"
        path.write_text(SYSLOG_NG.format(own=own_files, **names))
        command = [str(program), "-F", "-e", "--no-caps", "-f", str(path)]
        command += ["--module-path", str(modules[-1]), "-R", str(self.folder / "persist")]
        command += ["-p", str(self.folder / "pid"), "-c", str(self.folder / "control")]
        libraries = {"LD_LIBRARY_PATH": str(modules[-1].parent)}
        self.machine.start(command, name="syslog-ng", env={**os.environ, **libraries})

    def say(self, tag: str, count: int) -> None:
        """Log some messages under a tag."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as door:
            door.connect(str(self.folder / "log"))
            for number in range(count):
                door.send(f"<13>Nov 22 12:00:00 {tag}: message {number} ภาษาไทย".encode())


@pytest.fixture(params=["rsyslog", "syslog-ng"])
def daemon(request: pytest.FixtureRequest, machine: Machine, tmp_path: Path) -> Daemon:
    return Daemon(request.param, machine, tmp_path / "daemon")


def _receiver(folder: Path, authority: Authority, **tls: Any) -> Receiver:
    """Return a receiver whose certificate the daemons trust."""
    authority.issue("127.0.0.1")
    own = {"certificate": "127.0.0.1.crt", "key": "127.0.0.1.key"}
    listen = Listen(
        flows=(),
        syslog_udp=("127.0.0.1:0",),
        syslog_tcp=("127.0.0.1:0",),
        syslog_tls=("127.0.0.1:0",),
        ipfix_tcp=(),
        ipfix_tls=(),
    )
    exporters = (Exporter(address="127.0.0.1", site=home.SITE),)
    settings = SyslogTls.model_validate({**own, **tls})
    return home.receiver(folder, listen=listen, exporters=exporters, syslog_tls=settings)


def _wait(running: Receiver, kind: str, count: int) -> None:
    wait_for(f"{count} messages over {kind}", lambda: running.status()[kind]["messages"] >= count)


def test_every_transport_brings_every_message(daemon: Daemon, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with _receiver(tmp_path, authority) as running:
        daemon.start(running, authority, None)
        for kind in ("udp", "tcp", "tls"):
            daemon.say(kind, EACH)
        _wait(running, "tcp", EACH)
        _wait(running, "tls", EACH)
        wait_for("udp", lambda: running.status()["udp"][0]["datagrams"] >= EACH)
        assert running.status()["tls"]["refused_tls"] == 0
        assert running.status()["tls"]["bad_lengths"] == 0
    found = home.frames(tmp_path, FrameKind.SYSLOG)
    for kind in ("udp", "tcp", "tls"):
        lines = [frame.payload.decode() for frame in found if frame.transport == kind]
        assert len(lines) == EACH
        for number, line in enumerate(lines):
            assert line.startswith("<13>1 "), line
            assert line.rstrip("\n").endswith(f"message {number} ภาษาไทย"), line


def test_a_daemon_with_a_certificate_is_known_by_name(daemon: Daemon, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with _receiver(tmp_path, authority, client_ca="ca.crt") as running:
        daemon.start(running, authority, authority.issue("fw.school-a.example"))
        daemon.say("tls", EACH)
        _wait(running, "tls", EACH)
        (peer,) = running.status()["tls"]["peers"]
        assert peer["peer"] == "fw.school-a.example"
        assert peer["messages"] == EACH
    assert len(home.payloads(tmp_path, FrameKind.SYSLOG)) == EACH


@pytest.mark.parametrize("wrong", [True, False])
def test_a_daemon_with_a_wrong_certificate_or_none_is_refused_aloud(
    daemon: Daemon, tmp_path: Path, wrong: bool
) -> None:
    authority, other = Authority(tmp_path), Authority(tmp_path / "other")
    with _receiver(tmp_path, authority, client_ca="ca.crt") as running:
        daemon.start(running, authority, other.issue("stranger") if wrong else None)
        daemon.say("tls", 1)
        wait_for("a refusal", lambda: running.status()["tls"]["refused_tls"])
        assert running.status()["tls"]["messages"] == 0
    event = home.coverage(tmp_path, "tls-refused")[0]
    said = "its certificate is refused" if wrong else "it shows no certificate"
    assert event.note.startswith(said), event.note
    assert (event.source, event.unit) == ("127.0.0.1", "connections")
