"""What a home gives the sessions: the key of their ids, and how long they last."""

from __future__ import annotations

import contextlib
import os
import secrets
from datetime import timedelta
from pathlib import Path

from captive_portal.database import FILE
from captive_portal.errors import PortalError
from captive_portal.sessions.keeper import Times
from captive_portal.sessions.session import Ids
from captive_portal.settings import PortalSettings

KEY = FILE.parent / "session.key"
"""What session ids are made with; one per home."""


def session_ids(home: Path) -> Ids:
    """Return the maker of session ids of a home; its key is made at first use.

    Raises:
        PortalError: the key cannot be written or read.
    """
    path = home / KEY
    try:
        if not path.exists():
            _write_key(path)
        key = path.read_bytes()
    except OSError as error:
        raise PortalError(f"the key of session ids {path}: {error.strerror}") from error
    if len(key) < 32:
        raise PortalError(f"the key of session ids {path} is cut short", hint="restore it")
    return Ids(key)


def _write_key(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)  # the database may be elsewhere
    made = path.with_name(f"{path.name}.{os.getpid()}")
    with made.open("xb") as file:
        file.write(secrets.token_bytes(32))
        file.flush()
        os.fsync(file.fileno())
    made.chmod(0o660)
    with contextlib.suppress(FileExistsError):
        path.hardlink_to(made)  # whoever came first has made it
    made.unlink()


def times(settings: PortalSettings) -> Times:
    """Return how long sessions last by the settings."""
    return Times(
        lasts=timedelta(hours=settings.sign_in.session_hours),
        silent=timedelta(seconds=settings.radius.lost_stop_s),
        interim=timedelta(minutes=settings.sessions.interim_minutes),
        seen_within=timedelta(minutes=settings.sessions.seen_minutes),
        grace=timedelta(minutes=settings.sessions.roam_minutes),
    )
