"""Windows Network Policy Server, events 6272 to 6280, as text or as JSON of a forwarder."""

from __future__ import annotations

import json
import re

from collector.decode.syslog.header import Header
from collector.decode.syslog.reading import Format, Reading

_SPLIT = r"(?:\s|#011|#015|#012)*"
_VERDICT = re.compile(
    r"Network Policy Server (?P<action>granted full access|granted access|denied"
    r" access|quarantined|discarded|"
    r"locked|unlocked)"
)
_LABELS = {
    "account": "Account Name",
    "domain": "Account Domain",
    "mac": "Calling Station Identifier",
    "called": "Called Station Identifier",
    "nas": "NAS IPv4 Address",
    "nas_port": "NAS Port",
    "client": "Client Friendly Name",
    "client_ip": "Client IP Address",
    "policy": "Network Policy Name",
    "auth": "Authentication Type",
    "eap": "EAP Type",
    "reason": "Reason Code",
    "acct_session": "Account Session Identifier",
}
_PATTERNS = {
    name: re.compile(rf"{label}:{_SPLIT}(?P<value>[^\s#:][^\s#]{{0,200}})(?!:)")
    for name, label in _LABELS.items()
}
_MEMBERS = {
    "account": "SubjectUserName",
    "domain": "SubjectDomainName",
    "mac": "CallingStationID",
    "called": "CalledStationID",
    "nas": "NASIPv4Address",
    "nas_port": "NASPort",
    "client": "ClientName",
    "client_ip": "ClientIPAddress",
    "policy": "NetworkPolicyName",
    "auth": "AuthenticationType",
    "eap": "EAPType",
    "reason": "ReasonCode",
    "framed_ip": "FramedIPAddress",
}
_EVENTS = {"6272": "granted", "6278": "granted", "6273": "denied", "6274": "discarded"}


def _read(header: Header) -> Reading | None:
    if header.message.lstrip().startswith("{"):
        return _of_json(header.message)
    verdict = _VERDICT.search(header.message)
    if verdict is None:
        return None
    told = {name: found["value"] for name, found in _found(header.message[verdict.end() :])}
    return _reading(verdict["action"].split()[0], told)


def _found(text: str) -> list[tuple[str, re.Match[str]]]:
    looked = ((name, pattern.search(text)) for name, pattern in _PATTERNS.items())
    return [(name, found) for name, found in looked if found is not None]


def _of_json(text: str) -> Reading | None:
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        return None
    action = _EVENTS.get(str(told.get("EventID", ""))) if isinstance(told, dict) else None
    if action is None:
        return None
    values = {name: told.get(member) for name, member in _MEMBERS.items()}
    plain = {
        name: str(value).encode("utf-8", "replace").decode()
        for name, value in values.items()
        if isinstance(value, str | int) and str(value) not in ("", "-")
    }
    return _reading(action, plain)


def _reading(action: str, told: dict[str, str]) -> Reading:
    rest = {k: v for k, v in told.items() if k not in ("account", "mac", "framed_ip") and v != "-"}
    columns = {
        "event_type": "login",
        "action": action,
        "account": told.get("account", ""),
        "mac": told.get("mac", ""),
        "src_ip": told.get("framed_ip", ""),
    }
    sign_in = {"granted": "start", "denied": "reject"}.get(action, "")
    return Reading(columns, rest, sign_in=sign_in)


FORMAT = Format(
    name="windows_nps",
    read=_read,
    marks=("Network Policy Server ", "CallingStationID", '"EventID":627'),
    begins=re.compile(
        r"(?:[\w.-]{1,64}(?:\[\d{1,10}\])?: )?(?:Network Policy Server |MSWinEventLog\s|\{)"
    ),
    whole=True,
)
