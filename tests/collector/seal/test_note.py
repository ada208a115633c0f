"""Signed notes, keys and checkpoints: published vectors, and any bytes at all."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.seal import note
from collector.seal.fault import Refused
from collector.seal.note import Checkpoint, SigningKey, VKey
from tests.collector.seal import vectors

KEY = SigningKey("school.example/ledger/2027", bytes(range(32)))
OTHER = SigningKey("school.example/ledger/2027/epoch", bytes(32))
TEXT = Checkpoint("school.example/ledger/2027", 5, bytes(range(32))).text


def signed(*keys: SigningKey) -> bytes:
    return TEXT + b"\n" + b"".join(key.sign(TEXT) for key in keys)


def test_published_verifier_keys_are_read_and_bent_ones_refused() -> None:
    known = vectors.load("signed-note/note_vectors.json")
    for text in known["vkeys"].values():
        assert note.parse_vkey(text).text == text
        bent = [text[a:b] for a in range(len(text)) for b in range(a + 1, len(text) + 1)]
        bent.remove(text)
        bent += [text[:i] + chr(ord(c) + 1) + text[i + 1 :] for i, c in enumerate(text)]
        for wrong in [*bent, *known["bad_vkeys"]]:
            with pytest.raises(Refused):
                note.parse_vkey(wrong)


def test_published_notes_open_or_not_as_told() -> None:
    known = vectors.load("signed-note/note_vectors.json")
    keys = {name: note.parse_vkey(text) for name, text in known["vkeys"].items()}
    cases = [(c, c["msg"].encode()) for c in known["open_cases"] if "invalid" not in c["desc"]]
    cases += [({**c, "ok": False}, bytes.fromhex(c["msg_hex"])) for c in known["bytes_cases"]]
    wrong = []
    for case, data in cases:
        believed = [keys[name] for name in case.get("keys", keys)]
        try:
            found = note.check(note.parse(data), believed)
            names = [key.name for key in found if key is not None]
        except Refused:
            names = []
        if names != [keys[name].name for name in case.get("verified", [])]:
            wrong.append(case["desc"])
    assert wrong == []


def test_a_bad_signature_by_a_known_key_is_refused_beside_a_good_one() -> None:
    known = vectors.load("signed-note/note_vectors.json")
    peter = note.parse_vkey(known["vkeys"]["peter"])
    line = known["peter_sig"]
    data = (known["text"] + "\n" + known["enoch_sig"] + line[:60] + "ABCD" + line[60:]).encode()
    with pytest.raises(Refused, match="PeterNeumann"):
        note.check(note.parse(data), [peter])


def test_signing_gives_the_published_bytes() -> None:
    known = vectors.load("signed-note/note_vectors.json")
    key = SigningKey.parse(known["skey_peter"])
    assert key.text == known["skey_peter"]
    assert key.sign(known["text"].encode()).decode() == known["peter_sig"]


def test_the_examples_of_the_specification_hold() -> None:
    known = vectors.load("c2sp-spec/spec_examples.json")
    opened = note.parse(known["note"].encode())
    key = note.parse_vkey(known["note_vkey"])
    assert note.check(opened, [key]) == [key]
    name = "checkpoint_cosigned_unverifiable(no key given in spec)"
    cosigned = note.parse(known[name].encode())
    assert note.parse_checkpoint(cosigned.text).size == 20852163
    assert [line.name for line in cosigned.lines][1] == "witness.example.com/w1"


def test_the_checkpoints_of_a_published_witness_hold() -> None:
    known = vectors.load("witness/witness_vectors.json")
    key = note.parse_vkey(known["log_vkey"])
    for name, size in (("cp5", 5), ("cp8", 8)):
        opened = note.parse(known[name].encode())
        assert note.check(opened, [key, note.parse_vkey(known["other_vkey"])]) == [key]
        assert note.parse_checkpoint(opened.text).size == size


def test_the_narrow_ed25519_rule_accepts_what_the_vectors_say() -> None:
    accepted = 0
    for case in vectors.load("ed25519/ed25519vectors.json"):
        public, signature = bytes.fromhex(case["key"]), bytes.fromhex(case["sig"])
        accepted += note.verify_ed25519(public, signature, case["msg"].encode())
    assert accepted == 86


def test_s_of_the_order_or_more_is_refused() -> None:
    line = note.parse_line(KEY.sign(TEXT).decode()[:-1])
    s = int.from_bytes(line.signature[32:], "little")
    order = 2**252 + 27742317777372353535851937790883648493
    other = line.signature[:32] + (s + order).to_bytes(32, "little")
    assert note.verify_ed25519(KEY.vkey.public, line.signature, TEXT)
    assert not note.verify_ed25519(KEY.vkey.public, other, TEXT)


def test_a_line_is_known_only_when_name_and_id_both_are() -> None:
    renamed = VKey("somebody else", note.ED25519, KEY.vkey.public)
    replaced = VKey(KEY.vkey.name, note.ED25519, OTHER.vkey.public)
    assert note.check(note.parse(signed(KEY)), [renamed, replaced]) == [None]
    assert note.check(note.parse(signed(OTHER, KEY)), [KEY.vkey]) == [None, KEY.vkey]


@pytest.mark.parametrize(
    "bent",
    [
        lambda d: d[:-1],
        lambda d: d + b"\n",
        lambda d: d.replace(b"\n5\n", b"\n5\r\n"),
        lambda d: d + KEY.sign(TEXT) * 100,
        lambda d: d.replace("— ".encode(), b"- "),
        lambda d: d[:-2] + b"\n",
        lambda d: b"\xff" + d,
        lambda d: d.replace(b"\n\n", b"\n"),
    ],
)
def test_a_note_that_is_not_exactly_one_is_refused(bent: Any) -> None:
    assert len(note.parse(signed(KEY)).lines) == 1
    with pytest.raises(Refused) as refused:
        note.parse(bent(signed(KEY)))
    assert refused.value.number == "E-05"


@pytest.mark.parametrize(
    "text",
    [
        b"a\n05\nAAAA\n",
        b"a\n5\n" + TEXT.split(b"\n")[2] + b"\nmore\n",
        b"a\n-1\nAAAA\n",
        b"\n5\nA\n",
        TEXT.replace(b"=", b""),
        b"a\n0xabc\n" + TEXT.split(b"\n")[2] + b"\n",
    ],
)
def test_a_text_that_is_no_checkpoint_is_refused(text: bytes) -> None:
    with pytest.raises(Refused):
        note.parse_checkpoint(text)


def test_a_damaged_private_key_is_refused_without_showing_it() -> None:
    for bent in (KEY.text[:-2], KEY.text.replace("2027", "2028"), KEY.text[1:], ""):
        with pytest.raises(Refused) as refused:
            SigningKey.parse(bent)
        assert KEY.text[-20:] not in str(refused.value)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_note_or_refused(data: bytes) -> None:
    with contextlib.suppress(Refused):
        note.parse_checkpoint(note.parse(data).text)


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_no_changed_byte_of_a_checkpoint_is_accepted(at: int, flip: int) -> None:
    data = bytearray(signed(KEY, OTHER))
    data[at % len(data)] ^= flip
    try:
        found = note.check(note.parse(bytes(data)), [KEY.vkey, OTHER.vkey])
    except Refused:
        return
    assert found != [KEY.vkey, OTHER.vkey]


def test_the_published_text_of_a_tree_is_no_checkpoint_of_another_root() -> None:
    known = vectors.load("signed-note/tlog_note_vectors.json")
    golden = known["format_tree"]["golden"].encode()
    assert note.parse_checkpoint(golden).text == golden
    for bad in known["bad_trees"][1:]:
        with pytest.raises(Refused):
            note.parse_checkpoint(bad.encode())
    assert json.dumps(known["format_tree"]["n"]) in golden.decode()
