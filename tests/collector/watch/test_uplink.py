"""The box's own address outside, over time."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from typing_extensions import override

from collector.records import CoverageEvent, LeaseEvent
from collector.settings import Uplink
from collector.watch.uplink import UplinkWatch, ask
from tests.conftest import REPO

S = 10**9
T = 1_795_338_000 * S


class Box:
    """An uplink whose addresses a test sets."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, outside: str = "") -> None:
        self.own: list[str] = []
        self.outside = outside
        self.asked = 0
        page = "http://192.0.2.80/ip" if outside else ""
        settings = Uplink(site="school-a", interface="ppp0", ask=page)
        self.watch = UplinkWatch(settings, ask=self._ask)
        monkeypatch.setattr(self.watch, "_own", lambda: sorted(self.own))
        self.now = T

    def _ask(self, _url: str) -> str:
        self.asked += 1
        if self.outside == "nobody":
            raise OSError("no route")
        return self.outside

    def look(self, seconds: int = 5) -> list[tuple[str, ...]]:
        self.now += seconds * S
        found: list[tuple[str, ...]] = []
        for event in self.watch.look(self.now):
            if isinstance(event, LeaseEvent):
                assert (event.kind, event.interface) == ("uplink", "ppp0")
                found.append((event.event, event.ip, event.nat_ip))
            else:
                assert isinstance(event, CoverageEvent)
                found.append((event.kind, event.note))
        if self.watch._asking is not None:
            self.watch._asking.exception(timeout=10)
        return found


def test_addresses_come_and_go(monkeypatch: pytest.MonkeyPatch) -> None:
    box = Box(monkeypatch)
    box.own = ["198.51.100.7"]
    assert box.look() == [("seen", "198.51.100.7", "")]
    assert box.look() == []
    box.own = ["198.51.100.8", "2001:db8::8"]
    assert box.look() == [
        ("release", "198.51.100.7", ""),
        ("add", "198.51.100.8", ""),
        ("add", "2001:db8::8", ""),
    ]
    assert box.look(3600) == [("seen", "198.51.100.8", ""), ("seen", "2001:db8::8", "")]
    box.own = []
    assert [word for word, *_ in box.look()] == ["release", "release"]


def test_a_private_address_is_double_nat_told_once_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    box = Box(monkeypatch)
    box.own = ["192.168.1.2"]
    _, alarm = box.look()
    assert alarm[0] == "double-nat"
    assert "192.168.1.2 is no public address" in alarm[1]
    assert "bridge mode" in alarm[1]
    assert [told[0] for told in box.look(7200)] == ["seen"]
    assert [told[0] for told in box.look(86_400)] == ["seen", "double-nat"]
    box.own = ["198.51.100.7"]
    assert [told[0] for told in box.look()] == ["release", "add"]


def test_what_the_outside_sees_is_asked_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    box = Box(monkeypatch, outside="203.0.113.50")
    box.own = ["198.51.100.7"]
    assert box.look() == [("seen", "198.51.100.7", "")]
    seen, alarm = box.look()
    assert seen == ("seen", "198.51.100.7", "203.0.113.50")
    assert "the outside sees 203.0.113.50" in alarm[1]
    assert box.look() == []
    assert box.asked == 1
    box.look(600)
    assert box.asked == 2


def test_an_outside_that_does_not_answer_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    box = Box(monkeypatch, outside="nobody")
    box.own = ["198.51.100.7"]
    box.look()
    assert box.look() == []
    assert "no route" in caplog.text


@pytest.fixture
def page() -> Iterator[tuple[str, list[bytes]]]:
    answers: list[bytes] = []

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(answers[-1])

        @override
        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/", answers
        server.shutdown()
        thread.join()


def test_a_page_answers_with_an_address_or_it_is_an_error(page: tuple[str, list[bytes]]) -> None:
    url, answers = page
    answers.append(b" 2001:DB8::7\n")
    assert ask(url) == "2001:db8::7"
    for odd in (b"", b"<html>198.51.100.7</html>", b"\xff" * 5000, b"7"):
        answers.append(odd)
        with pytest.raises(OSError, match="no address"):
            ask(url)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        with pytest.raises(OSError, match="refused"):
            ask(f"http://127.0.0.1:{closed.getsockname()[1]}/")


def test_an_interface_that_is_not_there_has_no_address() -> None:
    watch = UplinkWatch(Uplink(site="school-a", interface="none0"))
    assert list(watch.look(T)) == []


ASKING = """
import sys, time
from collector.settings import Uplink
from collector.watch.uplink import UplinkWatch
watch = UplinkWatch(Uplink(site="school-a", interface="none0", ask=sys.argv[1]))
list(watch.look(10**18))
time.sleep(1)
"""


def test_a_page_that_answers_a_byte_at_a_time_holds_nobody_back() -> None:
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def drip() -> None:
            with listener.accept()[0] as asking, contextlib.suppress(OSError):
                while not over.wait(0.1):
                    asking.send(b"H")

        server = threading.Thread(target=drip)
        server.start()
        page = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        command = [sys.executable, "-c", ASKING, page]
        done = subprocess.run(command, cwd=REPO, timeout=30, capture_output=True, text=True)
        over.set()
        server.join()
    assert (done.returncode, done.stderr) == (0, "")
