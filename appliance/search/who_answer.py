"""From the evidence about an address to a verdict; pure, so that each rule can be tested alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from appliance.search.addresses import Address
from appliance.search.bindings import Held, Span
from collector.attribute.attribute import SHARED
from collector.records import moment

PERSON, CANDIDATES, NOBODY, UNKNOWN = "person", "candidates", "nobody", "unknown address"
"""The verdicts."""
SURE, LIKELY, NONE = "sure", "likely", "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Flows of one person (or of nobody) at the asked address."""

    site: str
    side: str
    """`src` or `dst`: the end at which the asked address stands."""
    translated: bool
    """Whether it is the address after NAT."""
    person: str | None
    session: str | None
    method: str | None
    doubt: tuple[str, ...]
    """Persons between whom the attribution could not choose."""
    late: bool
    behind_peer: bool
    """The row's own person is at the other end."""
    inside_ip: str
    """The address before NAT at that end."""
    flows: int
    running: int
    """So many of the flows ran at the instant itself."""
    first_us: int
    last_us: int
    odd_clocks: int
    """So many of the flows bear a time that the exporter's clock makes doubtful."""

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Self:
        """Return the group in a row of the statement `groups`."""
        return cls(
            site=row["site"],
            side=row["side"],
            translated=row["translated"],
            person=row["who"],
            session=row["their_session"],
            method=row["how"],
            doubt=_persons_in(row["doubt"], row["side"]),
            late=row["late"],
            behind_peer=row["behind_peer"],
            inside_ip=row["inside_ip"],
            flows=row["flows"],
            running=row["running"],
            first_us=row["first_us"],
            last_us=row["last_us"],
            odd_clocks=row["odd_clocks"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """A person who may have been behind the address, and why."""

    site: str
    person: str
    account: str = ""
    full_name: str = ""
    because: tuple[str, ...] = ()
    """`flow` (one that ran then), `nearby flow`, `session`, `doubtful flow`."""
    flows: int = 0
    session: str = ""
    method: str = ""
    late: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Ports of the asked address that a NAT had lent to an inside one (RFC 7422)."""

    site: str
    ip: str
    port_first: int
    port_last: int
    since_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that the logs say about an address around an instant."""

    address: Address
    port: int | None
    at_us: int
    within_us: int
    site: str | None
    inside: bool
    """Whether the settings call the address one of a site's own."""
    shared: bool = False
    """Whether they say that many use it."""
    groups: tuple[Group, ...] = ()
    rows: tuple[Mapping[str, Any], ...] = ()
    held: tuple[Held, ...] = ()
    """Sessions that held the address at any time of the window."""
    names: Mapping[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    spans: Mapping[str, Span] = field(default_factory=dict)
    """From when until when the sessions named by flows lasted."""
    coverage: tuple[Mapping[str, Any], ...] = ()
    upstream: tuple[str, ...] = ()
    """Why somebody further out translates our addresses again; empty: nobody is known to."""
    blocks: tuple[Block, ...] = ()
    """Where no flow names anybody: who had the port; sessions of these addresses are in `held`."""
    by_other: bool = False
    """The flows are all those with the other end: of the asked address there are none, since a NAT
    further out put it there."""
    cut: bool = False
    """There is more evidence than was read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The answer for one reading of the time."""

    at_us: int
    within_us: int
    verdict: str
    certainty: str
    """`sure`, `likely` or `none`."""
    persons: tuple[Suspect, ...]
    others: tuple[Suspect, ...]
    """Persons of the window who are not the answer: what a wrong clock would have named."""
    sessions: tuple[Held, ...]
    blocks: tuple[Block, ...]
    flows: tuple[Mapping[str, Any], ...]
    coverage: tuple[Mapping[str, Any], ...]
    notes: tuple[str, ...]
    zone: str = ""
    """How the time was read: `+07:00`, `UTC`, `as given` or `now`."""
    thai: str = ""
    english: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WhoAnswer:
    """Who was behind an address: an answer for each reading of the time."""

    address: str
    port: int | None
    readings: tuple[Reading, ...]

    @property
    def verdict(self) -> str:
        """The verdict of the first reading."""
        return self.readings[0].verdict


def judge(evidence: Evidence) -> Reading:
    """Return the verdict that the evidence bears, without its sentences and zone."""
    now = _suspects(evidence, at_instant=True)
    near = _suspects(evidence, at_instant=False)
    chosen, certainty = _choose(evidence, now, near)
    verdict = _verdict(evidence, chosen)
    taken = {(s.site, s.person) for s in chosen}
    others = tuple(s for key, s in near.items() if key not in taken)
    if certainty == SURE and (others or _doubts(evidence)):
        certainty = LIKELY
    return Reading(
        at_us=evidence.at_us,
        within_us=evidence.within_us,
        verdict=verdict,
        certainty=certainty if verdict == PERSON else NONE,
        persons=chosen,
        others=others,
        sessions=evidence.held,
        blocks=evidence.blocks,
        flows=evidence.rows,
        coverage=evidence.coverage,
        notes=_notes(evidence, verdict),
    )


Suspects = dict[tuple[str, str], Suspect]


def _suspects(evidence: Evidence, *, at_instant: bool) -> Suspects:
    """Return who is named by flows and sessions, at the instant or anywhere in the window."""
    found: Suspects = {}
    for group in evidence.groups:
        if at_instant and not group.running:
            continue
        because = "flow" if group.running else "nearby flow"
        if group.person:
            suspect = _suspect(evidence, group.site, group.person, because)
            _add(found, suspect, group)
        for person in () if group.person else group.doubt:
            _add(found, _suspect(evidence, group.site, person, "doubtful flow"), group)
    for held in evidence.held:
        if held.person and (not at_instant or held.covers(evidence.at_us)):
            suspect = Suspect(
                site=held.site,
                person=held.person,
                account=held.account,
                full_name=held.full_name,
                because=("session",),
                session=held.session,
                method=held.method,
                late=held.late,
            )
            _add(found, suspect, None)
    return found


def _suspect(evidence: Evidence, site: str, person: str, because: str) -> Suspect:
    account, full_name = evidence.names.get((site, person), ("", ""))
    return Suspect(
        site=site, person=person, account=account, full_name=full_name, because=(because,)
    )


def _add(found: Suspects, suspect: Suspect, group: Group | None) -> None:
    key = (suspect.site, suspect.person)
    before = found.get(key, suspect)
    found[key] = Suspect(
        site=suspect.site,
        person=suspect.person,
        account=suspect.account or before.account,
        full_name=suspect.full_name or before.full_name,
        because=tuple(dict.fromkeys((*before.because, *suspect.because))),
        flows=(before.flows if key in found else 0) + (group.flows if group else 0),
        session=before.session or suspect.session or (group.session or "" if group else ""),
        method=before.method or suspect.method or (group.method or "" if group else ""),
        late=before.late or suspect.late or (group.late if group else False),
    )


def _choose(evidence: Evidence, now: Suspects, near: Suspects) -> tuple[tuple[Suspect, ...], str]:
    """Return the persons who fit, and how sure one alone would be."""
    by_flows = [suspect for suspect in near.values() if suspect.flows]
    if evidence.by_other:
        return tuple(now.values() or by_flows), NONE
    if evidence.port is None and not evidence.held and not evidence.inside:
        return tuple(by_flows), LIKELY
    if now:
        return tuple(now.values()), SURE if _firm(evidence, now) else LIKELY
    if evidence.port is None or any(_nameless(evidence, group) for group in evidence.groups):
        return (), NONE
    # Nothing ran at the very instant. The window is for clocks that differ: a person counts who
    # was signed in at the instant, never one who came later.
    return tuple(s for s in by_flows if _signed_in(evidence, s)), LIKELY


def _firm(evidence: Evidence, now: Suspects) -> bool:
    """Where a port was asked, a session alone does not show that it used the port."""
    needed = "flow" if evidence.port is not None else "session"
    return all(needed in s.because and "doubtful flow" not in s.because for s in now.values())


def _nameless(evidence: Evidence, group: Group) -> bool:
    """Return whether one of our own addresses had a flow at the instant, and nobody's name."""
    return bool(
        group.running
        and not group.person
        and not group.behind_peer
        and (group.translated or evidence.inside)
    )


def _signed_in(evidence: Evidence, suspect: Suspect) -> bool:
    start, end = evidence.spans.get(suspect.session, (0, None))
    return start <= evidence.at_us and (end is None or evidence.at_us < end)


def _verdict(evidence: Evidence, chosen: tuple[Suspect, ...]) -> str:
    if evidence.by_other:
        # One alone is no answer either: others may share the address that the provider gives out.
        return CANDIDATES if chosen else UNKNOWN
    if len(chosen) > 1:
        return CANDIDATES
    if len(chosen) == 1:
        alone = evidence.port is not None or "session" in chosen[0].because
        alone = alone and not _is_shared(evidence)
        return PERSON if alone and not _many_sites(evidence) else CANDIDATES
    ours = any(g.translated or g.person or g.doubt for g in evidence.groups if not g.behind_peer)
    ours = ours or bool(evidence.blocks)
    return NOBODY if ours or evidence.held or evidence.inside else UNKNOWN


def _is_shared(evidence: Evidence) -> bool:
    """Return whether others may have used the address, or the one behind the NAT, as well."""
    return evidence.shared or any(group.method == SHARED for group in evidence.groups)


def _many_sites(evidence: Evidence) -> bool:
    """Return whether the address means something at several sites, and none was asked."""
    sites = {g.site for g in evidence.groups if not g.behind_peer and not g.translated}
    sites |= {held.site for held in evidence.held}
    return evidence.site is None and evidence.address.is_private and len(sites) > 1


def _doubts(evidence: Evidence) -> bool:
    return evidence.cut or _blind(evidence) or any(group.odd_clocks for group in evidence.groups)


def _blind(evidence: Evidence) -> bool:
    """Return whether nobody listened at the instant: a stop or another sign-in went unheard."""
    at = moment(evidence.at_us)
    return any(
        row["kind"] == "restart" and row["time"] <= at < (row["time_end"] or row["time"])
        for row in evidence.coverage
    )


def _notes(evidence: Evidence, verdict: str) -> tuple[str, ...]:
    unnamed = verdict in (NOBODY, UNKNOWN)
    found = {
        "two-sites": _many_sites(evidence),
        "no-port": verdict == CANDIDATES and evidence.port is None,
        "late": any(g.late for g in evidence.groups) or any(h.late for h in evidence.held),
        "coverage": bool(evidence.coverage),
        "clock": any(g.odd_clocks for g in evidence.groups),
        "other-end": unnamed and any(g.behind_peer for g in evidence.groups),
        "double-nat": bool(evidence.upstream) and verdict != PERSON and not evidence.by_other,
        "by-destination": evidence.by_other,
        "port-block": bool(evidence.blocks),
        "shared": _is_shared(evidence),
        "cut": evidence.cut,
    }
    return tuple(note for note, is_so in found.items() if is_so)


def _persons_in(doubt: str | None, side: str) -> tuple[str, ...]:
    """Return the ids in `candidates` that are for one end of the flow."""
    listed = json.loads(doubt or "[]")
    ids = [each.get("person") for each in listed if each.get("end") == side]
    return tuple(dict.fromkeys(person for person in ids if person))
