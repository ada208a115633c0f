"""What the made-up school's devices send: NetFlow v9 (RFC 3954), IPFIX (RFC 7011), syslog.

An encoder for the demo alone: two exporters with one or two fixed templates each.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address, ip_address

RECORDS_PER_DATAGRAM = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoFlow:
    """One flow as a gateway sees it: before NAT, and after."""

    source: str
    target: str
    source_port: int
    target_port: int
    protocol: int
    packets: int
    size_bytes: int
    start_ms: int
    """Milliseconds since the epoch."""
    end_ms: int
    tcp_flags: int
    mac: str
    outward: bool
    nat_address: str = ""
    nat_port: int = 0


@dataclass(frozen=True, slots=True)
class _Field:
    """An information element: its number, its size in bytes, and its value for a flow."""

    element: int
    size: int
    value: Callable[[DemoFlow], int]


def _nat(flow: DemoFlow, *, outward: bool) -> int:
    used = flow.nat_address if flow.outward is outward else ""
    return int(IPv4Address(used)) if used else 0


_COMMON = (
    _Field(7, 2, lambda f: f.source_port),
    _Field(11, 2, lambda f: f.target_port),
    _Field(4, 1, lambda f: f.protocol),
    _Field(6, 1, lambda f: f.tcp_flags),
    _Field(2, 4, lambda f: f.packets),
    _Field(1, 8, lambda f: f.size_bytes),
    _Field(61, 1, lambda f: int(f.outward)),
    _Field(56, 6, lambda f: int(f.mac.replace(":", ""), 16)),
)
_V4 = (
    _Field(8, 4, lambda f: int(ip_address(f.source))),
    _Field(12, 4, lambda f: int(ip_address(f.target))),
    *_COMMON,
    _Field(225, 4, lambda f: _nat(f, outward=True)),
    _Field(227, 2, lambda f: f.nat_port if f.outward else 0),
    _Field(226, 4, lambda f: _nat(f, outward=False)),
    _Field(228, 2, lambda f: 0 if f.outward else f.nat_port),
)
_V6 = (
    _Field(27, 16, lambda f: int(ip_address(f.source))),
    _Field(28, 16, lambda f: int(ip_address(f.target))),
    *_COMMON,
)
_ABSOLUTE = (_Field(152, 8, lambda f: f.start_ms), _Field(153, 8, lambda f: f.end_ms))


class NetFlow9:
    """An exporter that speaks NetFlow v9, with times as uptime (RFC 3954 section 5.1)."""

    TEMPLATE = 256

    def __init__(self, *, booted_ms: int, source_id: int = 0) -> None:
        self._booted_ms = booted_ms
        self._source_id = source_id
        self._sequence = 0
        uptime = (
            _Field(22, 4, lambda f: max(0, f.start_ms - booted_ms) & 0xFFFFFFFF),
            _Field(21, 4, lambda f: max(0, f.end_ms - booted_ms) & 0xFFFFFFFF),
        )
        self._fields = (*_V4, *uptime)

    def datagrams(self, flows: Sequence[DemoFlow], now_ms: int) -> Iterable[bytes]:
        """Yield the datagrams of flows that ended, each led by its template. IPv4 only."""
        for part in _parts(flows):
            template = _set(0, _template(self.TEMPLATE, self._fields))
            data = _set(self.TEMPLATE, _records(part, self._fields))
            uptime = (now_ms - self._booted_ms) & 0xFFFFFFFF
            head = (9, len(part) + 1, uptime, now_ms // 1000, self._sequence, self._source_id)
            yield struct.pack("!HHIIII", *head) + template + data
            self._sequence += 1


class Ipfix:
    """An exporter that speaks IPFIX, with absolute times in milliseconds."""

    TEMPLATES = ((300, (*_V4, *_ABSOLUTE)), (301, (*_V6, *_ABSOLUTE)))

    def __init__(self, *, domain: int = 1) -> None:
        self._domain = domain
        self._sequence = 0

    def datagrams(self, flows: Sequence[DemoFlow], now_ms: int) -> Iterable[bytes]:
        """Yield the messages of flows that ended, each led by both templates."""
        templates = _set(
            2, b"".join(_template(number, fields) for number, fields in self.TEMPLATES)
        )
        for part in _parts(flows):
            sets = templates
            for (number, fields), of_six in zip(self.TEMPLATES, (False, True), strict=True):
                mine = [f for f in part if isinstance(ip_address(f.source), IPv6Address) is of_six]
                if mine:
                    sets += _set(number, _records(mine, fields))
            head = (10, 16 + len(sets), now_ms // 1000, self._sequence, self._domain)
            yield struct.pack("!HHIII", *head) + sets
            self._sequence += len(part)


def syslog(text: str, now_ms: int, *, host: str, program: str, severity: int = 6) -> bytes:
    """Return one RFC 5424 message of facility daemon."""
    when = datetime.fromtimestamp(now_ms / 1000, UTC).isoformat(timespec="milliseconds")
    return f"<{3 * 8 + severity}>1 {when} {host} {program} - - - {text}".encode()


def _parts(flows: Sequence[DemoFlow]) -> Iterable[Sequence[DemoFlow]]:
    for at in range(0, len(flows), RECORDS_PER_DATAGRAM):
        yield flows[at : at + RECORDS_PER_DATAGRAM]


def _template(number: int, fields: Sequence[_Field]) -> bytes:
    specifiers = b"".join(struct.pack("!HH", f.element, f.size) for f in fields)
    return struct.pack("!HH", number, len(fields)) + specifiers


def _records(flows: Sequence[DemoFlow], fields: Sequence[_Field]) -> bytes:
    return b"".join(f.value(flow).to_bytes(f.size, "big") for flow in flows for f in fields)


def _set(number: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    return struct.pack("!HH", number, len(body) + 4) + body
