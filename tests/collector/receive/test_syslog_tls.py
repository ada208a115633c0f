"""Syslog over TLS: certificates of both sides, and all that a hostile caller can do."""

from __future__ import annotations

import contextlib
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.errors import SettingsError
from collector.receive import certificate, handshakes, stream, tls
from collector.receive import receiver as receiving
from collector.receive.framing import LONGEST
from collector.receive.receiver import Receiver
from collector.receive.tls import Session
from collector.records import FrameKind
from collector.settings import Exporter, Listen, SyslogTls
from tests.collector.receive.authority import Authority
from tests.collector.receive.home import SITE, coverage, frames, payloads, receiver, send, until

LISTEN = Listen(
    flows=(),
    syslog_udp=("127.0.0.1:0",),
    syslog_tcp=("127.0.0.1:0",),
    syslog_tls=("127.0.0.1:0",),
    ipfix_tcp=(),
    ipfix_tls=(),
)


def _receiver(home: Path, **more: Any) -> Receiver:
    return receiver(home, listen=LISTEN, **more)


def _port(running: Receiver, kind: str = "tls") -> int:
    return int(running.status()[kind]["sockets"][0].rpartition(":")[2])


def _client(**settings: Any) -> ssl.SSLContext:
    """Return a client that asks no questions."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    for name, value in settings.items():
        setattr(made, name, value)
    return made


def _connect(
    port: int, context: ssl.SSLContext | None = None, source: str = "127.0.0.1"
) -> ssl.SSLSocket:
    plain = socket.create_connection(("127.0.0.1", port), timeout=10, source_address=(source, 0))
    return (context or _client()).wrap_socket(plain)


def _counted(*messages: bytes) -> bytes:
    return b"".join(b"%d %s" % (len(message), message) for message in messages)


@contextlib.contextmanager
def _refusal(running: Receiver) -> Iterator[None]:
    """Expect that one more connection is refused."""
    before = running.status()["tls"]["refused_tls"]
    yield
    until(lambda: running.status()["tls"]["refused_tls"] == before + 1)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_messages_come_through_either_version(tmp_path: Path, version: ssl.TLSVersion) -> None:
    context = _client(minimum_version=version, maximum_version=version)
    with _receiver(tmp_path) as running:
        with _connect(_port(running), context, "127.0.0.3") as sender:
            sender.sendall(_counted(b"<13>one", b"<13>two\nlines"))
        until(lambda: running.status()["tls"]["messages"] == 2)
        until(lambda: running.status()["tls"]["connections"] == 0)
        assert running.status()["tls"]["refused_tls"] == 0
    found = frames(tmp_path, FrameKind.SYSLOG)
    assert [frame.payload for frame in found] == [b"<13>one", b"<13>two\nlines"]
    assert {(f.site, f.address, f.transport) for f in found} == {(SITE, "127.0.0.3", "tls")}


def test_the_first_start_makes_a_certificate_and_later_ones_keep_it(tmp_path: Path) -> None:
    assert certificate.checked(tmp_path, SyslogTls()) == "made at the first start"
    told, shown = [], ""
    for _ in range(2):
        with _receiver(tmp_path) as running:
            shown = ssl.get_server_certificate(("127.0.0.1", _port(running)))
            told.append(running.status()["tls"]["sha256"])
    assert told[0] == told[1]
    (tmp_path / "shown").write_text(shown)
    assert certificate.fingerprints(tmp_path / "shown")["sha256"] == told[0]
    assert certificate.checked(tmp_path, SyslogTls()).startswith(told[0])
    assert (tmp_path / "tls/syslog.key").stat().st_mode & 0o777 == 0o600


def test_a_sender_may_trust_what_the_box_made(tmp_path: Path) -> None:
    with _receiver(tmp_path) as running:
        context = ssl.create_default_context(cafile=str(tmp_path / "tls/syslog.crt"))
        context.check_hostname = False
        with _connect(_port(running), context) as sender:
            sender.sendall(_counted(b"<13>trusted"))
        until(lambda: running.status()["tls"]["messages"] == 1)


def test_a_key_left_alone_by_a_crash_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "tls").mkdir()
    (tmp_path / "tls/syslog.key").write_text("half a")
    with _receiver(tmp_path) as running:
        _connect(_port(running)).close()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"certificate": "mine.pem"}, r"mine\.pem .*No such file"),
        ({"key": "mine.key"}, r"mine\.key"),
        ({"client_ca": "ca.pem"}, r"client_ca .*ca\.pem: No such file"),
        ({"client_ca": "prathu.toml"}, r"client_ca .*prathu\.toml: "),
    ],
)
def test_a_wrong_file_is_one_clear_line(tmp_path: Path, changes: dict[str, str], said: str) -> None:
    (tmp_path / "prathu.toml").write_text("no certificate")
    certificate.make(tmp_path, SyslogTls(), clock=time.time_ns)
    settings = SyslogTls(**changes)  # type: ignore[arg-type]  # texts by name
    with pytest.raises(SettingsError, match=said) as told:
        certificate.checked(tmp_path, settings)
    assert "\n" not in str(told.value)
    with pytest.raises(SettingsError, match="syslog_tls"):
        _receiver(tmp_path, syslog_tls=settings).start()


def test_a_wrong_authority_is_told_before_the_first_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"client_ca .*ca\.pem: No such file"):
        certificate.checked(tmp_path, SyslogTls(client_ca="ca.pem"))


def test_a_key_with_a_password_asks_nobody(tmp_path: Path) -> None:
    issuer = Authority(tmp_path)
    issuer.issue("locked", password=b"secret")
    settings = SyslogTls(certificate="locked.crt", key="locked.key")
    with pytest.raises(SettingsError, match=r"locked\.key: "):
        certificate.checked(tmp_path, settings)


def test_a_renewed_certificate_is_taken_up_and_a_wrong_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(receiving, "WATCH_S", 0.05)
    monkeypatch.setattr(receiving, "COVERAGE_S", 0.05)
    with _receiver(tmp_path) as running, _connect(_port(running)) as sender:
        before = running.status()["tls"]["sha256"]
        certificate.make(tmp_path, SyslogTls(), clock=time.time_ns)
        until(lambda: running.status()["tls"]["sha256"] != before)
        (tmp_path / "tls/syslog.key").write_text("no key")
        until(lambda: "used on" in caplog.text)
        sender.sendall(_counted(b"<13>old connection"))
        with _connect(_port(running)) as other:
            other.sendall(_counted(b"<13>new connection"))
            until(lambda: running.status()["tls"]["messages"] == 2)


class TestClientCertificates:
    """With an authority in the settings."""

    @pytest.fixture
    def issuer(self, tmp_path: Path) -> Authority:
        return Authority(tmp_path)

    def _try(self, home: Path, context: ssl.SSLContext, settings: SyslogTls) -> None:
        """Send as one who is refused."""
        with (
            _receiver(home, syslog_tls=settings) as running,
            _refusal(running),
            contextlib.suppress(OSError),
        ):
            _connect(_port(running), context).sendall(_counted(b"<13>x"))

    def test_the_peers_name_is_shown(self, tmp_path: Path, issuer: Authority) -> None:
        context = _client()
        context.load_cert_chain(*issuer.issue("fw.school-a.example"))
        settings = SyslogTls(client_ca="ca.crt")
        with (
            _receiver(tmp_path, syslog_tls=settings) as running,
            _connect(_port(running), context) as sender,
        ):
            sender.sendall(_counted(b"<13>known"))
            until(lambda: running.status()["tls"]["messages"] == 1)
            (peer,) = running.status()["tls"]["peers"]
        assert (peer["address"], peer["peer"]) == ("127.0.0.1", "fw.school-a.example")
        (frame,) = frames(tmp_path, FrameKind.SYSLOG)
        assert (frame.sender_name, frame.label) == ("fw.school-a.example", "")

    @pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
    def test_without_one_a_sender_is_refused(
        self, tmp_path: Path, issuer: Authority, version: ssl.TLSVersion
    ) -> None:
        context = _client(minimum_version=version, maximum_version=version)
        self._try(tmp_path, context, SyslogTls(client_ca="ca.crt"))
        (event,) = coverage(tmp_path, "tls-refused")
        assert (event.source, event.lost, event.unit) == ("127.0.0.1", 1, "connections")
        assert event.note == "it shows no certificate, and one is required"
        assert payloads(tmp_path, FrameKind.SYSLOG) == []

    def test_without_one_a_sender_may_be_let_in(self, tmp_path: Path, issuer: Authority) -> None:
        settings = SyslogTls(client_ca="ca.crt", client_certificate="optional")
        with _receiver(tmp_path, syslog_tls=settings) as running:
            with _connect(_port(running)) as sender:
                sender.sendall(_counted(b"<13>x"))
            until(lambda: running.status()["tls"]["messages"] == 1)

    @pytest.mark.parametrize("wanted", ["required", "optional"])
    def test_a_wrong_one_is_one_clear_counted_refusal(
        self, tmp_path: Path, issuer: Authority, wanted: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        other = Authority(tmp_path / "other")
        context = _client()
        context.load_cert_chain(*other.issue("fw"))
        settings = SyslogTls(client_ca="ca.crt", client_certificate=wanted)
        self._try(tmp_path, context, settings)
        (event,) = coverage(tmp_path, "tls-refused")
        assert event.note.startswith("its certificate is refused: ")
        said = [record.message for record in caplog.records if "refused" in record.message]
        assert said == [f"syslog over tls: 127.0.0.1 is refused: {event.note}"]

    def test_one_that_is_over_is_refused(self, tmp_path: Path, issuer: Authority) -> None:
        context = _client()
        context.load_cert_chain(*issuer.issue("old", days=-1))
        self._try(tmp_path, context, SyslogTls(client_ca="ca.crt"))
        (event,) = coverage(tmp_path, "tls-refused")
        assert "expired" in event.note


@pytest.mark.parametrize(
    ("said", "note"),
    [
        (b"<13>plain syslog\n" * 10, "it does not speak TLS"),
        (b"GET / HTTP/1.1\r\n\r\n", "it speaks HTTP"),
        (b"\x16\x03\x01", "it hung up during the handshake"),
        (bytes(200), "it does not speak TLS"),
    ],
)
def test_who_does_not_speak_tls_is_told_apart(tmp_path: Path, said: bytes, note: str) -> None:
    with (
        _receiver(tmp_path) as running,
        _refusal(running),
        socket.create_connection(("127.0.0.1", _port(running)), timeout=10) as caller,
    ):
        caller.sendall(said)
        caller.shutdown(socket.SHUT_WR)
    (event,) = coverage(tmp_path, "tls-refused")
    assert event.note == note


def test_unknown_senders_get_no_handshake(tmp_path: Path) -> None:
    exporters = (Exporter(address="127.0.0.1", site=SITE),)
    with _receiver(tmp_path, exporters=exporters) as running:
        with pytest.raises(OSError):
            _connect(_port(running), source="127.0.0.66")
        assert running.status()["tls"]["refused"] == 1
        assert running.status()["tls"]["refused_tls"] == 0


def test_thousands_of_half_open_handshakes_keep_nobody_out(tmp_path: Path) -> None:
    with _receiver(tmp_path) as running:
        port, udp = _port(running), int(running.status()["udp"][0]["socket"].rpartition(":")[2])
        held = []
        for n in range(2000):
            caller = socket.create_connection(
                ("127.0.0.1", port), timeout=10, source_address=(f"127.0.1.{n % 250}", 0)
            )
            caller.sendall(b"\x16\x03\x01\x02")  # the beginning of a hello, and nothing more
            held.append(caller)
            if n % 400 == 0:
                with _connect(port, source="127.0.0.9") as sender:
                    sender.sendall(_counted(b"<13>tls %d" % n))
                send(udp, b"<13>udp %d" % n)
        until(lambda: running.status()["tls"]["messages"] == 5)
        until(lambda: running.status()["udp"][0]["datagrams"] == 5)
        status = running.status()["tls"]
        assert status["handshakes"] <= handshakes.MOST
        assert status["connections"] <= handshakes.MOST + 1
        until(lambda: running.status()["tls"]["refused_tls"] >= 2000 - handshakes.MOST)
        for caller in held:
            caller.close()
    assert sum(event.lost or 0 for event in coverage(tmp_path, "tls-refused")) >= 1872


def test_one_senders_half_open_handshakes_push_out_only_its_own(tmp_path: Path) -> None:
    with _receiver(tmp_path) as running:
        port = _port(running)
        other = socket.create_connection(("127.0.0.1", port), source_address=("127.0.0.5", 0))
        held = [socket.create_connection(("127.0.0.1", port)) for _ in range(100)]
        until(lambda: running.status()["tls"]["refused_tls"] == 100 - handshakes.MOST_EACH)
        with _client().wrap_socket(other) as sender:  # the oldest of all, and still there
            sender.sendall(_counted(b"<13>patient"))
            until(lambda: running.status()["tls"]["messages"] == 1)
        for each in held:
            each.close()


def test_a_handshake_that_drips_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handshakes, "LONGEST_S", 0.5)
    with (
        _receiver(tmp_path) as running,
        socket.create_connection(("127.0.0.1", _port(running)), timeout=10) as slow,
        _refusal(running),
        contextlib.suppress(OSError),
    ):
        for byte in b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500):
            slow.sendall(bytes([byte]))
            time.sleep(0.02)
    (event,) = coverage(tmp_path, "tls-refused")
    assert event.note == "its handshake took too long"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_renegotiation_is_not_done(tmp_path: Path) -> None:
    with _receiver(tmp_path) as running:
        command = ["openssl", "s_client", "-tls1_2", "-connect", f"127.0.0.1:{_port(running)}"]
        done = subprocess.run(command, input=b"R\n", capture_output=True, timeout=20)
        assert b"RENEGOTIATING" in done.stdout + done.stderr
        assert b"no renegotiation" in done.stderr
        with _connect(_port(running)) as sender:
            sender.sendall(_counted(b"<13>next"))
            until(lambda: running.status()["tls"]["messages"] == 1)


def test_a_message_of_a_mebibyte_is_cut_and_counted(tmp_path: Path) -> None:
    with _receiver(tmp_path) as running:
        with _connect(_port(running)) as sender:
            sender.sendall(_counted(b"<13>" + b"x" * (1 << 20), b"<13>next"))
        until(lambda: running.status()["tls"]["messages"] == 2)
        assert running.status()["tls"]["cut"] == 1
    assert [len(payload) for payload in payloads(tmp_path, FrameKind.SYSLOG)] == [LONGEST, 8]


def test_one_sender_cannot_take_all_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "MOST_EACH", 3)
    with _receiver(tmp_path) as running:
        port = _port(running)
        held = [_connect(port) for _ in range(3)]
        until(lambda: len(running.status()["tls"]["peers"]) == 3)
        with pytest.raises(OSError):
            _connect(port)
        with _connect(port, source="127.0.0.2") as other:
            other.sendall(_counted(b"<13>other"))
            until(lambda: running.status()["tls"]["messages"] == 1)
        for each in held:
            each.close()


def test_a_sender_that_breaks_the_cipher_loses_nothing_said_before(tmp_path: Path) -> None:
    with _receiver(tmp_path) as running:
        plain = socket.create_connection(("127.0.0.1", _port(running)), timeout=10)
        sender = _client().wrap_socket(plain)
        sender.sendall(_counted(b"<13>good"))
        until(lambda: running.status()["tls"]["messages"] == 1)
        with _refusal(running):
            raw = socket.socket(fileno=sender.detach())
            raw.sendall(b"\x17\x03\x03\x00\x20" + bytes(32))
        raw.close()
    assert payloads(tmp_path, FrameKind.SYSLOG) == [b"<13>good"]


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    home = tmp_path_factory.mktemp("home")
    certificate.make(home, SyslogTls(), clock=time.time_ns)
    return tls.context(home, SyslogTls())


@given(pieces=st.lists(st.binary(max_size=300), max_size=20), hello=st.booleans())
def test_any_bytes_end_in_waiting_or_in_one_reason(
    context: ssl.SSLContext, pieces: list[bytes], hello: bool
) -> None:
    session = Session(context)
    if hello:
        begin = ssl.MemoryBIO()
        with contextlib.suppress(ssl.SSLWantReadError):
            _client().wrap_bio(ssl.MemoryBIO(), begin).do_handshake()
        session.feed(begin.read())
    answered = 0
    for piece in pieces:
        assert session.feed(piece) == []
        answered += len(session.outgoing())
        if session.ended:
            break
    assert not session.established
    assert bool(session.fault) == session.ended
    assert session.fault.isprintable()
    assert answered < 1 << 14


def test_a_handshake_without_end_is_given_up(context: ssl.SSLContext) -> None:
    session, fed = Session(context), 0
    record = b"\x16\x03\x01\x40\x00" + b"\x01\x01\x00\x00" + bytes((1 << 14) - 4)
    while not session.ended and fed < 1 << 20:
        session.feed(record)
        fed += len(record)
    assert session.ended
    assert fed <= tls.HANDSHAKE_BYTES + 2 * len(record)


def test_messages_that_come_with_the_end_of_the_handshake_are_none_of_it(
    context: ssl.SSLContext,
) -> None:
    session, to_us, to_them = Session(context), ssl.MemoryBIO(), ssl.MemoryBIO()
    client = _client().wrap_bio(to_them, to_us)
    with contextlib.suppress(ssl.SSLWantReadError):
        client.do_handshake()
    session.feed(to_us.read())
    to_them.write(session.outgoing())
    client.do_handshake()
    for _ in range(100):
        client.write(bytes(1000))
    assert sum(len(piece) for piece in session.feed(to_us.read())) == 100_000
    assert session.established
