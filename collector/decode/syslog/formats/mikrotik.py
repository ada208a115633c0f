"""MikroTik RouterOS 6 and 7: firewall, DHCP, account, hotspot, PPP and wireless messages.

With `bsd-syslog` the topics in front are missing, and a word before a colon is taken for a program.
A firewall line does not say what became of the packet; only its prefix may.
"""

from __future__ import annotations

import re

from collector.decode.syslog.header import Header
from collector.decode.syslog.reading import UNTOLD, Format, Reading, matched

_IP = r"[\d.]{7,15}|[\da-fA-F:.]{2,45}"
_END = rf"\[?(?:{_IP})\]?(?::\d{{1,5}})?"
_MAC = r"[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){5}"
_TOPICS = re.compile(r"(?P<topics>[a-z0-9!-]{2,20}(?:,[a-z0-9!-]{2,20}){1,6}) ")
_FIREWALL = re.compile(
    rf"""
    in:(?P<in>\(unknown\ \d{{1,3}}\)|\S{{1,64}}?)
    \ out:(?P<out>\(unknown\ \d{{1,3}}\)|[^\s,]{{1,64}}),
    (?:\ connection-mark:(?P<mark>\S{{1,64}}))?
    (?:\ connection-state:(?P<state>[a-z,]{{1,40}}))?
    (?:\ src-mac\ (?P<mac>{_MAC}),?)?
    \ proto\ (?P<protocol>[\w-]{{1,20}})(?:\ \((?P<detail>[^)]{{0,60}})\))?,
    \ (?P<src>{_END})->(?P<dst>{_END}),
    (?:\ NAT\ (?P<nat>[\d.:()\[\]a-fA-F>-]{{5,300}}),)?
    (?:.{{0,80}}?\ len\ (?P<bytes>\d{{1,6}}))?
    """,
    re.VERBOSE,
)
_FIREWALL_BEGINS = re.compile(r"(?:[\w/.-]{1,64} ){0,3}?(?:[\w/.-]{1,64}: ?)?in:")
"""The admin's prefix of a few words, and the chain."""
_SNAT = re.compile(rf"\((?P<a>{_END})->(?P<b>{_END})\)->(?P<c>{_END})")
_DNAT = re.compile(rf"(?P<c>{_END})->\((?P<a>{_END})->(?P<b>{_END})\)")
_BLOCKS = re.compile(r"drop|block|deny|denied|reject|tarpit", re.IGNORECASE)
_PORT = re.compile(r"\[?([^\[\]]{2,45}?)\]?(?::(\d{1,5}))?\Z")

_LINES = (
    (
        "dhcp-lease",
        re.compile(
            rf"(?P<server>\S{{1,64}}) (?P<action>assigned|deassigned) (?P<src_ip>{_IP}) "
            rf"(?:to|for|from) (?P<mac>{_MAC})(?: (?P<host>\S{{1,255}}))?"
        ),
    ),
    (
        "admin-login",
        re.compile(
            r"(?P<action>login failure) for user (?P<account>.{0,100}?) "
            r"from (?P<src_ip>\S{1,45}) via (?P<service>\S{1,30})"
        ),
    ),
    (
        "admin-login",
        re.compile(
            r"user (?P<account>\S{1,100}) (?P<action>logged in|logged out) "
            r"from (?P<src_ip>\S{1,45}) via (?P<service>\S{1,30})"
        ),
    ),
    (
        "hotspot",
        re.compile(
            rf"(?:->: )?(?P<account>[^\s()]{{1,100}}) \((?P<src_ip>{_IP})\): "
            r"(?P<action>logged in|logged out|login failed|trying to log in)"
            r"(?:(?: by|:)? (?P<reason>[^():]{1,200}))?"
        ),
    ),
    (
        "ppp",
        re.compile(
            rf"(?P<account>\S{{1,100}}) (?P<action>logged in), (?P<src_ip>{_IP})"
            rf"(?: from (?P<caller>{_MAC}|{_IP}))?"
        ),
    ),
    (
        "ppp",
        re.compile(
            r"(?P<account>\S{1,100}) (?P<action>logged out), (?P<duration>\d{1,12}) "
            r"(?P<bytes>\d{1,19}) (?P<bytes_reverse>\d{1,19}) "
            r"(?P<packets>\d{1,19}) (?P<packets_reverse>\d{1,19})"
            rf"(?: from (?P<caller>{_MAC}|{_IP}))?"
        ),
    ),
    (
        "wireless",
        re.compile(
            rf"(?P<mac>{_MAC})@(?P<interface>[^\s:,]{{1,64}}):? (?P<action>(?:re|dis)?connected)"
            r"(?:, (?P<reason>.{1,200}))?"
        ),
    ),
)
_SIGN_INS = {"logged in": "start", "logged out": "stop", "login failed": "reject"}


def _read(header: Header) -> Reading | None:
    text, told = header.message, {}
    if (topics := _TOPICS.match(text)) is not None:
        told["topics"], text = topics["topics"], text[topics.end() :]
    for kind, pattern in _LINES:
        if (found := pattern.fullmatch(text)) is not None:
            return _line(kind, found, told)
    if " out:" in text and _FIREWALL_BEGINS.match(text) is not None:
        found = _FIREWALL.search(text)
        if found is not None and "firewall" in told.get("topics", "firewall"):
            before = f"{header.app_name or ''} {text[: found.start()]}"
            return _firewall(found, before.split(), told)
    return None


def _firewall(found: re.Match[str], before: list[str], told: dict[str, str]) -> Reading:
    columns = {
        "event_type": "firewall",
        "protocol": found["protocol"],
        "bytes": found["bytes"] or "",
    }
    if before:
        told["chain"] = before[-1].rstrip(":")
    prefix = " ".join(before[:-1])
    if prefix:
        told["prefix"] = prefix
    told |= {name: found[name] for name in ("in", "out", "state", "mark", "detail") if found[name]}
    columns |= {"mac": found["mac"] or ""}
    columns |= _end("src", found["src"]) | _end("dst", found["dst"]) | _nat(found["nat"] or "")
    blocked = _BLOCKS.search(prefix)
    if blocked:
        return Reading(columns | {"action": blocked[0].lower()}, told)
    return Reading(columns, told, "start", "" if found["nat"] else UNTOLD)


def _nat(text: str) -> dict[str, str]:
    """Return what an end was and became: `(a->b)->c` is a translated source, `c->(a->b)` a target.

    The line itself names a target by what it became.
    """
    columns: dict[str, str] = {}
    for side, found in (("src", _SNAT.search(text)), ("dst", _DNAT.search(text))):
        if found is not None:
            columns |= _end(side, found["a"]) | _end(f"nat_{side}", found["b"])
    return columns


def _end(name: str, text: str) -> dict[str, str]:
    if text.count(":") > 1 and not text.startswith("["):  # IPv6 without port
        return {f"{name}_ip": text}
    found = _PORT.match(text)
    return {f"{name}_ip": found[1], f"{name}_port": found[2] or ""} if found else {}


def _line(kind: str, found: re.Match[str], told: dict[str, str]) -> Reading:
    reading = matched(found, event_type=kind)
    columns, rest = reading.columns, {**told, **reading.rest}
    caller = rest.get("caller", "")
    if caller.count(":") == 5:
        columns["mac"] = rest.pop("caller")
    sign_in = _SIGN_INS.get(columns["action"], "") if kind in ("hotspot", "ppp") else ""
    return Reading(columns, rest, sign_in=sign_in)


FORMAT = Format(
    name="mikrotik",
    read=_read,
    marks=(
        " out:",
        "ssigned ",
        " logged in",
        " logged out",
        "login fail",
        "): trying to log in",
        "connected",
    ),
    begins=re.compile(r"(?!\S{1,64}\[\d{1,10}\]: )"),  # RouterOS has no process ids
)
