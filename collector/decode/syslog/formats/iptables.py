"""Linux iptables and nftables LOG: `prefix IN=eth0 OUT= MAC=… SRC=… DST=… PROTO=TCP SPT=… DPT=…`.

Only the prefix, which is the admin's, may say what became of the packet.
"""

from __future__ import annotations

import re

from collector.decode.syslog.header import Header
from collector.decode.syslog.reading import UNTOLD, Format, Reading, split

_PAIR = re.compile(r"(?<![^\s\]:])([A-Z]{2,10})=(\"[^\"]{0,300}\"|\S{0,300})")
_FLAGS = re.compile(r" (SYN|ACK|FIN|RST|PSH|URG|DF|CE)(?= |\Z)")
BEGINS = re.compile(
    r"(?:(?:kernel|ulogd|firewall)(?:\[\d{1,10}\])?: )?(?:\[ {0,10}\d{1,10}\.\d{6}\] ?)?"
    r"(?:\d{1,9} \d [\w-]{1,64} [\w/:]{20} [+-]\d{4} (?:(?:policy )?[\w-]{1,32}: )?"
    r"|\[[\w /-]{1,64}\] ?|[\w/:.-]{1,64} )?(?:DESCR=\"[^\"]{0,300}\" )?(?:IN|OUT)="
)
"""Uptime and the admin's prefix: in brackets, without blanks, or as Proxmox writes it."""
_NAMES = {
    "SRC": "src_ip",
    "DST": "dst_ip",
    "SPT": "src_port",
    "DPT": "dst_port",
    "PROTO": "protocol",
    "LEN": "bytes",
    "MAC": "mac",
}
_UPTIME = re.compile(r"\[ {0,10}\d{1,10}\.\d{6}\] ?")
_BLOCKS = re.compile(r"drop|block|reject|deny|denied|[-_](?:D|R)(?:-|\]|\Z)", re.IGNORECASE)
_PASSES = re.compile(r"accept|allow|permit|pass|\bACC\b|[-_](?:A|RET)(?:-|\]|\Z)", re.IGNORECASE)
_MAC_FROM, _MAC_TO = 18, 35
"""Where the sender's address stands in `MAC=` (target, source and type of Ethernet)."""


def read(header: Header) -> Reading | None:
    """Take such a line apart; UniFi gateways write them too."""
    text = header.message
    first = _PAIR.search(text)
    if first is None:
        return None
    columns, rest, *_ = split(_pairs(text), _NAMES)
    if "src_ip" not in columns or "dst_ip" not in columns:
        return None
    mac = columns.get("mac", "")
    columns["mac"] = mac[_MAC_FROM:_MAC_TO] if len(mac) > _MAC_TO else mac
    columns["event_type"] = "packet"
    flags = _FLAGS.findall(text)
    if flags:
        rest = {**rest, "flags": " ".join(flags)}
    prefix = _UPTIME.sub("", text[: first.start()]).strip()
    if header.app_name and header.app_name.lower() not in ("kernel", "ulogd", "firewall"):
        prefix = f"{header.app_name} {prefix}".strip()
    if prefix:
        rest = {**rest, "prefix": prefix[:200]}
    if _BLOCKS.search(prefix):
        return Reading({**columns, "action": "block"}, rest)
    if _PASSES.search(prefix):
        return Reading({**columns, "action": "accept"}, rest, "start")
    return Reading(columns, rest, "start", UNTOLD)


def _pairs(text: str) -> list[tuple[str, str]]:
    return [(key, value.strip('"')) for key, value in _PAIR.findall(text)]


FORMAT = Format(name="iptables", read=read, marks=(" SRC=",), begins=BEGINS)
