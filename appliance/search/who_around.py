"""What sessions, leases and coverage say of an address around an instant."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from functools import partial
from typing import Any

from appliance.search import addresses, bindings, times
from appliance.search.bindings import Held, Span
from appliance.search.duck import Runner
from appliance.search.engine_local import LocalEngine
from appliance.search.question import Asked
from appliance.search.who_answer import Block
from appliance.search.who_question import WhoQuestion
from collector.attribute.lease import KINDS
from collector.decode.uplinks import translated_again
from collector.records import Binding
from collector.store import named_sql
from collector.store.catalog import FileEntry, Mention

SESSION_DAYS = 32
"""Sessions that began longer ago, and were not told of since, are not looked for."""
LEASE_DAYS = 8
"""Leases that were told longer ago are not looked for."""
UPLINK_HOURS = 2
"""The box tells of its uplink every hour."""
MAX_SESSIONS = 200

_SQL = named_sql.load("appliance.search", "who.sql")


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What other logs than that of flows say."""

    upstream: tuple[str, ...]
    held: list[Held]
    spans: dict[str, Span]
    coverage: tuple[dict[str, Any], ...]


def around(
    engine: LocalEngine,
    run: Runner,
    *,
    question: WhoQuestion,
    at_us: int,
    named: Set[str],
    late: Sequence[Binding],
) -> Around:
    """Return what sessions, leases and coverage say.

    Args:
        engine: Knows the files.
        run: Runs statements.
        question: Whose address and window.
        at_us: The instant.
        named: Sessions that flows name.
        late: What was learnt of the address after sealing.

    Raises:
        As `Runner.table`.
    """
    held, spans = sessions(engine, run, question=question, at_us=at_us, named=named, late=late)
    start, end = question.window(at_us)
    sites = (question.site,) if question.site else None
    asked = Asked(log="coverage", sites=sites, start_us=start, end_us=end)
    inside = engine.is_inside(question.address, question.site)
    return Around(
        upstream=() if inside else _upstream(engine, run, question, at_us),
        held=held,
        spans=spans,
        coverage=tuple(engine.coverage(run, asked)),
    )


def sessions(
    engine: LocalEngine,
    run: Runner,
    *,
    question: WhoQuestion,
    at_us: int,
    named: Set[str],
    late: Sequence[Binding],
) -> tuple[list[Held], dict[str, Span]]:
    """Return the sessions that held the address, and how long those named by flows lasted.

    The catalogue knows in which files their rows are: those of a month are hundreds.
    """
    sites, window = question.sites, question.window(at_us)
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


def blocks(
    engine: LocalEngine, run: Runner, question: WhoQuestion, at_us: int
) -> tuple[Block, ...]:
    """Return the blocks of ports with the asked one that a NAT had lent at an instant."""
    if question.port is None:
        return ()
    since = max(0, at_us - LEASE_DAYS * times.DAY)
    found = engine.catalogue().files(
        "leases", sites=question.sites, start_us=since, end_us=at_us + 1
    )
    if not found:
        return ()
    values: dict[str, object] = {"files": engine.paths(found), "at": times.aware(at_us)}
    values |= {"address": addresses.text(question.address), "port": question.port}
    return tuple(Block(**row) for row in run.table(_SQL["blocks"], values).to_pylist())


def _upstream(
    engine: LocalEngine, run: Runner, question: WhoQuestion, at_us: int
) -> tuple[str, ...]:
    """Return why the outside saw our uplinks under other addresses, empty where it did not."""
    until = question.window(at_us)[1]
    since = max(0, at_us - UPLINK_HOURS * 60 * times.MINUTE)
    found = engine.catalogue().files("leases", sites=question.sites, start_us=since, end_us=until)
    if not found:
        return ()
    values: dict[str, object] = {"files": engine.paths(found), "since": times.aware(since)}
    rows = run.table(_SQL["uplinks"], values | {"until": times.aware(until)}).to_pylist()
    asked = question.address
    told = [
        translated_again(row["ip"], row["nat_ip"] or "")
        for row in rows
        if row["ip"] != addresses.text(asked) and (":" in row["ip"]) == (asked.version == 6)
    ]
    return tuple(why for why in told if why)
