"""The question officials ask: which person was behind this address at this time?

Flows say who held an address or a translated port when; sessions say who was signed in. Both are
asked, both are shown, and a name is given only where they leave no other. Everything else is a list
of candidates with its size, "nobody", or "unknown address".
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from appliance.search import addresses, bindings, times, who_around, who_flows, who_text
from appliance.search.bindings import Held
from appliance.search.duck import Runner, Vanished
from appliance.search.engine_local import Asker, LocalEngine
from appliance.search.who_answer import (
    CANDIDATES,
    NOBODY,
    PERSON,
    UNKNOWN,
    Evidence,
    Group,
    Reading,
    WhoAnswer,
    judge,
)
from appliance.search.who_question import WhoQuestion, parse
from collector.decode.addresses import key_of_source

__all__ = ["CANDIDATES", "NOBODY", "PERSON", "UNKNOWN", "WhoAnswer", "WhoQuestion", "parse", "who"]

MAX_GROUPS = 1000


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
    sites, (start, end) = question.sites, question.window(at_us)
    late = bindings.of_address(engine.late(sites, start, end), question.address, question.port)
    listed = engine.catalogue().files("flows", sites=sites, start_us=start, end_us=end)
    files = engine.paths(listed)
    values = _values(question, at_us, start, end) | who_flows.learnt(late)
    inside = engine.is_inside(question.address, question.site)
    found = who_flows.find(run, files, values)
    likely = {binding.session for binding in late} | (found.sessions if found else set())
    around = partial(
        who_around.around, engine, question=question, at_us=at_us, named=likely, late=late
    )
    with run.beside(around) as told:
        groups, rows = who_flows.counted(run, found, values, at_us)
    known = told.result()
    by_other = not groups and bool(known.upstream) and question.other is not None
    if by_other:
        values |= {"by_other": True}
        groups, rows = who_flows.counted(run, who_flows.find(run, files, values), values, at_us)
    named = {group.session for group in groups if group.session}
    held, spans = known.held, known.spans
    if not named <= likely:
        held, spans = who_around.sessions(
            engine, run, question=question, at_us=at_us, named=named, late=late
        )
    found_out = any(group.person or group.doubt for group in groups)
    blocks = () if found_out or inside else who_around.blocks(engine, run, question, at_us)
    for ip in dict.fromkeys(block.ip for block in blocks):
        lent = replace(question, address=ipaddress.ip_address(ip))
        late = bindings.of_address(engine.late(sites, start, end), lent.address)
        of_it, _ = who_around.sessions(
            engine, run, question=lent, at_us=at_us, named=set(), late=late
        )
        held += [h for h in of_it if any(b.site == h.site and b.ip == ip for b in blocks)]
    return Evidence(
        address=question.address,
        port=question.port,
        at_us=at_us,
        within_us=question.within_us,
        site=question.site,
        inside=inside,
        shared=engine.is_shared(question.address, question.site),
        upstream=known.upstream,
        by_other=by_other,
        blocks=blocks,
        groups=tuple(groups[:MAX_GROUPS]),
        rows=tuple(rows),
        held=tuple(h for h in held if h.start_us < end and (h.end_us is None or h.end_us > start)),
        names=_names(engine, groups, held),
        spans=spans,
        coverage=known.coverage,
        cut=len(groups) > MAX_GROUPS or len(held) > who_around.MAX_SESSIONS,
    )


def _names(
    engine: LocalEngine, groups: Sequence[Group], held: Sequence[Held]
) -> dict[tuple[str, str], tuple[str, str]]:
    """Return account and full name of all who are named, by site and person."""
    ids = {g.person for g in groups} | {h.person for h in held}
    ids |= {person for group in groups for person in group.doubt}
    names = engine.catalogue().persons(person_ids=[person for person in ids if person])
    return {(n.site, n.person): (n.account, n.full_name) for n in reversed(names)}


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
