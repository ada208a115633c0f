"""All settings of the box: the sections of the three packages in one `prathu.toml`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from captive_portal.radius import freeradius
from captive_portal.settings import (
    Controller,
    Gateway,
    Ldap,
    Oidc,
    PortalSettings,
    Radius,
    RadiusUpstream,
    School,
    Sessions,
    SignIn,
    Zone,
)
from collector import settings as collector_settings
from collector.errors import SettingsError
from collector.settings import CollectorSettings, Section
from collector.settings.kinds import HostPort


class Admin(Section):
    """The admin pages."""

    host: str = "127.0.0.1"
    """The address they listen on; loopback means this machine only."""
    port: int = Field(default=8444, ge=0, le=65535)
    """0 takes any free port."""
    query_seconds: float = Field(default=30, gt=0)
    """A question that takes longer is stopped."""
    query_memory_mb: int = Field(default=256, ge=64)
    """Memory that one question may use."""


class Hub(Section):
    """The witness that this machine is for other boxes: `prathu hub witness`."""

    name: str = Field(default="", pattern=r"^([^\s+/][^\s+]{0,199})?$")
    """Its name, for ever: an address without https://, such as hub.example.go.th/witness."""
    listen: HostPort = "127.0.0.1:8470"
    """Where it listens; a web server in front of it speaks TLS."""
    logs: str = "hub/logs"
    """A file under the home with the ledgers that it serves, a line `log KEY` each; it is read
    again when it changes."""


class Backup(Section):
    """Where backups go; they are encrypted to the key on paper (`[keys] recovery`)."""

    to: str = ""
    """Where `prathu backup` goes: a folder on another disk, sftp://user@host[:port]/path, or
    s3://host[:port]/bucket[/folder]."""
    logs: bool = False
    """Segments too, each once; else settings, keys, database and ledger."""
    ssh_key: str = "secrets/backup.ssh"
    """Private key for SFTP, in OpenSSH's form, without a password; path from the home on."""
    known_hosts: str = "secrets/backup.known_hosts"
    """The SFTP server's host key, as `ssh-keyscan` prints it; path from the home on."""
    s3_keys: str = "secrets/backup.s3"
    """A file with two lines, access key and secret key; path from the home on."""
    days: int = Field(default=1, ge=0, le=14)
    """The box makes one by itself every so many days where `to` says where; 0: people do."""
    rehearse_days: int = Field(default=30, ge=0, le=366)
    """And restores one beside and verifies it, every so many days; 0: people do."""
    hour: int = Field(default=3, ge=0, le=23)
    """Not before this hour, Asia/Bangkok; what the box slept through is made up for at once."""
    scratch: str = ""
    """A folder where rehearsals are laid out and deleted; empty: in the home. It takes as much as
    the segments do."""


class Acme(Section):
    """The sign-in page's certificate from an authority (RFC 8555), by a record in the DNS."""

    directory: Annotated[str, Field(pattern=r"^(https://\S+)?$")] = ""
    """Where the authority begins, as its documents say; empty: nobody is asked."""
    terms_agreed: bool = False
    """Whether whoever answers for the box has read and agrees to the authority's terms."""
    contact: str = ""
    """A mail address that the authority may write to."""
    account_key: str = "tls/acme-account.key"
    """Made at first use; path from the home on."""
    ca_file: str = ""
    """Certificates to trust the authority's own address by, PEM, path from the home on; empty:
    those that everybody trusts."""
    name_server: HostPort = "127.0.0.1:53"
    """Takes updates of the zone (RFC 2136)."""
    zone: str = ""
    """The zone that is updated, as school.example."""
    tsig_name: str = ""
    """The name of the key that updates are signed with (RFC 8945)."""
    tsig_algorithm: Literal["hmac-sha256", "hmac-sha384", "hmac-sha512"] = "hmac-sha256"
    """Its kind."""
    tsig_secret: str = "tls/acme.tsig"  # noqa: S105  # a path
    """A file with its secret alone, base64; path from the home on."""
    alias: str = ""
    """The name that `_acme-challenge.` of the page's name is a CNAME to, where it is one."""
    settle_s: float = Field(default=10, ge=0, le=600)
    """Wait so long before the authority looks, for all name servers to hear of the record."""


class BoxSettings(CollectorSettings):
    """Everything that `prathu.toml` may say."""

    sign_in: SignIn = SignIn()
    sessions: Sessions = Sessions()
    radius: Radius = Radius()
    zones: tuple[Zone, ...] = ()
    """Parts of sites with ways in of their own; without any, all inside networks are one."""
    gateway: Gateway = Gateway()
    schools: tuple[School, ...] = ()
    """Codes by which rolls name sites' schools."""
    ldap: tuple[Ldap, ...] = ()
    """Directories that check passwords, in the order in which they are asked."""
    radius_upstream: tuple[RadiusUpstream, ...] = ()
    """RADIUS servers that check passwords, in the order in which they are asked."""
    controllers: tuple[Controller, ...] = ()
    """Controllers of access points that are asked to let devices in."""
    oidc: tuple[Oidc, ...] = ()
    """Providers of OpenID Connect, in the order of their buttons."""
    database: str = ""
    """An SQLAlchemy URL; empty means SQLite in the home."""
    admin: Admin = Admin()
    acme: Acme = Acme()
    backup: Backup = Backup()
    hub: Hub = Hub()

    @property
    def optional_processes(self) -> tuple[str, ...]:
        """The processes that only some boxes run: what they look at is set."""
        watch = self.lease_files or self.neighbours or self.uplinks
        sniff = self.sniff or self.names.capture
        backup = self.backup.to and (self.backup.days or self.backup.rehearse_days)
        eap = self.radius.eap and freeradius.program()
        wanted = {"watch": watch, "sniff": sniff, "backup": backup, "eap": eap}
        return tuple(name for name, why in wanted.items() if why)

    @property
    def portal(self) -> PortalSettings:
        """The portal's sections alone."""
        return PortalSettings(
            sign_in=self.sign_in,
            sessions=self.sessions,
            radius=self.radius,
            zones=self.zones,
            gateway=self.gateway,
            schools=self.schools,
            ldap=self.ldap,
            radius_upstream=self.radius_upstream,
            controllers=self.controllers,
            oidc=self.oidc,
            database=self.database,
            sign_in_lines=bool(self.believed_senders),
        )


def load(home: Path) -> BoxSettings:
    """Return the settings of a home, every key checked.

    Raises:
        SettingsError: naming the first wrong setting and the nearest right name.
    """
    settings = collector_settings.parse(collector_settings.read(home), BoxSettings)
    collector_settings.check_sites(settings)
    known = {site.id for site in settings.sites}
    told = [
        *((f"radius.clients: {one.network}", one.site) for one in settings.radius.clients),
        *((f"zones: {one.id}", one.site) for one in settings.zones),
        *((f"ldap: {one.id}", one.site) for one in settings.ldap),
        *((f"radius_upstream: {one.id}", one.site) for one in settings.radius_upstream),
        *((f"controllers: {one.url}", one.site) for one in settings.controllers),
        *((f"oidc: {one.id}", one.site) for one in settings.oidc),
        *(("schools: a school", one.site) for one in settings.schools),
    ]
    for what, site in told:
        if site not in known:
            raise SettingsError(f"{what} is of unknown site {site!r}")
    _check_acme(settings)
    _check_oidc(settings)
    return settings


def _check_acme(settings: BoxSettings) -> None:
    """Refuse to ask an authority while something is missing for it. Raises SettingsError."""
    acme, page = settings.acme, settings.sign_in
    if not acme.directory:
        return
    needed = {
        "acme.zone": acme.zone,
        "acme.tsig_name": acme.tsig_name,
        "acme.terms_agreed": acme.terms_agreed,
        "sign_in.public_url": page.public_url,
        "sign_in.certificate": page.certificate,
        "sign_in.tls_port": page.tls_port is not None,
    }
    missing = [name for name, value in needed.items() if not value]
    if missing:
        raise SettingsError(f"acme.directory is set, and {', '.join(missing)} must be too")


def _check_oidc(settings: BoxSettings) -> None:
    """Refuse providers that could not send people back, or be told apart. Raises SettingsError."""
    if settings.oidc and not settings.sign_in.public_url:
        raise SettingsError(
            "oidc is set, and sign_in.public_url must be too: people come back to it"
        )
    ids = [one.id for one in settings.oidc]
    naming = [one.site for one in settings.oidc if one.account_claim]
    for one in settings.oidc:
        if ids.count(one.id) > 1:
            raise SettingsError(f"oidc: {one.id} stands twice")
        if one.account_claim and naming.count(one.site) > 1:
            raise SettingsError(
                f"oidc: of site {one.site} only one provider may have account_claim: "
                "two could give the same login name to different people"
            )
    for zone in settings.zones:
        if "oidc" in zone.ways and set(zone.ways) <= {"oidc", "device"}:
            raise SettingsError(
                f"zones: {zone.id} has oidc alone, and a provider that is down would shut "
                "everybody out: add local, ldap, radius or voucher"
            )
