"""One encrypted archive: a tar of small files inside an age file.

What is in it is known by its first member, which says what it is and where the ledgers stood.
"""

from __future__ import annotations

import io
import json
import os
import tarfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

import pyrage

from appliance.errors import BoxError
from collector.seal.recovery import RECORD, SEALED

FORMAT = "prathu-backup/1"
HEAD = "backup.json"
ALLOWED = (
    *("prathu.toml", "prathu.d", "nas", "tls", "database", "ledger", "keys", "holds", "cases"),
    *("radius", "pages", "secrets", "state"),
)
"""What an archive may bring into a home."""
_ONLY = {"secrets": {SEALED, RECORD}, "state": {"settings", "lost"}}
"""Of these folders only what a backup has: a key that somebody planted would be used."""
_MAX_HEAD = 1 << 20
_DAMAGED = (
    *(ValueError, EOFError, RecursionError),
    *(NotADirectoryError, IsADirectoryError, FileExistsError),
)
Recipients = Sequence[pyrage.x25519.Recipient]


def recipient(public: str) -> pyrage.x25519.Recipient:
    """Return the key to encrypt to, from its public half as settings have it."""
    return pyrage.x25519.Recipient.from_str(public)


class Writer:
    """Takes files into an archive."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar

    def add(self, name: str, data: bytes, *, mode: int = 0o600) -> None:
        """Add a file."""
        info = tarfile.TarInfo(name)
        info.size, info.mode = len(data), mode
        self._tar.addfile(info, io.BytesIO(data))

    def add_file(self, name: str, path: Path) -> None:
        """Add a copy of a file, with its rights and time, as long as it is now."""
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
            info = tarfile.TarInfo(name)
            info.size, info.mode = found.st_size, found.st_mode & 0o777
            info.mtime = int(found.st_mtime)
            self._tar.addfile(info, file)


def write(path: Path, recipients: Recipients, fill: Callable[[Writer], None]) -> None:
    """Write an archive, encrypted as it is made: nothing of it lies plain on the disk.

    Raises:
        Whatever `fill` raises; the file is then of no use.
    """
    reading, writing = os.pipe()
    failed: list[BaseException] = []

    def make() -> None:
        try:
            with (
                os.fdopen(writing, "wb") as pipe,
                tarfile.open(fileobj=pipe, mode="w|", format=tarfile.PAX_FORMAT) as tar,
            ):
                fill(Writer(tar))
        except BaseException as error:  # noqa: BLE001  # raised below, in the thread that waits
            failed.append(error)

    thread = threading.Thread(target=make, name="archive")
    thread.start()
    with os.fdopen(reading, "rb") as pipe, _private(path) as out:
        pyrage.encrypt_io(pipe, out, list(recipients))
        pipe.read()
        thread.join()
    if failed:
        raise failed[0]


def encrypt(source: Path, path: Path, recipients: Recipients) -> None:
    """Encrypt one file."""
    with source.open("rb") as plain, _private(path) as out:
        pyrage.encrypt_io(plain, out, list(recipients))


def decrypt(source: Path, path: Path, identity: pyrage.x25519.Identity) -> None:
    """Decrypt one file.

    Raises:
        BoxError: it does not open with this key.
    """
    with source.open("rb") as sealed, _private(path) as out:
        try:
            pyrage.decrypt_io(sealed, out, [identity])
        except (pyrage.DecryptError, ValueError, OSError) as error:
            hint = "is it the paper of this box, and is the file whole?"
            raise BoxError(f"{source.name} does not open with this key", hint=hint) from error


def unpack(tar_file: Path, home: Path) -> dict[str, Any]:
    """Write the files of a decrypted archive into a home; return what its first member says.

    Raises:
        BoxError: it is not such an archive, or one that would write elsewhere.
    """
    try:
        with tarfile.open(tar_file, "r:") as tar:  # as it is written: nothing to blow up
            first = tar.next()
            fits = first is not None and first.name == HEAD and first.size <= _MAX_HEAD
            head = tar.extractfile(first) if first is not None and fits else None
            told = json.loads(head.read()) if head is not None else {}
            if not isinstance(told, dict) or told.get("format") != FORMAT:
                raise BoxError("this is no backup of this format")
            for member in _members(tar):
                tar.extract(member, home, filter="data")
    except (*_DAMAGED, tarfile.TarError) as error:
        raise BoxError(f"the backup is damaged: {error}") from error
    return told


def _belongs(parts: tuple[str, ...]) -> bool:
    """Say whether a backup has a file there."""
    if not parts or parts[0] not in ALLOWED or ".." in parts:
        return False
    return parts[0] not in _ONLY or (len(parts) > 1 and parts[1] in _ONLY[parts[0]])


def _members(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    for member in tar:
        parts = PurePosixPath(member.name).parts
        if member.name == HEAD:
            continue
        if not member.isreg() or member.issparse() or not _belongs(parts):
            raise BoxError(f"the backup has a member that is none: {member.name[:80]!r}")
        yield member


@contextmanager
def _private(path: Path) -> Iterator[io.BufferedWriter]:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
