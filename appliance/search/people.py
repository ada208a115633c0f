"""Who `user:…` means: names are looked up once, questions then carry ids.

A session that was learnt after its flows were sealed stands in the catalogue only; such flows
bear no person and are found through site, address and time.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from appliance.errors import WrongQuestion
from appliance.search import times
from appliance.search.addresses import in_network, prefix
from appliance.search.conditions import Condition, Parameters, any_of
from appliance.search.fields import Field
from appliance.search.lucene import Value
from collector.attribute.lent import parsed
from collector.records import Binding
from collector.store.catalog import PersonName, fold

MAX_LATE = 500
"""Late sessions that one question may bring along."""
INLINE = 32
"""Up to so many ids stand in the SQL one by one, where filters of the files can use them."""
SHOWN = 3
"""So many names are written out in the sentence."""


class Directory(Protocol):
    """Where names and late sessions are looked up."""

    def people(self, sites: Sequence[str] | None, text: str | None = None) -> list[PersonName]:
        """Return the persons of the sites (None: all) whose name or account has `text` in it."""

    def by_id(self, sites: Sequence[str] | None, person: str) -> list[PersonName]:
        """Return the names of one person, in the sites."""

    def late(
        self,
        *,
        sites: Sequence[str] | None,
        persons: Sequence[str] | None,
        start_us: int,
        end_us: int,
    ) -> Sequence[Binding]:
        """Return the sessions learnt after sealing that touch [start_us, end_us)."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What a question about persons is asked within."""

    directory: Directory
    sites: tuple[str, ...] | None
    start_us: int
    end_us: int
    log: str


def user(found: Field, value: Value, scope: Scope, parameters: Parameters) -> tuple[Condition, str]:
    """Return the condition for a name, and a note when nobody has it (else empty)."""
    who = matching(_candidates(value, scope), value)
    if not who:
        return _nobody(found, value), _unknown(scope.directory.people(scope.sites), value)
    ids = sorted({named.person for named in who})
    parts = [_is_one_of(column, ids, parameters) for column in found.columns]
    parts += _late(scope, ids, parameters)
    return (
        Condition(
            sql=any_of(parts),
            thai=f"{found.thai}คือ {_listed(who, 'และอีก {} คน')}",
            english=f"{found.english} is {_listed(who, 'and {} more')}",
            alternatives=tuple(parts),
        ),
        "",
    )


def known(found: Field, scope: Scope, parameters: Parameters) -> Condition:
    """Return the condition that a row's person is known."""
    parts = [f"{found.columns[0]} IS NOT NULL", *_late(scope, None, parameters)]
    return Condition(
        sql=any_of(parts), thai=f"ทราบ{found.thai}", english=f"{found.english} is known"
    )


def matching(people: Sequence[PersonName], value: Value) -> list[PersonName]:
    """Return whose account, full name, a word of it, or id fits; letters' case is ignored."""
    if value.like:
        fits = re.compile(_pattern(value.like), re.DOTALL)
        return [p for p in people if any(fits.fullmatch(_fold(name)) for name in _names(p))]
    wanted = _fold(value.text)
    return [p for p in people if wanted in {_fold(name) for name in (*_names(p), *_words(p))}]


def _candidates(value: Value, scope: Scope) -> list[PersonName]:
    """Wildcards are matched against everybody, the rest against those who can fit."""
    if value.like:
        return scope.directory.people(scope.sites)
    by_id = scope.directory.by_id(scope.sites, value.text.lower())
    return by_id or scope.directory.people(scope.sites, value.text)


def _names(named: PersonName) -> tuple[str, ...]:
    return tuple(name for name in (named.account, named.full_name, named.person) if name)


def _words(named: PersonName) -> list[str]:
    return (named.full_name or "").split()


def _fold(text: str) -> str:
    return fold(" ".join(text.split()))


def _pattern(like: str) -> str:
    found = []
    for part in re.findall(r"\\.|.", like, re.DOTALL):
        wild = {"%": ".*", "_": "."}.get(part)
        found.append(wild or re.escape(_fold(part[-1]) if part.strip() else part))
    return "".join(found)


def _is_one_of(column: str, ids: Sequence[str], parameters: Parameters) -> str:
    if len(ids) > INLINE:
        return f"{column} IN (SELECT unnest({parameters.bind(list(ids))}))"
    return f"{column} IN ({', '.join(parameters.bind(one) for one in ids)})"


def _late(scope: Scope, ids: Sequence[str] | None, parameters: Parameters) -> list[str]:
    if scope.log != "flows":
        return []
    late = scope.directory.late(
        sites=scope.sites, persons=ids, start_us=scope.start_us, end_us=scope.end_us
    )
    if len(late) > MAX_LATE:
        raise WrongQuestion(
            f"{len(late)} sessions here were learnt after sealing, a question takes {MAX_LATE}",
            hint="ask for a shorter period or one site",
        )
    if not late:
        return []
    held = any_of([_held(binding, parameters) for binding in late])
    return [f"(person IS NULL AND {held})"]


def _held(binding: Binding, parameters: Parameters) -> str:
    """Return the condition that either end is of a session: its address, prefix or block."""
    ends = any_of([_of(column, binding.address, parameters) for column in ("src_ip", "dst_ip")])
    start = parameters.bind(times.aware(binding.start_us))
    end = parameters.bind(times.aware(binding.end_us))
    site = parameters.bind(binding.site)
    return f"(site = {site} AND {ends} AND time >= {start} AND time < {end})"


def _of(column: str, held: str, parameters: Parameters) -> str:
    if (lent := parsed(held)) is not None:
        nat_ip, *ports = lent[0]
        first, last = (parameters.bind(port) for port in ports)
        port = column.replace("_ip", "_port")
        return f"({column} = {parameters.bind(nat_ip)} AND {port} BETWEEN {first} AND {last})"
    network = prefix(held)
    if network is None:
        return f"{column} = {parameters.bind(held)}"
    return in_network(column, network, parameters.bind)


def _listed(who: Sequence[PersonName], more: str) -> str:
    names = list(dict.fromkeys(_called(named) for named in who))
    text = ", ".join(names[:SHOWN])
    return f"{text} {more.format(len(names) - SHOWN)}" if len(names) > SHOWN else text


def _called(named: PersonName) -> str:
    if named.full_name and named.account:
        return f"{named.full_name} ({named.account})"
    return named.full_name or named.account or named.person


def _nobody(found: Field, value: Value) -> Condition:
    return Condition(
        sql="FALSE",
        thai=f"{found.thai}คือ {value.text} (ไม่มีใครใช้ชื่อนี้)",
        english=f"{found.english} is {value.text} (nobody has this name)",
    )


def _unknown(people: Sequence[PersonName], value: Value) -> str:
    names = {_fold(name): name for p in people for name in (p.account, p.full_name) if name}
    close = difflib.get_close_matches(_fold(value.text), names, n=1, cutoff=0.6)
    near = f"; did you mean {names[close[0]]!r}?" if close else ""
    return f"nobody is called {value.text!r} / ไม่มีใครใช้ชื่อ {value.text!r}{near}"
