"""Cisco ASA, PIX, FWSM and FTD: `%ASA-6-302013: …`; the number decides, the severity may be set.

Cisco's system log messages guide names the forms. An end is `interface:address/port`, with the
translated address and the user behind it in brackets. A teardown does not say who began; the
inside, which it names second, is taken as the source.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from collector.decode.syslog.header import Header
from collector.decode.syslog.reading import Format, Reading, matched

_ID = re.compile(r"%?(?:ASA|PIX|FWSM|FTD)-(?:[a-z]{1,12}-)?(?P<level>\d)-(?P<id>\d{6})\Z")
_ID_INSIDE = re.compile(r"%?(?:ASA|PIX|FWSM|FTD)-(?:[a-z]{1,12}-)?\d-(?P<id>\d{6}) ?: *")
_ID_BARE = re.compile(r"(?:\d\|[\w :]{1,30}\|)?(?P<id>[1-7]\d{5}): (?=[A-Z(])")
_BEGINS = re.compile(
    r"(?:[\w.-]{1,64} ?: )?%?(?:ASA|PIX|FWSM|FTD)-|SFIMS|(?:\d\|[\w :]{1,30}\|)?[1-7]\d{5}: "
    r"|(?:Built|Teardown|Deny|Inbound|access-list) |[\d.]{7,15}\("
)
_ADDRESS = r"[\da-fA-F.:]{2,45}"
_USER = r"(?: ?\((?P<{0}_user>[^()/]{{1,200}})\))?"


def _an_end(name: str, *, mapped: bool) -> str:
    nat = rf" \((?P<{name}_nat>{_ADDRESS})/(?P<{name}_natport>\d+)\)" if mapped else ""
    return (
        rf"(?P<{name}_if>[\w.-]{{1,64}}):(?P<{name}>{_ADDRESS})/(?P<{name}_port>\d+){nat}"
        + _USER.format(name)
    )


_BUILT = re.compile(
    r"Built (?P<direction>inbound|outbound) (?P<protocol>\w{1,10}) connection (?P<id>\d+) for "
    rf"{_an_end('one', mapped=True)} to {_an_end('two', mapped=True)}"
)
_TORN = re.compile(
    r"Teardown (?P<protocol>\w{1,10}) connection (?P<id>\d+) for "
    rf"{_an_end('one', mapped=False)} to {_an_end('two', mapped=False)} "
    r"duration (?P<duration>\d+:\d\d:\d\d) bytes (?P<bytes>\d+)(?: (?P<reason>[^()]{1,100}))?"
    r"(?:\((?P<account>[^()]{1,200})\))?"
)
_ICMP = re.compile(
    r"(?P<what>Built|Teardown)(?: (?P<direction>inbound|outbound))? ICMP connection for "
    rf"faddr (?P<faddr>{_ADDRESS})/\d+(?: ?\((?P<f_user>[^()]{{1,200}})\))? "
    rf"gaddr (?P<gaddr>{_ADDRESS})/\d+ "
    rf"laddr (?P<laddr>{_ADDRESS})/\d+(?: ?\((?P<account>[^()]{{1,200}})\))?"
)
_XLATE = re.compile(
    r"(?P<action>Built|Teardown) (?:dynamic|static) (?P<protocol>\w{1,10}) translation from "
    rf"(?P<in_if>[\w.-]{{1,64}}):(?P<src_ip>{_ADDRESS})(?:/(?P<src_port>\d+))?"
    rf"(?: ?\((?P<account>[^()]{{1,200}})\))? to (?P<out_if>[\w.-]{{1,64}}):"
    rf"(?P<nat_src_ip>{_ADDRESS})(?:/(?P<nat_src_port>\d+))?(?: duration "
    rf"(?P<duration>\d+:\d\d:\d\d))?"
)
_DENY = re.compile(
    r"(?:(?P<direction>Inbound) )?(?:(?P<begin>Deny) )?(?:inbound )?"
    r"(?P<protocol>[A-Za-z]{2,10}|protocol \d+)"
    r"(?: connection (?P<denied>denied))?(?: \(no connection\)| reverse path check)?"
    rf" (?:from|src) (?:(?P<in_if>[\w.-]{{1,64}}):)?(?P<src_ip>{_ADDRESS})(?:/(?P<src_port>\d+))?"
    r"(?: ?\((?P<account>[^()]{1,200})\))?"
    rf" (?:to|dst) (?:(?P<out_if>[\w.-]{{1,64}}):)?(?P<dst_ip>[\w.:-]{{2,255}})(?:/"
    rf"(?P<dst_port>\d+))?"
    r"(?: ?\((?P<detail>[^()]{1,200})\))?(?: flags (?P<flags>[A-Z]{1,10}(?: [A-Z]{1,10}){0,8}))?"
    r"(?: on interface (?P<interface>[\w.-]{1,64}))?(?: by access-group \"(?P<acl>[^\"]{1,200})\")?"
)
_ACL = re.compile(
    r"access-list (?P<acl>\S{1,200}) (?P<action>permitted|denied|est-allowed) "
    r"(?P<protocol>\w{1,10}) "
    rf"(?P<in_if>[\w.-]{{1,64}})/(?P<src_ip>{_ADDRESS})\((?P<src_port>\d+)\)(?:\((?P<account>[^()]{{1,200}})\))?"
    rf" -> (?P<out_if>[\w.-]{{1,64}})/(?P<dst_ip>{_ADDRESS})\((?P<dst_port>\d+)\)"
    r"(?:\([^()]{1,200}\))? hit-cnt (?P<hits>\d+)"
)
_URL = re.compile(
    rf"(?:(?P<name>[^\s@]{{1,200}})@)?(?P<src_ip>{_ADDRESS})(?:\((?P<account>[^()]{{1,200}})\))? "
    rf"Accessed (?:JAVA )?URL (?P<dst_ip>[\d.]{{7,15}}):(?P<url>\S{{1,2000}})"
)
_LOGIN = re.compile(
    rf"Login (?P<action>permitted|denied) from (?:(?P<in_if>[\w.-]{{1,64}}):)?"
    rf"(?P<src_ip>{_ADDRESS})/"
    rf"(?P<src_port>\d+) to (?:[\w.-]{{1,64}}:)?(?P<dst_ip>{_ADDRESS})/(?P<service>\w{{1,30}}) "
    r"for user \"(?P<account>[^\"]{1,200})\""
)
_AUTH = re.compile(
    r"Auth(?:entication|orization) (?P<action>succeeded|failed) for user '?"
    r"(?P<account>[^']{1,200}?)'? from "
    rf"(?:[\w.-]{{1,64}}/)?(?P<src_ip>{_ADDRESS})/(?P<src_port>\d+) to (?:[\w.-]{{1,64}}/)?"
    rf"(?P<dst_ip>{_ADDRESS})/(?P<dst_port>\d+)"
)
_AAA = re.compile(
    r"AAA user (?:authentication|authorization|accounting) (?P<action>Successful|Rejected) ?: "
    r"(?:reason = (?P<reason>[^:]{1,100}) : )?(?:(?:local database|server = +"
    r"(?P<server>\S{1,100})) ?: )?"
    rf"user = (?P<account>[^:]{{1,200}}?)(?: : user IP = (?P<src_ip>{_ADDRESS}))?(?:\s|\Z)"
)
_GROUP = re.compile(
    r"Group ?(?:= ?|<)(?P<group>[^,<>]{1,100})[>,] ?User(?:name)? ?(?:= ?|<)"
    r"(?P<account>[^,<>]{1,200})[>,] "
    rf"?IP ?(?:= ?|<)(?P<src_ip>{_ADDRESS})[>,] ?(?P<text>.{{0,400}})",
    re.DOTALL,
)
_ASSIGNED = re.compile(r"IPv4 Address <([\d.]{7,15})>")
_ENDED = re.compile(
    r"Duration: (?:(\d+)d )?(\d+)h:(\d+)m:(\d+)s, Bytes xmt: (\d+), Bytes rcv: (\d+)"
)
_MAPPING = re.compile(
    rf"user-identity: (?P<action>Add|Delete) IP-User mapping (?P<src_ip>{_ADDRESS}) - "
    r"(?P<account>\S{1,200}) (?P<result>Succeeded|Failed)"
)
_FTD_PAIR = re.compile(r"(?:(?<=, )|\A)([A-Za-z][\w ]{1,60}+): ([^,]{0,2000}+)")
_NO_USERS = ("No Authentication Required", "Authentication Failed", "Unknown", "Not Found")
_FTD = {
    "SrcIP": "src_ip",
    "SrcPort": "src_port",
    "DstIP": "dst_ip",
    "DstPort": "dst_port",
    "Protocol": "protocol",
    "User": "account",
    "AccessControlRuleAction": "action",
    "InitiatorBytes": "bytes",
    "ResponderBytes": "bytes_reverse",
    "InitiatorPackets": "packets",
    "ResponderPackets": "packets_reverse",
    "ConnectionDuration": "duration",
    "NAT_InitiatorIP": "nat_src_ip",
    "NAT_InitiatorPort": "nat_src_port",
    "NAT_ResponderIP": "nat_dst_ip",
    "NAT_ResponderPort": "nat_dst_port",
}


def _read(header: Header) -> Reading | None:
    text = header.message
    found = _ID.match(header.msg_id or "") or _ID.match(header.app_name or "")
    if found is None:
        found = _ID_INSIDE.search(text[:200]) or _ID_BARE.match(text)
        if found is None:
            return _unnumbered(header)
        text = text[found.end() :]
    reader = _BY_ID.get(found["id"])
    reading = reader(text) if reader is not None else None
    columns = reading.columns if reading is not None else {}
    return (reading or Reading({}, {}))._replace(columns={**columns, "event_type": found["id"]})


def _unnumbered(header: Header) -> Reading | None:
    """Read what lost its number on the way, and what Firepower sends without one."""
    if header.app_name == "SFIMS" and "SrcIP: " in header.message:
        return _ftd(header.message)
    for reader in (_built, _torn, _icmp, _by(_XLATE), _deny, _by(_ACL), _by(_URL)):
        if (reading := reader(header.message)) is not None:
            return reading
    return None


def _built(text: str) -> Reading | None:
    found = _BUILT.match(text)
    if found is None:
        return None
    src, dst = ("two", "one") if found["direction"] == "outbound" else ("one", "two")
    columns = {
        "action": "Built",
        "protocol": found["protocol"],
        "src_ip": found[src],
        "src_port": found[f"{src}_port"],
        "nat_src_ip": found[f"{src}_nat"],
        "nat_src_port": found[f"{src}_natport"],
        # The initiator spoke to the mapped address; the real one is where it went.
        "dst_ip": found[f"{dst}_nat"],
        "dst_port": found[f"{dst}_natport"],
        "nat_dst_ip": found[dst],
        "nat_dst_port": found[f"{dst}_port"],
        "account": found[f"{src}_user"] or found[f"{dst}_user"] or "",
    }
    rest = {"connection": found["id"], "direction": found["direction"]}
    rest |= {"in": found[f"{src}_if"], "out": found[f"{dst}_if"]}
    return Reading(columns, rest, "start")


def _torn(text: str) -> Reading | None:
    found = _TORN.match(text)
    if found is None:
        return None
    columns = {
        "action": "Teardown",
        "protocol": found["protocol"],
        "src_ip": found["two"],
        "src_port": found["two_port"],
        "dst_ip": found["one"],
        "dst_port": found["one_port"],
        "duration": found["duration"],
        "bytes": found["bytes"],
        "account": found["account"] or found["two_user"] or found["one_user"] or "",
    }
    rest = {"connection": found["id"], "in": found["two_if"], "out": found["one_if"]}
    if found["reason"]:
        rest["reason"] = found["reason"].strip()
    return Reading(columns, rest, "end", "bytes of both directions; not told who began")


def _icmp(text: str) -> Reading | None:
    found = _ICMP.match(text)
    if found is None:
        return None
    columns = {"action": found["what"], "protocol": "icmp"}
    if found["direction"] == "inbound":
        columns |= {
            "src_ip": found["faddr"],
            "dst_ip": found["gaddr"],
            "nat_dst_ip": found["laddr"],
        }
    else:
        columns |= {
            "src_ip": found["laddr"],
            "nat_src_ip": found["gaddr"],
            "dst_ip": found["faddr"],
        }
    columns["account"] = found["account"] or found["f_user"] or ""
    note = "" if found["direction"] else "not told who began"
    return Reading(columns, {}, "start" if found["what"] == "Built" else "end", note)


def _deny(text: str) -> Reading | None:
    found = _DENY.match(text)
    if found is None or not (found["begin"] or found["denied"]):
        return None
    reading = matched(found, action="Deny")
    rest = {k: v for k, v in reading.rest.items() if k not in ("begin", "denied")}
    columns = reading.columns
    columns["protocol"] = columns["protocol"].removeprefix("protocol ")
    return Reading(columns, rest)


def _group(text: str) -> Reading | None:
    found = _GROUP.match(text)
    if found is None:
        return None
    reading = matched(found)
    columns = reading.columns
    assigned, ended = _ASSIGNED.search(text), _ENDED.search(text)
    if ended is not None:
        days, hours, minutes, seconds, sent, received = (int(x or 0) for x in ended.groups())
        total = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
        columns |= {"duration": f"{total}", "bytes": f"{received}", "bytes_reverse": f"{sent}"}
    sign_in = "start" if assigned else "stop" if ended else ""
    return reading._replace(
        sign_in=sign_in, holds=assigned[1] if assigned else "-" if ended else ""
    )


def _mapping(text: str) -> Reading | None:
    found = _MAPPING.match(text)
    if found is None:
        return None
    sign_in = "start" if found["action"] == "Add" else "stop"
    return matched(found)._replace(sign_in=sign_in if found["result"] == "Succeeded" else "")


def _ftd(text: str) -> Reading:
    told = [(key.strip(), value.strip()) for key, value in _FTD_PAIR.findall(text)]
    kinds = dict(told)
    columns: dict[str, str] = {}
    rest: dict[str, str] = {}
    for key, value in told:
        if key == "User" and value in _NO_USERS:
            continue
        if key in _FTD:
            columns.setdefault(_FTD[key], value)
        else:
            rest[key] = value
    passed = kinds.get("AccessControlRuleAction", "").lower() in ("allow", "trust", "fastpath")
    columns["event_type"] = kinds.get("ConnectType", "")
    return Reading(
        columns, rest, ("end" if "ConnectionDuration" in kinds else "start") if passed else ""
    )


def _by(pattern: re.Pattern[str]) -> Callable[[str], Reading | None]:
    def read(text: str) -> Reading | None:
        found = pattern.match(text)
        return None if found is None else matched(found)

    return read


_BY_ID: dict[str, Callable[[str], Reading | None]] = {
    **dict.fromkeys(("302013", "302015", "302017"), _built),
    **dict.fromkeys(("302014", "302016", "302018"), _torn),
    **dict.fromkeys(("302020", "302021", "302022"), _icmp),
    **dict.fromkeys(("305009", "305010", "305011", "305012"), _by(_XLATE)),
    **dict.fromkeys(
        ("106001", "106006", "106007", "106010", "106014", "106015", "106021", "106023"), _deny
    ),
    "106100": _by(_ACL),
    "304001": _by(_URL),
    "605004": _by(_LOGIN),
    "605005": _by(_LOGIN),
    **dict.fromkeys(("109005", "109006", "109007", "109008"), _by(_AUTH)),
    **dict.fromkeys(("113004", "113005", "113012", "113015"), _by(_AAA)),
    **dict.fromkeys(("113019", "113039", "722051", "722022", "722023"), _group),
    **dict.fromkeys(("746012", "746013"), _mapping),
    **dict.fromkeys(("430001", "430002", "430003", "430004", "430005"), _ftd),
}

FORMAT = Format(
    name="cisco_asa",
    read=_read,
    programs=("sfims",),
    marks=(
        "ASA-",
        "PIX-",
        "FWSM-",
        "FTD-",
        "Built ",
        "Teardown ",
        "Deny ",
        "access-list ",
        "Accessed URL",
    ),
    begins=_BEGINS,
)
