"""Cosignatures and add-checkpoint, by the published vectors and by bytes of any kind."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.seal import mldsa, note, tree, witness
from collector.seal.fault import Refused
from collector.seal.note import Checkpoint, Line, SigningKey
from collector.seal.witness import Cosigner
from tests.collector.seal import vectors

SEED = bytes(range(32))
TEXT = Checkpoint("school.example.ac.th/ledger/2027", 7, tree.EMPTY).text


@pytest.fixture(scope="module")
def published() -> dict[str, Any]:
    found: dict[str, Any] = vectors.load("witness/witness_vectors.json")
    return found


def test_the_published_witness_key_gives_the_cosigner_of_its_public_half(
    published: dict[str, Any],
) -> None:
    key = Cosigner.parse(published["witness_skey"])
    plain = note.parse_vkey(published["witness_vkey_note"])
    assert key.vkey.public == plain.public
    assert key.vkey.name == "witness"
    assert key.vkey.key_id != plain.key_id  # another type, another id
    assert key.text == published["witness_skey"]


def test_the_published_checkpoints_go_on_from_one_another(published: dict[str, Any]) -> None:
    log = note.parse_vkey(published["log_vkey"])
    proof = [bytes.fromhex(part) for part in published["consistency_5_8_hex"]]
    first = note.parse(published["cp5"].encode())
    asked = witness.parse_request(witness.request(5, proof, published["cp8"].encode()))
    assert note.check(first, [log]) == note.check(asked.note, [log]) == [log]
    known = note.parse_checkpoint(first.text)
    witness.check_consistent(asked, known)
    for wrong in (proof[:-1], [*proof, proof[0]], proof[::-1], []):
        bad = witness.parse_request(witness.request(5, wrong, published["cp8"].encode()))
        with pytest.raises(Refused):
            witness.check_consistent(bad, known)


def test_a_published_cosigned_checkpoint_is_read() -> None:
    examples = vectors.load("c2sp-spec/spec_examples.json")
    texts = [t for t in _strings(examples) if "witness.example.com/w1" in t and t.endswith("\n")]
    assert texts
    for text in texts:
        parsed = note.parse(text.encode())
        line = next(x for x in parsed.lines if x.name == "witness.example.com/w1")
        assert witness.time_of(line) == 1679315147
        assert witness.line_text(line).decode() in text


def _strings(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for one in inner for text in _strings(one)]


def test_a_cosignature_holds_for_its_text_its_key_and_its_time_alone() -> None:
    key = Cosigner("witness.example.org/w", SEED)
    signed = key.sign(TEXT, 1_800_000_000)
    line, time_s = witness.cosignature(signed, key.vkey, TEXT)
    assert (line, time_s) == (signed, 1_800_000_000)
    parsed = note.parse_line(signed.decode()[:-1])
    other = Cosigner("witness.example.org/other", SEED).vkey
    for wrong, of, text in (
        (parsed, key.vkey, TEXT.replace(b"\n7\n", b"\n8\n")),
        (parsed, other, TEXT),
        (Line(parsed.name, parsed.key_id, _timed(parsed, 1_800_000_001)), key.vkey, TEXT),
        (Line(parsed.name, parsed.key_id, _timed(parsed, 0)), key.vkey, TEXT),
        (Line(parsed.name, parsed.key_id, _timed(parsed, 1 << 63)), key.vkey, TEXT),
        (Line(parsed.name, parsed.key_id, parsed.signature[:-1]), key.vkey, TEXT),
        (Line(parsed.name, parsed.key_id, parsed.signature + b"\0"), key.vkey, TEXT),
    ):
        with pytest.raises(Refused) as fault:
            witness.check_line(wrong, of, text)
        assert fault.value.number in ("E-19", "E-05")


def _timed(line: Line, time_s: int) -> bytes:
    return time_s.to_bytes(8, "big") + line.signature[8:]


@pytest.mark.skipif(not mldsa.AVAILABLE, reason="this library has no ML-DSA")
def test_a_cosignature_may_be_of_ml_dsa() -> None:
    key = mldsa.MlDsaKey("witness.example.org/pq", SEED, time_s=1_900_000_000)
    line = note.parse_line(key.sign(TEXT).decode()[:-1])
    assert witness.check_line(line, key.vkey, TEXT) == 1_900_000_000
    for wrong, text in ((line, TEXT.replace(b"\n7\n", b"\n8\n")), (_bent(line), TEXT)):
        with pytest.raises(Refused) as fault:
            witness.check_line(wrong, key.vkey, text)
        assert fault.value.number == "E-05"
    with pytest.raises(Refused):
        witness.check_line(Line(line.name, line.key_id, _timed(line, 0)), key.vkey, TEXT)


def _bent(line: Line) -> Line:
    return Line(line.name, line.key_id, _timed(line, 1_900_000_001))


def test_an_answer_must_hold_one_line_of_the_witness_and_may_hold_others() -> None:
    key, other = Cosigner("w.example/1", SEED), Cosigner("w.example/2", bytes(32))
    ours, theirs = key.sign(TEXT, 5), other.sign(TEXT, 5)
    assert witness.cosignature(theirs + ours, key.vkey, TEXT) == (ours, 5)
    for wrong in (b"", theirs, ours + ours, ours[:-1], b"\n" + ours, b"x\n\n" + ours, b"\xff"):
        with pytest.raises(Refused):
            witness.cosignature(wrong, key.vkey, TEXT)


def test_a_request_comes_out_as_it_went_in() -> None:
    signed = TEXT + b"\n" + SigningKey("school.example.ac.th/ledger/2027", SEED).sign(TEXT)
    proof = [bytes([n]) * 32 for n in range(3)]
    asked = witness.parse_request(witness.request(3, proof, signed))
    assert (asked.old, list(asked.proof), asked.checkpoint.size) == (3, proof, 7)


def test_lines_that_a_log_adds_to_its_checkpoint_are_its_own_affair() -> None:
    text = TEXT + b"an extension\n"
    signed = text + b"\n" + SigningKey("x", SEED).sign(text)
    assert witness.parse_request(witness.request(0, [], signed)).checkpoint.size == 7


@pytest.mark.parametrize(
    "head",
    [
        *("", "old", "old ", "old 01", "old -1", "old 8", "new 0", "old 0x1", "old 7 ", "old 1 2"),
        "old 1\n!",
        "old 0\n" + "AAAA" * 10 + "AAA=",
        "old 1\n" + "\n".join(["AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="] * 64),
    ],
)
def test_a_request_that_is_none_is_refused(head: str) -> None:
    signed = TEXT + b"\n" + SigningKey("x", SEED).sign(TEXT)
    with pytest.raises(Refused):
        witness.parse_request(f"{head}\n\n".encode() + signed)


@given(st.binary(max_size=300))
def test_any_bytes_are_refused_or_read(data: bytes) -> None:
    signed = TEXT + b"\n" + SigningKey("x", SEED).sign(TEXT)
    for body in (data, b"old 3\n" + data + b"\n\n" + signed, b"old 0\n\n" + data):
        try:
            asked = witness.parse_request(body)
        except Refused:
            continue
        assert asked.old <= asked.checkpoint.size
    with contextlib.suppress(Refused):
        assert witness.told_size(data) >= 0
    key = Cosigner("w.example/1", SEED).vkey
    with pytest.raises(Refused):
        witness.cosignature(data, key, TEXT)
