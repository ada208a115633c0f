"""The collector's settings, a sentence each.

They are sections of the one `prathu.toml` in the home. Unknown keys are errors that name the
nearest right one. Secrets are paths to files.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from collector.errors import SettingsError
from collector.setting_faults import first_fault, nearest
from collector.setting_files import DROP_INS, SETTINGS_FILE, read
from collector.setting_kinds import (
    Address,
    HostPort,
    Interface,
    MaybeNetwork,
    Network,
    Reason,
    Router,
    SiteId,
    Url,
)


class Section(BaseModel):
    """A part of the settings: immutable, and strict about names."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Site(Section):
    """One school or office, whose private addresses mean something only inside it."""

    id: SiteId
    """Names the ledger: for ever."""
    name: str = ""
    """What people call it, on pages and in answers."""
    networks: tuple[Network, ...] = (
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",
        "fc00::/7",
    )
    """Inside addresses."""
    shared: tuple[Network, ...] = ()
    """Addresses of proxies and of computers that many use, a lab's: nobody is named there."""


class Exporter(Section):
    """Who may send flows and syslog."""

    address: Network
    """An address or a network; the longest match wins."""
    site: SiteId
    """The site that what it sends belongs to."""
    port: int | None = Field(default=None, ge=1, le=65535)
    """A port of ours that is opened for this exporter, where two sites have the same address."""
    sampling: int | None = Field(default=None, ge=1, le=0xFFFFFFFF)
    """It counts one packet in so many, whatever it says itself; 1: every packet."""


class BelievedSender(Section):
    """Whose lines of syslog are believed when they say who signed in; nobody's as a rule."""

    site: SiteId
    """The site whose people it knows."""
    address: MaybeNetwork = ""
    """An address or a network that it sends from, over TCP or TLS."""
    certificate: str = ""
    """Instead of an address: the name in the certificate that it shows over TLS."""
    udp: bool = False
    """With `address`: over UDP too, where anyone in the network can send in its name."""
    hours: float = Field(default=8, gt=0, le=24 * 31)
    """A session of which no end is told ends so long after the last word of it."""


class Listen(Section):
    """Where the collector listens, ADDRESS:PORT each."""

    flows: tuple[HostPort, ...] = ("0.0.0.0:2055", "0.0.0.0:4739", "0.0.0.0:6343")
    """NetFlow, IPFIX and sFlow over UDP, told apart by what arrives."""
    syslog_udp: tuple[HostPort, ...] = ("0.0.0.0:5514",)
    """Syslog, one message a datagram."""
    syslog_tcp: tuple[HostPort, ...] = ("0.0.0.0:5514",)
    """Syslog with octet counting or one message a line (RFC 6587)."""
    syslog_tls: tuple[HostPort, ...] = ("0.0.0.0:6514",)
    """Syslog over TLS (RFC 5425)."""
    ipfix_tcp: tuple[HostPort, ...] = ("0.0.0.0:4739",)
    """IPFIX over TCP (RFC 7011 section 10.4)."""
    ipfix_tls: tuple[HostPort, ...] = ("0.0.0.0:4740",)
    """IPFIX over TLS, with the certificates of `[syslog_tls]` (RFC 7011 section 11)."""
    receive_buffer: int = Field(default=32 << 20, ge=1 << 16)
    """Bytes of kernel buffer asked for, for each UDP socket."""
    udp_sockets: int = Field(default=0, ge=0, le=16)
    """Sockets that share each UDP port, each with a buffer of its own; 0: one a core, at most 4."""


class Limits(Section):
    """What one sender may take of what all share; a school that works never meets these."""

    per_second: int = Field(default=50_000, ge=10)
    """Datagrams that one sender may send a second, on average over a few seconds."""
    senders: int = Field(default=4096, ge=16, le=1 << 16)
    """Senders that are counted one by one; what more there are share the bounds of one sender."""


class SyslogTls(Section):
    """Certificates of syslog and IPFIX over TLS: PEM files, paths under the home."""

    certificate: str = "tls/syslog.crt"
    """The box's own, with its issuers; made at the first start if neither file is there."""
    key: str = "tls/syslog.key"
    """Its private key, without a password."""
    client_ca: str = ""
    """Who issues the senders' certificates; empty: senders are not asked for any."""
    client_certificate: Literal["required", "optional"] = "required"
    """With `client_ca`: whether a sender without certificate may send. A wrong one never may."""


class SpoolSettings(Section):
    """What lies between receiving and sealing."""

    file_bytes: int = Field(default=64 << 20, ge=1 << 16)
    """A spool file is closed past this size."""
    mark_bytes: int = Field(default=1 << 30, ge=1 << 20, le=3 << 29)
    """When so much was taken out of it since the last seal, all segments are closed early: one
    column of a segment holds less than 2 GiB."""
    least_free_bytes: int = Field(default=512 << 20, ge=0)
    """With less free disk than this, frames are refused aloud."""
    commit_ms: int = Field(default=200, ge=1, le=5000)
    """What was received waits at most so long to be made durable."""
    commit_bytes: int = Field(default=1 << 20, ge=1)
    """So many bytes waiting are made durable at once."""


class Sflow(Section):
    """What is kept of sFlow besides the samples of packets."""

    counters_every_s: int = Field(default=300, ge=0, le=86400)
    """Of what each interface has counted, one sample in so long is kept; 0: all of them."""


class SealSettings(Section):
    """How often and how large segments are."""

    interval_s: int = Field(default=3600, ge=60, le=86400)
    """A segment holds what was received in so long, from a full multiple of it on."""
    rows: int = Field(default=1 << 19, ge=16, le=1 << 24)
    """A segment with so many rows is full and ends its interval."""
    part_s: float = Field(default=2.0, gt=0, le=60)
    """Open parts are written so often: what was received so long ago can be searched."""
    part_grace_s: float = Field(default=60.0, ge=0)
    """Files of parts stay so long after their segment is published, for running questions."""


class LeaseFile(Section):
    """A file in which a DHCP server on this machine keeps its leases."""

    site: SiteId
    """The site whose addresses it lends."""
    format: Literal["dnsmasq", "isc", "kea"]
    """`dnsmasq`, `isc` (dhcpd and dhcpd6), or `kea` (the memfile, CSV)."""
    path: str
    """For instance /var/lib/misc/dnsmasq.leases; Kea's own older files beside it are read too."""
    server: str = ""
    """What the log calls the server, for instance its address."""


class Conntrack(Section):
    """Connections of this machine's kernel, where it is the gateway; it needs CAP_NET_ADMIN."""

    enabled: bool = False
    """Listen to them."""
    site: SiteId | None = None
    """The site that they belong to; may be left out where there is only one."""
    receive_buffer: int = Field(default=32 << 20, ge=1 << 12)
    """Bytes of kernel buffer asked for: a message about a connection takes about one KiB there."""


class Neighbours(Section):
    """An interface whose ARP and ND table this machine's kernel keeps."""

    site: SiteId
    """The site on that side."""
    interface: Interface
    """Its name."""


class Uplink(Section):
    """The interface to the Internet, where this machine is the gateway."""

    site: SiteId
    """The site that goes out through it."""
    interface: Interface
    """Its name, for instance ppp0."""
    ask: Url = ""
    """A page that answers with the address that asked; empty: nobody outside is asked."""


class NamesCapture(Section):
    """An interface on which names are read off the wire: DNS answers, TLS and QUIC hellos."""

    site: SiteId
    """The site on that side."""
    interface: Interface
    """Its name: where devices have their own addresses, before any NAT."""


class Names(Section):
    """Names of the hosts that devices asked for, from dnsmasq's query log and off the wire."""

    reason: Reason = ""
    """Why they are kept, as the record of processing has it; empty: they are not, for they are no
    traffic data of themselves."""
    capture: tuple[NamesCapture, ...] = ()


class Sniff(Section):
    """An interface on which a program of its own watches DHCP, ARP, ND and RA; it needs scapy."""

    site: SiteId
    """The site on that side."""
    interface: Interface
    """Its name."""
    dhcp_servers: tuple[Address, ...] = ()
    """Who may lend addresses there; any other server raises an alarm."""
    routers: tuple[Router, ...] = ()
    """Addresses or MACs of those who may advertise themselves as IPv6 routers."""


class CollectorSettings(Section):
    """The sections that are the collector's."""

    sites: tuple[Site, ...] = Field(min_length=1)
    exporters: tuple[Exporter, ...] = ()
    believed_senders: tuple[BelievedSender, ...] = ()
    listen: Listen = Listen()
    limits: Limits = Limits()
    syslog_tls: SyslogTls = SyslogTls()
    conntrack: Conntrack = Conntrack()
    lease_files: tuple[LeaseFile, ...] = ()
    neighbours: tuple[Neighbours, ...] = ()
    uplinks: tuple[Uplink, ...] = ()
    sniff: tuple[Sniff, ...] = ()
    names: Names = Names()
    sflow: Sflow = Sflow()
    spool: SpoolSettings = SpoolSettings()
    seal: SealSettings = SealSettings()


_Model = TypeVar("_Model", bound=Section)


def parse(document: dict[str, Any], model: type[_Model], *, only_known: bool = False) -> _Model:
    """Return `document` as `model`, whose fields are the sections.

    Args:
        document: What `read` returned.
        model: The sections wanted.
        only_known: Leave out sections that belong to another package instead of refusing them.

    Raises:
        SettingsError: naming the first wrong setting and the nearest right name.
    """
    if only_known:
        document = {k: v for k, v in document.items() if k in model.model_fields}
    try:
        return model.model_validate(document)
    except ValidationError as error:
        hint = f"mend it in {SETTINGS_FILE} or {DROP_INS}, then: prathu check"
        raise SettingsError(first_fault(error, model), hint=hint) from error


def load(home: Path) -> CollectorSettings:
    """Return the collector's sections of the settings in `home`."""
    settings = parse(read(home), CollectorSettings, only_known=True)
    check_sites(settings)
    return settings


def check_sites(settings: CollectorSettings) -> None:
    """Refuse site ids and ports that are double, and exporters of a site that is not there.

    Raises:
        SettingsError: naming the id and the nearest right one.
    """
    known = {site.id for site in settings.sites}
    if len(known) != len(settings.sites):
        raise SettingsError("two sites have the same id", hint="ids are for ever: give one another")
    for exporter in settings.exporters:
        if exporter.site not in known:
            near = nearest(exporter.site, known)
            raise SettingsError(f"exporters: {exporter.address} is of site {exporter.site!r}{near}")
    for name in ("lease_files", "neighbours", "uplinks", "sniff"):
        for each in getattr(settings, name):
            if each.site not in known:
                near = nearest(each.site, known)
                raise SettingsError(f"{name}: one is of site {each.site!r}{near}")
    _check_listen(settings.listen)
    _check_names(settings.names, known)
    _check_conntrack(settings.conntrack, known)
    for sender in settings.believed_senders:
        _check_believed(sender, known, asked=bool(settings.syslog_tls.client_ca))


def _check_believed(sender: BelievedSender, known: set[str], *, asked: bool) -> None:
    """Refuse an entry that names nobody, or somebody who could not be told from others."""
    name = sender.address or sender.certificate or "one"
    fault = hint = ""
    if sender.site not in known:
        fault = f"is of site {sender.site!r}{nearest(sender.site, known)}"
    elif name == "one":
        fault, hint = "names nobody", "set address or certificate"
    elif sender.address and sender.certificate:
        fault, hint = "has a certificate too", "make two entries: each believes one of the two"
    elif sender.certificate and not asked:
        fault, hint = "shows no certificate", "set client_ca in [syslog_tls]: nobody is asked yet"
    elif sender.certificate and sender.udp:
        fault, hint = "cannot show a certificate over UDP", "leave out udp, or set address"
    if fault:
        raise SettingsError(f"believed_senders: {name} {fault}", hint=hint)


def _check_listen(listen: Listen) -> None:
    """Refuse one port for two kinds of data: who sends would be heard by either, or by nobody."""
    for names in (("flows", "syslog_udp"), ("syslog_tcp", "syslog_tls", "ipfix_tcp", "ipfix_tls")):
        taken: dict[str, str] = {}
        for name in names:
            for at in getattr(listen, name):
                first = taken.setdefault(at, name)
                if not at.endswith(":0") and first != name:
                    message = f"listen: {at} stands under {first} and under {name}"
                    raise SettingsError(message, hint="give each a port of its own")


def _check_names(names: Names, known: set[str]) -> None:
    for each in names.capture:
        if each.site not in known:
            near = nearest(each.site, known)
            raise SettingsError(f"names.capture: one is of site {each.site!r}{near}")
    if names.capture and not names.reason:
        hint = "write down why names of hosts are kept, as the record of processing has it"
        raise SettingsError("names.capture: names.reason is empty", hint=hint)


def _check_conntrack(conntrack: Conntrack, known: set[str]) -> None:
    if conntrack.enabled and conntrack.site is None and len(known) > 1:
        raise SettingsError("conntrack: site is not set", hint=f"one of {', '.join(sorted(known))}")
    if conntrack.site is not None and conntrack.site not in known:
        near = nearest(conntrack.site, known)
        raise SettingsError(f"conntrack: there is no site {conntrack.site!r}{near}")
