"""The ring key on paper: sealed, sealed anew, and brought back."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.errors import SealError
from collector.seal import recovery
from tests.collector.seal import checking
from tests.collector.seal.school import School

KEK = bytes(range(32))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "secrets").mkdir()
    return tmp_path


def sealed(home: Path) -> bytes:
    return (home / "secrets/prathu.kek.age").read_bytes()


def test_the_paper_gives_the_ring_key_back_and_every_row_is_checked_with_it(
    tmp_path: Path,
) -> None:
    public, private = recovery.pair()
    school = School(tmp_path, recovery=public)
    school.start()
    school.hour(5)
    school.sealer.stop()
    (tmp_path / "secrets/prathu.kek").unlink()
    with pytest.raises(SealError, match="prathu keys restore"):
        school.start()
    kek = recovery.restored(sealed(tmp_path), f" {private[:20].lower()}\n{private[20:]}\n")
    assert checking.verify(tmp_path, kek=kek).whole
    (tmp_path / "secrets/prathu.kek").write_bytes(kek)
    school.start()
    school.hour(5)
    assert checking.verify(tmp_path, kek=kek).whole


def test_it_is_sealed_once_and_anew_for_another_key_or_paper(home: Path) -> None:
    (one, _), (two, private) = recovery.pair(), recovery.pair()
    assert recovery.keep(home, KEK, one)
    first = sealed(home)
    assert not recovery.keep(home, KEK, one)
    assert sealed(home) == first
    assert recovery.keep(home, KEK, two)
    assert recovery.restored(sealed(home), private) == KEK
    assert recovery.recipient_of(home) == two
    assert recovery.keep(home, KEK[::-1], two)
    assert recovery.restored(sealed(home), private) == KEK[::-1]
    assert KEK not in sealed(home) + (home / "secrets/prathu.recovery.json").read_bytes()


@pytest.mark.parametrize("name", ["prathu.kek.age", "prathu.recovery.json"])
def test_a_file_that_was_lost_or_bent_is_made_anew(home: Path, name: str) -> None:
    public, private = recovery.pair()
    path = home / "secrets" / name
    for bent in (None, b"", b"bent"):
        recovery.keep(home, KEK, public)
        path.unlink()
        if bent is not None:
            path.write_bytes(bent)
        assert not recovery.kept(home, KEK, public)
        assert recovery.keep(home, KEK, public)
        assert recovery.restored(sealed(home), private) == KEK


def test_without_a_recovery_key_nothing_is_kept(home: Path) -> None:
    assert not recovery.keep(home, KEK, "")
    recovery.keep(home, KEK, recovery.pair()[0])
    assert recovery.keep(home, KEK, "")
    assert list((home / "secrets").iterdir()) == []
    assert recovery.recipient_of(home) is None


def test_another_paper_or_file_is_refused(home: Path) -> None:
    public, private = recovery.pair()
    recovery.keep(home, KEK, public)
    with pytest.raises(SealError, match="does not open"):
        recovery.restored(sealed(home), recovery.pair()[1])
    with pytest.raises(SealError, match="AGE-SECRET-KEY-1"):
        recovery.restored(sealed(home), public)
    with pytest.raises(SealError, match="does not open"):
        recovery.restored(sealed(home)[:-1], private)


@given(st.binary(max_size=400), st.text(max_size=80))
def test_anything_at_all_is_refused_in_words(data: bytes, text: str) -> None:
    with contextlib.suppress(SealError):
        recovery.restored(data, text)
    with contextlib.suppress(SealError):
        recovery.restored(data, PRIVATE)


PRIVATE = recovery.pair()[1]
