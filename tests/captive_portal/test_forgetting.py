"""An account is forgotten when it is closed, 90 days old, and nothing names it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from captive_portal.database import open_database
from captive_portal.forgetting import forget
from captive_portal.people.accounts import Kind, NewAccount, People, Role
from captive_portal.people.keys import PersonKey
from captive_portal.people.vouchers import Order, Vouchers

BEGIN = datetime(2026, 5, 18, 8, 0, tzinfo=UTC)
LATER = BEGIN + timedelta(days=91)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_database(tmp_path)
    yield engine
    engine.dispose()


def made(engine: Engine, name: str, kind: Kind = Kind.PUPIL, role: Role = Role.NONE) -> People:
    people = People(engine)
    people.add(NewAccount(site="school-a", account=name, kind=kind, role=role), now=BEGIN)
    return people


def run(engine: Engine, now: datetime = LATER, **more: object) -> tuple[list[str], list[str]]:
    """Forget, and return who is left and what was told."""
    needed = more.get("needed", set())
    assert isinstance(needed, set)
    told: list[str] = []
    forget(engine, needed, now=now, tell=lambda s, a: told.append(f"{s} {a}"))
    return [one.account for one in People(engine).list()], told


def test_only_who_can_no_longer_sign_in_is_forgotten(engine: Engine) -> None:
    made(engine, "pupil")
    made(engine, "heard", Kind.SHADOW)
    people = made(engine, "left")
    left = people.find("school-a", "left")
    assert left is not None
    people.disable(left.id, now=BEGIN)
    assert run(engine, BEGIN + timedelta(days=89)) == (["heard", "left", "pupil"], [])
    assert run(engine, needed={left.id}) == (["left", "pupil"], ["0 1"])
    assert run(engine) == (["pupil"], ["0 1"])
    assert run(engine) == (["pupil"], [])


def test_staff_stay_for_the_audit_log_names_them(engine: Engine) -> None:
    people = made(engine, "admin", Kind.STAFF, Role.ADMIN)
    admin = people.find("school-a", "admin")
    assert admin is not None
    people.disable(admin.id, now=BEGIN)
    assert run(engine) == (["admin"], [])


def test_nobody_is_forgotten_when_it_cannot_be_written_down(engine: Engine) -> None:
    made(engine, "heard", Kind.SHADOW)

    def refuse(*_: int) -> None:
        raise OSError("the spool is full")

    with pytest.raises(OSError, match="spool"):
        forget(engine, set(), now=LATER, tell=refuse)
    assert run(engine, BEGIN)[0] == ["heard"]


def test_a_sponsor_stays_as_long_as_the_guests_vouchers_are_known(engine: Engine) -> None:
    people = made(engine, "kru", Kind.TEACHER)
    kru = people.find("school-a", "kru")
    assert kru is not None
    book = Vouchers(engine, PersonKey(b"k" * 32))
    until = BEGIN + timedelta(days=30)
    order = Order(site="school-a", sponsor=kru.id, for_whom=["แขก"], valid_until=until)
    book.use("school-a", book.make(order, now=BEGIN)[0].code, "", BEGIN)
    people.disable(kru.id, now=BEGIN)
    assert len(run(engine)[0]) == 2
    assert run(engine, until + timedelta(days=91)) == ([], ["0 2"])
