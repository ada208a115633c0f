"""Cisco's carrier NAT (ASR 9000, CRS): `1 2026 Jan 25 … host - - NAT44 - [UserbasedA - …]`.

Blocks of ports of bulk port allocation; a line may tell of several, the first has the columns. What
they mean for attribution is read in `collector/decode/leases/block_lines.py`.
"""

from __future__ import annotations

import re

from collector.decode.syslog.header import Header
from collector.decode.syslog.reading import Format, Reading, matched

_BEGIN = re.compile(
    r"(?:1 )?(?:\d{4} [A-Z][a-z]{2} {1,2}\d{1,2} [\d:.]{8,15} )?(?:[\w.-]{1,64} )?(?:- ){0,3}"
    r"NAT44 - (?=\[)"
)
_BLOCK = re.compile(
    r"\[Userbased(?P<kind>[AW]) - (?P<src_ip>[\d.]{7,15})(?: (?P<vrf>[\w.-]{1,64}))? - "
    r"(?P<nat_src_ip>[\d.]{7,15}) -(?: -)? (?P<first>\d{1,5}) (?P<last>\d{1,5})\]"
)
_ACTIONS = {"A": "assigned", "W": "withdrawn"}


def _read(header: Header) -> Reading | None:
    begin = _BEGIN.match(header.message)
    found = None if begin is None else _BLOCK.match(header.message, begin.end())
    if found is None:
        return None
    reading = matched(found, event_type="bulk-port-allocation", action=_ACTIONS[found["kind"]])
    rest = {key: value for key, value in reading.rest.items() if key != "kind"}
    more = header.message[found.end() :]
    return Reading(reading.columns, {**rest, "more": more[:2000]} if more else rest)


FORMAT = Format(name="cisco_cgn", read=_read, marks=("NAT44 - [",), begins=_BEGIN)
