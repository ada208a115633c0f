"""What travels between the stages, and between the portal and the collector.

Single things (a frame, a session event) are frozen dataclasses. Bulk rows are never Python
objects: they travel as Arrow columns in `Rows`. Times are int nanoseconds since
1970-01-01T00:00:00Z where they come from the kernel, aware UTC datetimes elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import TYPE_CHECKING, Any, NamedTuple, Self
from uuid import UUID

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

Clock = Callable[[], int]
"""Returns the time now, in nanoseconds since the epoch. Given to whoever needs a time."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(time_us: int) -> datetime:
    """Return microseconds since the epoch as an aware UTC datetime."""
    return _EPOCH + timedelta(microseconds=time_us)


def time_of(clock: Clock) -> datetime:
    """Return the time that a clock tells, as an aware UTC datetime."""
    return moment(clock() // 1000)


def microseconds(moment: datetime) -> int:
    """Return an aware datetime as microseconds since the epoch."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


class FrameKind(IntEnum):
    """What a frame's payload is. The numbers are on disk: never change one."""

    FLOW = 1
    """A NetFlow, IPFIX or sFlow datagram, or an IPFIX message of a connection, as received; nothing
    at the beginning and the end of a connection."""
    SYSLOG = 2
    """One syslog message without its framing, as received."""
    SESSION = 3
    """A `SessionEvent` as JSON."""
    AUDIT = 4
    """An `AuditEvent` as JSON."""
    COVERAGE = 5
    """A `CoverageEvent` as JSON."""
    LEASE = 6
    """A `LeaseEvent` as JSON."""
    CONNTRACK = 7
    """Netlink messages of the kernel's connection tracking, some one after another."""
    NAME = 8
    """A `NameEvent` as JSON."""
    LINES = 9
    """Messages of syslog that came together over a connection (`spool/lines.py`)."""


class Frame(NamedTuple):
    """One thing received, as it lies in the spool.

    There are many of them: a tuple is made six times as fast as a frozen dataclass.
    """

    kind: FrameKind
    site: str
    received_ns: int
    """When the box received it (the kernel's time stamp for datagrams)."""
    wire_ns: int
    """When it was on the wire: the same, but for captures taken in by `prathu ingest`."""
    address: str = ""
    """The sender's address in canonical text; empty for what the box itself says."""
    port: int = 0
    local_port: int = 0
    label: str = ""
    """Empty, or the file it was taken from (`prathu ingest`)."""
    transport: str = "udp"
    """`udp`, `tcp`, `tls` or `local`."""
    sender_name: str = ""
    """Empty, or the name in the certificate that the sender showed (`tls`)."""
    payload: bytes = b""
    number: int = -1
    """Position in the spool, given by the spool; -1 before. Of many lines that of the first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Rows of one log and one site, as columns.

    `columns` has any of the log's columns (`store/schema.py` fills the rest with nulls), all of one
    length and of the Arrow types given there. `frame` (int64) is the position in the spool of the
    frame that released each row; it ascends.
    """

    log: str
    site: str
    columns: dict[str, pa.Array[Any]]
    frame: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.frame)


class _Event:
    """JSON in and out for the event records below; unknown members are refused."""

    def to_json(self) -> bytes:
        """Return the record as UTF-8 JSON, members in order, empty ones left out."""
        record: dict[str, Any] = {}
        for name, member in _members(type(self)).items():
            value = getattr(self, name)
            if value or value == 0:
                record[name] = member.plain(value) if member.plain else value
        return _JSON.encode(record).encode()

    @classmethod
    def from_json(cls, text: bytes | str) -> Self:
        """Return the record in `text`.

        Raises:
            ValueError: not JSON, a member missing, unknown or of the wrong type.
        """
        members = _members(cls)
        try:
            record = json.loads(text)
            event = cls(**{name: members[name].read(value) for name, value in record.items()})
        except KeyError as error:
            raise ValueError(f"not a {cls.__name__}: no member {error}") from error
        except (TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise ValueError(f"not a {cls.__name__}: {error}") from error
        for name in record:
            _check(name, members[name], getattr(event, name))
        return event


_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def _time(value: str) -> datetime:
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError(f"a time without offset: {value}")
    return moment.astimezone(UTC)


def _same(value: Any) -> Any:  # noqa: ANN401  # JSON values are of any type
    return value


class _Member(NamedTuple):
    """What a member of an event may be, and how it is made of what JSON has, and that of it."""

    kind: type
    read: Callable[[Any], Any]
    plain: Callable[[Any], str] | None
    optional: bool = False


_KINDS = {
    "str": _Member(str, _same, None),
    "int": _Member(int, _same, None),
    "UUID": _Member(UUID, UUID, str),
    "datetime": _Member(datetime, _time, lambda moment: moment.astimezone(UTC).isoformat()),
    "tuple[str, ...]": _Member(tuple, tuple, None),
}
_MEMBERS: dict[Any, Mapping[str, _Member]] = {}


def _members(event: Any) -> Mapping[str, _Member]:  # noqa: ANN401  # a class
    """Return the members of a kind of event by name, in order."""
    found = _MEMBERS.get(event)
    if found is None:
        told = {one.name: str(one.type).partition(" | ") for one in fields(event)}
        found = _MEMBERS[event] = {
            name: _KINDS[kind]._replace(optional=bool(optional))
            for name, (kind, _, optional) in told.items()
        }
    return found


def _check(name: str, member: _Member, value: object) -> None:
    """Refuse a value that is not of the annotated kind, or that no log could hold."""
    if value is None and member.optional:
        return
    if not isinstance(value, member.kind) or isinstance(value, bool):
        raise ValueError(f"{name} is not a {member.kind.__name__}")  # noqa: TRY004  # one for all
    if isinstance(value, tuple):
        for text in value:
            if not isinstance(text, str):
                raise ValueError(f"{name} holds other things than texts")  # noqa: TRY004  # as above
            text.encode()
    elif isinstance(value, str):
        value.encode()  # a lone surrogate cannot be stored
    elif isinstance(value, datetime) and not 1900 <= value.year < 2400:
        raise ValueError(f"{name} is in the year {value.year}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEvent(_Event):
    """One event of one session: the portal's or a NAS's word on who holds an address.

    The binding of `addresses` to `person` begins at `start` and ends with an event `stop`, or at
    `expires` when none comes.
    """

    event_id: UUID
    """Made from what was received, so that a repeat is stored once."""
    session: UUID
    event: str
    """`start`, `update`, `stop` or `reject`."""
    time: datetime
    """When it happened, by the clock of whoever reports it."""
    site: str
    method: str
    """How the person was known: `portal`, `accounting`, `802.1X`, `syslog`, `import`."""
    person: UUID | None = None
    start: datetime | None = None
    """Begin of the session, told with every event so that a stop alone is enough."""
    expires: datetime | None = None
    addresses: tuple[str, ...] = ()
    """All addresses of the session as of now, in canonical text."""
    mac: str = ""
    """Lower case with colons."""
    nas: str = ""
    nas_port: str = ""
    ssid: str = ""
    called_station: str = ""
    calling_station: str = ""
    acct_session_id: str = ""
    zone: str = ""
    """The part of the site, as the settings name it."""
    notice: str = ""
    """The version of the privacy notice that was shown before sign-in."""
    cause: str = ""
    """Why it ended or was refused; of an `update`, what terms hold from then on."""
    bytes_in: int | None = None
    """From the user, as RADIUS counts Input."""
    bytes_out: int | None = None
    packets_in: int | None = None
    packets_out: int | None = None
    duration_s: int | None = None
    account: str = ""
    full_name: str = ""
    proofing: str = ""
    """How the identity was proofed, for instance `school register`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEvent(_Event):
    """One act of a person on the box."""

    event_id: UUID
    time: datetime
    site: str
    actor: str
    """Opaque id of the staff account, or `local:<unix user>` on the command line."""
    act: str
    """A word: `search`, `who`, `sign-in`, `sign-out`, `setting`, `seal`, `verify`, `people`."""
    log: str = ""
    question: str = ""
    """The question as typed."""
    sentence: str = ""
    """The question as a sentence in Thai and English."""
    target: str = ""
    address: str = ""
    """Where the person sat."""


PULSE = "pulse"
"""Kind of a coverage event that is no row: it lets time pass while nobody sends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CoverageEvent(_Event):
    """What the box did not see, or may not have seen."""

    time: datetime
    site: str
    kind: str
    """A word: `sequence-gap`, `kernel-drop`, `unknown-template`, `restart`, `disk-full`, …"""
    end: datetime | None = None
    source: str = ""
    """The exporter or sender it is about; empty for the box itself."""
    lost: int | None = None
    unit: str = ""
    """What `lost` counts: `records`, `datagrams`, `frames`, `sets`, `messages`."""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseEvent(_Event):
    """One thing learnt about an address: which machine has it, from when until when."""

    time: datetime
    """When it became so, by the clock of whoever reports it."""
    site: str
    kind: str
    """`dhcp`, `dhcp6` (a server's leases), `arp`, `nd` (the neighbour tables), `uplink` (the box's
    own WAN and public address), `block` (a block of public ports that a NAT lent)."""
    event: str
    """`add`, `renew`, `release`, `expire`, or `seen` where no lease is known."""
    ip: str = ""
    """In canonical text; empty for an uplink that has lost its address."""
    mac: str = ""
    """Lower case with colons."""
    hostname: str = ""
    """As the device calls itself."""
    client_id: str = ""
    """Of DHCP: the client's id (RFC 2132 section 9.14) or DUID (RFC 8415 section 11), hex with
    colons."""
    start: datetime | None = None
    expires: datetime | None = None
    server: str = ""
    """The server that lent it, by address where that is known."""
    interface: str = ""
    nat_ip: str = ""
    """Of a block its public address; of an uplink the address that the outside sees."""
    port_first: int | None = None
    port_last: int | None = None
    """Both included."""
    source: str = ""
    """The device or file that told; empty for the box itself."""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInLine(_Event):
    """A line of syslog of a believed sender: somebody signed in to it, is still there, or left.

    The collector reads it, the portal knows whose account it is and makes sessions of it.
    """

    position: int
    """Of the line's frame in the spool."""
    received: datetime
    time: datetime
    """When it happened, by the line."""
    site: str
    event: str
    """`start`, `update` or `stop`."""
    sender: str
    """The address, or the name in the certificate, by which the sender is believed."""
    vendor: str = ""
    account: str = ""
    """Empty only where it stops."""
    address: str = ""
    """In canonical text."""
    mac: str = ""
    lasts_s: int = 0
    """A session of which no end is told ends so long after the last word of it."""
    duration_s: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NameEvent(_Event):
    """A device was told where a name is, or called a server by a name; seen on the wire."""

    time: datetime
    site: str
    origin: str
    """`dns-capture`, `tls-sni` or `quic-sni`."""
    client: str
    """The device, in canonical text."""
    name: str
    """Lower case, without the dot at the end."""
    kind: str
    """`A` or `AAAA`; of a hello `sni`, or `sni-ech` where the name may be the outer one only."""
    answers: tuple[str, ...]
    """The addresses that it was told, or the one that it called, in canonical text."""
    ttl: int | None = None
    """Seconds that an answer holds, over all aliases on the way."""
    client_port: int | None = None
    """Of a hello."""
    port: int | None = None
    """The server's, of a hello."""
    source: str = ""
    """Who saw it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """A person's session held an address of a site during [start_us, end_us), in µs UTC."""

    site: str
    address: str
    start_us: int
    end_us: int
    person: str
    session: str
    method: str
    learnt_frame: int = field(default=-1)
    """Position in the spool of the event that told of it."""
