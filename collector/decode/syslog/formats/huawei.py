"""Huawei's VRP (USG, AR, switches, WLAN AC): `%%01MODULE/severity/MNEMONIC(l)[n]:text`.

Sessions of the firewall with their translation, policies that matched, users that were let in
(CM), and of all other messages what they write as `(Key=value, …)`.
"""

from __future__ import annotations

import re

from collector.decode.syslog.header import Header
from collector.decode.syslog.reading import NOTHING, Format, Reading, matched, split

_CODE = re.compile(
    r"(?:[\w.-]{1,64} )?(?:%%: )?%%\d\d(?P<module>[A-Z][A-Z0-9_]{1,30})/\d/(?P<name>\w{2,64})"
    r"(?:\([a-z]\))?(?:\[\d{1,10}\])?: ?"
)
_PAIR = re.compile(r"(?:\A|[,(;]) {0,2}([A-Za-z][\w-]{0,40}+)=([^,;()]{0,500}+)")
_COLON_PAIR = re.compile(r"(?:\A|[\];])([A-Z][A-Za-z ]{1,30}+):([^;]{0,300}+)")
_NAMES = {
    "IPVer": "",
    "Protocol": "protocol",
    "protocol": "protocol",
    "SourceIP": "src_ip",
    "source-ip": "src_ip",
    "SourcePort": "src_port",
    "source-port": "src_port",
    "DestinationIP": "dst_ip",
    "destination-ip": "dst_ip",
    "DestinationPort": "dst_port",
    "destination-port": "dst_port",
    "SourceNatIP": "nat_src_ip",
    "SourceNatPort": "nat_src_port",
    "DestinationNatIP": "nat_dst_ip",
    "DestinationNatPort": "nat_dst_port",
    "SendPkts": "packets",
    "SendBytes": "bytes",
    "RcvPkts": "packets_reverse",
    "RcvBytes": "bytes_reverse",
    "UserName": "account",
    "User": "account",
    "user-name": "account",
    "UserIp": "src_ip",
    "IpAddress": "src_ip",
    "Ip": "src_ip",
}
_USER = {"USER": "account", "MAC": "mac", "IPADDRESS": "src_ip", "RESULT": "action", "TIME": ""}
_SENTENCE = re.compile(
    r"(?P<action>Built|Teardown) an? (?P<protocol>\w{2,10}) session, "
    r"(?P<src_ip>[\d.]{7,15}):(?P<src_port>\d{1,5})"
    r"(?:\[(?P<nat_src_ip>[\d.]{7,15}):(?P<nat_src_port>\d{1,5})\])? ?\((?P<from>[^()]{0,64})\) to "
    r"(?P<dst_ip>[\d.]{7,15}):(?P<dst_port>\d{1,5})"
    r"(?:\[(?P<nat_dst_ip>[\d.]{7,15}):(?P<nat_dst_port>\d{1,5})\])? ?\((?P<to>[^()]{0,64})\)"
)
_FLOWS = {
    "SESSION_BUILT": "start",
    "SESSION_TEARDOWN": "end",
    "POLICYPERMIT": "start",
    "Built": "start",
    "Teardown": "end",
}
_TO_THE_DEVICE = ("ssh", "telnet", "ftp", "sftp", "http", "terminal", "console", "x25", "snmp")
"""Who signs in so is on the device itself, and not on the network behind it."""


def _read(header: Header) -> Reading | None:
    text = header.message
    if (header.app_name or "").startswith("%%"):
        text = f"{header.app_name}:{text}"
    found = _CODE.match(text)
    if found is None:
        return None
    name, text = found["name"], text[found.end() :]
    event = {"event_type": f"{found['module']}/{name}"}
    if name in ("USER_ACCESSRESULT", "USER_OFFLINERESULT"):
        return _user(text, event, gone=name == "USER_OFFLINERESULT")
    if (told := _SENTENCE.match(text)) is not None:
        reading = matched(told, **event)
        return reading._replace(flow=_FLOWS[told["action"]])
    columns, rest, *_ = split(_PAIR.findall(text.rstrip(". ")), _NAMES)
    rest = dict(rest)
    begin, end = rest.get("BeginTime", ""), rest.get("EndTime", "")
    if begin.isdecimal() and end.isdecimal() and len(end) <= 12 and int(begin) <= int(end):
        columns["duration"] = str(int(end) - int(begin))
    return Reading({**columns, **event}, rest, _FLOWS.get(name, ""), app=_app(rest))


def _app(rest: dict[str, str]) -> str:
    app = rest.get("application-name", "")
    return "" if app in NOTHING else app


def _user(text: str, event: dict[str, str], *, gone: bool) -> Reading:
    """Read who was let in or has gone; MACs with all bits set stand for none."""
    pairs = [
        (key, value)
        for key, value in _COLON_PAIR.findall(text)
        if value not in ("-", "–", "ff-ff-ff-ff-ff-ff", "ffff-ffff-ffff")
    ]
    columns, rest, *_ = split(pairs, _USER)
    success = columns.get("action", "").lower().startswith("success")
    sign_in = "stop" if gone else "start" if success else "reject"
    if rest.get("ACCESS TYPE", "").lower().startswith(_TO_THE_DEVICE):
        sign_in = ""
    return Reading({**columns, **event}, rest, sign_in=sign_in)


FORMAT = Format(
    name="huawei",
    read=_read,
    programs=("session_built(l)", "session_teardown(l)"),
    marks=("%%01", "IPVer=", "[USER_INFO_", "[WLAN_STA_INFO_"),
    begins=_CODE,
)
