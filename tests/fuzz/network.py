"""Targets of what comes from the wire: flow datagrams, captures, syslog, RADIUS accounting."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from captive_portal.radius import guard, login, rest
from captive_portal.radius import request as radius
from captive_portal.sessions.session import Ids
from collector.decode import capture, own_events
from collector.decode.decoder import FlowDecoder
from collector.decode.limits import Limits
from collector.decode.syslog import messages
from collector.decode.syslog.formats import FORMATS
from collector.errors import Malformed
from collector.receive.framing import LONGEST, Splitter
from collector.receive.ipfix import Messages
from collector.records import Frame, FrameKind
from collector.store.schema import COUNTERS, EVENTS, FLOWS, LEASES
from tests.captive_portal.radius import test_guard as packets
from tests.collector.decode import rows, test_decoder, wire
from tests.collector.decode.sflow import test_any as samples
from tests.collector.decode.sflow import test_counter_samples as counter_samples
from tests.collector.decode.sflow import wire as sflow
from tests.collector.decode.syslog import golden
from tests.fuzz.target import Part, Target, parts, whole

CAPTURES = Path(__file__).resolve().parent.parent / "captures"
NOW_NS = 1_760_000_000 * 10**9
NOW = datetime.fromtimestamp(NOW_NS // 10**9, UTC)
_SMALL = Limits(streams=8, fields=256, waiting_sets=12, waiting_bytes=4096, templates_per_stream=4)
_IDS = Ids(b"k" * 32)


def flows(data: bytes) -> None:
    """Whatever comes, rows fit the schema, and a restart between two datagrams changes nothing.

    The first octet says how narrow the limits are, and where the restart is. The last two bits of
    a part's say whose it is, the first whether it came over a connection: empty at its ends.
    """
    if not data:
        return
    frames = [
        wire.frame(
            part.payload,
            number,
            address=f"192.0.2.{part.mode & 1}",
            port=40000 + (part.mode >> 1 & 1),
            received_ns=NOW_NS + (part.mode >> 2 & 31) * 10**9,
            transport="tcp" if part.mode & 128 else "udp",
        )
        for number, part in enumerate(parts(data[1:]))
    ]
    _restarted(frames, _SMALL if data[0] & 1 else Limits(), data[0] >> 1)


def _restarted(frames: list[Frame], limits: Limits, middle: int) -> None:
    """Compare rows, events and state with and without a restart before the frame `middle`."""
    unbroken = FlowDecoder(wire.SITE, limits)
    expected = _outcome(unbroken, frames)
    before, after = (FlowDecoder(wire.SITE, limits) for _ in range(2))
    first = _outcome(before, frames[:middle])
    after.restore(json.loads(json.dumps(before.snapshot())))
    then = _outcome(after, frames[middle:])
    assert [one + other for one, other in zip(first, then, strict=True)] == expected
    assert after.snapshot() == unbroken.snapshot()


def _outcome(decoder: FlowDecoder, frames: list[Frame]) -> list[list[Any]]:
    """Return rows of flows, their frames, events, and rows of counters."""
    decoded = decoder.decode(frames)
    positions = [] if decoded.flows is None else decoded.flows.frame.tolist()
    counted = [COUNTERS.table(each) for each in decoded.counters]
    for table in counted:
        table.validate(full=True)
    counters = [row for table in counted for row in table.to_pylist()]
    return [rows.of(decoded), positions, list(decoded.coverage), counters]


def flow_seeds() -> Iterator[bytes]:
    """Yield captures of real exporters, and datagrams of every form."""
    for datagrams in _captured():
        yield b"\2" + whole(Part(0, payload) for payload in datagrams)
    story = [frame.payload for frame in test_decoder.story()]
    for at in range(0, len(story), 8):
        told = whole(Part(at % 7 << 2, payload) for payload in story[at : at + 8])
        yield bytes([6 + at // 8 % 2]) + told
    for payload in test_decoder.payloads()[-2:]:
        yield b"\3" + whole([Part(0, payload)] * 3)
    for payloads in _PER_CONNECTION:
        yield b"\4" + whole(Part(128, payload) for payload in payloads)


_TAUGHT = wire.ipfix(wire.ipfix_template(256, [(7, 2), (11, 2)]), wire.a_set(256, b"\0\1\0\2"))
_PER_CONNECTION = (
    (b"", _TAUGHT, b"", wire.ipfix(wire.a_set(256, b"\0\1\0\2")), b""),
    (_TAUGHT, wire.ipfix(wire.a_set(2, b"\1\0\0\0")), wire.ipfix(wire.a_set(2, b"\0\2\0\0"))),
)


def sflow_seeds() -> Iterator[bytes]:
    """Yield datagrams of one record each, for `flows`, and some of many."""
    for number, record in enumerate(samples.RECORDS):
        made = (sflow.flow, sflow.flow_expanded, sflow.discard)[number % 3]
        pieces = [Part(0, sflow.datagram(made(record, sequence=n), sequence=n)) for n in (1, 5)]
        yield bytes([2 + number % 2]) + whole(pieces)
    for number, record in enumerate(counter_samples.RECORDS):
        counted = (counter_samples.sample, counter_samples.expanded)[number % 2](record)
        yield bytes([4]) + whole([Part(at, sflow.datagram(counted)) for at in (0, 4, 124)])
    every = sflow.flow(*samples.RECORDS)
    yield b"\2" + whole([Part(0, sflow.datagram(every, sflow.counters(), every))])


def _captured() -> Iterator[list[bytes]]:
    for path in sorted(CAPTURES.glob("*.pcap")):
        with path.open("rb") as file:
            yield [one.payload for one in capture.datagrams(file, capture.Counts())]


def records(data: bytes) -> None:
    """Any template of known elements, and any octets as its records: as in `flows`.

    Two octets say which protocol and how many fields, three each which element of what size, the
    rest is the records.
    """
    if len(data) < 2:
        return
    version, count = (10, data[0] >> 1) if data[0] & 1 else (9, data[0] >> 1)
    count, at = min(count, 16), 2 + 3 * min(count, 16)
    fields = [_field(data[n : n + 3], version) for n in range(2, min(at, len(data) - 2), 3)]
    body = wire.a_set(256, data[at:])
    if version == 9:
        template = wire.v9_template(256, fields)
        sent = [wire.v9(template, body), wire.v9(body, body, sequence=1)]
    else:
        template = wire.ipfix_template(256, fields)
        sent = [wire.ipfix(template, body), wire.ipfix(body, body, sequence=1)]
    frames = [wire.frame(payload, n, received_ns=NOW_NS) for n, payload in enumerate(sent)]
    _restarted(frames, Limits(), data[1] % 3)


def _field(octets: bytes, version: int) -> wire.Spec:
    """Return a field: ids as told, most enterprises of those that have elements we know."""
    number, size = int.from_bytes(octets[:2]) & 0x7FFF, octets[2]
    if version == 9:
        return number, size % 24
    pen = PENS[number >> 10 & 7] if number & 0x4000 else 0
    return number & 0x3FF, 65535 if size == 255 else size % 24, pen


PENS = (9, 29305, 637, 2636, 10704, 25461, 35632, 65000)


def record_seeds() -> Iterator[bytes]:
    """Yield records of the usual fields, and of each kind of time, NAT, counter and text."""
    usual = [(8, 4), (12, 4), (7, 2), (11, 2), (4, 1), (6, 1), (2, 8), (1, 8)]
    kinds = [
        *([(22, 4), (21, 4)], [(152, 8), (153, 8)], [(154, 8), (155, 8)], [(150, 4), (161, 4)]),
        *([(225, 4), (226, 4), (227, 2), (228, 2), (230, 1)], [(27, 16), (28, 16)]),
        *([(95, 4), (96, 12)], [(371, 255)], [(82, 255), (292, 255)], [(56, 6), (80, 6)]),
        *([(34, 4), (35, 1)], [(48, 1), (49, 1)], [(231, 8), (232, 8), (298, 8)], [(0x4C01, 8)]),
        *([(32, 2), (139, 2)], [(176, 1), (177, 1)], [(160, 8), (22, 4)], [(10, 3), (14, 5)]),
    ]
    for number, more in enumerate(kinds):
        for version in (0, 1):
            fields = [*usual[: number % 8 + 1], *more]
            told = b"".join(element.to_bytes(2) + bytes([size]) for element, size in fields)
            body = bytes(range(1, 200)) + b"\xff" * 60 + bytes(60)
            yield bytes([len(fields) << 1 | version, number]) + told + body


def captures(data: bytes) -> None:
    """A file of any bytes gives datagrams, then perhaps Malformed; no more than it holds."""
    counts, size = capture.Counts(), 0
    try:
        for datagram in capture.datagrams(io.BytesIO(data), counts):
            size += len(datagram.payload)
    except Malformed:
        pass
    assert size <= len(data)
    assert counts.datagrams + counts.fragments + counts.other <= counts.packets


def capture_seeds() -> Iterator[bytes]:
    """Yield the captures as they are."""
    for path in sorted(CAPTURES.glob("*.pcap")):
        yield path.read_bytes()[:4096]


def framing(data: bytes) -> None:
    """The same bytes in other pieces are the same messages; nothing grows, nothing vanishes."""
    if not data:
        return
    step, stream = data[0] + 1, data[1:]
    at_once, in_pieces = Splitter(), Splitter()
    expected = at_once.feed(stream) + at_once.finish()
    found = []
    for at in range(0, len(stream), step):
        found += in_pieces.feed(stream[at : at + step])
    found += in_pieces.finish()
    assert found == expected
    for one in (at_once, in_pieces):
        assert sum(map(len, expected)) + one.skipped_bytes <= len(stream)
    assert (at_once.cut, at_once.skipped_bytes) == (in_pieces.cut, in_pieces.skipped_bytes)
    assert all(len(message) <= LONGEST for message in found)


def framing_seeds() -> Iterator[bytes]:
    """Yield lines, counted frames, and mixtures."""
    lines = [b"<13>one\n<14>two\0", b"5 <1>ab7 <13>two", b"9 <13>short\n<14>x", b"99999 <1>a\n"]
    for step, line in enumerate([*lines, b"".join(lines), b"12 <13>counted\n<14>line\n8 <1>abcd"]):
        yield bytes([step]) + line


def messages_of_ipfix(data: bytes) -> None:
    """The same bytes in other pieces are the same messages, up to the one that is none."""
    if not data:
        return
    step, stream = data[0] + 1, data[1:]
    at_once, in_pieces = Messages(), Messages()
    expected = at_once.feed(stream) + at_once.finish()
    found = []
    for at in range(0, len(stream), step):
        found += in_pieces.feed(stream[at : at + step])
    assert found + in_pieces.finish() == expected
    assert (at_once.fault, at_once.cut) == (in_pieces.fault, in_pieces.cut)
    assert stream.startswith(b"".join(expected))
    assert not expected or expected[0] == expected[-1] == b""


def messages_of_ipfix_seeds() -> Iterator[bytes]:
    """Yield messages, one that is cut, and what follows them by mistake."""
    for step, more in enumerate((b"", _TAUGHT[:-1], b"\x16\x03\1\2", b"<13>a", b"\0\x0a\0\3")):
        yield bytes([step]) + _TAUGHT + wire.ipfix() + more


def syslog(data: bytes) -> None:
    """Every message is a row that fits the schema and keeps the line as it came."""
    frames = [
        Frame(
            kind=FrameKind.SYSLOG,
            site="school-a",
            received_ns=NOW_NS,
            wire_ns=NOW_NS,
            address="192.0.2.9",
            label="a.log" if part.mode & 1 else "",
            payload=part.payload,
            number=number,
        )
        for number, part in enumerate(parts(data))
    ]
    told = messages.read(frames)
    table = EVENTS.table(told.events)
    table.validate(full=True)
    kept = zip(table["raw"].to_pylist(), table["raw_bytes"].to_pylist(), strict=True)
    assert [o if raw is None else raw.encode() for raw, o in kept] == [f.payload for f in frames]
    if told.flows is not None:
        FLOWS.table(told.flows).validate(full=True)
    assert sum(told.read.values()) + len(told.unread) == len(frames)
    own = own_events.read(frames)
    assert own.malformed == 0
    LEASES.table(own_events.lease_rows("school-a", own.leases)).validate(full=True)


def syslog_seeds() -> Iterator[bytes]:
    """Yield a line of each form (F-63, F-64) and some of each maker."""
    told = [*LINES, *(line for one in FORMATS for line in golden.lines_of(one.name)[:3])]
    for at in range(0, len(told), 3):
        yield whole(Part(at & 1, line.encode()) for line in told[at : at + 3])


LINES = [
    '<165>1 2025-10-09T08:53:20.003Z fw app 8710 ID47 [a@1 k="v\\]"][b@1 x="y"] \ufeffhello',
    "<34>1 - - - - - - no header at all",
    "<13>Oct  9 08:53:20 host tag[123]: message",
    "<189>237: *Oct  9 08:53:20.295: %SYS-5-CONFIG_I: Configured from console",
    "<14>1760000000.123456789 MX84 urls src=10.0.0.5:50000 dst=203.0.113.9:443",
    "<27>Oct 9 08:53:20 filterlog[1]: 5,,,1000000103,em1,match,pass,in,4,0x0,,64,1,0,DF,6,tcp,60,"
    "10.0.0.5,203.0.113.9,50000,443,0,S,1,,64240,,mss",
    '<189>date=2025-10-09 time=08:53:20 devname="fw" logid="0000000013" type="traffic" srcip=10.0.0'
    '.5 srcport=50000 dstip=203.0.113.9 dstport=443 proto=6 trandisp=snat transip=198.51.100.7',
    "<134>firewall,info forward: in:bridge out:ether1, src-mac 02:00:5e:00:53:01, proto TCP (SYN), "
    "10.0.0.5:50000->203.0.113.9:443, NAT (10.0.0.5:50000->198.51.100.7:50000)->203.0.113.9:443",
    "<166>Oct 09 2025 08:53:20: %ASA-6-302013: Built outbound TCP connection 1 for outside:203.0."
    "113.9/443 (203.0.113.9/443) to inside:10.0.0.5/50000 (198.51.100.7/50000)",
    "<14>CEF:0|Ubiquiti|UniFi Network|9.0|1|Client|3|UNIFIcategory=x src=10.0.0.5 msg=a\\=b c",
    "<14>LEEF:2.0|Maker|Product|1|id|^|src=10.0.0.5^dst=203.0.113.9^usrName=somchai",
    '<14>{"time":"2025-10-09T08:53:20Z","src":"10.0.0.5","n":[1,2,{"a":null}]}',
    "<14>1,2025/10/09 08:53:20,001,TRAFFIC,end,1,2025/10/09 08:53:20,10.0.0.5,203.0.113.9,198.51."
    "100.7,203.0.113.9,rule,somchai,,web,vsys1,a,b,e1,e2,l,x,1,1,50000,443,50000,443,0x0,tcp,allow",
    "<4>kernel: [1.0] [WAN_IN-A-1]IN=eth0 OUT= MAC=02:00:5e:00:53:01:02:00:5e:00:53:02:08:00 SRC=10"
    ".0.0.5 DST=203.0.113.9 LEN=60 PROTO=TCP SPT=50000 DPT=443",
    "<30>dnsmasq-dhcp[1]: DHCPACK(br0) 10.0.0.5 02:00:5e:00:53:01 phone",
    "<38>sshd[1]: Accepted password for somchai from 10.0.0.5 port 50000 ssh2",
    "1760000000.1 5 10.0.0.5 TCP_MISS/200 900 GET http://www.example.org/ - DIRECT/203.0.113.9 -",
    "", "<", "<999>", "<13>", "ก<13>", "<13>1", "<13>1 2025",
]  # fmt: skip


def accounting(data: bytes) -> None:
    """Any attributes in a packet with the right secret are read or discarded, and answered."""
    for datagram in (data, packets.request(data[:4076])):
        try:
            read = guard.open_packet(guard.shape(datagram), packets.client())
        except guard.Discard:
            continue
        try:
            heard = radius.read(
                read, source="192.0.2.1", client=packets.client(), received=NOW, ids=_IDS
            )
        except guard.Discard:
            continue
        assert heard.accounting.time <= NOW
        assert len(guard.reply_to(read)) >= guard.HEADER


def access(data: bytes) -> None:
    """Any attributes in a signed question are read or discarded; so is what FreeRADIUS sends."""
    for datagram in (data, packets.access(data[:4050])):
        try:
            whole = guard.shape(datagram, (guard.ACCESS_REQUEST, guard.STATUS_SERVER))
            read = guard.open_access(whole, packets.client(), must_sign=True)
            tried = login.read(read, source="192.0.2.1", client=packets.client())
        except guard.Discard:
            continue
        assert len(tried.device) in (0, 17)
    with contextlib.suppress(ValueError):
        rest.read(data)


def access_seeds() -> Iterator[bytes]:
    """Yield attributes of questions by PAP, CHAP and MSCHAPv2, and rlm_rest's JSON."""
    name = packets.attribute(1, "สมชาย".encode())
    yield name + packets.attribute(2, bytes(16)) + packets.attribute(31, b"02-00-5E-00-53-01")
    yield name + packets.attribute(3, bytes(17)) + packets.attribute(60, bytes(16))
    microsoft = (311).to_bytes(4, "big")
    proof = packets.attribute(26, microsoft + packets.attribute(25, bytes(50)))
    yield name + packets.attribute(26, microsoft + packets.attribute(11, bytes(16))) + proof
    yield b'{"User-Name": {"type": "string", "value": ["a\\u00e0\\u00b8\\u0081"]}}'


def accounting_seeds() -> Iterator[bytes]:
    """Yield attributes of every kind that is read, whole packets too."""
    kinds = [*range(1, 6), 8, 25, *range(30, 34), *range(40, 56), 61, 77, 80, 87, 95, 97, 123, 168]
    for kind in kinds:
        for value in (b"", b"\0\0\0\1", b"02-00-5E-00-53-01:ssid", bytes((0, 64)) + bytes(16)):
            yield packets.START + packets.attribute(kind, value)
    vendor = (14179).to_bytes(4) + b"\1\6wlan"
    yield packets.START + packets.attribute(26, vendor) + packets.attribute(26, b"\0")
    yield packets.signed(packets.START)
    yield packets.request(b"", code=12)


TARGETS = (
    Target("flows", flows, flow_seeds, 6000),
    Target("records", records, record_seeds, 1024),
    Target("sflow", flows, sflow_seeds, 2048),
    Target("captures", captures, capture_seeds, seconds=1),
    Target("framing", framing, framing_seeds, 2048),
    Target("ipfix-framing", messages_of_ipfix, messages_of_ipfix_seeds, 2048, seconds=2),
    Target("syslog", syslog, syslog_seeds, 2048),
    Target("accounting", accounting, accounting_seeds, 1024),
    Target("access", access, access_seeds, 1024, seconds=2),
)
