"""The one database of people and sessions: opening it, and bringing it up to date.

SQLite in WAL mode unless the settings name another SQLAlchemy URL: PostgreSQL, by pg8000. Whoever
opens it migrates it: the migrations of this package are numbered, and recorded in the transaction
that runs them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import (
    BigInteger,
    Dialect,
    Engine,
    MetaData,
    create_engine,
    event,
    inspect,
    make_url,
    text,
)
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeDecorator
from typing_extensions import override

from captive_portal.errors import PortalError
from collector.records import microseconds, moment

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

FILE = Path("database") / "prathu.sqlite"
"""Where the database lies in a home."""
VERSION_TABLE = "captive_portal_version"
"""Other packages keep their own chain of migrations in the same database."""
BUSY_MS = 10_000
"""So long a writer waits for another before it says that the database is busy."""


POSTGRESQL_DRIVER = "pg8000"
"""The one that comes with the box; BSD licence, no library of the system's."""
SERVER_S = 60
"""So long a server's answer is waited for."""


class Base(DeclarativeBase):
    """All tables of this package; its names are those that the migrations give."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        }
    )


class Moment(TypeDecorator[datetime]):
    """An aware UTC datetime, stored as int microseconds since 1970-01-01T00:00:00Z."""

    impl = BigInteger
    cache_ok = True

    @override
    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """Return the microseconds; a time without offset is refused."""
        return None if value is None else microseconds(value)

    @override
    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        """Return the datetime, UTC."""
        return None if value is None else moment(value)


def open_database(home: Path, url: str = "") -> Engine:
    """Return the engine of a home's database, created and migrated as need be.

    Args:
        home: The box's home.
        url: An SQLAlchemy URL from the settings; empty means SQLite in the home.

    Raises:
        PortalError: it cannot be opened, or a newer program has written it.
    """
    engine = _engine(home, url)
    try:
        _migrate(engine)
    except DBAPIError as error:
        engine.dispose()
        raise PortalError(
            f"cannot open the database {_shown(engine)}: {error.orig}",
            hint="check the rights and the free disk of its folder",
        ) from error
    except BaseException:
        engine.dispose()
        raise
    return engine


def _engine(home: Path, url: str) -> Engine:
    if not url:
        path = home / FILE
        try:
            if not path.parent.is_dir():
                path.parent.mkdir(parents=True)
                # A reader of a WAL database writes too: group and set-gid, whatever the umask.
                path.parent.chmod(0o2770)
        except OSError as error:
            raise PortalError(f"cannot make the folder of the database: {error}") from error
        url = f"sqlite:///{path}"
    try:
        named = make_url(url)
        if named.get_backend_name() != "postgresql":
            engine = create_engine(named)
        else:
            if named.drivername == "postgresql":
                named = named.set(drivername=f"postgresql+{POSTGRESQL_DRIVER}")
            # A server that was started anew is noticed before a statement is lost on it.
            engine = create_engine(named, pool_pre_ping=True, connect_args={"timeout": SERVER_S})
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        raise PortalError(
            f"settings: database: {error}", hint="leave it empty for SQLite in the home"
        ) from error
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _tune)
    return engine


def _tune(connection: Any, _record: object) -> None:  # noqa: ANN401  # any DBAPI's connection
    """Set what SQLite keeps per connection. synchronous=FULL: a commit survives a power cut."""
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={BUSY_MS}")
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _shown(engine: Engine) -> str:
    return engine.url.render_as_string(hide_password=True)


def migrations() -> Config:
    """Return the Alembic configuration of this package's migrations."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    return config


def _migrate(engine: Engine) -> None:
    config = migrations()
    head = ScriptDirectory.from_config(config).get_current_head()
    with engine.connect() as connection:
        if _version(connection) == head:
            return
    with _alone(engine) as connection:
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise PortalError(
                f"the database {_shown(engine)} was written by a newer program: {error}",
                hint="install that version again",
            ) from error


@contextlib.contextmanager
def _alone(engine: Engine) -> Iterator[Connection]:
    """Give a connection in a transaction that lets no other migrate at the same time."""
    with engine.connect() as connection, connection.begin():
        if engine.dialect.name == "sqlite":
            # The driver begins only at the first write; IMMEDIATE takes the lock before we look.
            connection.execute(text("BEGIN IMMEDIATE"))
        else:
            connection.execute(text("SELECT pg_advisory_xact_lock(7172617468)"))
        yield connection


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    found = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}"))  # noqa: S608  # own name
    return found.scalar()
