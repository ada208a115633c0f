"""Cisco Meraki: `flows src=… dst=… mac=… pattern: allow all`, `urls`, `events type=…`."""

from __future__ import annotations

import re

from collector.decode.syslog.header import Header
from collector.decode.syslog.reading import UNTOLD, Format, Reading, split

_HEAD = re.compile(
    r"(flows|firewall|ip_flow_start|ip_flow_end|urls|events|ids-alerts|security_event \w{1,40}|"
    r"airmarshal_events|cellular_firewall|vpn_firewall)(?: (allow|deny))? (?=[\w-]{1,40}=)"
)
_PAIR = re.compile(r"(?<![\w.-])([\w-]{1,64}+)=('[^']{0,500}'|\S{0,2000}+)")
_REQUEST = re.compile(r"(pattern|request|message): (.{1,2000})", re.DOTALL)
_PORT = re.compile(r"([\d.]{7,15}|\[[\da-fA-F:]{2,45}\]):(\d{1,5})\Z")
_NAMES = {
    "src": "src_ip",
    "dst": "dst_ip",
    "sport": "src_port",
    "dport": "dst_port",
    "protocol": "protocol",
    "mac": "mac",
    "client_mac": "mac",
    "client_ip": "src_ip",
    "ip": "src_ip",
    "identity": "account",
    "translated_src_ip": "nat_src_ip",
    "translated_port": "nat_src_port",
    "type": "",
}
_SIGN_INS = {
    "8021x_eap_success": "start",
    "8021x_auth": "start",
    "splash_auth": "start",
    "8021x_deauth": "stop",
    "8021x_eap_failure": "reject",
}


def _read(header: Header) -> Reading | None:
    head = _HEAD.match(header.message)
    if head is None:
        return None
    body = header.message[head.end() :]
    request = _REQUEST.search(body)
    told = _PAIR.findall(body[: request.start()] if request else body)
    found = [(key, value.strip("'")) for key, value in told]
    columns, rest, *_ = split(found, _NAMES)
    kind = dict(found).get("type", "")
    columns["event_type"] = f"{head[1]}/{kind}" if kind else head[1]
    for side in ("src", "dst"):
        if (end := _PORT.match(columns.get(f"{side}_ip", ""))) is not None:
            columns |= {f"{side}_ip": end[1].strip("[]"), f"{side}_port": end[2]}
    columns["protocol"] = columns.get("protocol", "").partition("/")[0]
    columns["action"] = head[2] or ""
    if request is not None:
        rest = {**rest, request[1]: request[2]}
        if request[1] == "pattern":
            columns["action"] = columns["action"] or request[2].split()[0]
    flows = "flow" in head[1] or "firewall" in head[1]
    allowed = columns["action"] in ("allow", "1", "") and flows
    note = "" if columns["action"] or "ip_flow" in head[1] else UNTOLD
    return Reading(
        columns,
        rest,
        "start" if allowed else "",
        note if allowed else "",
        sign_in=_SIGN_INS.get(kind, ""),
    )


FORMAT = Format(name="meraki", read=_read, marks=(" src=", " type=", " mac=", "flows ", "events "))
