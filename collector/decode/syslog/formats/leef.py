"""IBM's LEEF: `LEEF:1.0|vendor|product|version|id|key=value<tab>…`; 2.0 names the separator."""

from __future__ import annotations

import re

from collector.decode.syslog.header import Header
from collector.decode.syslog.reading import Format, Reading, split

_NAMES = {
    "src": "src_ip",
    "srcPort": "src_port",
    "dst": "dst_ip",
    "dstPort": "dst_port",
    "proto": "protocol",
    "usrName": "account",
    "srcMAC": "mac",
    "srcBytes": "bytes",
    "dstBytes": "bytes_reverse",
    "srcPackets": "packets",
    "dstPackets": "packets_reverse",
    "srcPostNAT": "nat_src_ip",
    "srcPostNATPort": "nat_src_port",
    "dstPostNAT": "nat_dst_ip",
    "dstPostNATPort": "nat_dst_port",
    "action": "action",
}
_HEAD = re.compile(
    r"LEEF:(?P<version>[12])(?:\.\d)?\|([^|]{0,200})\|([^|]{0,200})\|([^|]{0,100})\|([^|]{0,200})\|"
)
_SEPARATOR = re.compile(r"(?:(?:0x|x)([0-9A-Fa-f]{1,4})|([^|]?))\|(?=[^|=]{1,80}=)")
_KEY = re.compile(r"([\w.-]{1,80})=(.*)", re.DOTALL)
_BLANKS = re.compile(r" (?=[\w.-]{1,80}=)")


def _read(header: Header) -> Reading | None:
    text = header.message
    found = _HEAD.search(text[:2000])
    if found is None:
        return None
    separator, at = "\t", found.end()
    named = _SEPARATOR.match(text, at) if found["version"] == "2" else None
    if named is not None:
        separator, at = _separator(named), named.end()
    body = text[at:]
    if separator == "\t" and "\t" not in body:
        cells = body.split("|") if "|" in body else _BLANKS.split(body)
    else:
        cells = body.split(separator)
    keys = [key.groups() for key in map(_KEY.match, map(str.strip, cells)) if key is not None]
    columns, rest, *_ = split([(key, value) for key, value in keys], _NAMES)
    columns["event_type"] = found[5] or found[3]
    head = {"vendor": found[2], "product": found[3], "version": found[4]}
    return Reading(columns, {**{k: v for k, v in head.items() if v}, **rest})


def _separator(found: re.Match[str]) -> str:
    return chr(int(found[1], 16)) if found[1] else found[2] or "\t"


FORMAT = Format(name="leef", read=_read, marks=("LEEF:",))
