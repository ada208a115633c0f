"""The portal's RADIUS ports as radclient sees them, and what accounting makes of whom it let in."""

import json
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from sqlalchemy import Engine

from captive_portal.__main__ import STATUS
from captive_portal.people.accounts import Kind, NewAccount, People
from captive_portal.sessions.rows import Rows
from captive_portal.sessions.session import Session
from tests.captive_portal.collector_stub import CollectorStub
from tests.captive_portal.conftest import NOW, SECRET, SITE, Running, Start

RADCLIENT = shutil.which("radclient")
pytestmark = pytest.mark.skipif(RADCLIENT is None, reason="radclient is not here")
THAI, PASSWORD = "สมหญิง.รักเรียน", 'รหัส"ผ่าน ๑'


def say(running: Running, what: str, attributes: str, *more: str) -> str:
    """Return what radclient tells of an exchange with a port of the portal's."""
    ports = json.loads((running.home / STATUS).read_text())["listening"]
    port = ports["radius_accounting" if what == "acct" else "radius_authentication"]
    secret = running.home / "radclient.secret"
    secret.write_text(SECRET)
    argv = [str(RADCLIENT), "-x", "-r", "3", "-t", "5", "-S", str(secret), *more]
    argv += [f"127.0.0.1:{port}", what]
    done = subprocess.run(argv, input=attributes.encode(), capture_output=True)
    return done.stdout.decode("utf-8", "replace")


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def signed(user: str, more: str) -> str:
    return f"User-Name = {quoted(user)}, {more}, Message-Authenticator = 0x00"


def test_radclient_is_let_in_by_pap_and_not_by_what_cannot_be(
    start: Start, collector: CollectorStub, people: People
) -> None:
    people.add(NewAccount(site=SITE, account=THAI, password=PASSWORD), now=NOW)
    portal = start()
    told = say(portal, "auth", signed(THAI, f"User-Password = {quoted(PASSWORD)}"))
    assert "Received Access-Accept" in told
    assert "Session-Timeout = 3600" in told
    assert "Received Access-Reject" in say(portal, "auth", signed(THAI, "User-Password = 'x'"))
    chap = say(portal, "auth", signed("somchai", "CHAP-Password = 'correct horse'"))
    assert "Received Access-Reject" in chap
    assert "Reply-Message" in chap
    assert "Received Access-Accept" in say(portal, "status", "Message-Authenticator = 0x00")
    bare = "User-Name = 'somchai', User-Password = 'correct horse'"
    assert "Received" not in say(portal, "auth", bare, "-r", "1", "-t", "1")


def the_session(engine: Engine) -> Session:
    deadline = time.monotonic() + 20
    while not Rows(engine).open() and time.monotonic() < deadline:
        time.sleep(0.05)
    (one,) = Rows(engine).open()
    return one


def test_accounting_with_an_outer_name_finds_who_was_let_in_by_its_class(
    start: Start, collector: CollectorStub, people: People, engine: Engine
) -> None:
    people.add(NewAccount(site=SITE, account="wipa", kind=Kind.TEACHER), now=NOW)
    portal = start()
    told = say(portal, "auth", signed("somchai", "User-Password = 'correct horse'"))
    given = told[told.index("Class = ") + 8 :].split()[0]
    ours = f"Class = {given}, Acct-Session-Id = 'S1', Calling-Station-Id = '02-00-5E-00-53-01'"
    outer = "User-Name = 'anonymous@school.example'"
    begin = f"{outer}, Acct-Status-Type = Start, {ours}"
    assert "Accounting-Response" in say(portal, "acct", begin)
    session = the_session(engine)
    assert session.person is not None
    assert session.person.account == "somchai"
    assert session.id.hex in given
    end = f"{outer}, Acct-Status-Type = Stop, {ours}"
    assert "Accounting-Response" in say(portal, "acct", end)
    forged = given[:-2] + ("00" if given[-2:] != "00" else "01")
    begin = (
        f"User-Name = 'wipa', Acct-Status-Type = Start, Class = {forged}, Acct-Session-Id = 'S2'"
    )
    assert "Accounting-Response" in say(portal, "acct", begin)
    person = the_session(engine).person
    assert person is not None
    assert person.account == "wipa"


def test_a_load_of_requests_is_answered_to_the_last_one(
    start: Start, collector: CollectorStub, people: People, tmp_path: Path
) -> None:
    portal = start()
    requests = tmp_path / "requests"
    requests.write_text(
        "\n\n".join(
            f"User-Name = 'u{n}'\nAcct-Status-Type = Start\nAcct-Session-Id = 'L{n}'\n"
            f"Calling-Station-Id = '02-00-5E-00-{n // 256:02X}-{n % 256:02X}'"
            for n in range(300)
        )
    )
    told = say(portal, "acct", "", "-q", "-s", "-p", "50", "-f", str(requests))
    assert re.search(r"Accepted\s+: 300\b", told), told
    assert len({event.session for event in collector.sessions}) == 300
