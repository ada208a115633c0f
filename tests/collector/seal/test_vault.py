"""Secrets wrapped under a credential: what lies on the disk, and what a crash leaves of it."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

import pytest

from collector import durable
from collector.errors import SealError
from collector.seal.note import SigningKey
from collector.seal.vault import KEK, DoesNotOpen, Secrets, credential, wrapped
from tests.collector.seal import checking
from tests.collector.seal.school import DAY, SITE, Noise, School

WRAP = b"w" * 32
NAMES = [KEK, f"prathu.epoch.{SITE}", f"prathu.log.{SITE}"]


class Killed(BaseException):
    """The process is gone."""


def secret_bytes(home: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted((home / "secrets").iterdir())}


def kek(home: Path) -> bytes:
    key = Secrets(home, random=Noise(), wrap=WRAP).read(KEK)
    assert key is not None
    return key


def test_a_box_with_a_credential_keeps_no_plain_secret(tmp_path: Path) -> None:
    school = School(tmp_path, wrap=WRAP)
    school.start()
    for _ in range(2):
        school.hour(3, step_us=DAY)
    school.sealer.stop()
    found = secret_bytes(tmp_path)
    assert list(found) == [n for n in found if n in NAMES or n.startswith("prathu.mldsa.")]
    assert not any(b"PRIVATE" in data or len(data) == 32 for data in found.values())
    assert wrapped(tmp_path)
    assert checking.verify(tmp_path, kek=kek(tmp_path)).whole


def test_a_box_that_was_plain_is_wrapped_at_its_next_start(tmp_path: Path) -> None:
    school = School(tmp_path)
    school.start()
    school.hour(3)
    school.sealer.stop()
    assert wrapped(tmp_path) is False
    plain = secret_bytes(tmp_path)
    school.wrap = WRAP
    school.start()
    school.hour(3)
    school.sealer.stop()
    assert wrapped(tmp_path)
    now = secret_bytes(tmp_path)
    assert not any(data in now.values() for data in plain.values())
    assert kek(tmp_path) == plain[KEK]
    assert checking.verify(tmp_path, kek=plain[KEK]).whole


@pytest.mark.parametrize("wrap", [None, b"x" * 32])
def test_without_the_right_credential_nothing_is_touched(
    tmp_path: Path, wrap: bytes | None
) -> None:
    school = School(tmp_path, wrap=WRAP)
    school.start()
    school.hour(3)
    school.sealer.stop()
    before = secret_bytes(tmp_path)
    school.wrap = wrap
    for approvals in ((), ("a", "b")):
        with pytest.raises(DoesNotOpen, match=r"prathu\.wrap"):
            school.start(approvals=approvals)
        assert secret_bytes(tmp_path) == before


def test_a_crash_while_secrets_are_wrapped_loses_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = School(tmp_path / "made")
    (tmp_path / "made").mkdir()
    made.start()
    made.hour(3)
    made.sealer.stop()
    steps, number = 1, 0
    while number < steps:
        home = tmp_path / str(number)
        shutil.copytree(tmp_path / "made", home)
        told: list[str] = []

        def kill(point: str, told: list[str] = told, number: int = number) -> None:
            told.append(point)
            if len(told) > number:
                raise Killed

        with monkeypatch.context() as patch:
            patch.setattr(durable, "fault", kill if number else told.append)
            with contextlib.suppress(Killed):
                Secrets(home, random=Noise(), wrap=WRAP).mend()
        steps = max(steps, len(told)) if not number else steps
        secrets = Secrets(home, random=Noise(7), wrap=WRAP)
        secrets.mend()
        for name in NAMES:
            assert secrets.read(name) == (tmp_path / "made/secrets" / name).read_bytes(), told[-1]
        assert len(list((home / "secrets").iterdir())) == len(secret_bytes(tmp_path / "made"))
        number += 1
    assert steps > 20


def test_half_a_secret_is_never_taken_for_one(tmp_path: Path) -> None:
    """A key that was being copied when the power went, cut anywhere."""
    secrets = Secrets(tmp_path, random=Noise())
    text = SigningKey(f"{SITE}/ledger/2027/epoch", bytes(32)).text.encode()
    for cut in range(len(text)):
        secrets.write("prathu.epoch.x", text)
        (tmp_path / "secrets/prathu.epoch.x.wrapped").write_bytes(text[:cut])
        secrets.mend()
        assert secrets.read("prathu.epoch.x") == text
        assert len(secret_bytes(tmp_path)) == 1


def test_what_a_crash_left_of_a_written_secret_is_overwritten(tmp_path: Path) -> None:
    secrets = Secrets(tmp_path, random=Noise())
    secrets.write(KEK, b"k" * 32)
    (tmp_path / "secrets" / f"{KEK}.tmp").write_bytes(b"half")
    secrets.mend()
    assert list(secret_bytes(tmp_path)) == [KEK]


def test_the_credential_is_thirty_two_bytes_or_none(tmp_path: Path) -> None:
    environment = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    assert credential({}) is None
    assert credential(environment) is None
    (tmp_path / "prathu.wrap").write_bytes(WRAP)
    assert credential(environment) == WRAP
    (tmp_path / "prathu.wrap").write_bytes(WRAP + b"\n")
    with pytest.raises(SealError, match="33 bytes"):
        credential(environment)
