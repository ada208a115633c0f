"""A JSON object as the message: members of known names fill columns, the others the fields."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from collector.decode.syslog.header import Header
from collector.decode.syslog.reading import Format, Reading, split

_MOST = 200
_DEEPEST = 3
_LONGEST = 4096
_NAMES = {
    name: column
    for column, names in {
        "event_type": "event_type event.action eventtype type event EventType",
        "action": "action event.outcome act Action",
        "account": "user username user_name user.name suser usrName account UserName",
        "src_ip": "src_ip srcip src source_ip source.ip client_ip clientip ip IPAddress",
        "src_port": "src_port srcport spt source.port sport",
        "dst_ip": "dest_ip dst_ip dstip dst destination_ip destination.ip",
        "dst_port": "dest_port dst_port dstport dpt destination.port dport",
        "protocol": "proto protocol network.transport",
        "mac": "mac src_mac client_mac clientMac MACAddress source.mac",
        "nat_src_ip": "nat_src_ip source.nat.ip",
        "nat_src_port": "nat_src_port source.nat.port",
        "nat_dst_ip": "nat_dst_ip destination.nat.ip",
        "nat_dst_port": "nat_dst_port destination.nat.port",
        "bytes": "bytes_out source.bytes flow.bytes_toserver",
        "bytes_reverse": "bytes_in destination.bytes flow.bytes_toclient",
        "packets": "source.packets flow.pkts_toserver",
        "packets_reverse": "destination.packets flow.pkts_toclient",
    }.items()
    for name in names.split()
}


def _read(header: Header) -> Reading | None:
    text = header.message.strip().removeprefix("@cee:").lstrip()
    if not text.startswith("{"):
        return None
    try:
        told = json.loads(text)
        if not isinstance(told, dict):
            return None
        return split(islice(_members(told, ""), _MOST), _NAMES)
    except (ValueError, RecursionError):
        return None


def _members(told: Mapping[str, Any], above: str) -> Iterator[tuple[str, str]]:
    """Give names and values, those of inner objects as `outer.inner`."""
    for key, value in told.items():
        name = _text(f"{above}{key}")[:200]
        if isinstance(value, dict) and value and above.count(".") < _DEEPEST:
            yield from _members(value, f"{name}.")
        elif isinstance(value, str):
            yield name, _text(value)[:_LONGEST]
        elif value is not None:
            yield name, _text(json.dumps(value, ensure_ascii=False))[:_LONGEST]


def _text(value: str) -> str:
    """Return a text that can be stored: JSON may name half of a surrogate pair."""
    return value.encode("utf-8", "replace").decode()


FORMAT = Format(name="json_lines", read=_read, marks=("{",), whole=True)
