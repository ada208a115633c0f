"""Sophos Firewall (`device="SFW" … log_type="…"`) and UTM (`id="2001" … sys="SecureNet"`)."""

from __future__ import annotations

import re

from collector.decode.syslog.header import Header
from collector.decode.syslog.reading import Format, Reading, pairs, split

_NAMES = {
    "date": "",
    "time": "",
    "timezone": "",
    "timestamp": "",
    "user_name": "account",
    "user": "account",
    "src_ip": "src_ip",
    "srcip": "src_ip",
    "src_port": "src_port",
    "srcport": "src_port",
    "dst_ip": "dst_ip",
    "dstip": "dst_ip",
    "dst_port": "dst_port",
    "dstport": "dst_port",
    "protocol": "protocol",
    "proto": "protocol",
    "src_mac": "mac",
    "srcmac": "mac",
    "bytes_sent": "bytes",
    "sent_bytes": "bytes",
    "bytes_received": "bytes_reverse",
    "recv_bytes": "bytes_reverse",
    "packets_sent": "packets",
    "sent_pkts": "packets",
    "packets_received": "packets_reverse",
    "recv_pkts": "packets_reverse",
    "tran_src_ip": "nat_src_ip",
    "tran_src_port": "nat_src_port",
    "tran_dst_ip": "nat_dst_ip",
    "tran_dst_port": "nat_dst_port",
    "duration": "duration",
    "con_duration": "duration",
    "action": "action",
    "log_subtype": "action",
}


def _read(header: Header) -> Reading | None:
    told = pairs(header.message)
    kinds = dict(told)
    if "log_type" in kinds:
        return _sfos(told, kinds)
    if "sys" not in kinds or "sub" not in kinds:
        return None
    columns, rest, *_ = split(told, _NAMES)
    columns["event_type"] = f"{kinds['sys']}/{kinds['sub']}"
    passed = kinds["sub"] == "packetfilter" and kinds.get("action") in ("accept", "log")
    return Reading(columns, rest, "start" if passed else "")


def _sfos(told: list[tuple[str, str]], kinds: dict[str, str]) -> Reading:
    columns, rest, *_ = split(told, _NAMES)
    columns["event_type"] = f"{kinds['log_type']}/{kinds.get('log_component', '')}"
    flow = sign_in = ""
    if kinds["log_type"] == "Firewall" and kinds.get("log_subtype") == "Allowed":
        ended = kinds.get("con_event", kinds.get("connevent", "Stop")) == "Stop"
        flow = "end" if ended else "start"
    if kinds.get("log_component") == "Firewall Authentication":
        columns["action"] = kinds.get("status", "")
        out = "logged out" in kinds.get("message", "")
        good = kinds.get("status", "").startswith("Success")
        sign_in = "reject" if not good else "stop" if out else "start"
    return Reading(columns, rest, flow, sign_in=sign_in)


_BEGINS = re.compile(
    r'device(?:_name)?="|(?:[\d:-]{19} [\w.-]{1,255} )?(?:ulogd|httpproxy|aua|openvpn)\[\d+\]: id="'
)
FORMAT = Format(name="sophos", read=_read, marks=("log_type=", ' sys="'), begins=_BEGINS)
