"""Windows sign-ins through forwarders: events 4624, 4625, 4647 and 4768, as text or as JSON.

A domain controller tells of them with the address of the person's machine. Accounts of machines and
of services are nobody's.
"""

from __future__ import annotations

import json
import re

from collector.decode.syslog.header import Header
from collector.decode.syslog.reading import NOTHING, Format, Reading

_SPLIT = r"(?:\s|#011|#015|#012){0,20}"
_SENTENCES = {
    "An account was successfully logged on": "4624",
    "An account failed to log on": "4625",
    "User initiated logoff": "4647",
    "A Kerberos authentication ticket (TGT) was requested": "4768",
}
_BEGINS = re.compile(
    r"(?:MSWinEventLog\s[^:]{0,80}:\d\d:\d\d \d{4}\s.{0,300}?)?(?P<sentence>"
    + "|".join(map(re.escape, _SENTENCES))
    + ")"
)
_FORWARDERS = frozenset(
    (
        *("", "evtsys", "evntslog", "eventlog", "winevtlog", "mswineventlog", "nxlog", "snare"),
        *("security", "security-auditing", "microsoft-windows-security-auditing", "winlogbeat"),
    )
)
"""In the log of any other program such a sentence may be what somebody typed."""
_ACTIONS = {"4624": "logon", "4625": "failed", "4647": "logoff", "4768": "ticket"}
_LABELS = {
    "account": "Account Name",
    "domain": "(?:Account Domain|Supplied Realm Name)",
    "address": "(?:Source Network Address|Client Address)",
    "logon_type": "Logon Type",
    "workstation": "Workstation Name",
    "result": "Result Code",
    "process": "Logon Process",
}
_PATTERNS = {
    name: re.compile(rf"{label}:{_SPLIT}(?P<value>[^\s#:][^\s#]{{0,200}})(?!:)")
    for name, label in _LABELS.items()
}
_MEMBERS = {
    "account": "TargetUserName",
    "domain": "TargetDomainName",
    "address": "IpAddress",
    "logon_type": "LogonType",
    "workstation": "WorkstationName",
    "result": "Status",
    "process": "LogonProcessName",
}
_SECTION = re.compile(r"New Logon:|Account For Which Logon Failed:|Account Information:")
"""What stands before it is about who asked, not about who signed in."""
_ON_A_MACHINE = frozenset(("2", "3", "7", "10", "11", ""))
_SERVICES = frozenset(
    ("nt authority", "window manager", "font driver host", "nt service", "iis apppool")
)


def _read(header: Header) -> Reading | None:
    text = header.message
    if text.lstrip().startswith("{"):
        return _of_json(text)
    begun = _BEGINS.match(text)
    program = (header.app_name or "").rstrip(".").lower()
    if begun is None or program not in _FORWARDERS:
        return None
    number, text = _SENTENCES[begun["sentence"]], text[begun.end() :]
    section = _SECTION.search(text)
    text = text[section.end() :] if section else text
    looked = ((name, pattern.search(text)) for name, pattern in _PATTERNS.items())
    # The type of a logon stands before that section.
    told = {name: found["value"] for name, found in looked if found is not None}
    kind = _PATTERNS["logon_type"].search(header.message)
    return _reading(number, {**told, **({"logon_type": kind["value"]} if kind else {})})


def _of_json(text: str) -> Reading | None:
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        return None
    number = str(told.get("EventID", "")) if isinstance(told, dict) else ""
    if number not in _ACTIONS:
        return None
    values = {name: told.get(member) for name, member in _MEMBERS.items()}
    plain = {
        name: str(value).encode("utf-8", "replace").decode()
        for name, value in values.items()
        if isinstance(value, str | int)
    }
    return _reading(number, plain)


def _reading(number: str, told: dict[str, str]) -> Reading:
    told = {name: value for name, value in told.items() if value not in NOTHING}
    account, domain = told.get("account", ""), told.get("domain", "")
    columns = {
        "event_type": "login",
        "action": _ACTIONS[number],
        "account": account,
        "src_ip": told.get("address", "").removeprefix("::ffff:"),
    }
    rest = {k: v for k, v in told.items() if k not in ("account", "address")}
    person = not account.endswith("$") and domain.casefold() not in _SERVICES
    sign_in = ""
    if person and told.get("logon_type", "") in _ON_A_MACHINE:
        sign_in = {"4624": "start", "4625": "reject", "4647": "stop"}.get(number, "")
        if number == "4768":
            sign_in = "start" if told.get("result", "0x0") == "0x0" else "reject"
    return Reading(columns, {"event": number, **rest}, sign_in=sign_in)


FORMAT = Format(
    name="windows_logon",
    read=_read,
    marks=(*_SENTENCES, '"EventID":46', '"EventID":4768'),
    begins=re.compile(
        rf"(?:[\w.-]{{1,64}}(?:\[\d{{1,10}}\])?: )?"
        rf"(?:{'|'.join(map(re.escape, _SENTENCES))}|MSWinEventLog\s|\{{)"
    ),
    whole=True,
)
