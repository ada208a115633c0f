"""The gateway's own address translations as NetFlow v9, as a router that does the NAT tells them.

softflowd looks at packets on one side and knows nothing of NAT; so the kernel's connection table
is told by this exporter, with the fields of RFC 8158 (225 to 228).
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Mapping, Sequence

FIELDS = (
    (8, 4), (12, 4), (7, 2), (11, 2), (4, 1), (2, 4), (1, 4), (22, 4), (21, 4),
    (225, 4), (226, 4), (227, 2), (228, 2),
)  # fmt: skip
"""Element and bytes, in the order of `_record`."""
TEMPLATE = 300
UPTIME_MS = 1_000_000
PROTOCOLS = {"tcp": 6, "udp": 17}


def datagram(connections: Sequence[Mapping[str, str]], *, start: float, now: float) -> bytes:
    """Return one datagram that tells of connections, as `School.translations` lists them.

    Args:
        connections: Both tuples of each.
        start: When they began, in seconds since the epoch.
        now: When the datagram is sent.
    """
    fields = b"".join(struct.pack("!HH", *field) for field in FIELDS)
    template = struct.pack("!HHHH", 0, 8 + len(fields), TEMPLATE, len(FIELDS)) + fields
    first = UPTIME_MS - int((now - start) * 1000)
    data = b"".join(_record(connection, first) for connection in connections)
    data += bytes(-len(data) % 4)
    flows = struct.pack("!HH", TEMPLATE, 4 + len(data)) + data
    header = struct.pack("!HHIIII", 9, len(connections) + 1, UPTIME_MS, int(now), 1, 77)
    return header + template + flows


def _record(connection: Mapping[str, str], first: int) -> bytes:
    inside, outside = (socket.inet_aton(connection[name]) for name in ("src", "dst"))
    before = (int(connection["sport"]), int(connection["dport"]))
    after = (int(connection["reply_dport"]), int(connection["reply_sport"]))
    translated = (socket.inet_aton(connection[name]) for name in ("reply_dst", "reply_src"))
    middle = struct.pack("!BIIII", PROTOCOLS[connection["protocol"]], 7, 420, first, first + 40)
    ends = struct.pack("!4s4sHH", inside, outside, *before)
    return ends + middle + struct.pack("!4s4sHH", *translated, *after)
