"""DuckDB, hardened: it reads the home's log files and can do nothing else.

One instance per process keeps footers and file contents cached; each question has a cursor of its
own, so that stopping one leaves the others alone.
"""

from __future__ import annotations

import importlib.util
import re
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import duckdb
import pyarrow as pa

from appliance.errors import BoxError

FOLDERS = ("logs", "open", "rollup")
"""The folders of a home that questions may read."""

Answer = TypeVar("Answer")

_HOLDER = re.compile(r"\$(\w+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one question may use."""

    seconds: float = 30.0
    memory_mb: int = 256
    threads: int = 2


class Stopped(BoxError):
    """A question that used more than its share."""


class Vanished(BoxError):
    """A file that was in the catalogue is not there (any more)."""


def connect(home: Path, limits: Limits) -> duckdb.DuckDBPyConnection:
    """Return a DuckDB instance that can read `FOLDERS` of the home, its settings locked."""
    _spare_the_search_for_pandas()
    connection = duckdb.connect(
        ":memory:",
        config={
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "allow_community_extensions": "false",
            "memory_limit": f"{limits.memory_mb}MB",
            "threads": str(limits.threads),
            "temp_directory": "",
            "preserve_insertion_order": "false",
        },
    )
    folders = [str(home.resolve() / name) + "/" for name in FOLDERS]
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET parquet_metadata_cache = true")
    connection.execute("SET allowed_directories = $folders", {"folders": folders})
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    return connection


class Runner:
    """Runs the statements of one question, all of them within its time."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, seconds: float) -> None:
        self._cursor = connection.cursor()
        self._seconds = seconds
        self._late = False
        self._beside: list[Runner] = []

    def table(self, sql: str, parameters: Mapping[str, object]) -> pa.Table:
        """Return the rows of a statement.

        Raises:
            Stopped: too slow, or more memory than allowed.
            Vanished: a file is missing.
            BoxError: a file is damaged.
        """
        with self._explained():
            return self._run(sql, parameters).to_arrow_table()

    def show(self, name: str, table: pa.Table) -> None:
        """Let this question's next statements read a table by a name."""
        self._cursor.register(name, table)

    @contextmanager
    def beside(self, job: Callable[[Runner], Answer]) -> Iterator[Future[Answer]]:
        """Let a job run statements of this question while the block runs others.

        A statement of few rows keeps one core busy, most of its time with planning.
        """
        other = Runner(self._cursor, self._seconds)
        self._beside.append(other)
        try:
            with ThreadPoolExecutor(1) as thread:
                yield thread.submit(job, other)
        finally:
            other._cursor.close()

    def _run(self, sql: str, parameters: Mapping[str, object]) -> duckdb.DuckDBPyConnection:
        if self._late:
            raise self._too_slow()
        used = {name: parameters[name] for name in set(_HOLDER.findall(sql))}
        return self._cursor.execute(sql, used)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except duckdb.InterruptException as error:
            raise self._too_slow() from error
        except duckdb.OutOfMemoryException as error:
            raise Stopped(
                "the question needs more memory than it may use",
                hint="ask for a shorter period, or one site, or fewer rows",
            ) from error
        except duckdb.IOException as error:
            raise Vanished(
                f"a log file cannot be read: {_first_line(error)}",
                hint="prathu verify names what is missing",
            ) from error
        except duckdb.Error as error:
            raise BoxError(
                f"the question failed: {_first_line(error)}",
                hint="prathu verify --deep finds damaged files",
            ) from error

    @contextmanager
    def running(self) -> Iterator[Runner]:
        """Stop whatever runs when the time is up."""
        timer = threading.Timer(self._seconds, self.stop)
        timer.daemon = True
        timer.start()
        try:
            yield self
        finally:
            timer.cancel()
            self._cursor.close()

    def stop(self) -> None:
        """Stop the question now."""
        self._late = True
        self._cursor.interrupt()
        for other in self._beside:
            other.stop()

    def _too_slow(self) -> Stopped:
        return Stopped(
            f"the question was stopped after {self._seconds:g} seconds",
            hint="ask for a shorter period, or for one address or user",
        )


def _spare_the_search_for_pandas() -> None:
    """DuckDB tries to import pandas for each value it is given: let it hear "no" at once."""
    if "pandas" not in sys.modules and importlib.util.find_spec("pandas") is None:
        pa.array([])  # pyarrow looks for pandas once, and stumbles over the None
        modules: dict[str, Any] = sys.modules
        modules["pandas"] = None


def _first_line(error: duckdb.Error) -> str:
    """Return what is wrong without the statement, which DuckDB shows below it."""
    return str(error).partition("\n")[0].strip()
