"""The portal's settings, a sentence each. They are sections of the one `prathu.toml`."""

from __future__ import annotations

import ipaddress
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


class Section(BaseModel):
    """A part of the settings: immutable, and strict about names."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _network(value: str) -> str:
    return str(ipaddress.ip_network(value, strict=False))


class SignIn(Section):
    """The sign-in page."""

    host: str = "0.0.0.0"  # noqa: S104  # people's devices reach it from the LAN
    """The address it listens on."""
    port: int = Field(default=8080, ge=0, le=65535)
    """0 takes any free port."""
    session_hours: float = Field(default=12, gt=0, le=24 * 31)
    """A session ends so long after sign-in, whatever else happens."""
    tries_per_minute: int = Field(default=10, ge=1)
    """Failed sign-ins from one address before it has to wait."""
    public_url: str = ""
    """The page's https address, told to devices that ask (RFC 8908); empty: they are not told."""
    keep_days: int = Field(default=90, ge=90)
    """How long the notice says that the log is kept; the law asks for 90 days at least."""
    controller: str = ""
    """Who answers for the log, as the notice names them; empty: the site's name."""
    contact: str = ""
    """How to reach them and their data protection officer."""


class RadiusClient(Section):
    """A NAS: an access point or a router that reports sessions."""

    network: Annotated[str, AfterValidator(_network)]
    """The address, or the network, that it speaks from."""
    secret_file: str
    """Path of the shared secret, under the home."""
    site: str
    """The site whose sessions it reports."""
    require_message_authenticator: bool = False
    """Refuse packets of it that carry no Message-Authenticator (RFC 2869)."""


class Radius(Section):
    """The RADIUS side."""

    host: str = "0.0.0.0"  # noqa: S104  # NASes reach it from the LAN
    """The address it listens on."""
    accounting_port: int = Field(default=1813, ge=0, le=65535)
    """Accounting requests (RFC 2866); 0 takes any free port."""
    clients: tuple[RadiusClient, ...] = ()
    lost_stop_s: int = Field(default=1800, ge=60)
    """A session without interim update for so long is presumed ended at the time last seen.

    For NASes that send interim updates; other ones' sessions run `session_hours`.
    """


class PortalSettings(Section):
    """The sections that are the portal's."""

    sign_in: SignIn = SignIn()
    radius: Radius = Radius()
    database: str = ""
    """An SQLAlchemy URL; empty means SQLite in the home."""
    sign_in_lines: bool = False
    """Whether the collector has sign-in lines of syslog for us: it believes some sender."""
