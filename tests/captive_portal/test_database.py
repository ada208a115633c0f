"""The database is migrated when opened, and the models are what the migrations make."""

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, text

import captive_portal.people.devices
import captive_portal.people.notices
import captive_portal.people.promotion
import captive_portal.people.taking
import captive_portal.people.usage
import captive_portal.people.vouchers
import captive_portal.radius.signing
import captive_portal.sessions.rows  # noqa: F401  # their tables
from captive_portal.database import FILE, VERSION_TABLE, Base, open_database
from captive_portal.errors import PortalError


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
