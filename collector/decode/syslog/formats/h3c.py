"""H3C's Comware, also HPE's: `%%10MODULE/severity/MNEMONIC: text`, often without the `%%10`.

Flow logs (sessions and NAT) write `Name(1003)=value;`, messages on users `-Name=value-Name=value`.
"""

from __future__ import annotations

import re
from datetime import datetime

from collector.decode.syslog.header import Header
from collector.decode.syslog.reading import Format, Reading, matched, split

_CODE = re.compile(
    r"(?:(?:%[A-Z][a-z]{2} {1,2}\d{1,2} \d\d:\d\d:\d\d:)?\d{1,3} \d{4} [\w.&-]{1,64} )?"
    r"(?:%%10)?(?P<module>[A-Za-z][A-Za-z0-9_]{1,30})/(?P<level>\d)/"
    r"(?P<name>[A-Z][A-Z0-9_]{2,64})(?:\([a-z]\))?(?:: ?|\Z)"
)
"""In front may stand the end of a time with `:` before its milliseconds, or all of it behind a `%`,
year and name: such a time is no part of the header."""
_FIELD = re.compile(r"(?<![\w(])([A-Za-z][\w-]{1,40}+)\(\d{1,5}\)=([^;]{0,500}+);?")
_PAIR = re.compile(
    r"(?:\A|-|; ?)(?P<key>[A-Z][A-Za-z]{1,30})="
    r"(?P<value>.{0,260}?)(?=-[A-Z][A-Za-z]{1,30}=|; |;?\Z|:(?:User|The|A) )"
)
_SENTENCE = re.compile(r"(?:; |:)((?:User|The|A|Session) [^;:]{3,120})\Z")
_ADMIN = re.compile(
    r"(?P<account>\S{1,253}) (?P<action>logged in|logged out|failed to log in) "
    r"from (?P<src_ip>[\da-zA-Z.:]{2,45}?)\.?\Z"
)
_NAMES = {
    "protocol": "protocol",
    "srcipaddr": "src_ip",
    "srcipv6addr": "src_ip",
    "srcport": "src_port",
    "natsrcipaddr": "nat_src_ip",
    "natsrcipv6addr": "nat_src_ip",
    "natsrcport": "nat_src_port",
    "dstipaddr": "dst_ip",
    "dstipv6addr": "dst_ip",
    "dstport": "dst_port",
    "natdstipaddr": "nat_dst_ip",
    "natdstipv6addr": "nat_dst_ip",
    "natdstport": "nat_dst_port",
    "initpktcount": "packets",
    "initbytecount": "bytes",
    "rplypktcount": "packets_reverse",
    "rplybytecount": "bytes_reverse",
    "srcmacaddr": "mac",
    "username": "account",
    "event": "action",
    "ipaddr": "src_ip",
    "macaddr": "mac",
    "usermac": "mac",
    "mdc": "",
    "context": "",
}
_CREATED, _OVER = ("(8)",), ("(1)", "(2)", "(3)", "(4)", "(7)", "(254)", "(FE)")
"""Of `Event(1048)`: a session began, and why it ended. What goes on, (6), is neither."""
_SIGN_INS = {
    "PORTAL_USER_LOGON_SUCCESS": "start",
    "PORTAL_USER_LOGON_FAIL": "reject",
    "PORTAL_USER_LOGOFF": "stop",
    "DOT1X_LOGIN_SUCC": "start",
    "DOT1X_LOGIN_FAILURE": "reject",
    "DOT1X_LOGOFF": "stop",
    "DOT1X_LOGOFF_ABNORMAL": "stop",
}
_PREFIXES = ("STAMGR_", "PORTSEC_")


def _read(header: Header) -> Reading | None:
    text = header.message
    if "/" in (header.app_name or ""):
        text = f"{header.app_name}: {text}"
    found = _CODE.match(text)
    if found is None:
        return None
    name, text = found["name"], text[found.end() :]
    event = {"event_type": f"{found['module'].upper()}/{name}"}
    if fields := _FIELD.findall(text):
        return _flow(name, fields, event)
    pairs = [(key, value) for key, value in _PAIR.findall(text) if value not in ("**", "--")]
    if not pairs and "%%10" not in found[0]:
        return None
    if (admin := _ADMIN.match(text)) is not None:
        return matched(admin, **event)
    columns, rest = _split(pairs)
    sign_in = _SIGN_INS.get(next((name[len(p) :] for p in _PREFIXES if name.startswith(p)), name))
    sentence = _SENTENCE.search(text[-200:])
    action = columns.get("action") or (sentence[1].rstrip(".") if sentence else "")
    return Reading({**columns, **event, "action": action}, rest, sign_in=sign_in or "")


def _flow(name: str, fields: list[tuple[str, str]], event: dict[str, str]) -> Reading:
    told = [(key, value.strip()) for key, value in fields]
    columns, rest = _split([(key, value) for key, value in told if value not in ("", "--")])
    action = columns.get("action", "")
    flow = "start" if action.startswith(_CREATED) else "end" if action.startswith(_OVER) else ""
    if action == "Permit" and name.startswith("FILTER_"):
        flow = "start"
    lasted = _seconds(rest.get("BeginTime_e", ""), rest.get("EndTime_e", ""))
    if lasted is not None:
        columns["duration"] = str(lasted)
    return Reading({**columns, **event}, rest, flow, app=rest.get("Application", ""))


def _split(pairs: list[tuple[str, str]]) -> tuple[dict[str, str], dict[str, str]]:
    """Return what fills columns and what does not; names differ in case from version to version."""
    known = [(key.lower() if key.lower() in _NAMES else key, value) for key, value in pairs]
    columns, rest, *_ = split(known, _NAMES)
    return columns, dict(rest)


def _seconds(begin: str, end: str) -> int | None:
    """Return the time between two moments, each written MMDDYYYYhhmmss."""
    if len(begin) != 14 or len(end) != 14:
        return None
    try:
        first, last = (datetime.strptime(each, "%m%d%Y%H%M%S") for each in (begin, end))  # noqa: DTZ007  # both UTC
    except ValueError:
        return None
    lasted = int((last - first).total_seconds())
    return lasted if lasted >= 0 else None


FORMAT = Format(
    name="h3c",
    read=_read,
    programs=(
        *("session_ipv4_flow", "session_ipv6_flow", "nat_flow", "nat_ipv4_match"),
        *("portal_user_logon_success", "portal_user_logon_fail", "portal_user_logoff"),
        *("dot1x_login_succ", "dot1x_login_failure", "dot1x_logoff"),
        *("shell_login", "shell_logout", "login_failed"),
        *("stamgr_dot1x_login_succ", "stamgr_dot1x_login_failure", "stamgr_dot1x_logoff"),
    ),
    marks=("%%10", "(1001)=", "(1003)=", "-MDC=", "-MACAddr=", "-UserMAC="),
    begins=_CODE,
)
