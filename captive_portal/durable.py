"""Writes small files so that a crash leaves the old one or the new one, whole. Raises OSError."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


def write(path: Path, octets: bytes, mode: int) -> None:
    """Write a file, its folder too, in the place of the one that may be there."""
    with _beside(path, octets, mode) as made:
        made.replace(path)


def write_first(path: Path, octets: bytes, mode: int) -> None:
    """Write a file, its folder too, unless there is one: of several writers the first counts."""
    with _beside(path, octets, mode) as made, contextlib.suppress(FileExistsError):
        path.hardlink_to(made)


@contextlib.contextmanager
def _beside(path: Path, octets: bytes, mode: int) -> Iterator[Path]:
    """Give a file of this content beside `path`, on the disk; what is left of it goes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    made = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(octets)
            file.flush()
            os.fsync(file.fileno())
        yield made
    finally:
        made.unlink(missing_ok=True)
