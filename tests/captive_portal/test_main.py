"""The portal as a process: real datagrams, a real browser's requests, kills and restarts."""

import contextlib
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import Engine, event, text

from captive_portal.__main__ import STATUS, run
from captive_portal.desk import SessionDesk, session_ids, times
from captive_portal.errors import PortalError
from captive_portal.people.accounts import Kind, People
from captive_portal.report import SOCKET
from captive_portal.sessions.accounting import Accounting
from captive_portal.sessions.keeper import Keeper
from captive_portal.sessions.rows import Rows
from captive_portal.sessions.session import Ids, Nas, Session
from tests.captive_portal.collector_stub import CollectorStub
from tests.captive_portal.conftest import NOW, SECRET, SITE, Start, settings

NAMED = settings().sign_in.model_copy(update={"public_url": "https://login.school.example/"})
ATTRIBUTES = {
    "User-Name": "สมหญิง",
    "Acct-Session-Id": "A1",
    "NAS-Identifier": "ap-1",
    "Framed-IP-Address": "10.0.0.9",
    "Calling-Station-Id": "02-00-00-00-00-05",
    "Called-Station-Id": "02-AA-00-00-00-01:school",
}
needs_radclient = pytest.mark.skipif(
    shutil.which("radclient") is None, reason="radclient (freeradius-utils) is not installed"
)


def radclient(
    port: int, status: str, *, secret: str = SECRET, tries: int = 1, lasted: int | None = None
) -> bool:
    """Send one packet with the real client; say whether an answer came."""
    told = {"Acct-Status-Type": status, **ATTRIBUTES}
    if lasted is not None:
        told["Acct-Session-Time"] = str(lasted)
    lines = ",".join(f'{name}="{value}"' for name, value in told.items())
    done = subprocess.run(
        ["radclient", "-t", "2", "-r", str(tries), f"127.0.0.1:{port}", "acct", secret],
        input=lines,
        capture_output=True,
        text=True,
        timeout=30,
    )
    return "Received Accounting-Response" in done.stdout


@needs_radclient
def test_a_nas_is_answered_and_its_session_is_reported(
    start: Start, collector: CollectorStub, people: People
) -> None:
    portal = start()
    assert radclient(portal.radius, "Start")
    assert radclient(portal.radius, "Interim-Update", lasted=0)
    assert radclient(portal.radius, "Stop", lasted=0)
    assert [event.event for event in collector.sessions] == ["start", "update", "stop"]
    first = collector.sessions[0]
    assert (first.account, first.addresses, first.mac) == (
        "สมหญิง",
        ("10.0.0.9",),
        "02:00:00:00:00:05",
    )
    assert (first.ssid, first.nas, first.method, first.site) == (
        "school",
        "ap-1",
        "accounting",
        SITE,
    )
    assert len({event.session for event in collector.sessions}) == 1
    shadow = people.find(SITE, "สมหญิง")
    assert shadow is not None
    assert (shadow.kind, shadow.id) == (Kind.SHADOW, first.person)


@needs_radclient
def test_a_nas_is_not_answered_while_the_collector_is_mute_and_later_stored_once(
    start: Start, collector: CollectorStub
) -> None:
    portal = start(sign_in=NAMED)
    collector.mode = "refuse"
    assert not radclient(portal.radius, "Start")
    collector.mode = "ack"
    assert radclient(portal.radius, "Start")
    assert len({event.event_id for event in collector.sessions}) == 1


@needs_radclient
def test_a_wrong_secret_gets_silence_and_a_count(start: Start, collector: CollectorStub) -> None:
    portal = start()
    assert not radclient(portal.radius, "Start", secret="wrong-secret-here")
    assert radclient(portal.radius, "Start")
    counts: dict[str, int] = {}
    deadline = time.monotonic() + 20
    while "start" not in counts and time.monotonic() < deadline:
        time.sleep(0.05)
        status = json.loads((portal.home / STATUS).read_text())
        counts = status["radius"].get("127.0.0.1", {})
    assert counts == {"wrong-authenticator": 1, "start": 1}


def _form_token(page: str) -> str:
    return page.split('name="token" value="')[1].split('"')[0]


def test_signing_in_and_out_over_http(
    start: Start, collector: CollectorStub, people: People
) -> None:
    portal = start(sign_in=NAMED)
    with httpx.Client(base_url=portal.url) as browser:
        form = {"account": "Somchai", "password": "correct horse"}
        form["token"] = _form_token(browser.get("/").text)
        answer = browser.post("/", data=form)
        assert (answer.status_code, answer.headers["location"]) == (303, "/session?lang=th")
        page = browser.get("/session").text
        assert "สมชาย ใจดี" in page
        assert browser.get("/captive-portal/api").json()["captive"] is False
        browser.post("/session", data={"token": _form_token(page)})
        told = {"captive": True, "user-portal-url": NAMED.public_url}
        assert browser.get("/captive-portal/api").json() == told
    assert [event.event for event in collector.sessions] == ["start", "stop"]
    start_event, stop_event = collector.sessions
    assert start_event.session == stop_event.session
    assert stop_event.cause == "User-Request"
    assert start_event.proofing == "school register"


def test_nobody_is_let_in_while_the_collector_cannot_be_told(
    start: Start, collector: CollectorStub, people: People
) -> None:
    portal = start(sign_in=NAMED)
    collector.mode = "refuse"
    with httpx.Client(base_url=portal.url) as browser:
        form = {"account": "somchai", "password": "correct horse"}
        form["token"] = _form_token(browser.get("/").text)
        answer = browser.post("/", data=form)
        assert answer.status_code == 503
        assert "ขณะนี้ยังทำรายการไม่ได้" in answer.text
        assert browser.get("/captive-portal/api").json()["captive"] is True


def test_a_failed_password_is_nowhere_in_the_home(
    start: Start, collector: CollectorStub, people: People, caplog: pytest.LogCaptureFixture
) -> None:
    portal = start()
    with httpx.Client(base_url=portal.url) as browser:
        form = {"account": "somchai", "password": "hidden-Zebra-77"}
        form["token"] = _form_token(browser.get("/").text)
        answer = browser.post("/", data=form)
    assert answer.status_code == 403
    assert "hidden-Zebra-77" not in answer.text + caplog.text
    for path in portal.home.rglob("*"):
        if path.is_file():
            assert b"hidden-Zebra-77" not in path.read_bytes()


def test_a_device_that_holds_connections_keeps_nobody_else_out(
    start: Start, collector: CollectorStub
) -> None:
    portal = start()
    held = []
    for _ in range(600):
        connection = socket.socket()
        connection.connect(("127.0.0.1", portal.http))
        held.append(connection)
    try:
        other = httpx.HTTPTransport(local_address="127.0.0.2")
        with httpx.Client(transport=other, base_url=portal.url) as browser:
            assert browser.get("/healthz").status_code == 200
    finally:
        for connection in held:
            connection.close()


def test_sessions_stay_over_a_restart(
    start: Start, collector: CollectorStub, people: People
) -> None:
    portal = start()
    with httpx.Client(base_url=portal.url) as browser:
        form = {"account": "somchai", "password": "correct horse"}
        form["token"] = _form_token(browser.get("/").text)
        assert browser.post("/", data=form).status_code == 303
    portal.stop()
    again = start()
    assert "สมชาย ใจดี" in httpx.get(f"{again.url}/session").text
    assert len(collector.sessions) == 1


def test_a_busy_port_is_one_line_that_names_it(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        wanted = settings(sign_in_port=port)
        (tmp_path / "nas").mkdir()
        (tmp_path / "nas" / "a").write_text(SECRET)
        with pytest.raises(PortalError) as error:
            run(tmp_path, wanted, [], threading.Event(), clock=time.time_ns)
    assert f"127.0.0.1:{port}" in str(error.value)
    assert "[sign_in]" in str(error.value)
    assert "\n" not in str(error.value)


def test_the_key_of_session_ids_is_made_once(tmp_path: Path) -> None:
    (tmp_path / "database").mkdir()
    assert session_ids(tmp_path).make("x") == session_ids(tmp_path).make("x")
    assert (tmp_path / "database" / "session.key").stat().st_mode & 0o007 == 0


KILLED = """
import sys, threading, time
from pathlib import Path
from captive_portal.__main__ import run
from tests.captive_portal.conftest import SITE, settings
home = Path(sys.argv[1])
run(home, settings(), [(SITE, "a", ["10.0.0.0/8"])], threading.Event(), clock=time.time_ns,
    ready=lambda: None)
"""


@needs_radclient
def test_killed_between_report_and_answer_the_event_comes_again_under_the_same_id(
    tmp_path: Path, engine: Engine
) -> None:
    (tmp_path / "nas").mkdir()
    (tmp_path / "nas" / "a").write_text(SECRET)
    with CollectorStub(tmp_path / SOCKET, mode="mute") as stub:
        _killed_once(tmp_path, stub)
        assert len(stub.sessions) == 1
        assert Rows(engine).recent(10) == []
        stub.mode = "ack"
        with _process(tmp_path) as (_, port):
            assert radclient(port, "Start")
        assert len(stub.sessions) == 2
        assert len({event.event_id for event in stub.sessions}) == 1
        assert len({event.session for event in stub.sessions}) == 1
        assert len(Rows(engine).open()) == 1


class _process:
    """The portal in a process of its own, killed at the end."""

    def __init__(self, home: Path) -> None:
        self._home = home

    def __enter__(self) -> tuple[subprocess.Popen[bytes], int]:
        (self._home / STATUS).unlink(missing_ok=True)
        self._child = subprocess.Popen([sys.executable, "-c", KILLED, str(self._home)])
        deadline = time.monotonic() + 20
        while not (self._home / STATUS).exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        ports = json.loads((self._home / STATUS).read_text())["listening"]
        return self._child, ports["radius_accounting"]

    def __exit__(self, *_: object) -> None:
        if self._child.poll() is None:
            os.kill(self._child.pid, signal.SIGKILL)
        self._child.wait(10)


def _killed_once(home: Path, stub: CollectorStub) -> None:
    """Send a Start, and kill the portal when the collector has the event and has not answered."""
    with _process(home) as (child, port):
        sender = threading.Thread(target=radclient, args=(port, "Start"))
        sender.start()
        deadline = time.monotonic() + 10
        while not stub.sessions and time.monotonic() < deadline:
            time.sleep(0.01)
        os.kill(child.pid, signal.SIGKILL)
        sender.join()


def test_a_database_that_cannot_be_written_ends_nothing_and_is_tried_again(
    start: Start,
    collector: CollectorStub,
    people: People,
    engine: Engine,
    caplog: pytest.LogCaptureFixture,
) -> None:
    long_ago = NOW - timedelta(days=3)
    over = Session(
        id=uuid4(),
        site=SITE,
        method="portal",
        person=None,
        start=long_ago,
        last_seen=long_ago,
        expires=long_ago,
    )
    Rows(engine).write([over])
    with engine.begin() as db:
        full = "CREATE TRIGGER full BEFORE DELETE ON session BEGIN SELECT RAISE(FAIL, 'full'); END"
        db.execute(text(full))
    portal = start()

    def told() -> Any:
        return json.loads((portal.home / STATUS).read_text())

    _until(lambda: told()["troubles"].get("ending sessions", 0) >= 3)
    assert httpx.get(f"{portal.url}/healthz").text == "ok\n"
    assert (told()["sessions"], told()["accounts"]) == (1, {"pupil": 1})
    with engine.begin() as db:
        db.execute(text("DROP TRIGGER full"))
    _until(lambda: told()["sessions"] == 0)
    lines = [r.getMessage() for r in caplog.records if "ending sessions" in r.getMessage()]
    assert lines == ["ending sessions failed (1 so far): full"]


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_full_disk_costs_a_packet_its_answer_and_the_log_one_line(
    people: People, engine: Engine
) -> None:
    keeper = Keeper(
        Rows(engine), tell=lambda _: lambda: None, ids=Ids(b"k" * 32), times=times(settings())
    )
    desk = SessionDesk(engine, keeper, clock=time.time_ns)
    start = Accounting(
        event_id=uuid4(), status="start", time=NOW, site=SITE, nas=Nas(), account="somchai"
    )

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    event.listen(engine, "before_cursor_execute", full)
    with pytest.raises(PortalError, match=r"^the database says: database or disk is full$"):
        desk.keep([start])
    event.remove(engine, "before_cursor_execute", full)
    desk.keep([start])
    desk.close()
    assert Rows(engine).count_open() == 1


def test_a_status_that_cannot_be_written_keeps_nobody_from_the_pages(
    start: Start, collector: CollectorStub, caplog: pytest.LogCaptureFixture
) -> None:
    portal = start()
    new = (portal.home / STATUS).with_suffix(".new")
    while not new.is_dir():
        with contextlib.suppress(FileExistsError):
            new.mkdir()
    _until(lambda: any("the status failed" in r.getMessage() for r in caplog.records))
    assert httpx.get(f"{portal.url}/healthz").text == "ok\n"
