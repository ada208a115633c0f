"""What a home gives the sessions: the key of their ids, and how long they last."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from captive_portal.database import FILE
from captive_portal.people.keys import kept_key
from captive_portal.sessions.keeper import Times
from captive_portal.sessions.session import Ids, Session
from captive_portal.settings import PortalSettings

KEY = FILE.parent / "session.key"
"""What session ids are made with; one per home."""
STATUS = Path("run") / "portal.json"
"""What a running portal writes of itself, every few seconds."""


def session_ids(home: Path) -> Ids:
    """Return the maker of session ids of a home; its key is made at first use.

    Raises:
        PortalError: the key cannot be written or read.
    """
    return Ids(kept_key(home / KEY, "session ids"))


def doubted(home: Path) -> Mapping[str, int]:
    """Return the addresses and MACs that two devices claimed, and when last, ns; see `claims`.

    A portal that does not run has seen nothing.
    """
    try:
        told = json.loads((home / STATUS).read_bytes())["claims"]["doubted"]
        return {str(what): int(at_ns) for what, at_ns in told.items()}
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return {}


def in_doubt(session: Session, told: Mapping[str, int]) -> bool:
    """Say whether two devices claimed what a session holds, since it began.

    Args:
        session: One that goes on.
        told: What is in doubt.
    """
    since_ns = session.start.timestamp() * 10**9
    return any(told.get(what, 0) > since_ns for what in (*session.addresses, session.mac))


def times(settings: PortalSettings) -> Times:
    """Return how long sessions last by the settings."""
    return Times(
        lasts=timedelta(hours=settings.sign_in.session_hours),
        silent=timedelta(seconds=settings.radius.lost_stop_s),
        interim=timedelta(minutes=settings.sessions.interim_minutes),
        seen_within=timedelta(minutes=settings.sessions.seen_minutes),
        grace=timedelta(minutes=settings.sessions.roam_minutes),
    )
