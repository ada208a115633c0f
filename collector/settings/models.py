"""Each section of the collector's settings, a sentence a field."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from collector.settings.kinds import (
    Address,
    AuthorityName,
    HostPort,
    Interface,
    KeptDays,
    MaybeNetwork,
    Network,
    Reason,
    RecoveryKey,
    Router,
    SiteId,
    SomeUrl,
    Url,
    WitnessKey,
)

LogName = Literal[
    "audit", "counters", "coverage", "datagrams", "events", "flows", "leases", "names", "sessions"
]
"""A log of the box; a test keeps these equal to the logs of the store."""


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
    format: str = ""
    """Its lines of syslog are of this format, or of `none` that is read, whatever they look like;
    empty: each line tells by itself."""


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
    stream_per_second: int = Field(default=100_000, ge=10)
    """Messages that are taken off the connections of one sender a second, on average over a few
    seconds; the rest waits at the sender, and none is lost."""
    senders: int = Field(default=4096, ge=16, le=1 << 16)
    """Senders that are counted one by one; what more there are share the bounds of one sender."""


class LocalSyslog(Section):
    """Syslog of programs on this machine, over a unix socket such as /dev/log is one."""

    path: str = ""
    """Where: absolute, or under the home; empty: there is none. Name it to the programs, for
    instance with `logger -d -u PATH`."""
    site: SiteId | None = None
    """The site that the lines belong to; may be left out where there is only one."""
    everybody: bool = False
    """Every user of this machine may write to it, not only the box's own and its group."""


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


class Flows(Section):
    """How NetFlow and IPFIX are read."""

    elements_file: str = ""
    """A CSV under the home that names elements no registry has; `docs/receiving.md` shows one."""


class Sflow(Section):
    """What is kept of sFlow besides the samples of packets."""

    counters_every_s: int = Field(default=300, ge=0, le=86400)
    """Of what each interface has counted, one sample in so long is kept; 0: all of them."""


class SealSettings(Section):
    """How often and how large segments are."""

    interval_s: int = Field(default=3600, ge=60, le=86400)
    """A segment holds what was received in so long, from a full multiple of it on."""
    rows: int = Field(default=1 << 19, ge=16, le=1 << 24)
    """A segment with so many rows is full and ends its interval; one of lines with 262,144."""
    part_s: float = Field(default=2.0, gt=0, le=60)
    """Open parts are written so often: what was received so long ago can be searched."""
    part_grace_s: float = Field(default=60.0, ge=0)
    """Files of parts stay so long after their segment is published, for running questions."""


class LogRetention(Section):
    """A log that is kept for another time than the others."""

    log: LogName
    """Its name."""
    days: KeptDays
    """Days, at least 90."""


class Retention(Section):
    """How long sealed rows are kept, counted from their receipt. Legal holds keep them longer."""

    days: KeptDays = 180
    """Days, at least 90 (Computer Crime Act, section 26); then whole segments are destroyed."""
    logs: tuple[LogRetention, ...] = ()


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


class TimestampAuthority(Section):
    """An authority that stamps the newest checkpoint of every ledger, once a day (RFC 3161)."""

    name: AuthorityName
    """What its files are called: small letters, digits and hyphens."""
    url: SomeUrl
    """Where it is asked, http://… or https://…"""
    roots: str
    """A PEM file under the home: the root to believe, and the issuers between if it needs them."""


class Witness(Section):
    """Somebody who remembers the ledgers' checkpoints and signs them, such as another box's hub."""

    key: WitnessKey
    """Its verifier key, as `prathu hub key` shows it there."""
    url: SomeUrl
    """Where it is asked, the part before /add-checkpoint."""
    sites: tuple[SiteId, ...] = ()
    """The sites whose ledgers it is shown; empty: all of them."""


class Outside(Section):
    """How the proofs that lie outside the box are kept fresh."""

    every_hours: float = Field(default=24, gt=0, le=24)
    """Each authority stamps a checkpoint so often, at least once a day."""
    alarm_hours: float = Field(default=48, gt=0)
    """When the newest checkpoint known outside is older than this, pages and status warn."""
    timeout_s: float = Field(default=20, gt=0, le=120)
    """An authority or witness has so long to answer."""


class Datagrams(Section):
    """Whether what exporters send is kept byte for byte, beside the rows made of it."""

    reason: Reason = ""
    """Why: without a reason none is kept. They take as much room again as the rows of flows."""


class Keys(Section):
    """Keys that lie outside the box."""

    recovery: RecoveryKey = ""
    """Public half of the key on paper that the ring key is sealed to: `prathu keys recovery`."""


class CollectorSettings(Section):
    """The sections that are the collector's."""

    sites: tuple[Site, ...] = Field(min_length=1)
    exporters: tuple[Exporter, ...] = ()
    believed_senders: tuple[BelievedSender, ...] = ()
    listen: Listen = Listen()
    limits: Limits = Limits()
    local_syslog: LocalSyslog = LocalSyslog()
    syslog_tls: SyslogTls = SyslogTls()
    conntrack: Conntrack = Conntrack()
    lease_files: tuple[LeaseFile, ...] = ()
    neighbours: tuple[Neighbours, ...] = ()
    uplinks: tuple[Uplink, ...] = ()
    sniff: tuple[Sniff, ...] = ()
    names: Names = Names()
    flows: Flows = Flows()
    sflow: Sflow = Sflow()
    spool: SpoolSettings = SpoolSettings()
    seal: SealSettings = SealSettings()
    datagrams: Datagrams = Datagrams()
    keys: Keys = Keys()
    retention: Retention = Retention()
    timestamp_authorities: tuple[TimestampAuthority, ...] = ()
    witnesses: tuple[Witness, ...] = ()
    outside: Outside = Outside()
