"""What log lines of NATs tell of the blocks of ports that they lend.

Known are Juniper's (SRX and MX: `RT_SRC_NAT_PBA_…` as structured data or as a sentence; service
cards: `…NAT_PORT_BLOCK_…`), Cisco's bulk port allocation (ASR 9000, CRS: `NAT44 - [UserbasedA …]`),
A10's port batches of version 2 and FortiGate's IP pools of blocks. As with leases nothing is
guessed, and a line counts only where it begins so: what strangers typed into some other program
lends no ports.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

from collector.decode.leases import held, lines
from collector.decode.syslog import reading, rfc3164, rfc5424
from collector.decode.syslog.header import Header
from collector.records import Frame, LeaseEvent, moment

LONGEST = 2048
"""Characters of a line that are looked at."""
OLDEST = timedelta(days=8)
"""A begin that lies further back is not believed."""
_EVENTS = {
    "ALLOC": "add",
    "INTERIM": "renew",
    "ACTIVE": "renew",
    "RELEASE": "release",
    "Allocated": "add",
    "InterimUpdate": "renew",
    "Freed": "release",
    "A": "add",
    "W": "release",
    "22015": "add",
    "22024": "renew",
    "22016": "release",
}
_IP = r"(?P<ip>[\da-fA-F.:]{2,45})"
_NAT = r"(?P<nat>[\d.]{7,15}|\[?[\da-fA-F:]{2,45}\]?)"
_SENTENCE = re.compile(
    rf"(?:RT_NAT: )?RT_SRC_NAT_PBA_(?P<what>ALLOC|INTERIM|RELEASE): Subscriber {_IP} "
    r"used/maximum \[\d{1,6}/\d{1,6}\] blocks,[ \w]{0,40}? port block "
    rf"\[(?P<first>\d{{1,5}})-(?P<last>\d{{1,5}})\] from {_NAT} in source pool \S{{1,64}}"
    r"(?: lsys_id: \d{1,5})?(?: epoch 0x(?P<epoch>[\da-fA-F]{8,16}))?"
)
_CARD = re.compile(
    r"(?:\(FPC Slot \d{1,2}, PIC Slot \d{1,2}\) )?(?:\d{4}-\d\d-\d\d \d\d: ?\d\d:\d\d:? )?"
    r"(?:\{[^{}]{1,64}\} ?)?(?:\[[\w-]{1,32}\]: ?)?(?:ASP_|JSERVICES_)?"
    rf"NAT_PORT_BLOCK_(?P<what>ALLOC|ACTIVE|RELEASE): ?{_IP} ?-> ?{_NAT}:"
    r"(?P<first>\d{1,5})-(?P<last>\d{1,5})(?: 0x(?P<epoch>[\da-fA-F]{8,16}))?"
)
_BATCH = re.compile(
    r"(?:NAT:\d{14} )?(?:[\da-fA-F]{1,8} )?PortBatchV2(?P<what>Allocated|Freed|InterimUpdate): ?"
    rf"\[{_IP} {_NAT} (?P<first>\d{{1,5}}) (?P<last>\d{{1,5}})\]"
)
_BULK = re.compile(
    r"(?:1 )?(?:\d{4} [A-Z][a-z]{2} {1,2}\d{1,2} [\d:.]{8,15} )?(?:[\w.-]{1,64} )?(?:- ){0,3}"
    r"NAT44 - (?=\[)"
)
_BULK_BLOCK = re.compile(
    rf"\[Userbased(?P<what>[AW]) - {_IP}(?: [\w.-]{{1,64}})? - {_NAT} -(?: -)? "
    r"(?P<first>\d{1,5}) (?P<last>\d{1,5})\]"
)
_PBA = re.compile(r"RT_SRC_NAT_PBA_(?P<what>ALLOC|INTERIM|RELEASE)\Z")
_MEMBER = re.compile(r'([\w-]{1,40}+)="([^"\\]{0,80}+)"')
_MEMBERS = {
    "internal-ip": "ip",
    "reflexive-ip": "nat",
    "block-port-low": "first",
    "block-port-high": "last",
    "epoch-time-64": "epoch",
}
_POOL = {"saddr": "ip", "nat": "nat", "portbegin": "first", "portend": "last", "duration": "lasted"}
_DIGITS = 9
_MOST_PORT = 0xFFFF
_OF_POOLS = re.compile(r"[0-9]{5}(?P<what>22015|22016|22024)")


def may_tell(payload: bytes) -> bool:
    """Whether a line need be read: most are of something else and must cost next to nothing."""
    # One after the other: a loop would cost each line that is something else half as much again.
    return (
        b"portbegin=" in payload
        or b"NAT_PBA_" in payload
        or b"NAT_PORT_BLOCK_" in payload
        or b"PortBatchV2" in payload
        or b"[Userbased" in payload
    )


def of_frame(frame: Frame) -> list[LeaseEvent]:
    """Return what a syslog message as received tells of blocks, by the time it was on the wire."""
    text = frame.payload[:LONGEST].decode(errors="replace")
    time = moment(frame.wire_ns // 1000)
    return list(told(text, time=time, site=frame.site, source=frame.address))


def told(line: str, *, time: datetime, site: str, source: str) -> Iterator[LeaseEvent]:
    """Give what a line tells of blocks of ports: most that tell at all do of one.

    Args:
        line: With its header.
        time: When it happened.
        site: The sender's site.
        source: The sender, as the log names it.
    """
    line = line.rstrip("\r\n\0")
    for parts in _readings(rfc5424.parse(line) or rfc3164.parse(line, 0)):
        ip, nat = held.address(parts.get("ip", "")), held.address(parts.get("nat", "").strip("[]"))
        first, last = _port(parts.get("first", "")), _port(parts.get("last", ""))
        if ip is None or nat is None or first is None or last is None or first > last:
            continue
        event = _EVENTS[parts["what"]]
        yield LeaseEvent(
            time=time,
            site=site,
            kind="block",
            event=event,
            ip=ip,
            nat_ip=nat,
            port_first=first,
            port_last=last,
            start=_start(parts, event, time),
            source=source,
        )


def _readings(header: Header) -> Iterator[Mapping[str, str]]:
    """Give what a line may say of blocks."""
    code = _PBA.match(header.msg_id or "")
    if code is not None and (header.structured_data or "").startswith("[junos@"):
        members = _MEMBER.findall(header.structured_data or "")
        yield {_MEMBERS.get(key, ""): value for key, value in members} | {"what": code["what"]}
        return
    said = [word for word in (header.app_name, header.msg_id) if word]
    text = ": ".join([*said, header.message])
    for pattern in (_SENTENCE, _CARD, _BATCH):
        if (found := pattern.match(text)) is not None:
            yield found.groupdict("")
            return
    if (begin := _BULK.match(text)) is not None:
        yield from (found.groupdict("") for found in _BULK_BLOCK.finditer(text, begin.end()))
    elif text.startswith("date=") and lines.ONLY_PAIRS.match(text):
        yield from _pool(text)


def _pool(text: str) -> Iterator[Mapping[str, str]]:
    """Give what a FortiGate says of a pool of blocks."""
    pairs: dict[str, str] = {}
    for name, value in reading.pairs(text):
        pairs.setdefault(name, value)  # the first: what others typed comes later
    found = _OF_POOLS.fullmatch(pairs.get("logid", ""))
    if found is not None:
        named = {name: pairs.get(key, "") for key, name in _POOL.items()}
        yield {**named, "what": found["what"]}


def _start(parts: Mapping[str, str], event: str, time: datetime) -> datetime | None:
    """Return since when a block was lent, if the line tells that in a way that can be so."""
    if event == "add":
        return time
    since: datetime | None = None
    lasted, epoch = parts.get("lasted", ""), parts.get("epoch", "")
    if lasted.isdecimal() and len(lasted) <= _DIGITS:
        since = time - timedelta(seconds=int(lasted))
    elif event == "renew" and epoch and int(epoch, 16) < 1 << 32:
        since = datetime.fromtimestamp(int(epoch, 16), UTC)
    return since if since is not None and time - OLDEST <= since <= time else None


def _port(text: str) -> int | None:
    """Return a port, None where the text is none."""
    found = int(text) if text.isdecimal() and len(text) <= _DIGITS else -1
    return found if 0 <= found <= _MOST_PORT else None
