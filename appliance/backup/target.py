"""Where backups lie: a folder, one on an SFTP server, or a bucket. All know files by names."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from appliance.backup.s3 import Bucket
from appliance.backup.sftp import Sftp
from appliance.errors import BoxError, WrongUse
from appliance.settings import Backup
from collector import durable
from collector.errors import StoreError


class Target(Protocol):
    """Files by name; a name is a path with slashes."""

    def names(self) -> list[str]:
        """Return the names of all whole files."""
        ...

    def put(self, name: str, source: Path) -> None:
        """Keep a copy of a file under a name; it appears whole or not at all."""
        ...

    def get(self, name: str, to: Path) -> None:
        """Copy a file here."""
        ...

    def delete(self, name: str) -> None:
        """Take a file away."""
        ...


class Folder:
    """A folder of this machine, perhaps on a disk that was plugged in."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def names(self) -> list[str]:
        """Return the names of all whole files."""
        found = (p for p in self._root.rglob("*") if p.is_file() and p.suffix != ".tmp")
        return sorted(path.relative_to(self._root).as_posix() for path in found)

    def put(self, name: str, source: Path) -> None:
        """Keep a copy of a file under a name; it appears whole or not at all."""
        path = self._root / name
        beside = path.with_name(path.name + ".tmp")
        try:
            durable.make_dir(path.parent)
            shutil.copyfile(source, beside)
            descriptor = os.open(beside, os.O_RDONLY)
            try:
                durable.sync_file(descriptor, beside)
            finally:
                os.close(descriptor)
            durable.rename(beside, path)
        except (OSError, StoreError) as error:
            with suppress(OSError):
                beside.unlink()  # half a file would fill what room is left
            why = error.strerror if isinstance(error, OSError) else error
            hint = "make room there, or give another place"
            raise BoxError(f"cannot write {path}: {why}", hint=hint) from error

    def get(self, name: str, to: Path) -> None:
        """Copy a file here."""
        shutil.copyfile(self._root / name, to)

    def delete(self, name: str) -> None:
        """Take a file away."""
        durable.remove(self._root / name)


@contextmanager
def opened(where: str, *, home: Path, settings: Backup) -> Iterator[Target]:
    """Give the place that a person named: a path, `sftp://user@host[:port]/path` or `s3://…`.

    Raises:
        WrongUse: it is no such place.
        BoxError: it cannot be reached.
    """
    kind = where.partition("://")[0] if "://" in where else ""
    if kind == "sftp":
        key, known = home / settings.ssh_key, home / settings.known_hosts
        with Sftp(where, key=key, known_hosts=known) as remote:
            yield remote
    elif kind in ("s3", "s3+http"):
        yield Bucket(where, keys=home / settings.s3_keys)
    elif kind:
        hint = "a folder, sftp://user@host/path, or s3://host/bucket"
        raise WrongUse(f"{where}: unknown kind of place", hint=hint)
    else:
        yield _folder(Path(where), home)


def _folder(path: Path, home: Path) -> Folder:
    if path.resolve().is_relative_to(home.resolve()):
        raise WrongUse(f"{path} lies in the home itself", hint="name another disk or machine")
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BoxError(f"cannot make {path}: {error.strerror}") from error
    return Folder(path)
