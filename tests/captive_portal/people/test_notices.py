"""Each text of the notice that was ever shown is kept, and who has seen which."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Engine

from captive_portal.people.accounts import People
from captive_portal.people.notices import Notices
from tests.captive_portal.conftest import NOW, SITE

DAY = timedelta(days=1)


def test_another_number_of_days_is_another_version_and_both_are_kept(engine: Engine) -> None:
    book = Notices(engine)
    first = book.current("เก็บ 90 วัน", "kept for 90 days", now=NOW)
    assert book.current("เก็บ 90 วัน", "kept for 90 days", now=NOW + DAY) == first
    second = book.current("เก็บ 120 วัน", "kept for 120 days", now=NOW + DAY)
    assert [one.version for one in book.list()] == [second.version, first.version]
    kept = book.get(first.version)
    assert kept is not None
    assert (kept.text_th, kept.since) == ("เก็บ 90 วัน", NOW)
    assert book.get("0" * 16) is None


def test_the_first_acknowledgement_counts(engine: Engine, people: People) -> None:
    book = Notices(engine)
    person = people.find(SITE, "somchai")
    assert person is not None
    version = book.current("ก", "a", now=NOW).version
    for at in (NOW, NOW + DAY):
        book.acknowledge(person.id, version, now=at)
    assert book.acknowledged(person.id) == [(version, NOW)]
