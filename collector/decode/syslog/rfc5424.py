"""Messages after RFC 5424, and what is often wrong with them."""

from __future__ import annotations

import re

from collector.decode.syslog import times
from collector.decode.syslog.header import Header, priority

_LONGEST = {"hostname": 255, "app name": 48, "process id": 128, "message id": 32}
"""Section 6: characters of each field."""
_NESTED = 3

_BEGIN = re.compile(r"<\d{1,3}>[1-9]\d{0,2} (?=-(?:[ \n]|\Z)|\d{4}-\d\d)")
_FIELDS = re.compile(r"(\S+) (\S+) (?!CEF:|LEEF:)(\S+) (\S+) (\S+) (.*)\Z", re.DOTALL)
_TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?(Z|[+-]\d\d:\d\d)\Z")
_LOOSE_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt_](\d\d:\d\d:\d\d)(?:[.,](\d{1,18}))?([Zz]|[+-]\d\d:?\d\d)?\Z"
)
_NAME = r'[^ =\]"\x00-\x20\x7f]{1,32}'
_ELEMENT = re.compile(rf'\[({_NAME})(?: {_NAME}="[^"\\\]]*(?:\\.[^"\\\]]*)*")*\]', re.DOTALL)
_BOM = "\ufeff"


def parse(text: str) -> Header | None:
    """Return the message taken apart; None when it is not of this format at all.

    A message wrapped by a relay that says nothing of itself is read as the one inside. Where the
    outer header names a program, the text is that program's, and may be anyone's words.
    """
    header = _parse(text)
    for _ in range(_NESTED):
        if header is None or header.app_name is not None or header.fault:
            break
        inner = _parse(header.message)
        if inner is None:
            break
        header = inner
    return header


def _parse(text: str) -> Header | None:
    begin = _BEGIN.match(text)
    if begin is None:
        return None
    facility, severity, _, fault = priority(text)
    fields = _FIELDS.match(text, begin.end())
    if fields is None:
        return None  # some begin like this and go on like RFC 3164
    time_us, zoned, time_fault = _time(fields[1])
    names = [None if field == "-" else field for field in fields.groups()[1:5]]
    data, message, data_fault = _structured_data(fields[6])
    return Header(
        format="rfc5424",
        message=message.removeprefix(_BOM),
        facility=facility,
        severity=severity,
        time_us=time_us,
        zoned=zoned,
        hostname=names[0],
        app_name=names[1],
        proc_id=names[2],
        msg_id=names[3],
        structured_data=data,
        fault=fault or time_fault or _too_long(names) or data_fault,
    )


def _time(text: str) -> tuple[int | None, bool, str | None]:
    """Return the time, whether it has a zone, and what is wrong with it."""
    if text == "-":
        return None, False, None
    strict = _TIME.match(text)
    found = strict or _LOOSE_TIME.match(text)
    if found is None:
        return None, False, f"not a time: {text[:40]}"
    year, month, day, clock, fraction, zone = found.groups()
    time_us = times.at(int(year), int(month), int(day), clock, fraction=fraction, zone=zone)
    if time_us is None:
        return None, False, f"no such time: {text[:40]}"
    return time_us, zone is not None, None if strict else f"a time in another form: {text[:40]}"


def _structured_data(rest: str) -> tuple[str | None, str, str | None]:
    """Return the structured data, the message after it, and what is wrong (section 6.3)."""
    if rest == "-" or rest.startswith("- "):
        return None, rest[2:], None
    end, names = 0, []
    while (element := _ELEMENT.match(rest, end)) is not None:
        end = element.end()
        names.append(element[1])
    if not end:
        fault = "malformed" if rest.startswith(("[", "-")) else "missing"
        return None, rest, f"structured data {fault}"
    data, after = rest[:end], rest[end:]
    if after and not after.startswith(" "):
        return data, after, "no space after structured data"
    repeated = len(set(names)) < len(names)
    return data, after[1:], "structured data repeats a name" if repeated else None


def _too_long(names: list[str | None]) -> str | None:
    for (what, longest), name in zip(_LONGEST.items(), names, strict=True):
        if name is not None and len(name) > longest:
            return f"{what} longer than {longest}"
    return None
