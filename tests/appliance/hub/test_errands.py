"""Errands: whatever answers, the sealer is told, and nothing comes from elsewhere."""

from __future__ import annotations

import base64
import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from typing_extensions import override

from appliance.hub import errands
from appliance.hub.errands import Came, Errands, carry, carry_all, post
from collector.errors import CollectorError


@pytest.fixture
def port() -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == "/moved":
                self.send_response(302)
                self.send_header("Location", "/echo")
                self.end_headers()
                return
            if self.path == "/long":
                body = b"x" * (errands.MOST_BYTES + 1)
            if self.path == "/garbage":
                self.wfile.write(b"this is no HTTP\r\n\r\n")
                return
            self.send_response(409 if self.path == "/refused" else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        @override
        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


class Sealer:
    """Has some questions, and keeps the answers."""

    def __init__(self, *urls: str) -> None:
        self.rounds = [[self.question(url) for url in urls]]
        self.answers: list[dict[str, Any]] = []
        self.done = threading.Event()

    @staticmethod
    def question(url: str) -> dict[str, Any]:
        body = base64.b64encode(b"hello").decode()
        told = {"id": url, "site": "a", "whom": "w", "url": url, "type": "text/plain"}
        return {**told, "body": body, "timeout_s": 5}

    def __call__(self, request: Any) -> dict[str, Any]:
        if request["do"] == "outside-due":
            return {"questions": self.rounds.pop(0) if self.rounds else []}
        self.answers.append(request)
        self.done.set()
        return {"told": "kept"}


def test_an_answer_and_a_refusal_are_handed_in_whole(port: int) -> None:
    sealer = Sealer(f"http://127.0.0.1:{port}/echo", f"http://127.0.0.1:{port}/refused")
    came: list[Came] = []
    carry_all(sealer, lambda: False, came.append)
    told = sorted((a["status"], base64.b64decode(a["body"])) for a in sealer.answers)
    assert told == [(200, b"hello"), (409, b"hello")]
    assert [one.told for one in came] == ["kept", "kept"]


def test_a_redirection_is_an_answer_of_its_own(port: int) -> None:
    assert post(f"http://127.0.0.1:{port}/moved", "text/plain", b"x", 5)[0] == 302


@pytest.mark.parametrize("path", ["long", "garbage"])
def test_what_is_no_answer_is_told_as_such(port: int, path: str) -> None:
    sealer = Sealer()
    carry(sealer, Sealer.question(f"http://127.0.0.1:{port}/{path}"))
    assert "does not answer" in sealer.answers[0]["error"]


@pytest.mark.parametrize("begun", [b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nX-Long: "])
def test_an_answer_that_never_ends_keeps_nobody_waiting(begun: bytes) -> None:
    """It comes byte by byte, each in time: the whole is what takes too long."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        dripping = threading.Thread(target=_drip, args=(listener, begun))
        dripping.start()
        port = listener.getsockname()[1]
        with pytest.raises(OSError, match="no whole answer within"):
            post(f"http://127.0.0.1:{port}/", "text/plain", b"x", 0.3)
        dripping.join(30)
    assert not dripping.is_alive()


def _drip(listener: socket.socket, begun: bytes) -> None:
    line, _ = listener.accept()
    with line, contextlib.suppress(OSError):
        line.sendall(begun)
        while True:
            time.sleep(0.05)
            line.sendall(b"x")


def test_a_handshake_that_never_ends_keeps_nobody_waiting(port: int) -> None:
    """Who listens and says nothing; the waits of TLS are watched like the others."""
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(OSError):
        post(f"https://127.0.0.1:{silent.getsockname()[1]}/", "text/plain", b"x", 0.2)
    with pytest.raises(OSError, match=r"WRONG_VERSION|no whole answer|EOF|SSL"):
        post(f"https://127.0.0.1:{port}/echo", "text/plain", b"x", 2)


def test_nobody_there_is_told(port: int) -> None:
    sealer = Sealer()
    carry(sealer, Sealer.question("http://127.0.0.1:1/x"))
    assert "refused" in sealer.answers[0]["error"]
    carry(sealer, Sealer.question(f"http://[::1/{port}"))
    assert sealer.answers[1]["error"]


def test_the_thread_carries_until_it_is_stopped(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(errands, "LOOK_S", 0.01)
    sealer = Sealer(f"http://127.0.0.1:{port}/echo")
    silent = threading.Event()

    def ask(request: Any) -> dict[str, Any]:
        if not silent.is_set():
            silent.set()
            raise CollectorError("not up yet")
        return sealer(request)

    thread = Errands(ask)
    thread.start()
    assert sealer.done.wait(20)
    thread.stop()
    Errands(ask).stop()  # one that was never started
