"""A10 Thunder: port batches of version 2 that its carrier NAT lends and takes back.

`NAT:20260125095958 3e2d PortBatchV2Allocated: [inside outside first last]`. What they mean for
attribution is read in `collector/decode/leases/block_lines.py`.
"""

from __future__ import annotations

import re

from collector.decode.syslog.header import Header
from collector.decode.syslog.reading import Format, Reading, matched

_BATCH = re.compile(
    r"(?:NAT:\d{14} )?(?:[\da-fA-F]{1,8} )?PortBatchV2(?P<action>Allocated|Freed|InterimUpdate): ?"
    r"\[(?P<src_ip>[\da-fA-F.:]{2,45}) (?P<nat_src_ip>[\da-fA-F.:]{2,45}) "
    r"(?P<first>\d{1,5}) (?P<last>\d{1,5})\]"
)


def _read(header: Header) -> Reading | None:
    program = f"{header.app_name}: " if header.app_name else ""
    found = _BATCH.match(f"{program}{header.message}")
    return None if found is None else matched(found, event_type="port-batch")


FORMAT = Format(
    name="a10",
    read=_read,
    programs=("portbatchv2allocated", "portbatchv2freed", "portbatchv2interimupdate"),
    marks=("PortBatchV2",),
    begins=re.compile(r"(?:NAT:\d{14} )?(?:[\da-fA-F]{1,8} )?PortBatchV2"),
)
