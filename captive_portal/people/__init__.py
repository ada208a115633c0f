"""Accounts, passwords and the school's roll."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from captive_portal.database import open_database
from captive_portal.people.accounts import People


def first_admin(home: Path, site: str, account: str) -> str:
    """Make the first admin of a new home, and return the one-time password.

    Raises:
        PortalError: the database cannot be made, or has such an account.
    """
    engine = open_database(home)
    try:
        now = datetime.now(UTC)  # noqa: TID251  # a new home has no clock to hand
        return People(engine).first_admin(site, now=now, account=account)[1]
    finally:
        engine.dispose()
