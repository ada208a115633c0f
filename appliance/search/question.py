"""From words to one object: what is asked, as SQL, as bound values and as two sentences.

The page, the export, the audit line and the engine all take what they need from a `Question`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from luqum import tree

from appliance.errors import WrongQuestion, WrongUse
from appliance.search import conditions, lucene, people, times
from appliance.search.conditions import Bounds, Condition, Parameters
from appliance.search.fields import FIELDS, Field, nearest
from appliance.search.lucene import Value, value_of, wrong
from collector.store.schema import LOGS

_SHOWN = {
    "flows": "time time_end site account full_name src_ip src_port dst_ip dst_port protocol bytes"
    " packets nat_src_ip nat_src_port nat_event firewall_event app host certainty",
    "sessions": "time site event method account full_name ip mac nas ssid cause start",
    "events": "time site source hostname app_name severity message",
    "leases": "time site kind event ip mac hostname start expires server interface nat_ip note",
    "names": "time site client name origin kind answer ttl client_port port source",
    "counters": "time site source interface name oper_up if_speed bytes_in bytes_out unicast_in"
    " unicast_out discards_in discards_out errors_in errors_out extra",
    "datagrams": "time site source port local_port transport file",
    "coverage": "time time_end site source kind lost unit note",
    "audit": "time site actor act log question sentence target",
}
COLUMNS: Mapping[str, tuple[str, ...]] = {log: tuple(t.split()) for log, t in _SHOWN.items()}
"""The columns a table shows unless told otherwise, those of events only where there are any; files
and JSON have all."""

KEYS = frozenset(
    ("time", "received", "site", "src_ip", "dst_ip", "person", "peer_person", "certainty")
)
"""Columns that order an answer and say whom it is about."""
MAX_LIMIT = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked, complete: nothing of it depends on when or where it is run."""

    text: str
    """As typed."""
    log: str
    sites: tuple[str, ...] | None
    """None: all sites."""
    start_us: int
    """Rows that last into [start_us, end_us) are meant: µs UTC."""
    end_us: int
    limit: int
    where: str
    """SQL over the columns of the log; values are named place holders."""
    branches: tuple[str, ...]
    """SQL of which one or more are true for each row of `where`; each is looked up by itself."""
    parameters: Mapping[str, object]
    thai: str
    english: str
    columns: tuple[str, ...]
    """What a table shows."""
    read: tuple[str, ...]
    """Columns of the log that are read; fewer are faster."""
    uses: frozenset[str]
    """Columns that the question looks at."""
    notes: tuple[str, ...] = ()
    """What the asker should know before believing an empty answer."""

    @property
    def sentence(self) -> str:
        """Both sentences, as the audit log keeps them."""
        return f"{self.thai} / {self.english}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The settings of a question beside its text."""

    log: str = "flows"
    sites: tuple[str, ...] | None = None
    start_us: int
    end_us: int
    limit: int = 100
    columns: tuple[str, ...] | None = None
    """Only these columns are wanted; None: all."""


def parse(text: str, asked: Asked, directory: people.Directory, *, now_us: int) -> Question:
    """Return the question that `text` asks.

    Raises:
        WrongQuestion: it cannot be read; the message names the place and the nearest right word.
        WrongUse: an unknown log, an empty period, a limit out of range.
    """
    _check(asked)
    scope = people.Scope(directory, asked.sites, asked.start_us, asked.end_us, asked.log)
    reader = _Reader(scope, now_us)
    whole = reader.condition(lucene.read(text), None, 0)
    thai, english = _sentences(asked, whole)
    return Question(
        text=text,
        log=asked.log,
        sites=asked.sites,
        start_us=asked.start_us,
        end_us=asked.end_us,
        limit=asked.limit,
        where=whole.sql,
        branches=whole.alternatives or (whole.sql,),
        parameters=MappingProxyType(reader.parameters.values),
        thai=thai,
        english=english,
        columns=COLUMNS[asked.log] if asked.columns is None else asked.columns,
        read=_read(asked),
        uses=frozenset(reader.uses),
        notes=tuple(dict.fromkeys(reader.notes)),
    )


def _check(asked: Asked) -> None:
    if asked.log not in FIELDS:
        raise WrongUse(f"no log is called {asked.log!r}", hint=f"there are: {', '.join(FIELDS)}")
    if asked.start_us >= asked.end_us:
        begin, end = times.rfc3339(asked.start_us), times.rfc3339(asked.end_us)
        raise WrongUse(f"the period is empty: it begins at {begin} and ends at {end}")
    if not 1 <= asked.limit <= MAX_LIMIT:
        raise WrongUse(f"the limit is 1 to {MAX_LIMIT}, not {asked.limit}")


def _read(asked: Asked) -> tuple[str, ...]:
    """Return the columns to read: those wanted, and those that names are looked up by."""
    known = tuple(LOGS[asked.log].columns)
    if asked.columns is None:
        return known
    return tuple(c for c in known if c in asked.columns or c in KEYS)


def _sentences(asked: Asked, whole: Condition) -> tuple[str, str]:
    thai_site, english_site = "ทุกแห่ง", "all sites"
    if asked.sites is not None:
        thai_site = english_site = ", ".join(asked.sites)
    begin, end = times.thai(asked.start_us), times.thai(asked.end_us)
    thai = f"บันทึก {asked.log} ของ {thai_site} ตั้งแต่ {begin} ถึงก่อน {end} ที่ {whole.thai}"
    begin, end = times.rfc3339(asked.start_us), times.rfc3339(asked.end_us)
    english = f"{asked.log} of {english_site} from {begin} until before {end} where {whole.english}"
    return thai, english


class _Reader:
    """Walks luqum's tree once; keeps the parameters and the notes."""

    def __init__(self, scope: people.Scope, now_us: int) -> None:
        self.parameters = Parameters()
        self.notes: list[str] = []
        self.uses: set[str] = set()
        self._scope = scope
        self._fields = FIELDS[scope.log]
        self._now_us = now_us
        self._terms = 0

    def condition(self, item: tree.Item, found: Field | None, depth: int) -> Condition:
        """Return the condition of a part of the tree, asked of a field or of none."""
        at = int(item.pos or 0)
        if depth > lucene.MAX_DEPTH:
            raise wrong(f"more than {lucene.MAX_DEPTH} levels of brackets and NOT", at)
        if isinstance(item, tree.SearchField):
            return self._field(item, found, depth)
        if isinstance(item, tree.OrOperation):
            return self._joined(item, found, depth, "OR")
        if isinstance(item, tree.AndOperation | tree.UnknownOperation):
            return self._joined(item, found, depth, "AND")
        if isinstance(item, tree.Not | tree.Prohibit):
            return _negated(self.condition(item.children[0], found, depth + 1))
        if isinstance(item, tree.Group | tree.FieldGroup | tree.Plus):
            return self.condition(item.children[0], found, depth + 1)
        return self._leaf(item, found, at)

    def _field(self, item: tree.SearchField, outer: Field | None, depth: int) -> Condition:
        at = int(item.pos or 0)
        if outer is not None:
            raise wrong(f"a field within the field {outer.name}", at, "quote the value")
        if item.name == "_exists_":
            return self._exists(value_of(item.expr))
        return self.condition(item.expr, self._named(item.name, at), depth + 1)

    def _named(self, name: str, at: int) -> Field:
        found = self._fields.get(name)
        if found is None:
            raise wrong(f"no field is called {name!r}", at, nearest(name, self._scope.log))
        return found

    def _exists(self, value: Value) -> Condition:
        self._count(value.at)
        found = self._named(value.text, value.at)
        self.uses.update(found.columns)
        if found.kind == "person":
            return people.known(found, self._scope, self.parameters)
        return conditions.exists(found)

    def _joined(self, item: tree.Item, found: Field | None, depth: int, word: str) -> Condition:
        parts = [self.condition(child, found, depth + 1) for child in item.children]
        thai, english = (" หรือ ", " or ") if word == "OR" else (" และ ", " and ")
        return Condition(
            sql="(" + f" {word} ".join(part.sql for part in parts) + ")",
            thai="(" + thai.join(part.thai for part in parts) + ")",
            english="(" + english.join(part.english for part in parts) + ")",
            alternatives=_spread(parts) if word == "AND" else (),
        )

    def _leaf(self, item: tree.Item, found: Field | None, at: int) -> Condition:
        self._count(at)
        if isinstance(item, tree.Range | tree.From | tree.To):
            if found is None:
                raise wrong("a range of which field?", at, "for instance bytes:[1000 TO 2000]")
            self.uses.update(found.columns)
            return conditions.within(
                found, _bounds(item), now_us=self._now_us, parameters=self.parameters
            )
        value = value_of(item)
        return self._bare(value) if found is None else self._equal(found, value)

    def _count(self, at: int) -> None:
        self._terms += 1
        if self._terms > lucene.MAX_TERMS:
            raise wrong(f"more than {lucene.MAX_TERMS} terms", at)

    def _equal(self, found: Field, value: Value) -> Condition:
        self.uses.update(found.columns)
        if found.kind != "person":
            return conditions.equal(found, value, now_us=self._now_us, parameters=self.parameters)
        if value.anything:
            return people.known(found, self._scope, self.parameters)
        condition, note = people.user(found, value, self._scope, self.parameters)
        self.notes += [note] if note else []
        return condition

    def _bare(self, value: Value) -> Condition:
        """A word without a field: what it looks like says where it is looked for."""
        if value.anything:
            return Condition(sql="TRUE", thai="ทั้งหมด", english="anything")
        if not value.quoted and (value.text in ("&&", "||") or value.text.startswith("!")):
            raise wrong(f"{value.text!r} is no word here", value.at, "write AND, OR, NOT")
        if "ip" in self._fields and _looks_like_address(value):
            return self._equal(self._fields["ip"], value)
        if "mac" in self._fields and conditions.mac_text(value.text):
            return self._equal(self._fields["mac"], value)
        if "text" in self._fields:
            return self._equal(self._fields["text"], value)
        return self._user_or_host(value)

    def _user_or_host(self, value: Value) -> Condition:
        host = Field("host", "words", ("host",), "ชื่อโฮสต์", "the host name")
        named = self._equal(host, value)
        self.uses.update(self._fields["user"].columns)
        user, note = people.user(self._fields["user"], value, self._scope, self.parameters)
        if note:
            self.notes.append(f"{note}; looked for in host names only")
            return named
        return Condition(
            sql=f"({user.sql} OR {named.sql})",
            thai=f"({user.thai} หรือ {named.thai})",
            english=f"({user.english} or {named.english})",
        )


def _negated(inner: Condition) -> Condition:
    """What has no such field is also "not so": absence never makes a row vanish twice."""
    return Condition(
        sql=f"NOT coalesce({inner.sql}, FALSE)",
        thai=f"ไม่ใช่ ({inner.thai})",
        english=f"not ({inner.english})",
    )


def _spread(parts: Sequence[Condition]) -> tuple[str, ...]:
    """The alternatives of the first part that has any, each with all other parts."""
    chosen = next((part for part in parts if len(part.alternatives) > 1), None)
    if chosen is None:
        return ()
    others = [part.sql for part in parts if part is not chosen]
    return tuple("(" + " AND ".join([sql, *others]) + ")" for sql in chosen.alternatives)


def _bounds(item: tree.Item) -> Bounds:
    if isinstance(item, tree.Range):
        return Bounds(_open(item.low), _open(item.high), item.include_low, item.include_high)
    value = value_of(item.a)
    if isinstance(item, tree.From):
        return Bounds(value, None, low_included=item.include)
    return Bounds(None, value, high_included=item.include)


def _open(item: tree.Item) -> Value | None:
    value = value_of(item)
    return None if value.anything else value


def _looks_like_address(value: Value) -> bool:
    if value.like:
        return re.fullmatch(r"\d{1,3}\.[\d.*?]*", value.text) is not None
    return conditions.network(value) is not None or conditions.endpoint(value) is not None


__all__ = ["MAX_LIMIT", "Asked", "Question", "WrongQuestion", "parse"]
