"""The verifier that shares no code with the box: what it accepts, and what it refuses."""

from __future__ import annotations

import json
import os
import re
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.collector.seal import vectors
from tests.collector.seal.bundle import packing
from tests.packaging.verify import program

verifier = program.load()
RFC_8032_KEY = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a bundle `case.zip` of two logs, one withheld, and its `policy`."""
    folder = tmp_path_factory.mktemp("case")
    school = packing.school(folder / "home")
    packing.policy(school, folder / "policy")
    levels = {"demo": "C1", "plain": "C1"}
    wanted = packing.order(school, levels=levels, withhold=["demo"])
    packing.packed(school, wanted, folder / "case.zip")
    return folder


def refusal(bundle: bytes, case: Path, folder: Path) -> str:
    """Return the number of the failure of a bundle, "" where it is valid."""
    path = folder / "bent.zip"
    path.write_bytes(bundle)
    try:
        verifier.verify(path, verifier.Policy((case / "policy").read_text()))
    except verifier.Fault as fault:
        return str(fault.number)
    return ""


@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"levels": {"demo": "C2", "plain": "C1"}},
        {"levels": {"demo": "C1", "plain": "C1"}, "withhold": ["demo"]},
        {"subject": "p-9999"},
    ],
    ids=["one person", "all groups", "withheld", "nobody"],
)
def test_what_the_box_packs_is_valid(tmp_path: Path, wanted: dict[str, Any]) -> None:
    school = packing.school(tmp_path / "home")
    packed = packing.packed(school, packing.order(school, **wanted), tmp_path / "case.zip")
    policy = packing.policy(school, tmp_path / "policy")
    status, answer, complaint = program.run(tmp_path / "case.zip", policy)
    assert (status, answer.get("valid"), complaint) == (0, True, ""), answer
    assert answer["rows"] == sum(packed.rows.values())
    shown = {id_: told for id_, told in answer["segments"].items() if told.startswith("valid")}
    assert shown == {id_: f"valid, {level}" for id_, level in packed.levels.items()}


def test_keys_come_from_outside(case: Path) -> None:
    status, answer, _ = program.run(case / "case.zip")
    assert (status, answer["number"]) == (1, "E-06")


def key(name: str, kind: int) -> str:
    """Return a key that signed nothing here, in the words of a policy."""
    raw = bytes([kind]) + bytes.fromhex(RFC_8032_KEY)
    id_ = verifier.sha256(f"{name}\n".encode() + raw)[:4].hex()
    return f"{name}+{id_}+{b64encode(raw).decode()}"


def test_another_log_key_is_not_believed(case: Path, tmp_path: Path) -> None:
    origin = (case / "policy").read_text().split()[1].partition("+")[0]
    policy = tmp_path / "policy"
    policy.write_text(f"log {key(origin, 1)}\nquorum none\n")
    status, answer, _ = program.run(case / "case.zip", policy)
    assert (status, answer["number"]) == (1, "E-03")


def test_a_witness_that_did_not_sign_is_missed(case: Path, tmp_path: Path) -> None:
    policy = tmp_path / "policy"
    told = (case / "policy").read_text().replace("quorum none", "")
    policy.write_text(f"{told}witness w {key('witness.example', 4)}\nquorum w\n")
    status, answer, complaint = program.run(case / "case.zip", policy)
    assert (status, answer.get("number"), complaint) == (1, "E-19", "")


@pytest.mark.parametrize(
    "words",
    ["", "log x", "quorum nobody", "log a+00000000+AAAA", "witness none x", "group g 3 a b"],
)
def test_a_policy_that_is_none_is_wrong_use(case: Path, tmp_path: Path, words: str) -> None:
    policy = tmp_path / "policy"
    policy.write_text(words + "\n")
    status, answer, complaint = program.run(case / "case.zip", policy)
    assert (status, answer) == (2, {})
    assert complaint.startswith("verify_bundle: ")
    assert complaint.count("\n") == 1


def test_nothing_waits_for_a_pipe_or_a_device(case: Path, tmp_path: Path) -> None:
    pipe, device, policy = tmp_path / "pipe", Path("/dev/zero"), case / "policy"
    os.mkfifo(pipe)
    for bundle, believed in ((pipe, policy), (device, policy), (case / "case.zip", pipe)):
        status, answer, complaint = program.run(bundle, believed)
        assert (status, answer, complaint.count("\n")) == (2, {}, 1)
        assert "is no plain file" in complaint


def test_every_number_is_told_in_thai_too(capsys: pytest.CaptureFixture[str]) -> None:
    for number in (f"E-{n:02d}" for n in range(1, 26)):
        verifier._say_invalid(verifier.Fault(number, "a place", "words"), False)
        first, thai, _ = capsys.readouterr().out.splitlines()
        assert f"{number} at a place: words" in first
        assert re.fullmatch(rf"  {number}: .*[ก-๙]{{4}}.*", thai)


def test_people_read_what_was_found_and_where_it_is_explained(
    case: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle, policy = str(case / "case.zip"), str(case / "policy")
    assert verifier.main([bundle]) == 1
    told = capsys.readouterr().out
    assert told.startswith("NOT CHECKED / ตรวจไม่ได้  E-06")
    assert "section 11" in told
    assert verifier.main([bundle, "--policy", policy]) == 0
    assert "all rows of this person, as sealed" in capsys.readouterr().out
    (tmp_path / "odd").write_text("# whom to believe\nlog x\n")
    assert verifier.main([bundle, "--policy", str(tmp_path / "odd")]) == 2
    assert "verify_bundle: line 2 of the policy: " in capsys.readouterr().err
    assert verifier.main([bundle, "--policy", bundle]) == 2
    assert capsys.readouterr().err == "verify_bundle: the policy is not text\n"
    assert verifier.main([str(tmp_path), "--policy", policy]) == 2
    assert capsys.readouterr().err.endswith(": Is a directory\n")


def test_a_file_that_is_not_there_is_wrong_use(case: Path) -> None:
    status, _, complaint = program.run(case / "none.zip", case / "policy")
    assert status == 2
    assert "none.zip" in complaint


def test_no_flipped_bit_goes_unseen(case: Path, tmp_path: Path) -> None:
    whole = (case / "case.zip").read_bytes()
    for at in range(0, len(whole), max(1, len(whole) // 400)):
        bent = bytearray(whole)
        bent[at] ^= 1 << at % 8
        assert refusal(bytes(bent), case, tmp_path), f"byte {at} of {len(whole)}"


@given(st.data())
def test_no_cut_or_grown_file_is_valid_or_breaks_the_program(
    case: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    whole = (case / "case.zip").read_bytes()
    start = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(start, min(len(whole), start + 64)))
    bent = whole[:start] + data.draw(st.binary(max_size=64)) + whole[end:]
    number = refusal(bent, case, tmp_path_factory.getbasetemp())
    assert number == "" if bent == whole else number.startswith("E-")


def test_the_narrow_ed25519_rule() -> None:
    answers = [
        verifier.ed25519(bytes.fromhex(c["key"]), bytes.fromhex(c["sig"]), c["msg"].encode())
        for c in vectors.load("ed25519/ed25519vectors.json")
    ]
    assert answers.count(None) == 86


def test_published_consistency_proofs() -> None:
    folder = vectors.folder("merkle/consistency")
    for path in sorted(folder.rglob("*.json")):
        case = json.loads(path.read_text())
        if case["size1"] == case["size2"] or case["size1"] == 0:
            continue  # never asked: notes of one ledger have different sizes
        proof = [b64decode(p) for p in case["proof"] or []]
        roots = b64decode(case["root1"] or ""), b64decode(case["root2"] or "")
        try:
            verifier.consistent(case["size1"], case["size2"], *roots, proof, "")
            refused = False
        except verifier.Fault:
            refused = True
        assert refused == case["wantErr"], path.name


def test_published_inclusion_proofs() -> None:
    for path in sorted(vectors.folder("merkle/inclusion").rglob("*.json")):
        case = json.loads(path.read_text())
        proof, leaf = [b64decode(p) for p in case["proof"] or []], b64decode(case["leafHash"])
        try:
            right = len(leaf) == 32 and all(len(p) == 32 for p in proof)
            root = verifier.included(case["leafIdx"], case["treeSize"], leaf, proof, "")
            refused = not right or root != b64decode(case["root"] or "")
        except verifier.Fault:
            refused = True
        assert refused == case["wantErr"], path.name


def test_golden_rows_have_their_leaves() -> None:
    golden = vectors.load("evidence-v1/segment.json")
    name = golden["schema_sha256"]
    schema = verifier.schema_of(golden["schema_canonical"].encode(), name)
    assert verifier.canonical(golden["schema"]).decode() == golden["schema_canonical"]
    for told in golden["leaves"]:
        core = {n: told["row"][n] for n, _ in schema.core}
        detail = {n: told["row"][n] for n, _ in schema.detail}
        if told["row"]["bytes"] >= 1 << 63:  # hashing knows it, but no file can hold it
            with pytest.raises(verifier.Fault, match="E-12"):
                verifier.encode(schema.core, core, "")
            continue
        encoded = verifier.encode(schema.core, core, "")
        assert encoded.hex() == told["core"]
        salt = bytes.fromhex(told["detail_salt"])
        commit = verifier.sha256(b"\x03" + salt + verifier.encode(schema.detail, detail, ""))
        assert commit.hex() == told["detail_commit"]
        leaf = verifier.leaf(bytes.fromhex(told["salt"]) + encoded + commit)
        assert leaf.hex() == told["leaf_hash"]
