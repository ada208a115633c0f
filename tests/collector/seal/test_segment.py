"""Segments against golden values, and what may not change or must."""

from __future__ import annotations

from base64 import b64decode
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.seal import canonical, encoding, hashing, segment, tree
from collector.seal.fault import Refused
from tests.collector.seal import school, vectors

KEY = bytes(range(32))


def demo() -> tuple[dict[str, Any], canonical.Schema, pa.Table]:
    known = vectors.load("evidence-v1/segment.json")
    schema = canonical.read_schema(known["schema"])
    rows = [leaf["row"] for leaf in sorted(known["leaves"], key=lambda leaf: leaf["arrival"])]
    # One golden number is too large for the type that is stored; hashing knows it all the same.
    kinds = {
        "time": school.TIME,
        "u16": pa.int32(),
        "u64": pa.uint64(),
        "ip": pa.string(),
        "str": pa.string(),
    }
    columns = {name: pa.array([r[name] for r in rows], kinds[k]) for name, k in schema.columns}
    return known, schema, pa.table(columns)


def worked_out() -> tuple[dict[str, Any], canonical.Schema, pa.Table, segment.Digest]:
    known, schema, table = demo()
    key = bytes.fromhex(known["segment_key"])
    order = segment.arrange(table, segment.Tags(schema, key))
    assert order.tolist() == [leaf["arrival"] for leaf in known["leaves"]]
    hasher = segment.Hasher(schema, key)
    hasher.add(table.take(pa.array(order, pa.int64())))
    return known, schema, table.take(pa.array(order, pa.int64())), hasher.finish()


def test_the_golden_segment_comes_out() -> None:
    known, _, _, digest = worked_out()
    groups = digest.groups
    commit = segment.key_commit(bytes.fromhex(known["segment_key"]))
    assert commit.hex() == known["key_commit"]
    assert [f"{t:016x}" for t in groups["tag"]] == [g["tag"] for g in known["groups"]]
    assert groups["count"].tolist() == [g["count"] for g in known["groups"]]
    assert [bytes(r).hex() for r in groups["root"]] == [g["group_root"] for g in known["groups"]]
    assert digest.root.hex() == known["segment_root"]
    assert segment.directory_root(groups[:0]).hex() == known["empty_segment_root"]


def test_the_golden_keys_salts_and_rows_come_out() -> None:
    known, schema, arranged, _ = worked_out()
    key = bytes.fromhex(known["segment_key"])
    for name in ("salt", "detail", "tag"):
        assert segment.sub_key(key, name).hex() == known[f"{name}_key"]
    salts, detail_salts = segment.salts(key, 6)
    assert [s.tobytes().hex() for s in salts] == [leaf["salt"] for leaf in known["leaves"]]
    assert [s.tobytes().hex() for s in detail_salts] == [
        leaf["detail_salt"] for leaf in known["leaves"]
    ]
    for part, columns in (("core", schema.core), ("detail", schema.detail)):
        encoder = encoding.Encoder(columns)
        matrix = np.full((6, encoder.width), 0xAA, dtype=np.uint8)
        encoder.prepare(arranged).write(matrix, 0, 0)
        assert [r.tobytes().hex() for r in matrix] == [leaf[part] for leaf in known["leaves"]]


def test_the_golden_directory_leaves_come_out() -> None:
    known, _, _, digest = worked_out()
    found = segment.directory_leaves(digest.groups)
    assert [row[1:].tobytes().hex() for row in found] == [
        group["directory_leaf_data"] for group in known["groups"]
    ]
    assert [row.tobytes().hex() for row in hashing.hash_rows(found)] == [
        group["directory_leaf_hash"] for group in known["groups"]
    ]


@pytest.mark.parametrize("name", ["proof_one_person_complete", "proof_one_row"])
def test_the_golden_proofs_come_out(name: str) -> None:
    known = vectors.load("evidence-v1/segment.json")
    proof, groups = known[name], known["groups"]
    hashes = [bytes.fromhex(g["directory_leaf_hash"]) for g in groups]
    shown = sorted(d["g"] for d in proof["disclosed"] + proof["neighbours"])
    directory = [b64decode(h) for h in proof["directory"]]
    assert tree.partial_proof(4, shown, tree.subtree_of(hashes)) == directory
    root = tree.partial_root(4, shown, [hashes[g] for g in shown], directory)
    assert root.hex() == known["segment_root"]
    told = proof["disclosed"][0]
    rows = [bytes.fromhex(leaf["leaf_hash"]) for leaf in known["leaves"][2:5]]
    indices = [i for low, high in told["rows"] for i in range(low, high)]
    within = [b64decode(h) for h in told["proof"]]
    assert tree.partial_proof(3, indices, tree.subtree_of(rows)) == within
    found = tree.partial_root(3, indices, [rows[i] for i in indices], within)
    assert found.hex() == groups[2]["group_root"]


def test_the_house_golden_segment_stays_as_it_is() -> None:
    known = vectors.golden("seal_segment.json")
    schema = canonical.read_schema(school.DEMO)
    built = segment.build(school.table(known["rows"]), schema, bytes.fromhex(known["key"]))
    assert schema.sha256 == known["schema_sha256"]
    assert built.order.tolist() == known["order"]
    assert built.digest.sidecar.hex() == known["sidecar"]
    assert built.digest.root.hex() == known["root"]
    assert built.key_commit.hex() == known["key_commit"]


def test_how_rows_come_in_tables_and_chunks_changes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    schema = canonical.read_schema(school.DEMO)
    whole = segment.build(school.table(300), schema, KEY)
    monkeypatch.setattr(segment, "CHUNK_ROWS", 7)
    monkeypatch.setattr(tree, "BLOCK_ROWS", 5)
    hasher = segment.Hasher(schema, KEY)
    for start in range(0, 300, 11):
        hasher.add(whole.table.slice(start, 11))
    again = hasher.finish()
    assert again.root == whole.digest.root
    assert again.sidecar == whole.digest.sidecar
    assert (again.event_min, again.event_max) == (whole.digest.event_min, whole.digest.event_max)


def test_texts_coded_or_plain_are_the_same_rows() -> None:
    schema = canonical.read_schema(school.DEMO)
    coded = segment.build(school.table(50), schema, KEY)
    plain = [
        column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column
        for column in coded.table.columns
    ]
    hasher = segment.Hasher(schema, KEY)
    hasher.add(pa.table(plain, names=coded.table.column_names))
    assert hasher.finish().root == coded.digest.root


@given(st.integers(0, 39), st.integers(0, 8))
def test_any_changed_value_changes_the_root(row: int, column: int) -> None:
    schema = canonical.read_schema(school.DEMO)
    built = segment.build(school.table(40), schema, KEY)
    name = built.table.column_names[column]
    values: list[Any] = built.table[name].to_pylist()
    spare = {"src": "192.0.2.250", "mac": "02:ff:00:00:00:00", "port": 4444, "bytes": 5}
    old: Any = values[row]
    if name in ("time", "received"):
        values[row] = old.replace(microsecond=(old.microsecond + 1) % 1_000_000)
    elif name == "seen":
        values[row] = not old
    else:
        values[row] = spare.get(name, "other")
    changed = built.table.set_column(column, name, pa.array(values, school.ARROW[name]))
    hasher = segment.Hasher(schema, KEY)
    try:
        hasher.add(changed)
    except Refused as refused:
        assert refused.number == "E-15"  # out of order is seen before it is hashed
        return
    assert hasher.finish().root != built.digest.root


_NAMES = st.none() | st.sampled_from(["somchai", "malee", "anan"])
_FAR = 1 << 62


@given(
    st.lists(st.tuples(_NAMES, st.integers(0, 9)), max_size=30),
    st.sampled_from([1, 1_000_000, _FAR // 9]),
)
def test_rows_are_arranged_by_tag_time_and_arrival(
    rows: list[tuple[str | None, int]], apart_us: int
) -> None:
    schema = canonical.read_schema(school.DEMO)
    names, times = [name for name, _ in rows], [time * apart_us for _, time in rows]
    table = pa.table({"time": pa.array(times, school.TIME), "person": pa.array(names, pa.string())})
    key = segment.sub_key(KEY, "tag")
    tags = [segment.tag_of(key, None if name is None else name.encode()) for name in names]
    expected = sorted(range(len(rows)), key=lambda row: (tags[row], times[row], row))
    assert segment.arrange(table, segment.Tags(schema, KEY)).tolist() == expected


def test_rows_out_of_order_are_refused_with_their_place() -> None:
    schema = canonical.read_schema(school.DEMO)
    table = segment.build(school.table(20), schema, KEY).table
    swapped = table.take([0, 1, 2, 19, *range(4, 19), 3])
    with pytest.raises(Refused, match=r"row 4 is out of order"):
        segment.Hasher(schema, KEY).add(swapped)


def test_two_subjects_with_one_tag_call_for_another_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segment, "tag_of", lambda *_: bytes(8))
    schema = canonical.read_schema(school.DEMO)
    with pytest.raises(segment.TagCollision):
        segment.build(school.table(8), schema, KEY)


def test_a_log_without_subject_is_one_group() -> None:
    document = {**school.DEMO, "subject": None}
    built = segment.build(school.table(9), canonical.read_schema(document), KEY)
    assert built.digest.groups["count"].tolist() == [9]


@pytest.mark.parametrize(
    ("bent", "number"),
    [
        (lambda d: d[:-1], "E-25"),
        (lambda d: d[44:] + d[:44], "E-15"),
        (lambda d: d[:8] + bytes(4) + d[12:], "E-15"),
        (lambda d: d + d[-44:], "E-15"),
    ],
)
def test_a_sidecar_that_cannot_be_is_refused(bent: Any, number: str) -> None:
    schema = canonical.read_schema(school.DEMO)
    data = segment.build(school.table(20), schema, KEY).digest.sidecar
    assert segment.read_sidecar(data).tobytes() == data
    with pytest.raises(Refused) as refused:
        segment.read_sidecar(bent(data))
    assert refused.value.number == number


def test_a_subject_has_its_tag_made_once_however_many_tables_it_stands_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    schema, made = canonical.read_schema(school.DEMO), list[bytes | None]()
    real = segment.tag_of

    def counted(key: bytes, subject: bytes | None) -> bytes:
        made.append(subject)
        return real(key, subject)

    monkeypatch.setattr(segment, "tag_of", counted)
    segment.build(school.table(40), schema, KEY)
    named = [subject for subject in made if subject is not None]
    assert sorted(named) == [b"p-0001"]
