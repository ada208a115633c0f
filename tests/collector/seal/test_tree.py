"""Trees and proofs: published vectors, and any tree against the definition."""

from __future__ import annotations

import hashlib
from base64 import b64decode
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.seal import tree
from collector.seal.fault import Refused
from tests.collector.seal import vectors


def defined(hashes: list[bytes]) -> bytes:
    """RFC 6962 section 2.1, word for word."""
    if not hashes:
        return hashlib.sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    k = 1
    while k * 2 < len(hashes):
        k *= 2
    return hashlib.sha256(b"\x01" + defined(hashes[:k]) + defined(hashes[k:])).digest()


def leaves(count: int) -> list[bytes]:
    return [tree.leaf_hash(b"%d" % n) for n in range(count)]


def test_the_published_roots_come_out() -> None:
    known = vectors.load("merkle/constants.json")
    hashes = [tree.leaf_hash(bytes.fromhex(d)) for d in known["leaf_inputs_hex"]]
    roots = [tree.root(hashes[:n]).hex() for n in range(9)]
    assert [h.hex() for h in hashes] == known["node_hashes"][0]
    assert roots == known["roots_by_size"]


def cases(kind: str) -> list[dict[str, Any]]:
    found = sorted(vectors.folder("merkle").joinpath(kind).rglob("*.json"))
    return [vectors.load(str(p.relative_to(vectors.FOLDER))) for p in found]


def raw(text: str | None) -> bytes:
    return b64decode(text or "")


def test_published_inclusion_proofs_hold_or_fail_as_told() -> None:
    wrong = []
    for case in cases("inclusion"):
        try:
            tree.check_inclusion(
                raw(case["leafHash"]),
                case["leafIdx"],
                case["treeSize"],
                [raw(p) for p in case["proof"] or []],
                root=raw(case["root"]),
            )
            refused = False
        except Refused as error:
            refused = error.number == "E-08"
        if refused != case["wantErr"]:
            wrong.append(case["desc"])
    assert wrong == []


def test_published_consistency_proofs_hold_or_fail_as_told() -> None:
    wrong = []
    for case in cases("consistency"):
        try:
            tree.check_consistency(
                case["size1"],
                case["size2"],
                [raw(p) for p in case["proof"] or []],
                old_root=raw(case["root1"]),
                new_root=raw(case["root2"]),
            )
            refused = False
        except Refused as error:
            refused = error.number == "E-09"
        # The format proves nothing from the empty tree, where others prove everything.
        if refused != (case["wantErr"] or case["size1"] == 0):
            wrong.append(case["desc"])
    assert wrong == []


def test_the_consistency_proof_of_a_published_witness_case_holds() -> None:
    known = vectors.load("witness/witness_vectors.json")
    old, new = (b64decode(known[name].split("\n")[2]) for name in ("cp5", "cp8"))
    proof = [bytes.fromhex(h) for h in known["consistency_5_8_hex"]]
    tree.check_consistency(5, 8, proof, old_root=old, new_root=new)
    with pytest.raises(Refused, match="does not begin"):
        tree.check_consistency(5, 8, proof, old_root=new, new_root=old)


@given(st.integers(0, 70))
def test_every_way_to_a_root_agrees_with_the_definition(count: int) -> None:
    hashes, growing = leaves(count), tree.Growing()
    for leaf in hashes:
        growing.add(leaf)
    assert defined(hashes) == tree.root(hashes) == growing.root()


@given(st.lists(st.integers(1, 20), min_size=1, max_size=30))
def test_many_trees_at_once_are_each_by_itself(counts: list[int]) -> None:
    hashes = leaves(sum(counts))
    matrix = np.frombuffer(b"".join(hashes), dtype=np.uint8).reshape(-1, 32)
    roots = tree.group_roots(matrix, np.array(counts))
    ends = np.cumsum(counts)
    alone = [defined(hashes[e - c : e]) for e, c in zip(ends, counts, strict=True)]
    assert [r.tobytes() for r in roots] == alone


@given(st.data(), st.integers(1, 70))
def test_an_inclusion_proof_holds_and_no_other_place_does(data: st.DataObject, size: int) -> None:
    index = data.draw(st.integers(0, size - 1))
    hashes = leaves(size)
    proof = tree.inclusion_proof(index, size, tree.subtree_of(hashes))
    tree.check_inclusion(hashes[index], index, size, proof, root=tree.root(hashes))
    other = data.draw(st.integers(0, size).filter(lambda i: i != index))
    with pytest.raises(Refused):
        tree.check_inclusion(hashes[index], other, size, proof, root=tree.root(hashes))


@given(st.data(), st.integers(1, 70))
def test_a_consistency_proof_holds_and_a_bent_one_does_not(data: st.DataObject, new: int) -> None:
    old = data.draw(st.integers(1, new))
    hashes = leaves(new)
    proof = tree.consistency_proof(old, new, tree.subtree_of(hashes))
    roots = {"old_root": tree.root(hashes[:old]), "new_root": tree.root(hashes)}
    tree.check_consistency(old, new, proof, **roots)
    bent = [*proof, bytes(32)] if data.draw(st.booleans()) or not proof else proof[:-1]
    with pytest.raises(Refused):
        tree.check_consistency(old, new, bent, **roots)


@given(st.data(), st.integers(1, 60))
def test_a_partial_tree_gives_the_root_and_no_hash_may_be_left(
    data: st.DataObject, size: int
) -> None:
    indices = sorted(data.draw(st.sets(st.integers(0, size - 1))))
    hashes = leaves(size)
    proof = tree.partial_proof(size, indices, tree.subtree_of(hashes))
    given_ = [hashes[i] for i in indices]
    assert tree.partial_root(size, indices, given_, proof) == tree.root(hashes)
    for bent in ([*proof, bytes(32)], proof[:-1] if proof else [b""]):
        with pytest.raises(Refused, match="partial-tree"):
            tree.partial_root(size, indices, given_, bent)


@pytest.mark.parametrize("indices", [[2, 1], [1, 1], [5], [-1]])
def test_indices_that_do_not_ascend_or_lie_outside_are_refused(indices: list[int]) -> None:
    with pytest.raises(Refused) as refused:
        tree.partial_root(5, indices, [bytes(32)] * len(indices), [])
    assert refused.value.number == "E-10"
