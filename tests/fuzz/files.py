"""Targets of what lies in files or is typed: events, leases, questions, the spool, notes."""

from __future__ import annotations

import base64
import struct
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from uuid import UUID
from zlib import crc32

from appliance.errors import WrongQuestion, WrongUse
from appliance.search import question as questions
from appliance.search.question import Asked
from collector import spool
from collector.decode import own_events
from collector.decode.leases import dnsmasq, isc, kea
from collector.errors import SpoolError
from collector.records import (
    AuditEvent,
    CoverageEvent,
    Frame,
    FrameKind,
    LeaseEvent,
    SessionEvent,
    moment,
)
from collector.seal import note
from collector.seal.fault import Refused
from collector.spool import layout, recover
from collector.store.schema import LOGS
from tests.appliance.search.test_question import Directory
from tests.fuzz.target import Part, Target, parts, whole

NOW_US = 1_760_000_000_000_000
Event = SessionEvent | AuditEvent | CoverageEvent | LeaseEvent
KINDS: Mapping[FrameKind, type[Event]] = {
    FrameKind.SESSION: SessionEvent,
    FrameKind.AUDIT: AuditEvent,
    FrameKind.COVERAGE: CoverageEvent,
    FrameKind.LEASE: LeaseEvent,
}
_IN_TURN = tuple(KINDS)


def events(data: bytes) -> None:
    """A record is refused with ValueError, or can be written, read again and stored."""
    frames = [
        Frame(
            kind=_IN_TURN[part.mode % len(_IN_TURN)],
            site="school-a",
            received_ns=NOW_US * 1000,
            wire_ns=NOW_US * 1000,
            payload=part.payload,
            number=number,
        )
        for number, part in enumerate(parts(data))
    ]
    for frame in frames:
        with suppress(ValueError):
            event = KINDS[frame.kind].from_json(frame.payload)
            assert type(event).from_json(event.to_json()) == event
    found = own_events.read(frames)
    told = [
        own_events.session_rows("school-a", found.sessions),
        own_events.audit_rows("school-a", found.audits),
        own_events.coverage_rows("school-a", found.coverage),
        own_events.lease_rows("school-a", found.leases),
    ]
    for rows in told:
        LOGS[rows.log].table(rows).validate(full=True)
    assert sum(map(len, told)) + found.malformed == len(frames)


def event_seeds() -> Iterator[bytes]:
    """Yield a record of each kind with every member."""
    now, some = moment(NOW_US), UUID(int=7)
    for number, record in enumerate(
        (
            SessionEvent(
                event_id=some, session=some, event="start", time=now, site="school-a",
                method="portal", person=some, start=now, expires=now,
                addresses=("10.0.0.5", "2001:db8::5"), mac="02:00:5e:00:53:01", nas="ap",
                bytes_in=1, duration_s=2, account="somchai", full_name="สมชาย",
            ),
            AuditEvent(event_id=some, time=now, site="school-a", actor="local:root", act="search"),
            CoverageEvent(time=now, site="school-a", kind="restart", end=now, lost=3, unit="sets"),
            LeaseEvent(
                time=now, site="school-a", kind="dhcp", event="add", ip="10.0.0.5",
                mac="02:00:5e:00:53:01", start=now, expires=now, port_first=1, port_last=2,
            ),
        )
    ):  # fmt: skip
        yield whole([Part(number, record.to_json())])
        yield whole([Part(number, record.to_json()[:-1] + b',"x":1}'), Part(number, b"[1]")])


def leases(data: bytes) -> None:
    """A lease file of any text gives leases and counts, by every reader."""
    text = data.decode(errors="replace")
    for read in (dnsmasq.read, isc.read, kea.read):
        found = read(text)
        assert len(found.held) <= len(text)
        assert all(held.ip == ip for ip, held in found.held.items())


def lease_seeds() -> Iterator[bytes]:
    """Yield a file of each server."""
    yield b"1760000000 02:00:5e:00:53:01 10.0.0.5 phone 01:02:00:5e:00:53:01\n0 * 10.0.0.6 * *\n"
    yield b"duid 00:01:00:01:aa\n1760000000 7 2001:db8::5 * 00:03:00:01:02:00:5e:00:53:01\n"
    yield (
        b"lease 10.0.0.5 {\n  starts 4 2025/10/09 08:53:20;\n  ends never;\n  binding state active;"
        b'\n  hardware ethernet 02:00:5e:00:53:01;\n  uid "\\001\\002";\n'
        b'  client-hostname "phone";\n}\n'
    )
    yield (
        b'ia-na "\\001\\000\\000\\000\\000\\003\\000\\001abcdef" {\n  cltt 4 2025/10/09 08:53:20;\n'
        b"  iaaddr 2001:db8::5 {\n    binding state active;\n    ends epoch 1760000000;\n  }\n}\n"
    )
    yield (
        b"address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state"
        b"\n10.0.0.5,02:00:5e:00:53:01,01:02,3600,1760000000,1,0,0,phone,0\n"
    )


def question(data: bytes) -> None:
    """Any text is a question or a clear error, and its SQL has no other values than bound ones."""
    logs = tuple(questions.COLUMNS)
    asked = Asked(log=logs[data[0] % len(logs)] if data else "flows", start_us=0, end_us=NOW_US)
    try:
        found = questions.parse(
            data[1:].decode(errors="replace"), asked, Directory(), now_us=NOW_US
        )
    except (WrongQuestion, WrongUse) as error:
        assert str(error)
        return
    assert found.where
    assert ";" not in found.where
    assert found.thai and found.english and found.branches


def question_seeds() -> Iterator[bytes]:
    """Yield what people ask."""
    asked = [
        "*", "10.0.0.5", "user:สมชาย AND bytes:[1000 TO *]", 'NOT (src_ip:10.0.0.0/8 OR "a b")',
        "[2001:db8::5]:443", "host:*.example.org", "_exists_:nat_src_ip", "port:443 +protocol:tcp",
        "time:>2025-10-09T08:53:20+07:00", "mac:02-00-5E-00-53-01", "-person:p-1 certainty:sure",
        "user:(a OR b) bytes:>=1k", "10.0.0.5:443", "1.2.*", "a\\:b~2^3 /x/", "duration:<5m",
    ]  # fmt: skip
    for log in range(len(questions.COLUMNS)):
        yield bytes([log]) + asked[log].encode()
    for text in asked:
        yield b"\0" + text.encode()


_MARK = b"\x9e\x01\xa7\x5c"
_FRAMES = 6


@cache
def _frame(number: int) -> Frame:
    return Frame(
        kind=FrameKind.SYSLOG,
        site="school-a",
        received_ns=NOW_US * 1000,
        wire_ns=NOW_US * 1000,
        address="192.0.2.1",
        label="ไฟล์" if number % 2 else "",
        payload=bytes([number]) * number,
        number=number,
    )


def spool_file(data: bytes) -> None:
    """However a file is damaged, what is read is what was written, or it is refused in words.

    The input says what to do to a good file: overwrite, cut, add, add with the right checksum,
    and say how much is durable.
    """
    content = bytearray(layout.pack_header(0, 0, _MARK))
    for number in range(_FRAMES):
        content += _MARK + layout.encode(_frame(number), number, max(0, number - 1))
    floor, forged = _FRAMES, any(part.mode % 5 == 3 for part in parts(data))
    for part in parts(data):
        content, floor = _damaged(content, floor, part)
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:  # for speed
        folder = Path(name)
        path = folder / layout.name(0)
        path.write_bytes(content)
        (folder / "durable").write_bytes(layout.pack_marker(floor))
        with suppress(SpoolError):
            tail = recover.examine(path, floor)
            assert layout.FILE_HEADER <= tail.end <= len(content)
            assert tail.end + tail.torn == len(content)
        with suppress(SpoolError), spool.SpoolReader(folder, 0) as reader:
            while frames := reader.read(200):
                for frame in frames:
                    added = forged or frame.number >= _FRAMES
                    assert added or frame == _frame(frame.number)


def _damaged(content: bytearray, floor: int, part: Part) -> tuple[bytearray, int]:
    at = int.from_bytes(part.payload[:2]) % (len(content) + 1)
    act, rest = part.mode % 5, part.payload[2:]
    if act == 0:
        content[at : at + len(rest)] = rest[: len(content) - at]
    elif act == 1:
        del content[at:]
    elif act == 2:
        content += rest
    elif act == 3:
        content += _MARK + struct.pack("<II", len(rest), crc32(rest, len(rest))) + rest
    else:
        floor = at % 9
    return content, floor


def spool_seeds() -> Iterator[bytes]:
    """Yield harmless, torn and bent files."""
    yield b""
    good = _MARK + layout.encode(_frame(1)._replace(number=6), 6, 6)
    sealed = good[layout.MARK_SIZE + 8 :]
    yield whole([Part(3, bytes(2) + sealed), Part(4, bytes((0, 7)))])
    for act in range(5):
        yield whole([Part(act, bytes((0, 60)) + good)])
        yield whole([Part(act, bytes((1, 9)) + b"\xff"), Part(1, bytes((1, 30)))])


def signed_note(data: bytes) -> None:
    """A note, key or checkpoint has one spelling: what is accepted is written the same again."""
    with suppress(Refused):
        found = note.parse(data)
        lines = [
            f"{note.DASH} {line.name} "
            f"{base64.b64encode(line.key_id + line.signature).decode()}\n".encode()
            for line in found.lines
        ]
        assert found.text + b"\n" + b"".join(lines) == data
        assert note.parse_checkpoint(found.text).text == found.text
    text = data.decode(errors="replace")
    with suppress(Refused):
        assert note.parse_vkey(text).text == text
    with suppress(Refused):
        assert note.SigningKey.parse(text).text == text
    with suppress(Refused):
        note.parse_line(text)
    with suppress(Refused):
        assert note.parse_checkpoint(data).text == data


def note_seeds() -> Iterator[bytes]:
    """Yield a checkpoint, its note and its keys."""
    key = note.SigningKey("prathu.example/school-a", bytes(range(32)))
    text = note.Checkpoint("prathu.example/school-a", 7, bytes(32)).text
    yield text
    yield text + b"\n" + key.sign(text)
    yield text + b"\n" + key.sign(text) * 2
    yield key.vkey.text.encode()
    yield key.text.encode()


TARGETS = (
    Target("events", events, event_seeds, 2048, seconds=1),
    Target("leases", leases, lease_seeds, 1024, seconds=1),
    Target("question", question, question_seeds, 512, seconds=1),
    Target("spool", spool_file, spool_seeds, 512, seconds=1),
    Target("note", signed_note, note_seeds, 1024, seconds=1),
)
