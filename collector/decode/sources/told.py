"""What the sources page and `prathu sources` show, as JSON values.

Times are µs since the epoch, rates per second. `problems` are words; what to do about each is said
by whoever shows them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from collector.decode.believed import VERDICTS
from collector.decode.layout import Layout
from collector.decode.sources import models, templates
from collector.decode.sources.book import SourceBook
from collector.decode.sources.history import COUNTS, TOLD_S, History, Rate
from collector.decode.sources.rhythm import NEVER
from collector.decode.sources.source import SETTING, Source
from collector.decode.stream import Stream, StreamKey
from collector.decode.streams import Streams
from collector.decode.waiting import Waiting

_HOUR_S, _DAY_S = 3600, 86_400
_DAY_US = _DAY_S * 1_000_000
_LITTLE = 1000
"""One record lost of so many is no problem; more are."""
ALL = "*"
"""In place of a name: of everyone."""
_MOST_SHOWN = 20
"""Templates that are waited for, and rates, shown of one source."""
PROBLEMS = (
    "silent",
    "losing",
    "not-kept",
    "unknown-templates",
    "skewed",
    "unread",
    "frozen",
    "held-back",
    "restarted",
)
"""From the worst; the last three alone are no bad state."""
STATES = ("silent", "losing", "unknown-templates", "skewed", "unread", "fine")
_STATE_OF = {"not-kept": "losing"}
_PROTOCOLS = {0: "sFlow v5", 10: "IPFIX"}
"""By the version of a stream; all others are of NetFlow."""


def sources(
    book: SourceBook, streams: Streams, waiting: Iterable[Waiting], now_us: int, *, whole: str = ""
) -> list[dict[str, Any]]:
    """Return everything known of each source, by kind and name.

    Args:
        book: The sources.
        streams: What the decoder knows of flow exporters.
        waiting: The sets that wait for their template now.
        now_us: The box's clock.
        whole: The one source whose templates are told with their fields; ALL for everyone's.
    """
    by_address: dict[str, list[Stream]] = {}
    for stream in streams:
        by_address.setdefault(stream.key.address, []).append(stream)
    sets: dict[str, list[Waiting]] = {}
    for one in waiting:
        sets.setdefault(one.key.address, []).append(one)
    found = []
    for source in sorted(book, key=lambda each: each.key):
        name = source.key.name if source.key.kind == "flows" else ""
        flow = _flows(by_address.get(name, []), sets.get(name, []))
        record = _told(source, flow, site=book.site, now_us=now_us)
        if name and whole in (ALL, name):
            record["template_list"] = templates.listed(by_address.get(name, []))
            record["interfaces"] = templates.interfaces(source.interfaces, flow["interfaces"])
        found.append(record)
    return found


def kernel(book: SourceBook, now_us: int) -> list[dict[str, Any]]:
    """Return what the kernel dropped for the site, by socket."""
    return [
        {
            "site": book.site,
            "socket": name,
            "total": sum(history.totals),
            "hour": sum(history.sums(now_us, _HOUR_S)),
            "day": sum(history.sums(now_us, _DAY_S)),
            "history": _history(history, now_us),
        }
        for name, history in sorted(book.sockets.items())
    ]


def state_of(problems: Iterable[str]) -> str:
    """Return the one word for a source with these problems."""
    states = {_STATE_OF.get(problem, problem) for problem in problems}
    return next((state for state in STATES if state in states), "fine")


def _told(source: Source, flow: Mapping[str, Any], *, site: str, now_us: int) -> dict[str, Any]:
    history, key = source.history, source.key
    record = {
        "site": site,
        "kind": key.kind,
        "name": key.name,
        "protocols": sorted({*source.protocols, *flow["protocols"]} - {""}),
        "formats": dict(source.formats.most_common()),
        **_model(source, flow["layouts"], flow["applications"]),
        "first_us": source.first_us,
        "last_us": source.last_us,
        "rates": {
            "now": _rate(history.now(now_us)),
            "hour": _rate(history.over(now_us, _HOUR_S, source.first_us)),
            "day": _rate(history.over(now_us, _DAY_S, source.first_us)),
        },
        "totals": dict(zip(COUNTS, history.totals, strict=True)),
        "hour": dict(zip(COUNTS, history.sums(now_us, _HOUR_S), strict=True)),
        "day": dict(zip(COUNTS, history.sums(now_us, _DAY_S), strict=True)),
        "history": _history(history, now_us),
        "records_per_datagram": _mean(history),
        "sign_ins": {word: source.sign_ins[word] for word in VERDICTS if source.sign_ins[word]},
        "signed_in": {"newest_us": source.signed_in[0] or None, "verdict": source.signed_in[1]},
        "templates": flow["templates"],
        "templates_restored": flow["restored"],
        "waiting": flow["waiting"],
        "sampling": [
            {"rate": rate, "origin": origin}
            for rate, origin in sorted(flow["sampling"] | _of_records(source))[:_MOST_SHOWN]
        ],
        "clock_offset_us": source.clock.offset_us,
        "held_back": {"total_us": source.held_us, "newest_us": source.held_at_us or None},
        "restarts": source.restarts,
        "restarted_us": source.restarted_us or None,
        "regular": source.rhythm.regular,
        "silence_after_us": source.rhythm.threshold_us,
    }
    problems = list(_problems(source, record, now_us))
    return {**record, "problems": problems, "state": state_of(problems)}


def _problems(source: Source, record: Mapping[str, Any], now_us: int) -> Iterable[str]:
    hour = record["hour"]
    due_us = source.rhythm.due_us
    came = {
        "silent": source.rhythm.silent or (due_us < NEVER and due_us <= now_us),
        "losing": hour["exporter"] * _LITTLE > hour["records"],
        "not-kept": hour["own"] > 0,
        "unknown-templates": bool(record["waiting"]),
        "skewed": source.clock.wrong,
        "unread": hour["unread"] > 0 and not record["waiting"],
        "frozen": source.frozen,
        "held-back": source.held_at_us > now_us - _DAY_US,
        "restarted": source.restarted_us > now_us - _DAY_US,
    }
    return (problem for problem in PROBLEMS if came[problem])


def _flows(streams: list[Stream], waiting: list[Waiting]) -> dict[str, Any]:
    """Return what the decoder knows of one exporter."""
    told: set[tuple[int, str]] = set()
    for stream in streams:
        told |= _rates(stream)
    exporter = streams[0].exporter if streams else None
    return {
        "protocols": {_protocol(stream.key) for stream in streams},
        "layouts": [layout for stream in streams for layout in stream.templates.values()],
        "applications": exporter.names if exporter else {},
        "interfaces": exporter.interfaces if exporter else {},
        "templates": sum(len(stream.templates) for stream in streams),
        "restored": templates.restored(streams),
        "waiting": _waiting(waiting),
        "sampling": told,
    }


def _rates(stream: Stream) -> set[tuple[int, str]]:
    """Return what holds for a stream: the settings, or all that headers and options tell."""
    rates = stream.rates
    if rates.fixed:
        return {(rates.fixed, SETTING)}
    header = {(rates.header, "header")} if rates.header else set()
    return header | {(rate, "options") for _, rate in rates.samplers}


def _waiting(sets: list[Waiting]) -> list[dict[str, int]]:
    """Return the templates that are waited for: how many sets of each, since when."""
    counts = Counter((one.key.domain, one.key.port, one.template) for one in sets)
    since: dict[tuple[int, int, int], int] = {}
    for one in sets:
        since.setdefault((one.key.domain, one.key.port, one.template), one.head.received_us)
    return [
        {
            "domain": key[0],
            "port": key[1],
            "template": key[2],
            "sets": held,
            "since_us": since[key],
        }
        for key, held in counts.most_common(_MOST_SHOWN)
    ]


def _model(
    source: Source, layouts: Iterable[Layout], applications: Iterable[bytes]
) -> dict[str, str]:
    guess = models.of_templates(layouts)
    if not guess.name:
        guess = models.of_applications(applications)
    if not guess.name:
        guess = models.of_formats(source.formats)
    return {"model": guess.name, "model_because": guess.because}


def _of_records(source: Source) -> set[tuple[int, str]]:
    """Return the rates that records told themselves; others are known from streams."""
    return {(rate, origin) for origin, rate in source.record_rates.items()}


def _protocol(key: StreamKey) -> str:
    transport = key.session.partition(":")[0]
    name = _PROTOCOLS.get(key.version, f"NetFlow v{key.version}")
    return f"{name} over {transport.upper()}" if transport else name


def _mean(history: History) -> float | None:
    """Return records in a datagram, to estimate what refused datagrams held."""
    datagrams, records = history.totals[:2]
    return round(records / datagrams, 2) if datagrams else None


def _rate(rate: Rate) -> dict[str, float]:
    return {"datagrams": round(rate.datagrams, 3), "records": round(rate.records, 3)}


def _history(history: History, now_us: int) -> dict[str, Any]:
    return {
        "step_s": TOLD_S,
        "columns": ["start_s", *COUNTS],
        "steps": history.steps(now_us),
    }
