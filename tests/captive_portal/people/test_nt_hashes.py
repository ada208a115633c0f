"""NT hashes lie encrypted, each for one person, and only while the settings want them."""

from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from captive_portal.errors import PortalError
from captive_portal.people import nt_hashes
from captive_portal.people.accounts import AccountRow, People
from captive_portal.people.nt_hashes import NtHashes, nt_hash
from tests.captive_portal.conftest import SITE


def stored(engine: Engine) -> str | None:
    with Session(engine) as db:
        return db.scalar(select(AccountRow.nt_password).where(AccountRow.account == "somchai"))


def test_a_hash_is_opened_for_its_person_alone() -> None:
    keeper, person = NtHashes(b"k" * 32), uuid4()
    sealed = keeper.sealed(person, "รหัสผ่าน")
    assert keeper.opened(person, sealed) == nt_hash("รหัสผ่าน")
    assert keeper.opened(uuid4(), sealed) is None
    assert NtHashes(b"x" * 32).opened(person, sealed) is None
    for odd in (None, "", "x", sealed[:-8], "é"):
        assert keeper.opened(person, odd) is None
    assert len(sealed) <= 200


def test_nothing_is_kept_unless_the_settings_want_it(tmp_path: Path) -> None:
    assert nt_hashes.of(tmp_path, wanted=False) is None
    assert not (tmp_path / nt_hashes.KEY).exists()
    person = uuid4()
    first, second = nt_hashes.of(tmp_path, wanted=True), nt_hashes.of(tmp_path, wanted=True)
    assert first is not None
    assert second is not None
    assert second.opened(person, first.sealed(person, "x")) == nt_hash("x")
    assert (tmp_path / nt_hashes.KEY).stat().st_mode & 0o007 == 0
    (tmp_path / nt_hashes.KEY).write_bytes(b"short")
    with pytest.raises(PortalError, match="cut short"):
        nt_hashes.of(tmp_path, wanted=True)


def test_a_password_that_is_right_or_new_fills_it_and_another_one_empties_it(
    people: People, engine: Engine
) -> None:
    keeper = NtHashes(b"k" * 32)
    keeping = People(engine, nt=keeper)
    assert stored(engine) is None
    person = keeping.check(SITE, "somchai", "correct horse")
    assert keeper.opened(person.id, stored(engine)) == nt_hash("correct horse")
    keeping.set_password(person.id, "another horse")
    assert keeper.opened(person.id, stored(engine)) == nt_hash("another horse")
    people.set_password(person.id, "a third horse")
    assert stored(engine) is None
