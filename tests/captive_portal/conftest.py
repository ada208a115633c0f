"""A home with a database, a clock that stands still, and the portal on free ports."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine

import captive_portal.__main__ as portal_process
from captive_portal.__main__ import STATUS, run
from captive_portal.database import Base, open_database
from captive_portal.people.accounts import Kind, NewAccount, People
from captive_portal.report import SOCKET
from captive_portal.settings import PortalSettings, Radius, RadiusClient, SignIn
from tests import postgres
from tests.captive_portal.collector_stub import CollectorStub

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
SITE = "school-a"
SECRET = "correct-horse-battery"


BOTH = ("people", "sessions", "radius", "desk")
"""Folders whose tests run on both kinds of database."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give tests of these folders each kind of database in turn."""
    if "database" in metafunc.fixturenames:
        both = any(part in BOTH for part in metafunc.definition.path.parts)
        kinds = ["sqlite", "postgresql"] if both else ["sqlite"]
        metafunc.parametrize("database", kinds, indirect=True)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[postgres.Server]:
    """A server of this worker's own."""
    if postgres.program("postgres") is None:
        pytest.skip("no PostgreSQL server (Debian package postgresql)")
    with postgres.running() as server:
        yield server


@pytest.fixture
def database(request: pytest.FixtureRequest) -> Iterator[str]:
    """The setting `database` of the test: empty, or the URL of a database of its own."""
    if getattr(request, "param", "sqlite") == "sqlite":
        yield ""
        return
    server: postgres.Server = request.getfixturevalue("postgresql")
    yield server.url(postgres.MIGRATED)
    server.empty(Base.metadata.tables)


@pytest.fixture
def engine(tmp_path: Path, database: str) -> Iterator[Engine]:
    engine = open_database(tmp_path, database)
    yield engine
    engine.dispose()


@pytest.fixture
def people(engine: Engine) -> People:
    people = People(engine, clock=lambda: int(NOW.timestamp()) * 10**9)
    people.add(
        NewAccount(
            site=SITE,
            account="somchai",
            full_name="สมชาย ใจดี",
            kind=Kind.PUPIL,
            proofing="school register",
            password="correct horse",
        ),
        now=NOW,
    )
    return people


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[CollectorStub]:
    with CollectorStub(tmp_path / SOCKET) as stub:
        yield stub


@dataclass
class Running:
    """A portal that runs in a thread."""

    home: Path
    http: int
    radius: int
    stop: Callable[[], None]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http}"


def settings(*, sign_in_port: int = 0) -> PortalSettings:
    client = RadiusClient(network="127.0.0.0/8", secret_file="nas/a", site=SITE)
    return PortalSettings(
        sign_in=SignIn(host="127.0.0.1", port=sign_in_port, session_hours=1),
        radius=Radius(
            host="127.0.0.1",
            authentication_port=0,
            accounting_port=0,
            coa_port=0,
            clients=(client,),
        ),
    )


Start = Callable[..., Running]
"""Takes sections of the settings that are not the usual ones."""


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database: str) -> Iterator[Start]:
    """Give a way to start the portal on the test's home; what runs at the end is stopped."""
    monkeypatch.setattr(portal_process, "TICK_S", 0.2)
    (tmp_path / "nas").mkdir()
    (tmp_path / "nas" / "a").write_text(SECRET)
    (tmp_path / "run").mkdir(exist_ok=True)
    running: list[Running] = []

    def begin(**sections: object) -> Running:
        stop, ready, failed = threading.Event(), threading.Event(), []

        def body() -> None:
            sites = [(SITE, "โรงเรียน ก", ["10.0.0.0/8"])]
            try:
                given = settings().model_copy(update={"database": database, **sections})
                run(tmp_path, given, sites, stop, clock=time.time_ns, ready=ready.set)
            except BaseException as error:  # noqa: BLE001  # told to the test
                failed.append(error)
                ready.set()

        thread = threading.Thread(target=body)
        thread.start()
        assert ready.wait(20)
        assert not failed, failed

        def end() -> None:
            stop.set()
            thread.join(20)
            assert not thread.is_alive()

        ports = ports_of(tmp_path / STATUS)
        running.append(Running(tmp_path, ports["sign_in"], ports["radius_accounting"], end))
        return running[-1]

    yield begin
    for one in running:
        one.stop()


def ports_of(status: Path) -> dict[str, int]:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if status.exists():
            ports: dict[str, int] = json.loads(status.read_text())["listening"]
            return ports
        time.sleep(0.02)
    raise AssertionError("the portal wrote no status")
