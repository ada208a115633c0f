"""The one place that writes files which must survive a crash.

Each function returns only when what it did is on the disk, file and folder entry both. What it
could not do is a StoreError, and never tried again on the same file: after a failed fsync the
kernel may have dropped the pages and call the next fsync a success. Whoever calls lets the process
die then; recovery at start sorts out what a crash can leave, which each docstring names.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from collector.errors import Busy, StoreError

FILE_MODE = 0o640
"""The group reads logs and ledger; keys ask for 0o600."""


def _no_fault(point: str) -> None:
    del point


fault: Callable[[str], None] = _no_fault
"""Called before every step with `<step> <path>`; tests put in one that raises or kills."""


def write_new(path: Path, data: bytes, *, mode: int = FILE_MODE) -> None:
    """Write a file that must not be there yet. A crash may leave it short or without name.

    Raises:
        StoreError: it exists already, or could not be written.
    """
    with _telling("write", path):
        _write(path, data, os.O_CREAT | os.O_EXCL, mode)
    sync_dir(path.parent)


def replace(path: Path, data: bytes, *, mode: int = FILE_MODE) -> None:
    """Write `path` whole or not at all. A crash leaves the old or the new, maybe a `.tmp` beside.

    Raises:
        StoreError: it could not be written.
    """
    beside = path.with_name(path.name + ".tmp")
    with _telling("write", beside):
        _write(beside, data, os.O_CREAT | os.O_TRUNC, mode)
    rename(beside, path)


def append(path: Path, data: bytes, *, mode: int = FILE_MODE) -> None:
    """Add `data` to the end of a file, made when missing. A crash may leave a part of it.

    Raises:
        StoreError: it could not be written.
    """
    fresh = not path.exists()
    with _telling("append to", path):
        _write(path, data, os.O_CREAT | os.O_APPEND, mode)
    if fresh:
        sync_dir(path.parent)


def read_plain(path: Path, most_bytes: int = 32 << 20) -> bytes:
    """Return the bytes of a small file; a pipe or device in its place keeps nobody waiting.

    Raises:
        OSError: it is not there, no plain file, or longer than `most_bytes`.
    """
    # A pipe would be opened only when somebody writes into it.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:  # noqa: PTH123  # a descriptor has no path
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "is no plain file", str(path))
        if found.st_size > most_bytes:
            raise OSError(errno.EFBIG, f"has {found.st_size} bytes, too many", str(path))
        return file.read()


def rename(source: Path, target: Path) -> None:
    """Give a file or folder another name, replacing a file of that name in one step.

    The content must be on the disk already. A crash leaves the one name or the other.

    Raises:
        StoreError: it could not be renamed.
    """
    with _telling("rename to", target):
        fault(f"rename {target}")
        source.rename(target)
    sync_dir(target.parent)
    if source.parent != target.parent:
        sync_dir(source.parent)


def remove(path: Path) -> None:
    """Take a file away; one that is gone already is no error.

    Raises:
        StoreError: it is still there.
    """
    with _telling("remove", path):
        fault(f"unlink {path}")
        path.unlink(missing_ok=True)
    sync_dir(path.parent)


def remove_all(paths: Iterable[Path]) -> None:
    """Take files away in this order, then put their folders on the disk once each.

    A crash leaves some of them.

    Raises:
        StoreError: some are still there, or may come back after a crash.
    """
    folders: dict[Path, None] = {}
    for path in paths:
        with _telling("remove", path):
            fault(f"unlink {path}")
            path.unlink(missing_ok=True)
        folders[path.parent] = None
    for folder in folders:
        sync_dir(folder)


def link(source: Path, target: Path) -> None:
    """Give a file a second name.

    Raises:
        StoreError: it could not be.
    """
    with _telling("link to", target):
        fault(f"link {target}")
        target.hardlink_to(source)
    sync_dir(target.parent)


def overwrite_and_unlink(path: Path) -> None:
    """Take a dead key away: its bytes are overwritten before its name goes.

    Raises:
        StoreError: it may still be readable.
    """
    with _telling("overwrite", path):
        _write(path, secrets.token_bytes(path.stat().st_size), 0, FILE_MODE)
    remove(path)


def make_dir(path: Path, mode: int = 0o700) -> None:
    """Make a folder and the folders above it; one that is there stays as it is.

    Raises:
        StoreError: it could not be made.
    """
    missing = [folder for folder in (path, *path.parents) if not folder.is_dir()]
    for folder in reversed(missing):
        with _telling("make folder", folder):
            fault(f"mkdir {folder}")
            folder.mkdir(exist_ok=True)
            folder.chmod(mode)  # whatever the umask
        sync_dir(folder.parent)


def sync_dir(folder: Path) -> None:
    """Put the names in a folder on the disk.

    Raises:
        StoreError: they may be lost by a crash.
    """
    with _telling("fsync folder", folder):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fault(f"fsync {folder}")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def sync_file(descriptor: int, path: Path) -> None:
    """Put the bytes of an open file on the disk; `path` is for the message.

    Raises:
        StoreError: they may be lost; close the file and give up on it.
    """
    with _telling("fsync", path):
        fault(f"fsync {path}")
        os.fdatasync(descriptor)


def write_all(descriptor: int, data: bytes | bytearray | memoryview, path: Path) -> None:
    """Write every byte to an open file, without fsync; `path` is for the message.

    Raises:
        StoreError: not every byte was taken; how many were is unknown.
    """
    with _telling("write", path):
        fault(f"write {path}")
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]


class Lock:
    """Only one process at a time: `with Lock(folder / "lock"):`. Let go by the kernel at death."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1

    def take(self) -> None:
        """Take the lock, without waiting.

        Raises:
            Busy: naming the process that holds it.
            StoreError: the lock file cannot be opened.
        """
        with _telling("open lock", self._path):
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(descriptor)
            raise Busy(
                f"{self._path.parent} is in use by process {holder}",
                hint="ask that one (prathu status), or stop it and try again",
            ) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._descriptor = descriptor

    def release(self) -> None:
        """Let go. The file stays: unlinking it would let two processes lock two files."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Self:
        """Take it."""
        self.take()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let go."""
        self.release()


def _write(path: Path, data: bytes, flags: int, mode: int) -> None:
    """Write and fsync; the folder is the caller's."""
    fault(f"open {path}")
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC | flags, mode)
    try:
        write_all(descriptor, data, path)
        fault(f"fsync {path}")
        os.fsync(descriptor)
    except BaseException:
        with suppress(OSError):
            os.close(descriptor)
        raise
    os.close(descriptor)  # network file systems tell of a full disk only here


_DISK = "see the disk (df, dmesg); nothing is lost that was confirmed"
_RIGHTS = "run it as the user of the box, or with sudo"


@contextmanager
def _telling(verb: str, path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"could not {verb} {path}: {error.strerror or error}",
            hint=_RIGHTS if isinstance(error, PermissionError) else _DISK,
        ) from error
