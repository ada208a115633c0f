"""Juniper SRX and MX: sessions of `RT_FLOW`, and the blocks of ports that `RT_NAT` lends.

They come as structured data (RFC 5424) or as sentences. What a block means for attribution is read
in `collector/decode/leases/block_lines.py`.
"""

from __future__ import annotations

import re

from collector.decode.syslog.header import Header
from collector.decode.syslog.reading import Format, Reading, matched, split

_READ = 16_384
_MEMBER = re.compile(r'([\w-]{1,64}+)="([^"\\]{0,2000}+)"')
_KIND = re.compile(r"(RT_FLOW_SESSION_(?:CREATE|CLOSE|DENY)(?:_LS)?)")
_END = r"(?P<{0}_ip>[\da-fA-F.:]{{2,45}})/(?P<{0}_port>\d{{1,5}})"
_PAIR = "->".join(_END.format(side) for side in ("src", "dst"))
_NAT = "->".join(_END.format(side) for side in ("nat_src", "nat_dst"))
_CREATED = re.compile(
    rf"(?:session created|session denied) {_PAIR} (?:0x[0-9a-f]{{1,8}} )?(?P<service>\S{{1,64}})"
    rf"(?: {_NAT} (?:0x[0-9a-f]{{1,8}} )?(?P<rules>\S{{1,64}} \S{{1,64}} \S{{1,64}} \S{{1,64}})"
    r" (?P<protocol>\d{1,3}))?"
)
_CLOSED = re.compile(
    rf"session closed (?P<reason>[^:]{{1,60}}): {_PAIR} (?:0x[0-9a-f]{{1,8}} )?"
    rf"(?P<service>\S{{1,64}}) {_NAT} (?:0x[0-9a-f]{{1,8}} )?"
    r"(?P<rules>\S{1,64} \S{1,64} \S{1,64} \S{1,64}) "
    r"(?P<protocol>\d{1,3}) (?P<policy>\S{1,64}) (?P<from_zone>\S{1,64}) (?P<to_zone>\S{1,64}) "
    r"(?P<connection>\d{1,19}) (?P<packets>\d{1,19})\((?P<bytes>\d{1,19})\) "
    r"(?P<packets_reverse>\d{1,19})\((?P<bytes_reverse>\d{1,19})\) (?P<duration>\d{1,10})"
)
_BLOCK = re.compile(
    r"RT_SRC_NAT_PBA_\w{5,8}: Subscriber (?P<src_ip>[\da-fA-F.:]{2,45}) "
    r"used/maximum \[(?P<blocks>\d{1,6}/\d{1,6})\] blocks,[ \w]{0,40}? port block "
    r"\[(?P<ports>\d{1,5}-\d{1,5})\] from (?P<nat_src_ip>[\da-fA-F.:]{2,45}) "
    r"in source pool (?P<pool>\S{1,64})"
)
_CARD_BEGIN = (
    r"(?:\(FPC Slot \d{1,2}, PIC Slot \d{1,2}\) )?(?:\d{4}-\d\d-\d\d \d\d: ?\d\d:\d\d:? )?"
    r"(?:\{[^{}]{1,64}\} ?)?(?:\[[\w-]{1,32}\]: ?)?(?:ASP_|JSERVICES_)?NAT_PORT_BLOCK_"
)
_CARD = re.compile(
    rf"{_CARD_BEGIN}(?P<action>ALLOC|ACTIVE|RELEASE): ?(?P<src_ip>[\da-fA-F.:]{{2,45}}) ?-> ?"
    r"(?P<nat_src_ip>[\d.]{7,15}):(?P<ports>\d{1,5}-\d{1,5})"
)
"""Of the cards MS-MPC and MS-DPC."""
_NAMES = {
    "internal-ip": "src_ip",
    "reflexive-ip": "nat_src_ip",
    "source-address": "src_ip",
    "source-port": "src_port",
    "destination-address": "dst_ip",
    "destination-port": "dst_port",
    "nat-source-address": "nat_src_ip",
    "nat-source-port": "nat_src_port",
    "nat-destination-address": "nat_dst_ip",
    "nat-destination-port": "nat_dst_port",
    "protocol-id": "protocol",
    "username": "account",
    "action": "action",
    "packets-from-client": "packets",
    "bytes-from-client": "bytes",
    "packets-from-server": "packets_reverse",
    "bytes-from-server": "bytes_reverse",
    "elapsed-time": "duration",
}


def _read(header: Header) -> Reading | None:
    data, kind = header.structured_data or "", header.msg_id or ""
    if not data:  # under a header that is not of RFC 5424
        before, mark, after = header.message.partition("[junos@")
        data, kind = mark + after, before.split()[-1] if mark and before.split() else ""
    if data.startswith("[junos@"):
        reading = split(_MEMBER.findall(data[:_READ]), _NAMES)
    else:
        if (block := _BLOCK.match(header.message)) is not None:
            return matched(block, event_type=header.message.partition(":")[0])
        program = f"{header.app_name}: " if header.app_name else ""
        if (card := _CARD.match(f"{program}{header.message}")) is not None:
            return matched(card, event_type="NAT_PORT_BLOCK")
        found = _KIND.search(header.message[:100]) or _KIND.match(header.msg_id or "")
        sentence = _CREATED.search(header.message) or _CLOSED.search(header.message)
        if found is None or sentence is None:
            return None
        reading, kind = matched(sentence), found[1]
    flow = "end" if "SESSION_CLOSE" in kind else "start" if "SESSION_CREATE" in kind else ""
    columns = {**reading.columns, "event_type": kind}
    app = reading.rest.get("application", "")
    return Reading(columns, reading.rest, flow, app="" if app == "UNKNOWN" else app)


FORMAT = Format(
    name="juniper",
    read=_read,
    programs=("rt_flow", "rt_nat", "rt_idp", "rt_utm", "rt_aamw", "rt_secintel", "mgd"),
    marks=("RT_FLOW_SESSION_", "[junos@", "NAT_PORT_BLOCK_"),
    begins=re.compile(rf"RT_[A-Z]{{2,10}}\b|mgd\b|{_CARD_BEGIN}"),
)
