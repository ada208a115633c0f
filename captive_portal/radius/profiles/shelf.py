"""Profiles as pages and the command line ask for them; made anew each time, as files may change."""

from __future__ import annotations

from pathlib import Path

from captive_portal.errors import PortalError
from captive_portal.radius.profiles import apple, facts, windows
from captive_portal.radius.profiles.facts import Facts
from captive_portal.settings import Radius


class Profiles:
    """The profiles of a home; `captive_portal.web.wifi.Wifi`."""

    def __init__(self, home: Path, settings: Radius) -> None:
        self._home = home
        self._settings = settings

    @property
    def networks(self) -> tuple[str, ...]:
        """Names of the networks; none: there is nothing to join by 802.1X."""
        return self._settings.eap_networks if self._settings.eap else ()

    def facts(self, school: str) -> Facts:
        """Return what profiles say. Raises PortalError."""
        return facts.read(self._home, self._settings, school)

    def apple(self, school: str, *, identity: bytes = b"", account: str = "") -> bytes:
        """Return the profile for iPhone, iPad and Mac; with a device's PKCS#12, its own.

        Raises:
            PortalError: it is not certain whom devices are to trust.
        """
        return apple.profile(self.facts(school), identity=identity, account=account)

    def windows(self, school: str, network: str, *, certificate: bool = False) -> bytes:
        """Return the profile of a network for Windows.

        Raises:
            PortalError: as `apple`, or there is no such network.
        """
        if network not in self.networks:
            raise PortalError(f"no network {network[:40]!r} among radius.eap_networks")
        return windows.profile(self.facts(school), network, certificate=certificate)
