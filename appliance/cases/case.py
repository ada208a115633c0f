"""A case defined: from the words of whoever exports to the order that the sealing process packs.

A person is shown by their whole groups (C1, C2) or, at C0, by the rows of a time; what a question
finds is C0. A period is of events; the receipt intervals that the ledger must cover follow from it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from appliance.errors import WrongUse
from appliance.search import times
from appliance.search.engine_local import LocalEngine
from appliance.search.places import Progress, places, sealed_files
from appliance.search.question import Asked, Question
from collector import kept
from collector.records import Binding
from collector.seal.bundle import history
from collector.seal.bundle.order import Order, Told
from collector.store.catalog import PersonName
from collector.store.schema import LOGS

LEVELS = ("C0", "C1", "C2")


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What defines a case, as it was given."""

    case: str
    site: str
    person: str = ""
    """Id, account or name."""
    question: str = ""
    logs: tuple[str, ...] = ("flows",)
    start_us: int
    end_us: int
    """Time of events, half open."""
    level: str = ""
    withhold: tuple[str, ...] = ()
    approver: str
    exporter: str
    recipient: str
    request: str
    authority: str = ""
    legal_basis: str = ""


def define(
    engine: LocalEngine, words: Words, operator_name: str, tell: Progress = lambda *_: None
) -> Order:
    """Return the order of a new case.

    Raises:
        WrongUse: the words do not make a case; the message says why.
    """
    _check(words)
    if words.person:
        person = _person(engine, words)
        shown: dict[str, Any] = {"subject": person.person}
        query = _about(words, person, len(learnt_late(engine, words, person.person)))
        if _level(words) == "C0":
            shown["window"] = (words.start_us, words.end_us)
    else:
        asked = [_ask(engine, words, log) for log in words.logs]
        shown = {"rows": _found(engine, words, asked, tell)}
        query = {
            "text": words.question,
            "thai": " / ".join(each.thai for each in asked),
            "english": " / ".join(each.english for each in asked),
        }
    from_us, to_us = _receipt(engine, words)
    now_us = engine.now_us
    try:
        return Order(
            case=words.case,
            site=words.site,
            levels=dict.fromkeys(words.logs, _level(words)),
            withhold=list(words.withhold),
            from_us=from_us,
            to_us=to_us,
            told=Told(
                authority=words.authority,
                request=words.request,
                legal_basis=words.legal_basis,
                operator_name=operator_name,
                recipient=words.recipient,
                approver=words.approver,
                exporter=words.exporter,
                asked_us=now_us,
                approved_us=now_us,
                query={**query, **_period(words)},
            ),
            **shown,
        )
    except ValidationError as error:
        told = error.errors()[0]
        name = str(told["loc"][-1]) if told["loc"] else ""
        if told["type"] == "string_pattern_mismatch" and name in _FORMS:
            raise WrongUse(f"--{name} {told['input']!r} cannot be", hint=_FORMS[name]) from error
        place = ".".join(map(str, told["loc"]))
        raise WrongUse(f"the case: {place} {told['msg']}".replace("Value error, ", "")) from error


_PERSON_FORM = "an id, such as the account: letters, digits, point, hyphen, underscore, at most 64"
_FORMS = {
    "recipient": "one word in small Latin letters, such as police or court; who it is: --authority",
    "approver": _PERSON_FORM,
    "exporter": _PERSON_FORM,
}
"""What these words may be: they stand in the ledger for ever, which holds no names."""


def _level(words: Words) -> Any:  # noqa: ANN401  # one of three words, checked
    return words.level or ("C1" if words.person else "C0")


def _check(words: Words) -> None:
    if bool(words.person) == bool(words.question):
        raise WrongUse("a case is about a person or a question", hint="give --person or --question")
    if words.start_us >= words.end_us:
        raise WrongUse("the period is empty: --from is not before --to")
    if _level(words) not in LEVELS:
        raise WrongUse(f"no level is called {words.level}", hint=f"there are: {', '.join(LEVELS)}")
    if words.question and _level(words) != "C0":
        raise WrongUse(
            "what a question finds is C0: nobody can prove that there is no other",
            hint="for everything about one person: --person",
        )
    _check_logs(words)


def _check_logs(words: Words) -> None:
    for log in words.logs:
        schema = LOGS.get(log)
        if schema is None:
            raise WrongUse(f"no log is called {log!r}", hint=f"there are: {', '.join(LOGS)}")
        if words.person and schema.subject is None:
            hint = f"ask it with --question; by person there are: {', '.join(_PERSONAL)}"
            raise WrongUse(f"rows of {log} are not sorted by person", hint=hint)
    for log in words.withhold:
        if log not in words.logs:
            raise WrongUse(f"--withhold {log}: the case does not show {log}")


_PERSONAL = tuple(log for log, schema in LOGS.items() if schema.subject is not None)


def _person(engine: LocalEngine, words: Words) -> PersonName:
    """Return the one person meant."""
    catalogue = engine.catalogue()
    found = catalogue.persons(person_ids=[words.person], site=words.site)
    found = found or catalogue.persons(text=words.person, site=words.site)
    people = {one.person: one for one in found}
    exact = {p: one for p, one in people.items() if words.person in (one.account, one.full_name)}
    if len(exact) == 1:
        people = exact
    if not people:
        raise WrongUse(
            f"nobody at {words.site} was ever called {words.person!r}",
            hint="give the id of the person that prathu who or search shows",
        )
    if len(people) > 1:
        told = ", ".join(f"{one.account} ({one.person})" for one in list(people.values())[:5])
        raise WrongUse(f"{words.person!r} fits {len(people)} people: {told}", hint="give the id")
    return next(iter(people.values()))


def learnt_late(engine: LocalEngine, words: Words, person: str) -> list[Binding]:
    """Return sessions of a person whose flows may be sealed without the name, so in no group."""
    if "flows" not in words.logs:
        return []
    found = engine.late((words.site,), words.start_us, words.end_us)
    return [one for one in found if one.person == person]


def _about(words: Words, person: PersonName, late: int) -> dict[str, str]:
    logs, name = ", ".join(words.logs), person.full_name or person.account
    begin, end = times.thai(words.start_us), times.thai(words.end_us)
    thai = f"บันทึก {logs} ทั้งหมดของ {name} ({person.person}) ตั้งแต่ {begin} ถึงก่อน {end}"
    begin, end = times.rfc3339(words.start_us), times.rfc3339(words.end_us)
    english = f"{logs} of {name} ({person.person}) from {begin} until before {end}"
    if late:
        thai += f" ไม่รวมแถวของ {late} เซสชันที่ทราบชื่อภายหลังการปิดผนึก"
        english += f"; without rows of {late} sessions that became known after sealing"
    return {"person": person.person, "thai": thai, "english": english}


def _period(words: Words) -> Mapping[str, str]:
    begin, end = times.rfc3339(words.start_us), times.rfc3339(words.end_us)
    return {"event_from": begin, "event_to": end}


def _ask(engine: LocalEngine, words: Words, log: str) -> Question:
    asked = Asked(log=log, sites=(words.site,), start_us=words.start_us, end_us=words.end_us)
    return engine.parse(words.question, asked)


def _found(
    engine: LocalEngine, words: Words, asked: Sequence[Question], tell: Progress
) -> dict[str, list[tuple[int, int]]]:
    found: dict[str, list[tuple[int, int]]] = {}
    for question in asked:
        files = sealed_files(engine, words.site, question.log, words.start_us, words.end_us)
        found |= places(engine, question, files, tell)
    if not found:
        raise WrongUse(
            "no sealed row fits the question",
            hint="for proof that somebody has no rows: --person, at C1",
        )
    return found


def _receipt(engine: LocalEngine, words: Words) -> tuple[int, int]:
    """Return the receipt intervals to cover: the period, and all segments with events of it.

    Before its ledger began the box received nothing that it could show.
    """
    begun = history.begins(engine.home, words.site)
    low = max(words.start_us, *(begun.get(log, 0) for log in words.logs))
    high = min(words.end_us, engine.now_us)
    book = kept.read_books(engine.home, [words.site])[words.site]
    for log in words.logs:
        for file in sealed_files(engine, words.site, log, words.start_us, words.end_us):
            if (one := book.kept.get((log, file.seq or 0))) is not None:
                low, high = min(low, one.start_us), max(high, one.end_us)
    if low >= high:
        raise WrongUse("nothing of this period was received", hint="see: prathu status")
    return low, high
