"""IPFIX over TCP and TLS: whole messages, and one reason for what is none."""

from __future__ import annotations

import contextlib
import shutil
import socket
import ssl
import struct
import subprocess
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.receive.connection import either
from collector.receive.framing import Splitter
from collector.receive.ipfix import Messages
from collector.receive.receiver import Receiver
from collector.records import FrameKind
from collector.settings import Exporter, Listen, SyslogTls
from tests.collector.receive.authority import Authority
from tests.collector.receive.home import SITE, coverage, frames, payloads, receiver, until

LISTEN = Listen(
    flows=(),
    syslog_udp=(),
    syslog_tcp=(),
    syslog_tls=(),
    ipfix_tcp=("127.0.0.1:0",),
    ipfix_tls=("127.0.0.1:0",),
)
_messages = st.lists(st.binary(max_size=300).map(lambda body: message(body)), max_size=8)


def message(body: bytes = b"") -> bytes:
    return struct.pack(">HHIII", 10, 16 + len(body), 0, 0, 0) + body


def _receiver(home: Path, **more: Any) -> Receiver:
    return receiver(home, **{"listen": LISTEN, **more})


def _port(running: Receiver, kind: str = "ipfix_tcp") -> int:
    return int(running.status()[kind]["sockets"][0].rpartition(":")[2])


def _connect(port: int, source: str = "127.0.0.1") -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=10, source_address=(source, 0))


def _client() -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    return made


def _has_refused(running: Receiver, count: int) -> bool:
    return bool(running.status()["ipfix_tls"]["refused_tls"] == count)


@given(_messages, st.integers(1, 50))
def test_messages_are_the_same_however_they_are_cut(sent: list[bytes], step: int) -> None:
    stream, splitter, found = b"".join(sent), Messages(), []
    for at in range(0, len(stream), step):
        found += splitter.feed(stream[at : at + step])
    found += splitter.finish()
    assert found == ([b"", *sent, b""] if sent else [])
    assert (splitter.cut, splitter.fault) == (0, "")


@given(_messages, st.binary(max_size=400), st.integers(1, 50))
def test_any_bytes_give_what_was_whole_and_at_most_one_reason(
    sent: list[bytes], garbage: bytes, step: int
) -> None:
    stream, splitter, found = b"".join(sent) + garbage, Messages(), []
    for at in range(0, len(stream), step):
        found += splitter.feed(memoryview(stream)[at : at + step])
        assert len(splitter._rest) < 1 << 16
    found += splitter.finish()
    whole = [one for one in found if one]
    assert whole[: len(sent)] == sent
    assert stream.startswith(b"".join(whole))
    left = len(stream) - sum(map(len, whole))
    assert bool(splitter.fault) + splitter.cut == (left > 0)
    assert splitter.feed(b"more") == [] or not splitter.fault


@pytest.mark.parametrize(
    ("sent", "fault"),
    [
        (b"\x16\x03\x01\0\xc8", "it speaks TLS"),
        (b"\0\x09\0\1", "it speaks NetFlow v9"),
        (b"<13>hello", "it sends text"),
        (b"\xff\xfe\0\1", "it does not speak IPFIX"),
        (b"\0\x0a\0\x0f", "a message has 15 bytes"),
    ],
)
def test_what_is_no_message_is_told_in_words(sent: bytes, fault: str) -> None:
    splitter = Messages()
    assert splitter.feed(message(b"x") + sent) == [b"", message(b"x")]
    assert splitter.fault.endswith(fault)


def test_both_protocols_are_told_apart_by_their_first_byte() -> None:
    assert isinstance(either(message()[:2]), Messages)
    assert isinstance(either(b"<1"), Splitter)
    assert isinstance(either(b"12"), Splitter)


def test_messages_come_in_between_the_ends_of_their_connection(tmp_path: Path) -> None:
    with _receiver(tmp_path) as running:
        with _connect(_port(running), "127.0.0.3") as sender:
            sender.sendall(message(b"one") + message(b"two")[:9])
            until(lambda: running.status()["ipfix_tcp"]["messages"] == 1)
            sender.sendall(message(b"two")[9:])
            until(lambda: running.status()["ipfix_tcp"]["messages"] == 2)
        until(lambda: running.status()["ipfix_tcp"]["connections"] == 0)
        port = _port(running)
        assert running.status()["ipfix_tcp"]["messages"] == 2
    found = frames(tmp_path, FrameKind.FLOW)
    assert [frame.payload for frame in found] == [b"", message(b"one"), message(b"two"), b""]
    told = {(f.site, f.address, f.transport, f.local_port) for f in found}
    assert told == {(SITE, "127.0.0.3", "tcp", port)}
    assert len({frame.port for frame in found}) == 1


def test_a_stream_that_makes_no_sense_ends_alone(tmp_path: Path) -> None:
    with (
        _receiver(tmp_path) as running,
        _connect(_port(running), "127.0.0.3") as good,
        _connect(_port(running)) as bad,
    ):
        good.sendall(message(b"good"))
        bad.sendall(message(b"kept") + b"<13>syslog at the wrong port\n" + message(b"lost"))
        assert bad.recv(1) == b""
        until(lambda: running.status()["ipfix_tcp"]["malformed"] == 1)
        good.sendall(message(b"still"))
        until(lambda: running.status()["ipfix_tcp"]["messages"] == 3)
    kept = [payload for payload in payloads(tmp_path, FrameKind.FLOW) if payload]
    assert sorted(kept) == sorted([message(b"good"), message(b"kept"), message(b"still")])
    [event] = coverage(tmp_path, "malformed")
    assert (event.source, event.lost, event.unit) == ("127.0.0.1", 1, "connections")
    assert event.note == "it sends text"


def test_half_a_message_is_counted(tmp_path: Path) -> None:
    with _receiver(tmp_path) as running:
        with _connect(_port(running)) as sender:
            sender.sendall(message(b"whole") + message(b"half")[:-1])
        until(lambda: running.status()["ipfix_tcp"]["cut"] == 1)
    [event] = coverage(tmp_path, "message-cut")
    assert (event.lost, event.unit) == (1, "IPFIX messages")
    assert event.note == "the connection ended within it"
    assert payloads(tmp_path, FrameKind.FLOW) == [b"", message(b"whole"), b""]


def test_unknown_senders_are_hung_up_on(tmp_path: Path) -> None:
    exporters = (Exporter(address="127.0.0.1", site=SITE),)
    with _receiver(tmp_path, exporters=exporters) as running:
        with _connect(_port(running), "127.0.0.66") as stranger:
            assert stranger.recv(1) == b""
        assert running.status()["ipfix_tcp"]["refused"] == 1
    assert frames(tmp_path, FrameKind.FLOW) == []


def test_a_port_of_its_own_takes_either_protocol(tmp_path: Path) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        own = held.getsockname()[1]
    exporters = (Exporter(address="127.0.0.1", site=SITE, port=own),)
    with (
        _receiver(tmp_path, exporters=exporters) as running,
        _connect(own) as flows,
        _connect(own) as lines,
    ):
        flows.sendall(message(b"flow"))
        lines.sendall(b"<13>line\n")
        until(lambda: running.status()["tcp"]["messages"] == 2)
    assert payloads(tmp_path, FrameKind.FLOW) == [b"", message(b"flow"), b""]
    assert payloads(tmp_path, FrameKind.SYSLOG) == [b"<13>line"]


def test_tls_shows_the_certificate_that_syslog_has(tmp_path: Path) -> None:
    with _receiver(tmp_path) as running:
        port = _port(running, "ipfix_tls")
        context = ssl.create_default_context(cafile=str(tmp_path / "tls/syslog.crt"))
        context.check_hostname = False
        with _connect(port) as plain, context.wrap_socket(plain) as sender:
            sender.sendall(message(b"one") + message(bytes(40_000)))
        until(lambda: running.status()["ipfix_tls"]["messages"] == 2)
        until(lambda: running.status()["ipfix_tls"]["connections"] == 0)
        assert len(running.status()["ipfix_tls"]["sha256"]) > 32
    found = frames(tmp_path, FrameKind.FLOW)
    assert [len(frame.payload) for frame in found] == [0, 19, 40_016, 0]
    assert {frame.transport for frame in found} == {"tls"}


def test_openssl_sends_what_it_is_given(tmp_path: Path) -> None:
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    authority = Authority(tmp_path / "ca")
    certificate, key = authority.issue("exporter.example.ac.th")
    asked = SyslogTls(client_ca=str(authority.path), client_certificate="optional")
    with _receiver(tmp_path, syslog_tls=asked) as running:
        command = ["openssl", "s_client", "-quiet", "-no_ign_eof"]
        command += ["-connect", f"127.0.0.1:{_port(running, 'ipfix_tls')}"]
        shown = [*command, "-cert", str(certificate), "-key", str(key)]
        for each in (command, shown):
            sent = message(b"by openssl")  # -no_ign_eof: it ends with its input
            subprocess.run(each, input=sent, capture_output=True, timeout=20, check=False)
        until(lambda: running.status()["ipfix_tls"]["messages"] == 2)
    found = [frame for frame in frames(tmp_path, FrameKind.FLOW) if frame.payload]
    assert [frame.payload for frame in found] == [message(b"by openssl")] * 2
    assert [frame.sender_name for frame in found] == ["", "exporter.example.ac.th"]


def test_a_certificate_may_be_required_and_a_wrong_one_never_passes(tmp_path: Path) -> None:
    authority, other = Authority(tmp_path / "ca"), Authority(tmp_path / "other")
    asked = SyslogTls(client_ca=str(authority.path))
    with _receiver(tmp_path, syslog_tls=asked) as running:
        for refused, shown in enumerate((None, other.issue("exporter.example.ac.th"))):
            context = _client()
            if shown:
                context.load_cert_chain(*shown)
            with contextlib.suppress(OSError), _connect(_port(running, "ipfix_tls")) as plain:
                context.wrap_socket(plain).sendall(message(b"refused"))
            until(partial(_has_refused, running, refused + 1))
        assert running.status()["ipfix_tls"]["messages"] == 0
    assert {event.unit for event in coverage(tmp_path, "tls-refused")} == {"connections"}
    assert frames(tmp_path, FrameKind.FLOW) == []
