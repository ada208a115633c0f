"""What the captive portal API tells a device about itself (RFC 8908 section 5)."""

from __future__ import annotations

from datetime import datetime

from captive_portal.sessions.session import Session
from captive_portal.settings import SignIn

MEDIA_TYPE = "application/captive+json"


def state(
    session: Session | None,
    settings: SignIn,
    *,
    managed: bool,
    now: datetime,
    left_bytes: int | None = None,
) -> dict[str, object]:
    """Return the members of the answer.

    Devices drop the whole answer when an address in it is not https, or that of the page is not in
    it; the settings take no other, and without one nobody is answered.
    What remains is told only once nothing holds the device back, for devices ignore it before.

    Args:
        session: The session on the device's address, if one goes on.
        settings: Has the addresses of the page and of the school.
        managed: Whether devices sign in where this one is.
        now: The time.
        left_bytes: Of the person's quota; None: there is none.
    """
    captive = managed and session is None
    told: dict[str, object] = {"captive": captive}
    if not managed:
        return told
    told["user-portal-url"] = settings.public_url
    if settings.venue_url:
        told["venue-info-url"] = settings.venue_url
    if session is not None and session.expires is not None:
        told["seconds-remaining"] = max(0, int((session.expires - now).total_seconds()))
        told["can-extend-session"] = True
    if session is not None and left_bytes is not None:
        told["bytes-remaining"] = left_bytes
    return told
