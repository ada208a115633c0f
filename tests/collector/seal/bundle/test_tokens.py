"""Time-stamps and cosignatures in a bundle: what they prove, and what they must not."""

from __future__ import annotations

import time
import zipfile
from pathlib import Path

import pytest

from collector.seal import note, policy, timestamp
from collector.seal.bundle.check import Result, Trust, check
from collector.seal.bundle.documents import ASIC_MANIFEST, TIMESTAMP
from collector.seal.witness import Cosigner
from tests.collector.seal.bundle import packing
from tests.collector.seal.bundle.forge import Forge
from tests.collector.seal.school import HOUR, SITE
from tests.collector.seal.tsa import Authority


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tsa"))


def school(folder: Path, *, ago_us: int = 5 * HOUR) -> packing.Pupils:
    """Return a school that was sealed in the last hours, for authorities stamp with their time."""
    now_us = time.time_ns() // 1000
    made = packing.Pupils(folder, begin_us=now_us - ago_us)
    made.start()
    for _ in range(3):
        made.pass_hour()
    made.sealer.stop()
    return made


def ledger(made: packing.Pupils) -> Path:
    return sorted((made.home / "ledger" / SITE).iterdir())[-1]


def stamped(made: packing.Pupils, authority: Authority) -> None:
    """Keep a token of the newest checkpoint."""
    folder = ledger(made)
    signed = note.parse((folder / "checkpoint").read_bytes())
    size = note.parse_checkpoint(signed.text).size
    (folder / "tst").mkdir()
    answer = authority.stamp(timestamp.request(signed.text).body)
    (folder / "tst" / f"{size}.test.tsr").write_bytes(answer)
    chain = timestamp.kept_chain(answer, timestamp.read_pem(authority.roots_pem))
    (folder / "tst" / f"{size}.test.pem").write_bytes(chain)


def packed(made: packing.Pupils, out: Path) -> Path:
    packing.packed(made, packing.order(made, from_us=made.begin_us), out)
    return out


def checked(made: packing.Pupils, bundle: Path, authority: Authority | None) -> Result:
    text = packing.policy(made, bundle.with_suffix(".policy")).read_text()
    roots = () if authority is None else timestamp.read_pem(authority.roots_pem)
    return check(bundle, Trust(policy=policy.parse(text), roots=roots))


def test_a_token_says_since_when_it_was_there(tmp_path: Path, authority: Authority) -> None:
    made = school(tmp_path / "home")
    stamped(made, authority)
    bundle = packed(made, tmp_path / "case.zip")
    found = checked(made, bundle, authority)
    assert (found.number, found.failure, found.not_checked) == (None, None, [])
    valid = [segment for segment in found.segments if segment.state == "valid"]
    assert valid
    for segment in valid:
        assert segment.proven_us is not None
        assert abs(segment.proven_us - time.time_ns() // 1000) < HOUR
        assert "Clock of the tests" in str(segment.proven_by)
    unrooted = checked(made, bundle, None)
    assert unrooted.valid
    assert len(unrooted.not_checked) == 1
    assert all(segment.proven_us is None for segment in unrooted.segments)


def test_a_root_of_somebody_else_is_refused(tmp_path: Path, authority: Authority) -> None:
    made = school(tmp_path / "home")
    stamped(made, authority)
    bundle = packed(made, tmp_path / "case.zip")
    other = Authority(tmp_path / "other")
    assert checked(made, bundle, other).number == "E-18"


def test_a_token_from_before_the_entries_is_refused(tmp_path: Path, authority: Authority) -> None:
    made = school(tmp_path / "home", ago_us=2 * HOUR)  # the last hour is to come
    stamped(made, authority)
    bundle = packed(made, tmp_path / "case.zip")
    assert checked(made, bundle, authority).number == "E-18"


def test_a_token_over_the_whole_bundle_is_of_its_own_list(
    tmp_path: Path, authority: Authority
) -> None:
    made = school(tmp_path / "home")
    forge = Forge(made.home, packed(made, tmp_path / "case.zip"))
    text = forge.policy
    forge.relist()
    asic = forge.members[ASIC_MANIFEST]
    roots = timestamp.read_pem(authority.roots_pem)
    for imprint, number in ((asic, None), (asic + b" ", "E-18")):
        forge.members[TIMESTAMP] = authority.stamp(timestamp.request(imprint).body)
        bundle = tmp_path / "stamped.zip"
        bundle.write_bytes(forge.zip())
        found = check(bundle, Trust(policy=policy.parse(text), roots=roots))
        assert found.number == number


def test_cosignatures_come_along_and_count(tmp_path: Path) -> None:
    made = school(tmp_path / "home")
    folder = ledger(made)
    signed = note.parse((folder / "checkpoint").read_bytes())
    size = note.parse_checkpoint(signed.text).size
    hub = Cosigner("hub.example/witness", bytes([5]) * 32)
    line = hub.sign(signed.text, time.time_ns() // 10**9)
    (folder / "cosig").mkdir()
    (folder / "cosig" / f"{size}.{hub.vkey.key_id.hex()}").write_bytes(line)
    bundle = packed(made, tmp_path / "case.zip")
    with zipfile.ZipFile(bundle) as file:
        notes = [file.read(name) for name in file.namelist() if name.endswith(f".{size}.note")]
    assert notes[0].endswith(line)
    log = f"log {made.sealer.log_vkey}\n"
    asked = policy.parse(f"{log}witness hub {hub.vkey.text}\nquorum hub\n")
    found = check(bundle, Trust(policy=asked))
    assert (found.number, found.cosigned) == (None, ["hub"])
    other = Cosigner("hub.example/witness", bytes([6]) * 32)
    asked = policy.parse(f"{log}witness hub {other.vkey.text}\nquorum hub\n")
    assert check(bundle, Trust(policy=asked)).number == "E-19"
