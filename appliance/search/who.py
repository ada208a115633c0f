"""The question officials ask: which person was behind this address at this time?

Flows say who held an address or a translated port when; sessions say who was signed in. Both are
asked, both are shown, and a name is given only where they leave no other. Everything else is a list
of candidates with its size, "nobody", or "unknown address".
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence, Set
from dataclasses import dataclass, replace
from datetime import UTC
from functools import partial
from typing import Any

from appliance.errors import WrongUse
from appliance.search import addresses, bindings, times, who_flows, who_text
from appliance.search.bindings import Held, Span
from appliance.search.duck import Runner, Vanished
from appliance.search.engine_local import Asker, LocalEngine
from appliance.search.question import Asked
from appliance.search.who_answer import (
    CANDIDATES,
    NOBODY,
    PERSON,
    UNKNOWN,
    Block,
    Evidence,
    Reading,
    WhoAnswer,
    judge,
)
from collector.attribute.lease import KINDS
from collector.decode.addresses import key_of_source
from collector.decode.protocols import NUMBERS
from collector.decode.uplinks import translated_again
from collector.records import Binding
from collector.store import named_sql
from collector.store.catalog import FileEntry, Mention

__all__ = ["CANDIDATES", "NOBODY", "PERSON", "UNKNOWN", "WhoAnswer", "WhoQuestion", "parse", "who"]

SESSION_DAYS = 32
"""Sessions that began longer ago, and were not told of since, are not looked for."""
LEASE_DAYS = 8
"""Leases that were told longer ago are not looked for."""
UPLINK_HOURS = 2
"""The box tells of its uplink every hour."""
MAX_SESSIONS = 200
MAX_GROUPS = 1000

_SQL = named_sql.load("appliance.search", "who.sql")


@dataclass(frozen=True, slots=True, kw_only=True)
class WhoQuestion:
    """Address, time and what narrows them."""

    address: addresses.Address
    port: int | None = None
    readings: tuple[tuple[int, str], ...] = ()
    """The instants meant, µs, each with the offset it was read in; a time without offset has
    two."""
    other: addresses.Address | None = None
    other_port: int | None = None
    within_us: int = 5 * times.MINUTE
    site: str | None = None
    proto: int | None = None

    @property
    def text(self) -> str:
        """The question in canonical words, for the audit log."""
        parts = [f"who {_pair(self.address, self.port)}"]
        parts += [f"--at {times.rfc3339(at)}" for at, _ in self.readings]
        if self.other is not None:
            parts.append(f"--dst {_pair(self.other, self.other_port)}")
        parts.append(f"--within {self.within_us // times.SECOND}s")
        parts += [f"--site {self.site}"] if self.site else []
        parts += [f"--proto {self.proto}"] if self.proto is not None else []
        return " ".join(parts)


def parse(  # noqa: PLR0913  # the words of one command
    address: str,
    *,
    at: str = "",
    dst: str = "",
    within: str = "5m",
    site: str | None = None,
    proto: str = "",
    now_us: int,
) -> WhoQuestion:
    """Return the question that the words of the command line or a form ask.

    Raises:
        WrongUse: a word that is no address, time, length or protocol; a time still to come.
    """
    asked, port = _endpoint(address)
    other, other_port = _endpoint(dst) if dst else (None, None)
    return WhoQuestion(
        address=asked,
        port=port,
        readings=_readings(at, now_us),
        other=other,
        other_port=other_port,
        within_us=times.duration_us(within),
        site=site or None,
        proto=_protocol(proto),
    )


def who(engine: LocalEngine, question: WhoQuestion, asker: Asker) -> WhoAnswer:
    """Return who was behind an address, for each reading of the time.

    The act is recorded first.

    Raises:
        WrongUse: an unknown site.
        BoxError: it could not be recorded, or the question used more than its share.
    """
    engine.check_sites([question.site] if question.site else [])
    thai, english = who_text.asked(question.text)
    engine.record_act("who", question.text, f"{thai} / {english}", question.site, asker)
    with engine.runner() as run:
        read = [_read(engine, run, question, at, zone) for at, zone in question.readings]
    return WhoAnswer(
        address=addresses.text(question.address), port=question.port, readings=tuple(read)
    )


def _read(
    engine: LocalEngine, run: Runner, question: WhoQuestion, at_us: int, zone: str
) -> Reading:
    """Gather all evidence for one instant, then judge it."""
    try:
        evidence = _evidence(engine, run, question, at_us)
    except Vanished:
        evidence = _evidence(engine, run, question, at_us)
    reading = judge(evidence)
    thai, english = who_text.verdict(reading)
    return replace(reading, zone=zone, thai=thai, english=english)


def _evidence(engine: LocalEngine, run: Runner, question: WhoQuestion, at_us: int) -> Evidence:
    start, end = max(0, at_us - question.within_us), at_us + question.within_us + 1
    sites = [question.site] if question.site else None
    late = bindings.of_address(engine.late(sites, start, end), question.address, question.port)
    listed = engine.catalogue().files("flows", sites=sites, start_us=start, end_us=end)
    files = engine.paths(listed)
    values = _values(question, at_us, start, end) | who_flows.learnt(late)
    inside = engine.is_inside(question.address, question.site)
    upstream = () if inside else _upstream(engine, run, question, (at_us, end))
    found = who_flows.find(run, files, values)
    likely = {binding.session for binding in late} | (found.sessions if found else set())
    sessions = partial(_sessions, engine, question=question, window=(start, end), late=late)
    with run.beside(partial(sessions, named=likely)) as told:
        groups, rows = who_flows.counted(run, found, values, at_us)
    by_other = not groups and bool(upstream) and question.other is not None
    if by_other:
        values |= {"by_other": True}
        groups, rows = who_flows.counted(run, who_flows.find(run, files, values), values, at_us)
    named = {group.session for group in groups if group.session}
    held, spans = told.result() if named <= likely else sessions(run, named=named)
    known = any(group.person or group.doubt for group in groups)
    blocks = () if known or inside else _blocks(engine, run, question, at_us)
    for ip in dict.fromkeys(block.ip for block in blocks):
        lent = replace(question, address=ipaddress.ip_address(ip))
        late = bindings.of_address(engine.late(sites, start, end), lent.address)
        of_it, _ = _sessions(
            engine, run, question=lent, window=(start, end), named=set(), late=late
        )
        held += [h for h in of_it if any(b.site == h.site and b.ip == ip for b in blocks)]
    ids = {g.person for g in groups} | {h.person for h in held}
    ids |= {person for group in groups for person in group.doubt}
    names = engine.catalogue().persons(person_ids=[person for person in ids if person])
    return Evidence(
        address=question.address,
        port=question.port,
        at_us=at_us,
        within_us=question.within_us,
        site=question.site,
        inside=inside,
        shared=engine.is_shared(question.address, question.site),
        upstream=upstream,
        by_other=by_other,
        blocks=blocks,
        groups=tuple(groups[:MAX_GROUPS]),
        rows=tuple(rows),
        held=tuple(h for h in held if h.start_us < end and (h.end_us is None or h.end_us > start)),
        names={(n.site, n.person): (n.account, n.full_name) for n in reversed(names)},
        spans=spans,
        coverage=tuple(engine.coverage(run, _asked(sites, start, end))),
        cut=len(groups) > MAX_GROUPS or len(held) > MAX_SESSIONS,
    )


def _values(question: WhoQuestion, at_us: int, start: int, end: int) -> dict[str, object]:
    return {
        "address": addresses.text(question.address),
        "port": question.port,
        "key": _key(question),
        "other": addresses.text(question.other) if question.other is not None else None,
        "other_port": question.other_port,
        "proto": question.proto,
        "by_other": False,
        "at": times.aware(at_us),
        "from": times.aware(start),
        "until": times.aware(end),
    }


def _key(question: WhoQuestion) -> int | None:
    if question.port is None or question.address.version == 6:
        return None
    return key_of_source(int(question.address), question.port)


def _sessions(
    engine: LocalEngine,
    run: Runner,
    *,
    question: WhoQuestion,
    window: tuple[int, int],
    named: Set[str],
    late: Sequence[Binding],
) -> tuple[list[Held], dict[str, Span]]:
    """Return the sessions that held the address, and how long those named by flows lasted.

    The catalogue knows in which files their rows are: those of a month are hundreds.
    """
    sites = [question.site] if question.site else None
    address = addresses.text(question.address)
    leases = _leases(engine, run, sites, address, window)
    told_with = {address, *bindings.prefixes_around(question.address)}
    told_with |= {row["mac"] for row in leases}
    mentions = partial(
        engine.catalogue().mentions,
        sites=sites,
        start_us=max(0, window[0] - SESSION_DAYS * times.DAY),
        end_us=window[1],
    )
    ids = {mention.session for mention in mentions(told_with, most=MAX_SESSIONS + 1)}
    whole = mentions(ids | named)
    files = engine.paths(_files_of(engine, whole, sites)) if whole else []
    if not files:  # nobody, or whose rows were destroyed
        return [], {}
    values: dict[str, object] = {"files": files}
    values["sessions"] = [mention.session for mention in whole]
    rows = run.table(_SQL["sessions"], values).to_pylist()
    learnt_late = frozenset(b.session for b in late if b.address == address)
    timeline = bindings.timeline_of(rows, leases)
    return bindings.held(rows, timeline, address, learnt_late), bindings.spans(rows, timeline)


def _files_of(
    engine: LocalEngine, sessions: Sequence[Mention], sites: Sequence[str] | None
) -> list[FileEntry]:
    """Return the files in which rows of sessions may be."""
    first, last = min(s.first_us for s in sessions), max(s.last_us for s in sessions)
    files = engine.catalogue().files("sessions", sites=sites, start_us=first, end_us=last + 1)
    return [
        file
        for file in files
        if any(s.first_us <= file.event_max and file.event_min <= s.last_us for s in sessions)
    ]


def _leases(
    engine: LocalEngine,
    run: Runner,
    sites: list[str] | None,
    address: str,
    window: tuple[int, int],
) -> list[dict[str, Any]]:
    """Return what was told of the machines that had an address: sessions may hold it by them."""
    since = max(0, window[0] - LEASE_DAYS * times.DAY)
    found = engine.catalogue().files("leases", sites=sites, start_us=since, end_us=window[1])
    if not found:
        return []
    values: dict[str, object] = {"files": engine.paths(found), "address": address}
    values["kinds"] = list(KINDS)
    return run.table(_SQL["leases"], values | {"until": times.aware(window[1])}).to_pylist()


def _blocks(
    engine: LocalEngine, run: Runner, question: WhoQuestion, at_us: int
) -> tuple[Block, ...]:
    """Return the blocks of ports with the asked one that a NAT had lent at an instant."""
    if question.port is None:
        return ()
    sites = [question.site] if question.site else None
    since = max(0, at_us - LEASE_DAYS * times.DAY)
    found = engine.catalogue().files("leases", sites=sites, start_us=since, end_us=at_us + 1)
    if not found:
        return ()
    values: dict[str, object] = {"files": engine.paths(found), "at": times.aware(at_us)}
    values |= {"address": addresses.text(question.address), "port": question.port}
    return tuple(Block(**row) for row in run.table(_SQL["blocks"], values).to_pylist())


def _upstream(
    engine: LocalEngine, run: Runner, question: WhoQuestion, window: tuple[int, int]
) -> tuple[str, ...]:
    """Return why the outside saw our uplinks under other addresses, empty where it did not."""
    sites = [question.site] if question.site else None
    since = max(0, window[0] - UPLINK_HOURS * 60 * times.MINUTE)
    found = engine.catalogue().files("leases", sites=sites, start_us=since, end_us=window[1])
    if not found:
        return ()
    values: dict[str, object] = {"files": engine.paths(found), "since": times.aware(since)}
    rows = run.table(_SQL["uplinks"], values | {"until": times.aware(window[1])}).to_pylist()
    asked = question.address
    told = [
        translated_again(row["ip"], row["nat_ip"] or "")
        for row in rows
        if row["ip"] != addresses.text(asked) and (":" in row["ip"]) == (asked.version == 6)
    ]
    return tuple(why for why in told if why)


def _asked(sites: list[str] | None, start: int, end: int) -> Asked:
    return Asked(log="coverage", sites=tuple(sites) if sites else None, start_us=start, end_us=end)


def _readings(at: str, now_us: int) -> tuple[tuple[int, str], ...]:
    if not at:
        return ((now_us, "now"),)
    bangkok = times.parse(at, now_us)
    if bangkok.us > now_us:
        now = times.rfc3339(now_us)
        raise WrongUse(f"{at!r} is still to come: it is {now} now, and the logs tell of the past")
    if bangkok.offset_given:
        return ((bangkok.us, "as given"),)
    utc = times.parse(at, now_us, zone=UTC)
    return ((bangkok.us, "+07:00"), (utc.us, "UTC"))


def _endpoint(text: str) -> tuple[addresses.Address, int | None]:
    """Return address and port of `A`, `A:PORT` or `[A]:PORT`."""
    whole = text.strip()
    host, port = whole, ""
    if whole.startswith("["):
        host, _, port = whole[1:].partition("]")
        port = port.removeprefix(":")
    elif whole.count(":") == 1:
        host, _, port = whole.partition(":")
    try:
        address = ipaddress.ip_address(host)
    except ValueError as error:
        hint = "wanted for instance 198.51.100.7:40211 or [2001:db8::7]:443"
        raise WrongUse(f"{text!r} is no address; {hint}") from error
    if not port:
        return address, None
    if not port.isdecimal() or int(port) > 65535:
        raise WrongUse(f"{port!r} is no port; a port is 0 to 65535")
    return address, int(port)


def _protocol(text: str) -> int | None:
    if not text:
        return None
    number = NUMBERS.get(text.lower())
    if number is None and (not text.isdecimal() or int(text) > 255):
        raise WrongUse(f"{text!r} is no protocol; wanted tcp, udp, icmp or a number to 255")
    return int(text) if number is None else number


def _pair(address: addresses.Address, port: int | None) -> str:
    shown = addresses.text(address)
    if port is None:
        return shown
    return f"[{shown}]:{port}" if address.version == 6 else f"{shown}:{port}"
