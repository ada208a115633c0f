"""A home with cosignatures and tokens, and what must not pass for them."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.seal import ledger, note, outside, policy, timestamp, witness
from collector.seal.note import Line
from collector.seal.verify import Report
from collector.seal.verify_outside import Believed
from collector.seal.witness import Cosigner
from tests.collector.outside.test_asking import KEY, Office
from tests.collector.seal import checking
from tests.collector.seal.school import SITE
from tests.collector.seal.tsa import Authority

OTHER = Cosigner("box.example.ac.th/witness", bytes([3]) * 32)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    folder = tmp_path_factory.mktemp("outside")
    (folder / "home").mkdir()
    one = Office(folder / "home", folder / "elsewhere", stamps=True)
    one.school.now_us = time.time_ns() // 1000
    one.school.hour(step_us=0)
    one.carry()
    one.school.sealer.stop()
    yield one
    one.outside.witness.stop()


@pytest.fixture
def home(made: Office, tmp_path: Path) -> Path:
    shutil.copytree(made.school.home, tmp_path / "copy")
    return tmp_path / "copy"


def folder_of(home: Path) -> Path:
    return ledger.folders(home, SITE)[-1]


def believed(made: Office, *, quorum: str = "hub", roots: bool = True) -> Believed:
    text = f"log {made.school.sealer.log_vkey}\nwitness hub {KEY.vkey.text}\n"
    text += f"witness other {OTHER.vkey.text}\ngroup both all hub other\nquorum {quorum}\n"
    authority = made.outside.authority
    assert authority is not None
    trusted = timestamp.read_pem(authority.roots_pem) if roots else ()
    return Believed(policy=policy.parse(text), tsa_roots=trusted)


def check(home: Path, whom: Believed) -> Report:
    return checking.verify(home, deep=False, believed=whom)


def numbers(report: Report) -> set[str]:
    return {finding.number for finding in report.findings}


def one_file(home: Path, kind: str) -> Path:
    found = [kept for kept in outside.listed(folder_of(home)) if kept.kind == kind]
    return folder_of(home) / found[-1].name


def test_what_came_from_outside_holds_and_is_told(made: Office, home: Path) -> None:
    report = check(home, believed(made))
    assert report.findings == []
    assert {one.by for one in report.proven} == {"CN=Clock of the tests", KEY.vkey.name}
    assert not any("not checked" in line for line in report.notes)
    told = [line for line in report.notes if "was there not after" in line]
    assert len(told) == 2


def test_what_nothing_was_given_for_is_counted_not_believed(home: Path) -> None:
    report = check(home, Believed())
    assert report.whole
    assert report.proven == []
    notes = "\n".join(report.notes)
    assert "cosignatures were not checked: give --policy" in notes
    assert "1 time-stamps were not checked: give --tsa-roots" in notes


def test_a_quorum_that_is_not_met_fails(made: Office, home: Path) -> None:
    assert numbers(check(home, believed(made, quorum="both"))) == {"E-19"}
    kept = [k for k in outside.listed(folder_of(home)) if k.kind == outside.COSIGNATURES][-1]
    text = note.parse(outside.signed_note(folder_of(home), kept.size)).text
    beside = outside.Kept(kept.size, OTHER.vkey.key_id.hex(), outside.COSIGNATURES)
    (folder_of(home) / beside.name).write_bytes(OTHER.sign(text, 1_900_000_000))
    report = check(home, believed(made, quorum="both"))
    assert report.whole
    assert f"{KEY.vkey.name}, {OTHER.vkey.name}" in {one.by for one in report.proven}


def bent(path: Path, home: Path) -> Iterator[tuple[bytes, set[str]]]:
    """Give wrong cosignatures and the numbers that each may fail with."""
    line = note.parse_line(path.read_text()[:-1])
    size = int(path.name.partition(".")[0])
    text = note.parse(outside.signed_note(folder_of(home), size)).text
    other_text = text.replace(f"\n{size}\n".encode(), f"\n{size + 1}\n".encode())
    other_origin = text.replace(b"/ledger/", b"/ledgers/")
    yield KEY.sign(other_text, 1_900_000_000), {"E-05"}
    yield KEY.sign(other_origin, 1_900_000_000), {"E-05"}
    yield KEY.sign(text, 0), {"E-19"}
    yield _timed(line, 1 << 63), {"E-19"}
    yield _timed(line, 1_900_000_001), {"E-05"}
    yield witness.line_text(Line(line.name, line.key_id, line.signature[:-1])), {"E-19"}
    yield witness.line_text(Line(line.name, OTHER.vkey.key_id, line.signature)), {"E-19"}
    yield OTHER.sign(text, 1_900_000_000), {"E-19"}
    yield path.read_bytes()[:-1], {"E-05"}
    yield path.read_bytes() * 2, {"E-05"}
    yield b"\xff\n", {"E-05"}
    yield b"", {"E-05"}


def _timed(line: Line, time_s: int) -> bytes:
    signature = time_s.to_bytes(8, "big") + line.signature[8:]
    return witness.line_text(Line(line.name, line.key_id, signature))


def test_wrong_cosignatures_fail_with_their_number(made: Office, home: Path) -> None:
    path = one_file(home, outside.COSIGNATURES)
    good = path.read_bytes()
    for wrong, expected in bent(path, home):
        path.write_bytes(wrong)
        report = check(home, believed(made, quorum="none"))
        assert numbers(report) & expected, (wrong, report.findings)
        assert report.findings[0].place.endswith(f"cosig/{path.name}")
    path.write_bytes(good)
    assert check(home, believed(made)).whole


def test_a_witness_of_another_name_or_none_counts_for_nothing(made: Office, home: Path) -> None:
    one = Cosigner("another.example/witness", bytes(range(32)))  # the same key under another name
    text = f"log {made.school.sealer.log_vkey}\nwitness hub {one.vkey.text}\nquorum hub\n"
    report = check(home, Believed(policy=policy.parse(text)))
    assert numbers(report) == {"E-19"}


def test_a_tail_that_was_cut_is_known_outside(made: Office, home: Path) -> None:
    folder = folder_of(home)
    newest = outside.published(folder)
    assert newest is not None
    path = one_file(home, outside.COSIGNATURES)
    later = folder / f"cosig/{newest.size + 5}.{KEY.vkey.key_id.hex()}"
    path.rename(later)
    assert "E-04" in numbers(check(home, believed(made, quorum="none")))


def test_wrong_tokens_fail(made: Office, home: Path, tmp_path: Path) -> None:
    path = one_file(home, "tsr")
    good, trusted = path.read_bytes(), believed(made)
    authority = made.outside.authority
    assert authority is not None
    another = authority.stamp(timestamp.request(b"another text").body)
    theirs = Authority(tmp_path / "theirs")
    text = note.parse(outside.signed_note(folder_of(home), int(path.name.split(".")[0]))).text
    foreign = theirs.stamp(timestamp.request(text).body)
    for wrong in (another, foreign, good[:-1], good + b"\0", b"", good.replace(b"\x30", b"\x31")):
        path.write_bytes(wrong)
        assert numbers(check(home, trusted)) == {"E-18", "E-25"}, wrong[:20]
    # The root that lies beside the token is not believed for that.
    path.write_bytes(foreign)
    path.with_suffix(".pem").write_bytes(theirs.between.pem + theirs.root.pem)
    assert "E-18" in numbers(check(home, trusted))


def test_what_an_anchor_pinned_may_not_change_or_go_even_unchecked(home: Path) -> None:
    path = one_file(home, "tsr")
    good = path.read_bytes()
    for at in range(0, len(good), 97):
        path.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
        report = check(home, Believed())
        assert "E-25" in numbers(report)
        assert all(f.place.endswith(f"tst/{path.name}") for f in report.findings)
    path.unlink()
    assert "E-25" in numbers(check(home, Believed()))
    path.with_suffix(".pem").unlink()
    assert numbers(check(home, Believed())) == {"E-25"}


def test_a_flipped_byte_of_a_chain_is_found_without_roots(home: Path) -> None:
    path = one_file(home, "pem")
    good = path.read_bytes()
    for at in range(0, len(good), 41):
        path.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
        report = check(home, Believed())
        assert [f.place.rpartition("/")[2] for f in report.findings] == [path.name], at
    leaf, rest = good[: good.index(b"-----END")], good
    for wrong in (b"", leaf, rest + rest, good + b"\n", b"\n" + good):
        path.write_bytes(wrong)
        assert "E-25" in numbers(check(home, Believed()))


def test_a_renewed_hash_holds_until_something_changes(made: Office, home: Path) -> None:
    folder = folder_of(home)
    (size,) = {kept.size for kept in outside.listed(folder) if kept.kind == "tsr"}
    pinned = {proof for entry in outside.anchors(home, SITE) for proof in entry["proofs"]}
    entry = outside.anchor(
        folder, size, renewal=outside.renewal(home, _origin(folder), size, pinned)
    )
    school = made.school
    school.sealer.stop()
    school.home, before = home, school.home
    try:
        school.start().record(entry)
        assert check(home, believed(made)).whole
        wrong = {**entry, "renewal": "00" * 64}
        school.sealer.record(wrong)
        assert numbers(check(home, believed(made))) == {"E-25"}
    finally:
        school.sealer.stop()
        school.home = before


def _origin(folder: Path) -> str:
    return outside.origin_of(folder)
