"""What to do about each problem of a source, in a sentence; and spans of time in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from appliance.web import source_lines
from appliance.web.texts import Texts
from collector.decode.sources.book import THE_MACHINE

MINUTE_US = 60_000_000
_ZONE_US = 30 * MINUTE_US
_NEAR_US = 2 * MINUTE_US

SILENT = (
    "Not heard since {time}; as a rule it sends at least every {usual}. Look at its power and"
    " cable, and whether it still sends to this box."
)
LOSING = (
    "{n} records of the last hour never came ({percent} of all). Give the device a larger "
    "export buffer, or send over a line that is not full."
)
NOT_KEPT = (
    "The box could not keep {n} datagrams of the last hour. Free space on its disk, or send less."
)
UNKNOWN = (
    "{n} sets wait for the templates {templates}. Let the device repeat its templates every minute."
)
BEHIND = "Its clock is {span} behind. Set the time of {name} by NTP."
AHEAD = "Its clock is {span} ahead. Set the time of {name} by NTP."
ZONE = (
    "Its clock is off by {span}, as a wrong time zone is. Set the zone of {name} to UTC+7, "
    "and its time by NTP."
)
UNREAD = (
    "{n} datagrams or sets of the last hour could not be read. Choose IPFIX or NetFlow v9 in "
    "the device."
)
FROZEN = "Its sequence numbers stand still: what is lost on the way cannot be seen."
RESTARTED = "It began anew at {time}: what it held then is lost. Look at its power."
SAMPLED = (
    "It counts one packet in {rate}. Figures are as received; a tick on the search page, or "
    "prathu search --scaled, multiplies."
)
NOT_BELIEVED = (
    "{n} of its lines say who signed in, and tie nobody to an address: anyone can write such a "
    "line. If it is yours, let it send over TCP or TLS, put [[believed_senders]] with its address "
    "{name} and the site {site} into prathu.toml, and start the box again."
)
OVER_UDP = (
    "{n} of its lines say who signed in, and came over UDP, where anyone can send in its name: "
    "they tie nobody to an address. Let it send over TCP or TLS, or set udp = true where "
    "prathu.toml names it under [[believed_senders]]."
)
KERNEL = (
    "The kernel dropped {n} datagrams in the last day at {socket}: whose they were nobody "
    "knows. Raise net.core.rmem_max and receive_buffer in [listen], then start the box again."
)
HOST = (
    "The kernel dropped {n} packets in the last day before it looked at any port: whose they were "
    "nobody knows. Raise net.core.netdev_max_backlog, or give the machine less to do."
)
HELD_BACK = (
    "It sent faster than limits.stream_per_second lets it and waited for {span} in all, last at "
    "{time}: nothing of it is missing, but some came late."
)
ORIGINS: Mapping[str, str] = {
    "setting": "by the settings",
    "header": "by its headers",
    "record": "by its records",
    "record-swapped": "by its records, bytes turned round: a guess",
    "options": "by its options",
}
"""How a sampling rate was told."""
CONNTRACK = (
    "The kernel could not hand over {n} messages of the last hour: beginnings and ends of "
    "connections, asked for again. Raise receive_buffer in [conntrack]."
)
MESSAGES = (
    CONNTRACK,
    *(SILENT, LOSING, NOT_KEPT, UNKNOWN, BEHIND, AHEAD, ZONE, UNREAD, FROZEN, RESTARTED, SAMPLED),
    *(KERNEL, HOST, HELD_BACK, NOT_BELIEVED, OVER_UDP),
    *ORIGINS.values(),
    "{n} s",
    "{n} min",
    "{n} h",
    "{n} days",
)
"""Every message that this module makes."""


class Advice(NamedTuple):
    """One problem, and what to do about it."""

    problem: str
    text: str
    bad: bool
    """Whether it makes the state bad; else it is good to know."""


def advice(source: Mapping[str, Any], words: Texts) -> list[Advice]:
    """Return one sentence for each problem of a source."""
    problems = [*source["problems"], *(["sampled"] if _rate(source) > 1 else [])]
    problems.append(source_lines.doubted(source))
    return [
        Advice(problem, _SENTENCES[problem](source, words), problem not in _GOOD_TO_KNOW)
        for problem in problems
        if problem in _SENTENCES
    ]


def kernel(socket: Mapping[str, Any], words: Texts) -> str:
    """Return what to do about drops at a socket."""
    n = words.number(socket["day"])
    if socket["socket"] == THE_MACHINE:
        return words(HOST, n=n)
    return words(KERNEL, n=n, socket=socket["socket"])


def span(span_us: float, words: Texts) -> str:
    """Return a span of time in its largest unit that it holds twice."""
    seconds = abs(span_us) / 1e6
    for size, message in ((86_400, "{n} days"), (3600, "{n} h"), (60, "{n} min")):
        if seconds >= 2 * size:
            return words(message, n=words.number(round(seconds / size)))
    return words("{n} s", n=words.number(round(seconds)))


def rate_of(rate: float, words: Texts) -> str:
    """Return a rate per second; one of a few a minute is not nothing."""
    return words.number(round(rate, 1)) if rate >= 1 or not rate else f"{max(rate, 0.01):.2f}"


def sampling(source: Mapping[str, Any], words: Texts) -> str:
    """Return the sampling rates of a source, and how each was told."""
    told = [
        (one["rate"], words(ORIGINS.get(one["origin"], one["origin"])))
        for one in source["sampling"]
    ]
    return ", ".join(f"1:{rate} ({origin})" for rate, origin in told)


def _silent(source: Mapping[str, Any], words: Texts) -> str:
    usual = span(source["silence_after_us"], words)
    return words(SILENT, time=words.moment(source["last_us"], seconds=False), usual=usual)


def _losing(source: Mapping[str, Any], words: Texts) -> str:
    lost, came = source["hour"]["exporter"], source["hour"]["records"]
    if source["kind"] == "conntrack":
        return words(CONNTRACK, n=words.number(lost))
    return words(LOSING, n=words.number(lost), percent=share(lost, came))


def share(lost: int, came: int) -> str:
    """Return what part of all was lost, in per cent."""
    part = 100 * lost / max(1, lost + came)
    return f"{part:.0f} %" if part >= 10 else f"{part:.1f} %"


def _unknown(source: Mapping[str, Any], words: Texts) -> str:
    waiting = source["waiting"]
    ids = ", ".join(dict.fromkeys(str(one["template"]) for one in waiting))
    return words(UNKNOWN, n=words.number(sum(one["sets"] for one in waiting)), templates=ids)


def _skewed(source: Mapping[str, Any], words: Texts) -> str:
    offset = source["clock_offset_us"] or 0
    off = abs(offset) % _ZONE_US
    name = source["name"]
    if abs(offset) >= _ZONE_US - _NEAR_US and min(off, _ZONE_US - off) <= _NEAR_US:
        return words(ZONE, span=span(offset, words), name=name)
    return words(BEHIND if offset > 0 else AHEAD, span=span(offset, words), name=name)


def _rate(source: Mapping[str, Any]) -> int:
    return max((one["rate"] for one in source["sampling"]), default=0)


def _doubted(message: str) -> Callable[[Mapping[str, Any], Texts], str]:
    def told(source: Mapping[str, Any], words: Texts) -> str:
        n = words.number(source["sign_ins"][source_lines.doubted(source)])
        places = {"name": source["name"], "site": source["site"]} if message == NOT_BELIEVED else {}
        return words(message, n=n, **places)

    return told


_GOOD_TO_KNOW = frozenset(
    {"frozen", "held-back", "restarted", "sampled", "not-believed", "over-udp"}
)
_SENTENCES: Mapping[str, Callable[[Mapping[str, Any], Texts], str]] = {
    "silent": _silent,
    "losing": _losing,
    "not-kept": lambda s, words: words(NOT_KEPT, n=words.number(s["hour"]["own"])),
    "unknown-templates": _unknown,
    "skewed": _skewed,
    "unread": lambda s, words: words(UNREAD, n=words.number(s["hour"]["unread"])),
    "frozen": lambda _, words: words(FROZEN),
    "held-back": lambda s, words: words(
        HELD_BACK,
        span=span(s["held_back"]["total_us"], words),
        time=words.moment(s["held_back"]["newest_us"], seconds=False),
    ),
    "restarted": lambda s, words: words(
        RESTARTED, time=words.moment(s["restarted_us"], seconds=False)
    ),
    "not-believed": _doubted(NOT_BELIEVED),
    "over-udp": _doubted(OVER_UDP),
    "sampled": lambda s, words: words(SAMPLED, rate=words.number(_rate(s))),
}
