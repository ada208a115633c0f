"""The third line of a checkpoint, for the day when Ed25519 can be forged."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.errors import SealError
from collector.seal import mldsa, note, policy
from collector.seal.fault import Refused
from collector.seal.mldsa import MlDsaKey
from collector.seal.note import Checkpoint
from tests.collector.seal import checking
from tests.collector.seal.school import BEGIN, DAY, SITE, Noise, School
from tests.collector.seal.test_sealer import entries_of

pytestmark = pytest.mark.skipif(not mldsa.AVAILABLE, reason="the library has no ML-DSA")

ORIGIN = f"{SITE}/ledger/2027"
YEAR = f"ledger/{SITE}/2027"
POINT = Checkpoint(ORIGIN, 7, bytes(range(32)))


@pytest.fixture(scope="module")
def key() -> MlDsaKey:
    return MlDsaKey(ORIGIN, bytes(32), time_s=1_804_122_000)


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home of two days whose ledger has an ML-DSA key."""
    home = tmp_path_factory.mktemp("sealed")
    school = School(home, ml_dsa=True)
    school.start()
    school.hour(4)
    school.hour(4, step_us=DAY)
    school.sealer.stop()
    return home


@pytest.fixture
def home(sealed: Path, tmp_path: Path) -> Path:
    """A home with the checkpoint of `sealed`, to be tampered with."""
    import shutil

    return Path(shutil.copytree(sealed, tmp_path / "home"))


def test_the_message_is_the_struct_of_the_specification(key: MlDsaKey) -> None:
    """C2SP tlog-cosignature: label, name, time, origin, 0, size, root; lengths of a byte."""
    told = mldsa.message("witness.example/w", POINT, 1_700_000_000)
    assert told == (
        b"subtree/v1\n\0" + bytes([17]) + b"witness.example/w"
        + (1_700_000_000).to_bytes(8, "big") + bytes([len(ORIGIN)]) + ORIGIN.encode()
        + bytes(8) + bytes(7) + b"\x07" + bytes(range(32))
    )  # fmt: skip
    assert len(key.vkey.public) == 1312
    assert note.parse_vkey(key.vkey.text) == key.vkey


def test_a_line_is_time_and_signature_and_holds_for_its_text_and_name_alone(key: MlDsaKey) -> None:
    line = note.parse_line(key.sign(POINT.text).decode().removesuffix("\n"))
    assert (line.name, line.key_id, len(line.signature)) == (ORIGIN, key.vkey.key_id, 8 + 2420)
    assert int.from_bytes(line.signature[:8], "big") == 1_804_122_000
    assert mldsa.verify(key.vkey, line.signature, POINT.text)
    assert key.sign(POINT.text) != key.sign(POINT.text)
    other = Checkpoint(ORIGIN, 8, POINT.root)
    assert not mldsa.verify(key.vkey, line.signature, other.text)
    stranger = MlDsaKey(f"{ORIGIN}-2", bytes(32), time_s=1)
    assert not mldsa.verify(stranger.vkey, line.signature, POINT.text)
    later = (1_804_122_001).to_bytes(8, "big") + line.signature[8:]
    for bad in (later, bytes(8) + line.signature[8:], b"\x80" + line.signature[1:],
                line.signature[:-1], line.signature + b"\0", b""):  # fmt: skip
        assert not mldsa.verify(key.vkey, bad, POINT.text)


@given(st.binary(max_size=3000))
def test_any_bytes_are_no_signature(data: bytes) -> None:
    public = MlDsaKey(ORIGIN, bytes(32), time_s=1).vkey
    assert not mldsa.verify(public, data, POINT.text)
    with contextlib.suppress(Refused):
        mldsa.verify(public, bytes(7) + b"\x01" + data.ljust(2420, b"\0")[:2420], data)


def test_every_checkpoint_bears_the_third_line_behind_its_epoch_keys(sealed: Path) -> None:
    told = entries_of(sealed)[0]["mldsa_vkey"]
    assert told.startswith(f"{ORIGIN}+")
    assert (sealed / f"secrets/prathu.mldsa.{SITE}").stat().st_size == 32
    for path in (sealed / YEAR / "checkpoints").iterdir():
        last = note.parse(path.read_bytes()).lines[-1]
        assert last.key_id == note.parse_vkey(told).key_id
    assert checking.verify(sealed).findings == []


def test_the_keys_from_outside_are_both_asked_for(sealed: Path) -> None:
    genesis = entries_of(sealed)[0]
    ours = [note.parse_vkey(genesis[name]) for name in ("log_vkey", "mldsa_vkey")]
    assert checking.verify(sealed, vkeys=tuple(ours)).findings == []
    wrong = MlDsaKey(ORIGIN, b"1" * 32, time_s=1).vkey
    found = checking.verify(sealed, vkeys=(ours[0], wrong)).findings
    assert [(f.number, f.place) for f in found] == [("E-20", f"{YEAR}/checkpoint")]
    text = "".join(f"log {k.text}\n" for k in ours)
    assert policy.parse(f"{text}quorum none\n").logs == tuple(ours)


def without(data: bytes) -> bytes:
    """Return a note without its last line."""
    return data[: data[:-1].rfind(b"\n") + 1]


def signed_otherwise(data: bytes) -> bytes:
    """Return a note whose last signature is another one."""
    return data[:-30] + (b"B" if data[-30] == ord("A") else b"A") + data[-29:]


@pytest.mark.parametrize("bend", [without, signed_otherwise])
@pytest.mark.parametrize("name", ["checkpoint", "checkpoints/5"])
def test_a_line_that_is_missing_or_wrong_is_found(home: Path, name: str, bend: object) -> None:
    path = home / YEAR / name
    assert callable(bend)
    path.write_bytes(bend(path.read_bytes()))
    first = checking.verify(home).findings[0]
    assert (first.number, first.place) == ("E-20", f"{YEAR}/{name}")


def test_a_lost_key_needs_two_people_and_the_next_year_has_its_own(tmp_path: Path) -> None:
    school = School(tmp_path, ml_dsa=True, begin_us=BEGIN + 302 * DAY)
    school.start()
    school.hour(2)
    school.sealer.stop()
    (tmp_path / f"secrets/prathu.mldsa.{SITE}").unlink()
    with pytest.raises(SealError, match="log key"):
        school.start()
    school.start(approvals=("a1", "b2"))
    school.hour(2)
    school.now_us += DAY
    school.start()
    told = {entries_of(tmp_path, year)[0]["mldsa_vkey"] for year in ("2027", "2027-2", "2028")}
    assert len(told) == 3
    assert checking.verify(tmp_path).findings == []


def test_a_crash_between_signing_and_showing_shows_what_was_signed(sealed: Path) -> None:
    """The signature is another one each time: a kept checkpoint must never change."""
    state = json.loads((sealed / YEAR / "state").read_bytes())
    kept = (sealed / YEAR / "checkpoints" / str(state["size"])).read_bytes()
    assert (sealed / YEAR / "checkpoint").read_bytes() == kept


def test_a_ledger_without_the_key_stays_as_it_is(tmp_path: Path) -> None:
    school = School(tmp_path)
    school.start()
    school.hour(2)
    school.sealer.stop()
    school.ml_dsa = True
    school.noise = Noise(3)
    school.start()
    school.hour(2)
    assert entries_of(tmp_path)[0]["mldsa_vkey"] is None
    assert checking.verify(tmp_path).findings == []
