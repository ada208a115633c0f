"""Partial trees, spelling, values and details."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from tests.collector.seal.bundle.corpus.faults import fault, segment
from tests.collector.seal.bundle.forge import Forge
from tests.collector.seal.school import SITE

# E-10: partial trees.


def _indices(forge: Forge, act: Callable[[dict[str, Any]], object]) -> None:
    forge.change("proofs/entries.json", lambda document: act(document["logs"][0]))


def proof_of(forge: Forge, act: Callable[[dict[str, Any]], object], seq: int = 0) -> None:
    forge.change(f"proofs/{SITE}/demo/{seq}.json", act)


@fault("E-10")
def _indices_that_do_not_ascend(forge: Forge) -> None:
    _indices(forge, lambda log: log["indices"].reverse())


@fault("E-10")
def _another_size_of_the_entries(forge: Forge) -> None:
    _indices(forge, lambda log: log.update(size=log["size"] - 1))


@fault("E-10")
def _an_entry_that_is_not_listed(forge: Forge) -> None:
    _indices(forge, lambda log: log["indices"].pop())


@fault("E-10")
def _hashes_left_over_behind_the_entries(forge: Forge) -> None:
    _indices(forge, lambda log: log["proof"].append(log["proof"][0]))


@fault("E-10")
def _a_hash_of_the_entries_is_missing(forge: Forge) -> None:
    _indices(forge, lambda log: log["proof"].pop())


@fault("E-10")
def _another_number_of_groups(forge: Forge) -> None:
    proof_of(forge, lambda proof: proof.update(groups=proof["groups"] + 1))


@fault("E-10")
def _hashes_left_over_in_the_directory(forge: Forge) -> None:
    proof_of(forge, lambda proof: proof["directory"].append(base64.b64encode(bytes(32)).decode()))


@fault("E-10")
def _hashes_left_over_in_a_group(forge: Forge) -> None:
    part = base64.b64encode(bytes(32)).decode()
    proof_of(forge, lambda proof: proof["disclosed"][0]["proof"].append(part))


@fault("E-10", "night-c0-found")
def _ranges_that_touch(forge: Forge) -> None:
    def cut(proof: dict[str, Any]) -> None:
        each = next(e for e in proof["disclosed"] if any(b - a > 1 for a, b in e["rows"]))
        low, high = next(r for r in each["rows"] if r[1] - r[0] > 1)
        at = each["rows"].index([low, high])
        each["rows"][at : at + 1] = [[low, low + 1], [low + 1, high]]

    proof_of(forge, cut)


@fault("E-10")
def _groups_that_do_not_ascend(forge: Forge) -> None:
    proof_of(forge, lambda proof: proof["neighbours"].reverse())


@fault("E-10")
def _a_row_is_left_out(forge: Forge) -> None:
    forge.put_rows("demo/0", forge.rows("demo/0")[:-1])


@fault("E-10")
def _a_row_stands_there_twice(forge: Forge) -> None:
    rows = forge.rows("demo/0")
    again = {**rows[0], "salt": base64.b64encode(bytes(16)).decode()}
    again["detail_salt"] = again["salt"]
    forge.put_rows("demo/0", [again, *rows])


# E-11: one spelling.


@fault("E-11")
def _a_space_in_aproof_of(forge: Forge) -> None:
    name = f"proofs/{SITE}/demo/0.json"
    forge.members[name] = forge.members[name].replace(b",", b", ", 1)


@fault("E-11")
def _a_member_twice(forge: Forge) -> None:
    name = f"proofs/{SITE}/demo/0.json"
    forge.members[name] = forge.members[name].replace(b"{", b'{"groups":1,', 1)


@fault("E-11")
def _an_unknown_member(forge: Forge) -> None:
    forge.change("manifest.json", lambda manifest: manifest.update(comment="trust me"))


@fault("E-11")
def _approved_by_who_exported(forge: Forge) -> None:
    forge.change("manifest.json", lambda manifest: manifest.update(approver=manifest["operator"]))


@fault("E-11")
def _a_float(forge: Forge) -> None:
    name = f"proofs/{SITE}/demo/0.json"
    forge.members[name] = forge.members[name].replace(b'"groups":', b'"groups":1.5,"x":', 1)


@fault("E-11")
def _deep_json(forge: Forge) -> None:
    forge.members[f"proofs/{SITE}/demo/0.json"] = b"[" * 100_000 + b"]" * 100_000


@fault("E-11")
def _a_deep_line(forge: Forge) -> None:
    name = f"records/{SITE}/demo/0.jsonl"
    forge.members[name] = b'{"a":' * 50_000 + b"1" + b"}" * 50_000 + b"\n"


@fault("E-11")
def _a_line_without_a_newline(forge: Forge) -> None:
    name = f"records/{SITE}/demo/2.jsonl"
    forge.members[name] = forge.members[name][:-1]


@fault("E-11")
def _a_line_with_a_space(forge: Forge) -> None:
    name = f"records/{SITE}/demo/0.jsonl"
    forge.members[name] = forge.members[name].replace(b'"g":', b'"g": ', 1)


@fault("E-11")
def _an_entry_with_another_index(forge: Forge) -> None:
    forge.book.of("gap")[0]["index"] += 1
    forge.resign()


@fault("E-11")
def _an_entry_of_an_unknown_type(forge: Forge) -> None:
    forge.book.add({"type": "praise"})
    forge.resign()


@fault("E-11")
def _an_entry_with_a_space(forge: Forge) -> None:
    index = forge.book.of("gap")[0]["index"]
    forge.book.raw[index] = forge.book.data(index).replace(b",", b", ", 1)
    forge.resign()


@fault("E-11")
def _an_entry_of_another_site(forge: Forge) -> None:
    forge.book.of("gap")[0]["site"] = "other.example"
    forge.resign()


@fault("E-11")
def _custody_of_an_unknown_step(forge: Forge) -> None:
    old = forge.members["custody.jsonl"]
    forge.members["custody.jsonl"] = old.replace(b'"packed"', b'"packid"')


# E-12: values.


def row_of(forge: Forge, act: Callable[[dict[str, Any]], object], at: int = 0) -> None:
    rows = forge.rows("demo/0")
    act(rows[at])
    forge.put_rows("demo/0", rows)


@fault("E-12")
def _another_schema(forge: Forge) -> None:
    name = f"schema/{segment(forge, 0)['schema']}.json"
    forge.change(name, lambda schema: schema.update(version=2))


@fault("E-12")
def _an_address_spelt_otherwise(forge: Forge) -> None:
    row_of(forge, lambda row: row["row"].update(src="192.0.2.010"))


@fault("E-12")
def _a_port_out_of_range(forge: Forge) -> None:
    row_of(forge, lambda row: row["row"].update(port=65536))


@fault("E-12")
def _a_number_as_text(forge: Forge) -> None:
    row_of(forge, lambda row: row["row"].update(port="80"))


@fault("E-12")
def _an_extra_column(forge: Forge) -> None:
    row_of(forge, lambda row: row["row"].update(note="x"))


@fault("E-12")
def _a_column_missing(forge: Forge) -> None:
    row_of(forge, lambda row: row["row"].pop("seen"))


@fault("E-11")
def _a_lone_surrogate(forge: Forge) -> None:
    name = f"records/{SITE}/demo/0.jsonl"
    old = forge.members[name]
    forge.members[name] = old.replace(b'"person":"p-0002"', b'"person":"\\ud800"', 1)


@fault("E-11")
def _a_line_with_bad_utf_8(forge: Forge) -> None:
    name = f"records/{SITE}/demo/0.jsonl"
    old = forge.members[name]
    forge.members[name] = old.replace(b'"person":"p-0002"', b'"person":"p-\xff"', 1)


@fault("E-12")
def _a_buddhist_year(forge: Forge) -> None:
    row_of(forge, lambda row: row["row"].update(received=str(9_999_999_999_999_999 * 2)), at=-1)


# E-13: details.


@fault("E-13", "night-c1-withheld")
def _withheld_and_shown(forge: Forge) -> None:
    row_of(forge, lambda row: row.update(detail={"host": None, "mac": None}))


@fault("E-13")
def _shown_but_withheld(forge: Forge) -> None:
    def hide(row: dict[str, Any]) -> None:
        del row["detail"], row["detail_salt"]
        row["detail_commit"] = base64.b64encode(bytes(32)).decode()

    row_of(forge, hide)


@fault("E-13")
def _neither_detail_nor_commitment(forge: Forge) -> None:
    def hide(row: dict[str, Any]) -> None:
        del row["detail"], row["detail_salt"]

    row_of(forge, hide)


@fault("E-13")
def _a_detail_salt_without_detail(forge: Forge) -> None:
    row_of(forge, lambda row: row.pop("detail"))


@fault("E-13", "night-c1-withheld")
def _withheld_names_other_columns(forge: Forge) -> None:
    forge.change("manifest.json", lambda manifest: manifest["withheld"]["demo"].pop())


@fault("E-13")
def _withheld_of_a_log_not_shown(forge: Forge) -> None:
    forge.change("manifest.json", lambda manifest: manifest["withheld"].update(quiet=["host"]))
