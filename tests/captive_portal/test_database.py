"""The database is migrated when opened, and the models are what the migrations make."""

import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, make_url, text

import captive_portal.people.device_certificates
import captive_portal.people.devices
import captive_portal.people.notices
import captive_portal.people.promotion
import captive_portal.people.taking
import captive_portal.people.teaching
import captive_portal.people.usage
import captive_portal.people.vouchers
import captive_portal.radius.signing
import captive_portal.sessions.rows  # noqa: F401  # their tables
from captive_portal.database import FILE, VERSION_TABLE, Base, open_database
from captive_portal.errors import PortalError
from tests.conftest import REPO
from tests.postgres import MIGRATED, Server


def test_the_models_equal_the_sum_of_the_migrations(engine: Engine) -> None:
    with engine.connect() as connection:
        options = {"version_table": VERSION_TABLE, "compare_type": True}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, Base.metadata) == []


def test_sqlite_is_opened_as_the_box_needs_it(engine: Engine) -> None:
    with engine.connect() as connection:
        pragmas = {
            name: connection.execute(text(f"PRAGMA {name}")).scalar()
            for name in ("journal_mode", "foreign_keys", "synchronous", "busy_timeout")
        }
    assert pragmas == {
        "journal_mode": "wal",
        "foreign_keys": 1,
        "synchronous": 2,
        "busy_timeout": 10_000,
    }


def test_the_folder_is_for_the_group_and_opening_twice_is_fine(tmp_path: Path) -> None:
    open_database(tmp_path).dispose()
    open_database(tmp_path).dispose()
    assert (tmp_path / FILE).parent.stat().st_mode & 0o7777 == 0o2770


def test_a_newer_database_is_refused_in_one_line(tmp_path: Path) -> None:
    engine = open_database(tmp_path)
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(PortalError, match="newer program"):
        open_database(tmp_path)


def test_a_damaged_database_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / FILE).parent.mkdir()
    (tmp_path / FILE).write_bytes(b"this is no database" * 1000)
    with pytest.raises(PortalError, match="cannot open the database"):
        open_database(tmp_path)


def test_a_wrong_url_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(PortalError, match="settings: database"):
        open_database(tmp_path, "nonsense")


@pytest.fixture
def server(postgresql: Server) -> Server:
    return postgresql


def test_the_models_equal_the_migrations_on_postgresql_too(server: Server, tmp_path: Path) -> None:
    engine = open_database(tmp_path, server.url(MIGRATED))
    test_the_models_equal_the_sum_of_the_migrations(engine)
    engine.dispose()
    assert not (tmp_path / FILE).parent.exists()


def test_a_url_without_a_driver_is_read_with_ours(server: Server, tmp_path: Path) -> None:
    url = server.url(MIGRATED).replace("postgresql+pg8000", "postgresql")
    engine = open_database(tmp_path, url)
    assert engine.dialect.driver == "pg8000"
    engine.dispose()


OPENS = """
import sys
from pathlib import Path
from captive_portal.database import open_database
open_database(Path(sys.argv[1]), sys.argv[2]).dispose()
"""


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_processes_that_open_a_new_database_at_once_migrate_it_once(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    url = "" if kind == "sqlite" else request.getfixturevalue("postgresql").make()
    command = [sys.executable, "-c", OPENS, str(tmp_path), url]
    processes = [subprocess.Popen(command, cwd=REPO, stderr=subprocess.PIPE) for _ in range(3)]
    said = [process.communicate(timeout=120)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], said
    engine = open_database(tmp_path, url)
    test_the_models_equal_the_sum_of_the_migrations(engine)
    engine.dispose()


def test_a_server_that_lost_its_connections_is_asked_again(server: Server, tmp_path: Path) -> None:
    url = server.make()
    engine = open_database(tmp_path, url)
    name = make_url(url).database
    with engine.connect() as connection:
        assert connection.execute(text("SELECT 1")).scalar() == 1
    # With the time to wait for: without it the connection may die after it was looked at.
    ends = "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity"
    server.run(f"{ends} WHERE datname = '{name}'")
    with engine.connect() as connection:
        assert connection.execute(text("SELECT 1")).scalar() == 1
    engine.dispose()


@pytest.mark.parametrize("where", ["nobody@127.0.0.1:1/x", "nobody@/x?unix_sock=/nowhere"])
def test_a_server_that_is_not_there_is_one_line(tmp_path: Path, where: str) -> None:
    with pytest.raises(PortalError, match="cannot open the database") as told:
        open_database(tmp_path, f"postgresql://{where}")
    assert len(str(told.value).splitlines()) == 1


def test_a_password_is_not_in_what_is_said(tmp_path: Path) -> None:
    with pytest.raises(PortalError) as told:
        open_database(tmp_path, "postgresql://me:hidden-77@127.0.0.1:1/x")
    assert "hidden-77" not in str(told.value)
