"""The schema of every log."""

from __future__ import annotations

from collections.abc import Mapping

from collector.store.log_schema import ARROW, TEXT, LogSchema, nulls

__all__ = [
    "ARROW", "AUDIT", "COUNTERS", "COVERAGE", "DATAGRAMS", "EVENTS", "FLOWS", "FULL_ROWS", "LEASES",
    "LOGS", "NAMES", "SESSIONS", "TEXT", "LogSchema", "nulls",
]  # fmt: skip

_COMMON = (("time", "time"), ("received", "time"), ("source", "str"), ("site", "str"))

FLOWS = LogSchema(
    log="flows",
    version=1,
    subject="person",
    core=(
        *_COMMON,
        ("observation_domain", "u32"),
        ("time_end", "time"),
        ("exporter_start", "time"),
        ("exporter_end", "time"),
        ("exporter_sent", "time"),
        ("clock", "str"),
        ("src_ip", "ip"),
        ("src_port", "u16"),
        ("dst_ip", "ip"),
        ("dst_port", "u16"),
        ("protocol", "u8"),
        ("packets", "u64"),
        ("bytes", "u64"),
        ("packets_reverse", "u64"),
        ("bytes_reverse", "u64"),
        ("tcp_flags", "u16"),
        ("tos", "u8"),
        ("icmp_type_code", "u16"),
        ("in_if", "u32"),
        ("out_if", "u32"),
        ("direction", "u8"),
        ("vlan", "u16"),
        ("src_mac", "mac"),
        ("dst_mac", "mac"),
        ("next_hop", "ip"),
        ("src_as", "u32"),
        ("dst_as", "u32"),
        ("nat_src_ip", "ip"),
        ("nat_src_port", "u16"),
        ("nat_dst_ip", "ip"),
        ("nat_dst_port", "u16"),
        ("nat_key", "i64"),
        ("nat_event", "u8"),
        ("app", "str"),
        ("end_reason", "u8"),
        ("sampling_rate", "u32"),
        ("sampling_origin", "str"),
        ("person", "str"),
        ("session", "uuid"),
        ("method", "str"),
        ("via", "str"),
        ("certainty", "str"),
        ("device", "mac"),
        ("firewall_event", "u8"),
    ),
    detail=(
        ("host", "str"),
        ("peer_person", "str"),
        ("peer_session", "uuid"),
        ("peer_method", "str"),
        ("peer_via", "str"),
        ("peer_certainty", "str"),
        ("candidates", "str"),
        ("extra", "str"),
        ("peer_device", "mac"),
    ),
)
"""One flow. `time` is its corrected start, `time_end` its end, `clock` the verdict on the
exporter's clock (`ok`, `skewed`, `implausible`, `none`); `exporter_start` and `exporter_end` are
what that clock said, where it is something else. `nat_*` are null where an end was not translated;
`nat_key` is the public IPv4 address of the inside end << 16 | its public port. `person` is at the
inside end (the initiator when both ends are inside), known by the address in the column that `via`
names, or by a NAT's word to whom it had lent the port (`src_block`, `dst_block`); `certainty` is
`sure`, `ambiguous` (no person then, `candidates` as JSON) or `unknown`. `device` is the MAC that a
lease gives to an inside address that no session held; `method` is then `lease`. `firewall_event`
is IPFIX element 233: 3 is a flow that was denied. `sampling_origin` is `packet` or `discard` for
rows that are no flow but one packet that a switch sampled or dropped."""

SESSIONS = LogSchema(
    log="sessions",
    version=1,
    subject="person",
    core=(
        *_COMMON,
        ("event_id", "uuid"),
        ("session", "uuid"),
        ("event", "str"),
        ("method", "str"),
        ("person", "str"),
        ("start", "time"),
        ("expires", "time"),
        ("ip", "ip"),
        ("addresses", "str"),
        ("mac", "mac"),
        ("nas", "str"),
        ("nas_port", "str"),
        ("ssid", "str"),
        ("called_station", "str"),
        ("calling_station", "str"),
        ("acct_session_id", "str"),
        ("zone", "str"),
        ("notice", "str"),
        ("cause", "str"),
        ("bytes_in", "u64"),
        ("bytes_out", "u64"),
        ("packets_in", "u64"),
        ("packets_out", "u64"),
        ("duration_s", "u32"),
    ),
    detail=(("account", "str"), ("full_name", "str"), ("proofing", "str")),
)
"""One event of a session. `ip` is the first address, `addresses` all of them as JSON."""

EVENTS = LogSchema(
    log="events",
    version=1,
    subject=None,
    core=(
        *_COMMON,
        ("transport", "str"),
        ("format", "str"),
        ("facility", "u8"),
        ("severity", "u8"),
        ("sender_time", "time"),
        ("clock", "str"),
        ("hostname", "str"),
        ("app_name", "str"),
        ("proc_id", "str"),
        ("msg_id", "str"),
        ("fault", "str"),
        ("vendor", "str"),
        ("event_type", "str"),
        ("action", "str"),
        ("src_ip", "ip"),
        ("src_port", "u16"),
        ("dst_ip", "ip"),
        ("dst_port", "u16"),
        ("protocol", "u8"),
        ("nat_src_ip", "ip"),
        ("nat_src_port", "u16"),
        ("nat_dst_ip", "ip"),
        ("nat_dst_port", "u16"),
        ("mac", "mac"),
        ("packets", "u64"),
        ("bytes", "u64"),
        ("packets_reverse", "u64"),
        ("bytes_reverse", "u64"),
        ("duration_ms", "u64"),
        ("sender_name", "str"),
    ),
    detail=(
        ("structured_data", "str"),
        ("message_at", "u32"),
        ("message", "str"),
        ("raw", "str"),
        ("raw_bytes", "bytes"),
        ("account", "str"),
        ("fields", "str"),
    ),
)
"""One syslog message. `raw` is the line untouched; `raw_bytes` instead where it is not UTF-8.
The message begins behind the first `message_at` characters of `raw`; it stands in `message` only
where there is no `raw`, with what is not UTF-8 replaced. `format` is `rfc5424`, `rfc3164` or `raw`;
`fault` says why a line could not be read further. `vendor` names the format
(`collector/decode/syslog/formats/`) that took the message apart, null where none did; what it tells
beyond the columns is JSON in `fields`, except where the line itself names all values (`key=value`).
Addresses and ports stand as the device wrote them, translated or not. `sender_name` is the name in
the certificate that whoever sent the message showed."""

COVERAGE = LogSchema(
    log="coverage",
    version=1,
    subject=None,
    core=(
        *_COMMON,
        ("kind", "str"),
        ("time_end", "time"),
        ("lost", "u64"),
        ("unit", "str"),
        ("note", "str"),
    ),
    detail=(),
)
"""What the box did not see: during [time, time_end] from `source`, `lost` of `unit`."""

AUDIT = LogSchema(
    log="audit",
    version=1,
    subject="actor",
    core=(
        *_COMMON,
        ("event_id", "uuid"),
        ("actor", "str"),
        ("act", "str"),
        ("log", "str"),
    ),
    detail=(
        ("question", "str"),
        ("sentence", "str"),
        ("target", "str"),
        ("address", "str"),
    ),
)
"""One act of a person on the box."""

LEASES = LogSchema(
    log="leases",
    version=1,
    subject=None,
    core=(
        *_COMMON,
        ("kind", "str"),
        ("event", "str"),
        ("ip", "ip"),
        ("mac", "mac"),
        ("start", "time"),
        ("expires", "time"),
        ("server", "str"),
        ("interface", "str"),
        ("nat_ip", "ip"),
        ("port_first", "u16"),
        ("port_last", "u16"),
        ("note", "str"),
    ),
    detail=(("hostname", "str"), ("client_id", "str")),
)
"""One thing learnt about an address. `kind` is `dhcp`, `dhcp6`, `arp`, `nd`, `uplink` (the box's
own address outside) or `block` (ports `port_first` to `port_last` of `nat_ip`, lent to `ip`);
`event` is `add`, `renew`, `release`, `expire` or `seen`."""

NAMES = LogSchema(
    log="names",
    version=1,
    subject=None,
    core=(
        *_COMMON,
        ("client", "ip"),
        ("client_port", "u16"),
        ("kind", "str"),
        ("answer", "ip"),
        ("port", "u16"),
        ("origin", "str"),
        ("ttl", "u32"),
    ),
    detail=(("name", "str"),),
)
"""The device `client` asked for a name, or called the server `answer` by it; `answer` is null where
no address was told. `origin` is `query-log`, `dns-capture`, `tls-sni` or `quic-sni`; of the last
two the ports are told, and `kind` is `sni`, or `sni-ech` where the name may be the outer one only.
Kept only where a reason is set."""

COUNTERS = LogSchema(
    log="counters",
    version=1,
    subject=None,
    core=(
        *_COMMON,
        ("agent", "ip"),
        ("sub_agent", "u32"),
        ("source_class", "u32"),
        ("source_index", "u32"),
        ("interface", "u32"),
        ("name", "str"),
        ("if_type", "u32"),
        ("if_speed", "u64"),
        ("duplex", "u8"),
        ("admin_up", "u8"),
        ("oper_up", "u8"),
        ("promiscuous", "u8"),
        ("bytes_in", "u64"),
        ("unicast_in", "u32"),
        ("multicast_in", "u32"),
        ("broadcast_in", "u32"),
        ("discards_in", "u32"),
        ("errors_in", "u32"),
        ("unknown_in", "u32"),
        ("bytes_out", "u64"),
        ("unicast_out", "u32"),
        ("multicast_out", "u32"),
        ("broadcast_out", "u32"),
        ("discards_out", "u32"),
        ("errors_out", "u32"),
        ("extra", "str"),
    ),
    detail=(),
)
"""What a data source of an sFlow agent had counted at `time`: an interface (RFC 2863) in columns,
what else it counts as JSON in `extra`. Numbers go on from when the device started, and some begin
anew past 2^32: two rows tell what passed between them. `agent` is null where it is the sender.
Options records of NetFlow v9 and IPFIX stand here too, when they say something new: `sub_agent` is
the observation domain then, scope and values are in `extra`."""

DATAGRAMS = LogSchema(
    log="datagrams",
    version=1,
    subject=None,
    core=(
        *_COMMON,
        ("port", "u16"),
        ("local_port", "u16"),
        ("transport", "str"),
        ("file", "str"),
    ),
    detail=(("payload", "bytes"),),
)
"""What an exporter sent from `source` and `port`, byte for byte: a datagram, or a message of a
connection, of which an empty one marks beginning and end. `file` is the capture that it was taken
from. Kept only where a reason is set."""

LOGS: Mapping[str, LogSchema] = {
    schema.log: schema
    for schema in (AUDIT, COUNTERS, COVERAGE, DATAGRAMS, EVENTS, FLOWS, LEASES, NAMES, SESSIONS)
}
"""The newest schema of every log that exists so far, by name."""

FULL_ROWS: Mapping[str, int] = {DATAGRAMS.log: 1 << 17, EVENTS.log: 1 << 18}
"""Logs of which fewer rows make a full segment, since each row is long: half of the memory, and one
is sealed while the next ones are read."""
