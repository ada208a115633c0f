"""The family that RFC 3164 describes in hindsight: whatever devices send.

One pattern reads what stands up to the time, others host and program after it. A word becomes a
host or a program only where its place says so; when in doubt it stays in the message.
"""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv6Address

from collector.decode.syslog import times
from collector.decode.syslog.header import Header, Priority, priority

_CLOCK = r"\d{1,2}:\d\d:\d\d"
_ZONE = rf"(?:(?:{'|'.join(times.ZONES)})(?![\w.-])|[A-Z]{{3,5}}(?=:)|[+-]\d\d:?\d\d)"
_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"

_TIMED = re.compile(
    rf"""
    (?:\d{{1,10}}:\ {{1,2}})?                # Cisco: number of the message,
    (?:(?P<origin>\S{{1,255}}):\ )?          # its host,
    (?:\d{{1,10}}:\ {{1,2}})?                # the host's own number,
    [*.]?                                    # and whether its clock is set
    (?:
      (?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),?\ )?(?:(?P<early_year>\d{{4}})\ )?
      (?P<month>{_MONTH})\ {{1,2}}(?P<day>\d{{1,2}})(?:,?\ (?P<year>\d{{4}}))?\ {{1,2}}
      (?P<clock>{_CLOCK})(?:\ (?P<half>[AP]M))?(?:[.,](?P<part>\d{{1,9}}))?
      (?:\ ?(?P<zone>{_ZONE}))?(?:\ (?P<late_year>(?:19|20|25)\d\d)(?=\s|:\s|\Z))?
    | (?:1\ )?(?P<date>\d{{4}}[-/]\d\d[-/]\d\d)[T\ ](?P<iso_clock>{_CLOCK})
      (?:[.,](?P<iso_part>\d{{1,9}}))?(?:\ ?(?P<iso_zone>{_ZONE}))?
    | (?:1\ )?(?P<epoch>\d{{10}})(?:\.(?P<epoch_part>\d{{1,9}}))?(?=\ )
    )
    (?=[\s:]|\Z)\ ?:?\ *
    """,
    re.VERBOSE | re.IGNORECASE,
)
_HOST = re.compile(r"\[?([^\s\[\]{}=\"|,;<>']{1,255})\]? +")
_HOST_COLON = re.compile(r"([\w.:/@-]{1,255}) ?: +(?=%|CEF:|LEEF:)")
_TAG = re.compile(
    r"""
    (?!(?:CEF|LEEF):)
    (?:
      (?P<code>%[\w-]{3,100})\ ?:
    | (?P<tag>[^\s:\[\]{}="|]{1,128})(?:\[(?P<process>[^\]\s]{1,64})\])?:(?=\s|\Z)
    | (?P<bare>[^\s:\[\]{}="|]{1,128})\[(?P<number>\d{1,10})\]:?(?=\s|\Z)
    )\ *
    """,
    re.VERBOSE,
)
_SOLARIS_ID = re.compile(r"\[ID (\d{1,10}) [\w.]{1,40}\] ?")
_CISCO_UNTIMED = re.compile(
    r"(?:\d{1,10}: {1,2})?(?:([^\s:]{1,255}): )?(?:\d{1,10}: )?(?:\d+:\d\d:\d\d: )?(?=%)"
)
_UNIFI_UNTIMED = re.compile(r'([\w.-]{1,255}) \(?"?([0-9a-fA-F]{12},[^:\s"]{1,100})"?\)?: ')
_FORTIGATE = re.compile(r"date=(\d{4})-(\d\d)-(\d\d) time=(\d\d:\d\d:\d\d)")
_FORTIGATE_ZONE = re.compile(r' tz="?([+-]\d{4})')
_FORTIGATE_NAME = re.compile(r' devname="?([^\s"]{1,255})')
_FORTIGATE_HEAD = 400


def parse(text: str, near_us: int) -> Header:
    """Return the message taken apart; every text gives one.

    Args:
        text: The message.
        near_us: About when it was sent, in µs UTC, for times without a year.
    """
    first = priority(text)
    begin = len(text) - len(text[first.end :].lstrip(" "))
    if text.startswith("date=", begin):
        return _untimed(text[begin:], first)
    found = _TIMED.match(text, begin)
    if found is None:
        return _untimed(text[begin:], first)
    time_us, zoned = _time(found, near_us)
    fault = first.fault or (None if time_us is not None else f"no such time: {found[0][:60]}")
    host, rest = found["origin"], found.end()
    if host is None:
        host, rest = _host(text, rest)
    app, process, code, rest = _program(text, rest)
    return Header(
        "rfc3164",
        text[rest:],
        first.facility,
        first.severity,
        time_us,
        zoned,
        host,
        app,
        process,
        code,
        None,
        fault,
    )


def _time(found: re.Match[str], near_us: int) -> tuple[int | None, bool]:
    """Return the time that was found, and whether it has a zone."""
    if found["epoch"]:
        part = (found["epoch_part"] or "")[:6].ljust(6, "0")
        return int(found["epoch"]) * 1_000_000 + int(part), True
    if found["date"]:
        year, month, day = (int(text) for text in re.split("[-/]", found["date"]))
        zone = found["iso_zone"]
        return times.at(
            year, month, day, found["iso_clock"], fraction=found["iso_part"], zone=zone
        ), zone is not None
    zone, written = found["zone"], found["early_year"] or found["year"] or found["late_year"]
    month, day = times.month_of(found["month"]), int(found["day"])
    clock = _clock_of_24(found["clock"], found["half"])
    if written is None:
        time = times.nearest(near_us, month, day, clock, fraction=found["part"], zone=zone)
    else:
        time = times.at(int(written), month, day, clock, fraction=found["part"], zone=zone)
    return time, zone is not None


def _clock_of_24(clock: str, half: str | None) -> str:
    if half is None:
        return clock
    hour, _, rest = clock.partition(":")
    return f"{int(hour) % 12 + (12 if half.upper() == 'PM' else 0)}:{rest}"


def _host(text: str, at: int) -> tuple[str | None, int]:
    """Return the host at `at`, unless a program or the message stands there already."""
    named = _HOST_COLON.match(text, at)
    if named is None and _TAG.match(text, at):
        return None, at
    named = named or _HOST.match(text, at)
    if named is None or not _is_host(named[1]):
        return None, at
    end = named.end()
    if text.startswith(named[1] + " ", end):  # UniFi says it twice
        end += len(named[1]) + 1
    if text[end : end + 2] == ": ":  # ASA, as if the host were a program
        end += 2
    return named[1], end


def _is_host(word: str) -> bool:
    if ":" not in word:
        return not word.isdecimal()
    try:
        IPv6Address(word)
    except AddressValueError:
        return False
    return True


def _program(text: str, at: int) -> tuple[str | None, str | None, str | None, int]:
    """Return program, its process, a code for the message, and where the message begins."""
    found = _TAG.match(text, at)
    if found is None:
        return None, None, None, at
    if found["code"]:
        return None, None, found["code"], found.end()
    solaris = _SOLARIS_ID.match(text, found.end())
    return (
        found["tag"] or found["bare"],
        found["process"] or found["number"],
        solaris[1] if solaris else None,
        solaris.end() if solaris else found.end(),
    )


def _untimed(text: str, first: Priority) -> Header:
    """Read what has no time of RFC 3164: some devices have other headers, some none."""
    if text.startswith("date="):
        header = _fortigate(text, first)
        if header is not None:
            return header
    if not first.end:
        return Header("raw", text, fault="no header")
    host = app = process = code = None
    cisco = _CISCO_UNTIMED.match(text)
    unifi = _UNIFI_UNTIMED.match(text)
    at = 0
    if unifi:
        host, app, at = unifi[1], unifi[2], unifi.end()
    else:
        if cisco:
            host, at = cisco[1], cisco.end()
        app, process, code, at = _program(text, at)
    return Header(
        "rfc3164",
        text[at:],
        first.facility,
        first.severity,
        None,
        False,
        host,
        app,
        process,
        code,
        None,
        first.fault,
    )


def _fortigate(text: str, first: Priority) -> Header | None:
    found = _FORTIGATE.match(text)
    if found is None:
        return None
    year, month, day, clock = found.groups()
    # Searching for a pattern costs more than finding its text first.
    zone_at, name_at = (text.find(key, 0, _FORTIGATE_HEAD) for key in (" tz=", " devname="))
    zone = _FORTIGATE_ZONE.match(text, zone_at) if zone_at >= 0 else None
    name = _FORTIGATE_NAME.match(text, name_at) if name_at >= 0 else None
    time_us = times.at(
        int(year), int(month), int(day), clock, fraction=None, zone=zone[1] if zone else None
    )
    return Header(
        "rfc3164" if first.end else "raw",
        text,
        first.facility if first.end else None,
        first.severity if first.end else None,
        time_us,
        zone is not None,
        name[1] if name else None,
        fault=first.fault or (None if time_us is not None else f"no such time: {found[0]}"),
    )
