"""What a home gives the sessions: the key of their ids, and how long they last."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from captive_portal.database import FILE
from captive_portal.people.keys import kept_key
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
    return Ids(kept_key(home / KEY, "session ids"))


def times(settings: PortalSettings) -> Times:
    """Return how long sessions last by the settings."""
    return Times(
        lasts=timedelta(hours=settings.sign_in.session_hours),
        silent=timedelta(seconds=settings.radius.lost_stop_s),
        interim=timedelta(minutes=settings.sessions.interim_minutes),
        seen_within=timedelta(minutes=settings.sessions.seen_minutes),
        grace=timedelta(minutes=settings.sessions.roam_minutes),
    )
