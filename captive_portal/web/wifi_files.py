"""What pages ask of who makes profiles for Wi-Fi with 802.1X."""

from __future__ import annotations

from typing import Protocol


class WifiFacts(Protocol):
    """What profiles for Wi-Fi with 802.1X say."""

    @property
    def servers(self) -> tuple[str, ...]:
        """Names in the server's certificate."""
        ...

    @property
    def outer(self) -> str:
        """The name outside the tunnel."""
        ...

    @property
    def root_der(self) -> bytes:
        """The root that devices are to trust."""
        ...

    def thumbprint(self) -> str:
        """Return the root's SHA-256, as people compare it."""
        ...


class Wifi(Protocol):
    """Makes profiles; `captive_portal.radius.profiles.shelf.Profiles`. All raise PortalError."""

    @property
    def networks(self) -> tuple[str, ...]:
        """Names of the networks."""
        ...

    def facts(self, school: str) -> WifiFacts:
        """Return what profiles say."""
        ...

    def apple(self, school: str) -> bytes:
        """Return the profile for iPhone, iPad and Mac."""
        ...

    def windows(self, school: str, network: str) -> bytes:
        """Return the profile of a network for Windows."""
        ...
