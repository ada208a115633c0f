"""What the status shows of 802.1X; looked at again each hour, as certificates end by themselves."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from captive_portal.errors import PortalError
from captive_portal.radius import certificate, freeradius
from captive_portal.radius.profiles import facts
from captive_portal.settings import Radius

AGAIN = timedelta(hours=1)


class EapStatus:
    """Keeps what was found, for an hour. Made before anything else asks: FreeRADIUS is run once."""

    def __init__(self, home: Path, settings: Radius) -> None:
        self._home = home
        self._settings = settings
        self._version = freeradius.version()
        self._looked: datetime | None = None
        self._told: dict[str, str] = {}

    def told(self, now: datetime) -> dict[str, str]:
        """Return what there is to say, by what it is of."""
        if self._looked is None or not timedelta() <= now - self._looked < AGAIN:
            self._looked, self._told = now, self._look(now)
        return self._told

    def _look(self, now: datetime) -> dict[str, str]:
        told = {
            "freeradius": ".".join(str(part) for part in self._version) or "not installed",
            "version": freeradius.caveat(self._version),
            "certificate": "; ".join(certificate.endings(self._home, self._settings, now)),
            "profiles": self._profiles(),
        }
        return {what: text for what, text in told.items() if text}

    def _profiles(self) -> str:
        """Return why no profile can be made for devices, if none can."""
        made = (self._home / self._settings.eap_certificate).exists()
        if not made or not self._settings.eap_networks:
            return ""
        try:
            facts.read(self._home, self._settings, "")
        except PortalError as error:
            return f"no profiles for devices: {error}"
        return ""
