"""A progress bar for what takes long, on standard error of a terminal only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from appliance.cli.context import Context, error_console

Bar = Callable[[str, int, int], None]
"""Takes what is done, how much of it, and of how much."""


@contextmanager
def bar(context: Context) -> Iterator[Bar]:
    """Give what moves the bar; it is gone when all is done."""
    quiet = context.quiet or not error_console().is_terminal
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=error_console(), transient=True, disable=quiet) as progress:
        task = progress.add_task("", total=None)

        def tell(what: str, done: int, of: int) -> None:
            progress.update(task, description=what, completed=done, total=max(of, 1))

        yield tell
