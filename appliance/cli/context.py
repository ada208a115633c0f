"""What every verb is given: the home, how to answer, and small ways to print."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from appliance.search.printable import json_line, printable, printable_lines
from collector.records import Clock

wall_clock: Clock = time.time_ns  # noqa: TID251  # here, at the root, the clock is given
DEFAULT_HOME = Path("/var/lib/prathu")


@dataclass(frozen=True)
class Context:
    """What stood before the verb on the command line."""

    home: Path
    as_json: bool
    quiet: bool
    debug: bool

    def say(self, text: str) -> None:
        """Print a remark for people on stderr, unless told to be quiet."""
        if not self.quiet:
            print(printable_lines(text), file=sys.stderr)

    def show(self, record: Mapping[str, Any]) -> None:
        """Print one record: JSON, or a line per member."""
        if self.as_json:
            print(json_line(record))
            return
        width = max((len(name) for name in record), default=0)
        for name, value in record.items():
            print(f"{name:<{width}}  {_cell(value)}")

    def show_rows(self, rows: Iterable[Mapping[str, Any]], columns: list[str]) -> None:
        """Print rows: JSON lines, or a table of `columns` as wide as the terminal or the pipe."""
        if self.as_json:
            for row in rows:
                print(json_line(row))
            return
        table = Table(*columns, box=None, pad_edge=False)
        for row in rows:
            # Text, not str: what stands in brackets is what somebody sent, not markup of ours.
            table.add_row(*(Text(_cell(row.get(c))) for c in columns))
        console().print(table)


def _cell(value: object) -> str:
    return "" if value is None else printable(str(value))


def console() -> Console:
    """Return a console; in a pipe it is wide enough not to fold cells."""
    return Console(width=None if sys.stdout.isatty() else 4000, highlight=False)


def unix_actor() -> str:
    """Return who sits at the command line, as `audit` names them."""
    return f"local:{os.environ.get('SUDO_USER') or os.environ.get('USER') or os.getuid()}"


def error_console() -> Console:
    """Return the console on stderr, for progress bars."""
    return Console(stderr=True, highlight=False)
