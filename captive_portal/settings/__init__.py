"""The portal's settings, a sentence each. They are sections of the one `prathu.toml`."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from captive_portal.settings.kinds import OutsideGroup as OutsideGroup
from captive_portal.settings.kinds import Section, https_url, network_text
from captive_portal.settings.oidc import Oidc as Oidc


def _mac(value: str) -> str:
    digits = re.sub(r"[:.-]", "", value).lower()
    if not re.fullmatch(r"[0-9a-f]{12}", digits):
        raise ValueError(f"{value!r} is no MAC, as 02:00:5e:10:00:01")
    return ":".join(digits[at : at + 2] for at in range(0, 12, 2))


def _with_length(value: str) -> str:
    return str(ipaddress.ip_interface(value)) if value else value


class SignIn(Section):
    """The sign-in page."""

    host: str = "::"
    """The address it listens on; `::` is all, IPv4 too."""
    port: int = Field(default=8080, ge=0, le=65535)
    """0 takes any free port."""
    session_hours: float = Field(default=12, gt=0, le=24 * 31)
    """A session ends so long after sign-in, whatever else happens."""
    tries_per_minute: int = Field(default=10, ge=1)
    """Failed sign-ins from one address before it has to wait."""
    tls_port: int | None = Field(default=None, ge=0, le=65535)
    """The port of the page by https; none: there is http alone."""
    certificate: str = ""
    """PEM file of the certificate with its chain, path from the home on; a new one is taken up
    without a restart. Empty: the box makes one itself, of which phones warn."""
    certificate_key: str = "tls/sign-in.key"
    """PEM file of its key, path from the home on."""
    names: tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9.-]{1,253}$")], ...] = ()
    """Names besides that of `public_url` that lead to the page, as wifi.school.example; who asks
    for any other host is sent to the page."""
    public_url: Annotated[str, AfterValidator(https_url)] = ""
    """The page's https address, told to devices that ask (RFC 8908); empty: they are not told."""
    venue_url: Annotated[str, AfterValidator(https_url)] = ""
    """An https address with news of the school, which devices may show; empty: none."""
    keep_days: int = Field(default=90, ge=90)
    """How long the notice says that the log is kept; the law asks for 90 days at least."""
    controller: str = ""
    """Who answers for the log, as the notice names them; empty: the site's name."""
    contact: str = ""
    """How to reach them and their data protection officer."""


class Zone(Section):
    """A part of a site with ways in of its own: the pupils' Wi-Fi, the teachers', a lab."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")
    """Its name in rows and addresses of pages, for ever."""
    site: str
    """The site that it is in."""
    name: str = ""
    """What people call it, in Thai; empty: the site's name."""
    name_en: str = ""
    """The same in English."""
    networks: tuple[Annotated[str, AfterValidator(network_text)], ...] = ()
    """Its devices' addresses, where the box is not their router."""
    interface: str = Field(default="", pattern=r"^[A-Za-z0-9_.-]{0,15}$")
    """The interface of the box that its devices are behind; empty: the box stands beside."""
    address: Annotated[str, AfterValidator(_with_length)] = ""
    """The box's IPv4 address in it with its length, as 10.20.0.1/20."""
    address6: Annotated[str, AfterValidator(_with_length)] = ""
    """The same for IPv6, as fd00:20::1/64; empty: no IPv6 there, told to devices by silence."""
    leases: str = ""
    """First and last address that DHCP gives, as 10.20.0.50-10.20.15.250."""
    portal: bool = True
    """Devices must sign in; without, everything passes and only leases tell who it was."""
    ways: tuple[str, ...] = ("local",)
    """Ways to sign in, tried in this order: local, ldap, radius, voucher, oidc, device."""
    garden: tuple[str, ...] = ()
    """Names that are reached before sign-in, as www.school.example; `*.` for all below."""
    notice: str = ""
    """A file under the home, as pages/lab.txt, with a text of the school's own for the page, Thai;
    `.en` beside it."""
    logo: str = ""
    """A picture file under the home, as pages/logo.png: PNG, JPEG or SVG, at most 20 kB."""
    colour: str = Field(default="", pattern=r"^(#[0-9a-fA-F]{6})?$")
    """Of the head of its pages."""

    @model_validator(mode="after")
    def _stands_somewhere(self) -> Zone:
        if bool(self.networks) == bool(self.interface):
            raise ValueError("a zone has either networks or an interface")
        if self.interface and not self.address:
            raise ValueError(f"zone {self.id}: the box needs an address on {self.interface}")
        return self


class Gateway(Section):
    """The box as the router of its zones. Empty `uplink`: it is nobody's router."""

    uplink: str = Field(default="", pattern=r"^[A-Za-z0-9_.-]{0,15}$")
    """The interface that the Internet is behind."""
    upstream_dns: tuple[str, ...] = ()
    """Resolvers that the box asks; empty: those of its own /etc/resolv.conf."""
    domain: str = "school.internal"
    """Of names that DHCP gives."""
    doh: tuple[Annotated[str, AfterValidator(network_text)], ...] = ()
    """More addresses of DNS-over-HTTPS servers to refuse, besides those known."""
    free: tuple[Annotated[str, AfterValidator(_mac)], ...] = ()
    """MACs of devices that pass without sign-in: printers, the school's own access points."""
    block: tuple[Annotated[str, AfterValidator(_mac)], ...] = ()
    """MACs of devices that nothing is taken from."""
    manage: tuple[Annotated[str, AfterValidator(network_text)], ...] = ()
    """Networks beyond the uplink that may reach SSH and the admin pages; nobody else there may."""


def _ssid(value: str) -> str:
    if not 1 <= len(value.encode()) <= 32 or not value.isprintable():
        raise ValueError(f"{value!r} is no name of a Wi-Fi network: 1 to 32 octets")
    return value


NasKind = Literal[
    "mikrotik", "ruckus", "aruba", "cisco", "unifi", "omada", "ruijie", "fortigate", "pfsense",
    "opnsense", "chillispot", "generic",
]  # fmt: skip
"""Makers of NASes whose attributes are known."""


class Sessions(Section):
    """How sessions of the box's own are kept."""

    interim_minutes: int = Field(default=10, ge=1, le=1440)
    """What the gate counted is written to the log so often; to the database each minute."""
    seen_minutes: int = Field(default=10, ge=2)
    """A device that was not heard of for so long is none of those that a group allows."""
    roam_minutes: int = Field(default=10, ge=0)
    """So long after it was last heard of, a device keeps its session in another zone."""


_LOGIN_HOST = r"^([A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?$"


class RadiusClient(Section):
    """A NAS: an access point, a switch or a router that asks about people or reports sessions."""

    network: Annotated[str, AfterValidator(network_text)]
    """The address, or the network, that it speaks from; the longest match wins."""
    secret_file: str
    """Path of the shared secret, under the home; at least 16 characters."""
    site: str
    """The site whose sessions it reports."""
    identifier: str = Field(default="", max_length=253)
    """Its NAS-Identifier, where two sites speak from one address; each has a secret of its own."""
    kind: NasKind = "generic"
    """Whose it is; tells which attributes it understands."""
    message_authenticator: Literal["require", "learning", "legacy"] = "require"
    """Access-Requests without Message-Authenticator (CVE-2024-3596): refused; refused from the
    first that has one on, for each address; or taken."""
    coa_port: int = Field(default=0, ge=0, le=65535)
    """Where it takes Disconnect and CoA (RFC 5176); 0: as its kind does, 3799 or 1700."""
    mac_format: Literal[
        "AA-BB-CC-DD-EE-FF",
        "aa-bb-cc-dd-ee-ff",
        "AA:BB:CC:DD:EE:FF",
        "aa:bb:cc:dd:ee:ff",
        "AABBCCDDEEFF",
        "aabbccddeeff",
        "aabb.ccdd.eeff",
    ] = "AA-BB-CC-DD-EE-FF"
    """How MACs are spelt that it is told and has not spelt itself."""
    takes: Literal["", "coa", "disconnect", "none"] = ""
    """What it takes of RFC 5176: changes and ends, ends alone, or nothing; empty: as its kind."""
    orders: bool = False
    """By Disconnect and CoA it may end and change every session of its site, not only those that it
    reported, and put one in another group."""
    login: tuple[Annotated[str, Field(pattern=_LOGIN_HOST)], ...] = ()
    """Hosts of its own sign-in form, where the page may send people: 10.5.50.1, a name, or either
    with a port; `network` is one too where it is one address."""


class Radius(Section):
    """The RADIUS side."""

    host: str = "0.0.0.0"  # noqa: S104  # NASes reach it from the LAN
    """The address it listens on."""
    authentication_port: int = Field(default=1812, ge=0, le=65535)
    """Access requests (RFC 2865); 0 takes any free port."""
    accounting_port: int = Field(default=1813, ge=0, le=65535)
    """Accounting requests (RFC 2866); 0 takes any free port."""
    coa_port: int = Field(default=3799, ge=0, le=65535)
    """Disconnect and CoA requests from NASes (RFC 5176); 0 takes any free port."""
    clients: tuple[RadiusClient, ...] = ()
    packets_per_second: int = Field(default=5000, ge=1)
    """Of one address, on each port; more is dropped unread and counted."""
    language: Literal["th", "en"] = "th"
    """Of the sentence that a refused person reads."""
    ways: tuple[str, ...] = ("local",)
    """Ways that a password which a NAS sends is looked at, as in zones."""
    random_macs: bool = False
    """Devices sign in by their MAC even if it is made up (the locally administered bit)."""
    nt_hashes: bool = False
    """Keep the NT hash of passwords too, encrypted: MSCHAPv2 and PEAP need it. It is as good as the
    password to whoever has the database and its key."""
    eap: bool = False
    """Run FreeRADIUS behind this server for 802.1X (EAP-TTLS, PEAP and EAP-TLS)."""
    eap_realm: str = Field(default="", pattern=r"^[A-Za-z0-9.-]{0,253}$")
    """Phones may name themselves anonymous@ this outside the tunnel; empty: any realm."""
    eap_name: str = Field(default="", pattern=r"^[a-z0-9.-]{0,64}$")
    """Name in a certificate that the box makes; phones are told to accept no other."""
    eap_port: int = Field(default=18120, ge=1, le=65535)
    """Of FreeRADIUS, on loopback."""
    eap_rest_port: int = Field(default=18121, ge=1, le=65535)
    """Where FreeRADIUS asks us, on loopback."""
    eap_certificate: str = "radius/eap.pem"
    """Certificate chain that phones see, PEM, under the home; made by the box when it is absent."""
    eap_key: str = "radius/eap.key"
    """Its private key."""
    eap_ca: str = "radius/eap-ca.pem"
    """Root that signed that certificate, PEM, under the home: profiles tell devices to trust it."""
    eap_networks: tuple[Annotated[str, AfterValidator(_ssid)], ...] = ()
    """Names of the Wi-Fi networks with 802.1X; people find profiles for them at /wifi."""
    lost_stop_s: int = Field(default=1800, ge=60)
    """A session without interim update for so long is presumed ended at the time last seen.

    For NASes that send interim updates; other ones' sessions run `session_hours`.
    """


class School(Section):
    """The codes of a site's school; no rule leads from one to another, so all are told."""

    site: str
    """The site that the school is."""
    ministry: str = Field(default="", pattern=r"^([0-9]{10})?$")
    """The ministry's code, 10 digits."""
    smis: str = Field(default="", pattern=r"^([0-9]{8})?$")
    """The SMIS code, 8 digits, as DMC has it."""
    obec: str = Field(default="", pattern=r"^([0-9]{6})?$")
    """The code of the Office of the Basic Education Commission, 6 digits."""


_Directory = Annotated[str, Field(pattern=r"^ldaps?://[^/\s]+/?$")]


class Ldap(Section):
    """A directory that checks passwords: OpenLDAP, Active Directory and others of their kind.

    It is spoken to over TLS 1.2 or newer only, and its certificate is always checked.
    """

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")
    """Its name in counts and in ids of people, for ever."""
    site: str
    """The site whose people it has."""
    servers: tuple[Annotated[str, Field(pattern=r"^ldaps?://[^/\s]+/?$")], ...] = Field(
        min_length=1
    )
    """Tried in this order: ldaps://dc1.school.example, or ldap:// for StartTLS; the name must stand
    in the certificate."""
    ca_file: str = ""
    """Certificates of who signed the servers', PEM, under the home; empty: those of the system."""
    active_directory: bool = False
    """Accounts are found by sAMAccountName and known by objectGUID; else by uid and entryUUID."""
    base: str = Field(min_length=1)
    """DN below which people are."""
    bind_dn: str = ""
    """The account that looks people up; it needs the right to read and no other."""
    bind_password_file: str = ""
    """Path of its password, under the home."""
    user_dn: str = ""
    """Instead of such an account: what people themselves bind as, `{account}` in it, as
    uid={account},ou=people,dc=school,dc=example or {account}@school.example."""
    filter: str = ""
    """Finds somebody, `{account}` in it; empty: by the attribute of `name_attribute`."""
    name_attribute: str = ""
    """The login name; empty: uid, or sAMAccountName."""
    full_name_attribute: str = "displayName"
    """The name that people read; cn where it is empty."""
    id_attribute: str = ""
    """What never changes and is never given out again; empty: entryUUID, or objectGUID."""
    group_base: str = ""
    """DN below which groups are; empty: `base`."""
    groups: tuple[OutsideGroup, ...] = ()
    """Groups and what their people are here, groups in groups too."""
    locks_after: int = Field(default=0, ge=0)
    """Wrong passwords after which the directory locks an account (of half an hour); strangers may
    not use them up. 0: it locks none."""

    @model_validator(mode="after")
    def _can_ask(self) -> Ldap:
        if bool(self.bind_dn) == bool(self.user_dn):
            raise ValueError(f"ldap {self.id}: it has either bind_dn or user_dn")
        if self.bind_dn and not self.bind_password_file:
            raise ValueError(f"ldap {self.id}: bind_dn needs bind_password_file")
        for name in ("user_dn", "filter"):
            text = getattr(self, name)
            if text and "{account}" not in text:
                raise ValueError(f"ldap {self.id}: {name} has no {{account}}")
        return self


_HostPort = Annotated[str, Field(pattern=r"^(\[[0-9a-fA-F:]+\]|[^:\s]+):[0-9]{1,5}$")]


class RadiusUpstream(Section):
    """RADIUS servers of somebody else, which check passwords and may be told of sessions."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")
    """Its name in counts and in ids of people, for ever."""
    site: str
    """The site whose people it has."""
    servers: tuple[_HostPort, ...] = ()
    """Tried in this order: 192.0.2.10:1812. Empty: passwords are not asked there."""
    accounting: tuple[_HostPort, ...] = ()
    """Who is told of sessions, the first that answers: 192.0.2.10:1813. Empty: nobody."""
    secret_file: str
    """Path of the shared secret, under the home; at least 16 characters."""
    method: Literal["pap", "mschapv2"] = "pap"
    """How passwords are asked about; servers that have only hashes need pap."""
    nas_identifier: str = Field(default="prathu", min_length=1, max_length=200)
    """What the box is called there."""
    legacy: bool = False
    """Take answers without Message-Authenticator, of servers older than July 2024. Somebody on the
    way can forge them (CVE-2024-3596)."""
    groups: tuple[OutsideGroup, ...] = ()
    """Values of Class or Filter-Id in answers, and what their people are here."""
    locks_after: int = Field(default=0, ge=0)
    """As of a directory."""
    interim_s: int = Field(default=600, ge=60)
    """How often it is told of each session."""


class Controller(Section):
    """A controller of access points that lets devices in when our page asks it to."""

    kind: Literal["unifi", "omada"]
    """Whose it is."""
    site: str
    """The site whose devices it lets in."""
    url: Annotated[str, AfterValidator(https_url), Field(min_length=1)]
    """Its https address; of UniFi with the path of its API where that is another than usual."""
    ca_file: str = ""
    """Certificates of who signed its own, PEM, under the home; empty: those of the system. It is
    always checked."""
    secret_file: str
    """Path of the API key (UniFi) or of the operator's password (Omada), under the home."""
    operator: str = ""
    """Omada: name of the hotspot operator."""
    controller_id: str = Field(default="", pattern=r"^[0-9A-Za-z]{0,64}$")
    """Omada: the controller's id, as it stands in the address of its pages."""
    controller_site: str = "default"
    """UniFi: what the controller calls the site."""


class PortalSettings(Section):
    """The sections that are the portal's."""

    sign_in: SignIn = SignIn()
    sessions: Sessions = Sessions()
    radius: Radius = Radius()
    zones: tuple[Zone, ...] = ()
    gateway: Gateway = Gateway()
    schools: tuple[School, ...] = ()
    ldap: tuple[Ldap, ...] = ()
    radius_upstream: tuple[RadiusUpstream, ...] = ()
    controllers: tuple[Controller, ...] = ()
    oidc: tuple[Oidc, ...] = ()
    database: str = ""
    """An SQLAlchemy URL; empty means SQLite in the home."""
    sign_in_lines: bool = False
    """Whether the collector has sign-in lines of syslog for us: it believes some sender."""
