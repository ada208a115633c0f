"""Salts, groups, and what is claimed of them."""

from __future__ import annotations

import base64
from typing import Any

from tests.collector.seal.bundle.corpus.faults import fault, segment
from tests.collector.seal.bundle.corpus.proofs import proof_of, row_of
from tests.collector.seal.bundle.forge import Forge
from tests.collector.seal.school import SITE

# E-14: salts.


@fault("E-14")
def _a_short_salt(forge: Forge) -> None:
    row_of(forge, lambda row: row.update(salt=base64.b64encode(bytes(15)).decode()))


@fault("E-14")
def _one_salt_twice(forge: Forge) -> None:
    rows = forge.rows("demo/0")
    rows[1]["salt"] = rows[0]["salt"]
    forge.put_rows("demo/0", rows)


@fault("E-14")
def _a_salt_that_is_no_base64(forge: Forge) -> None:
    row_of(forge, lambda row: row.update(salt="?" * 24))


# E-15: groups.


@fault("E-15")
def _a_neighbour_is_missing(forge: Forge) -> None:
    proof_of(forge, lambda proof: proof["neighbours"].pop())


@fault("E-15")
def _a_short_tag(forge: Forge) -> None:
    def cut(proof: dict[str, Any]) -> None:
        proof["disclosed"][0]["tag"] = proof["disclosed"][0]["tag"][:-2]

    proof_of(forge, cut)


@fault("E-15")
def _tags_that_do_not_ascend(forge: Forge) -> None:
    def swap(proof: dict[str, Any]) -> None:
        first, last = proof["neighbours"]
        first["tag"], last["tag"] = last["tag"], first["tag"]

    proof_of(forge, swap)


@fault("E-15")
def _a_group_of_no_rows(forge: Forge) -> None:
    proof_of(forge, lambda proof: proof["disclosed"][0].update(count=0, rows=[]))


@fault("E-15")
def _two_people_in_a_group(forge: Forge) -> None:
    row_of(forge, lambda row: row["row"].update(person="p-0003"), at=-1)


@fault("E-15")
def _nobody_in_somebodys_group(forge: Forge) -> None:
    row_of(forge, lambda row: row["row"].update(person=None), at=-1)


@fault("E-15")
def _a_time_that_goes_back(forge: Forge) -> None:
    rows = forge.rows("demo/0")
    rows[-1]["row"]["time"] = rows[0]["row"]["time"] - 1
    forge.put_rows("demo/0", rows)


@fault("E-15", "night-c0-found")
def _one_person_in_two_groups(forge: Forge) -> None:
    rows = forge.rows("demo/0")
    subjects = {row["g"]: row["row"]["person"] for row in rows}
    first, second, *_ = sorted(subjects)
    for row in rows:
        if row["g"] == second:
            row["row"]["person"] = subjects[first]
    forge.put_rows("demo/0", rows)


@fault("E-15", "night-absent")
def _absent_and_there(forge: Forge) -> None:
    proof_of(forge, lambda proof: proof.update(absent=[proof["neighbours"][0]["tag"]]))


@fault("E-15", "night-absent")
def _absent_elsewhere(forge: Forge) -> None:
    proof_of(forge, lambda proof: proof.update(absent=["0000000000000001"]))


@fault("E-15")
def _a_neighbour_of_nothing(forge: Forge) -> None:
    def add(proof: dict[str, Any]) -> None:
        used = {e["g"]: e["tag"] for e in (*proof["disclosed"], *proof["neighbours"])}
        far = next(g for g in range(proof["groups"]) if g not in used)
        tag = "00" * 8 if far < min(used) else "ff" * 8
        beside = [*proof["neighbours"], {"g": far, "tag": tag, "body": "00" * 32}]
        proof["neighbours"] = sorted(beside, key=lambda each: each["g"])

    proof_of(forge, add)


# E-16 and E-17: what is claimed.


def _claim(forge: Forge, level: str) -> None:
    name = f"{SITE}/demo/0"
    forge.change("manifest.json", lambda manifest: manifest["completeness"].update({name: level}))


@fault("E-16")
def _c2_with_neighbours_alone(forge: Forge) -> None:
    _claim(forge, "C2")


@fault("E-16")
def _c3_in_a_bundle(forge: Forge) -> None:
    _claim(forge, "C3")


@fault("E-16", "night-c0-window")
def _c1_of_part_of_a_group(forge: Forge) -> None:
    _claim(forge, "C1")


@fault("E-16")
def _c0_with_neighbours(forge: Forge) -> None:
    _claim(forge, "C0")


@fault("E-16", "night-absent")
def _nobody_shown_nor_absent(forge: Forge) -> None:
    def forget(proof: dict[str, Any]) -> None:
        del proof["absent"]
        root = bytes.fromhex(segment(forge, 0)["root"])
        proof.update(neighbours=[], directory=[base64.b64encode(root).decode()])

    proof_of(forge, forget)


@fault("E-17")
def _another_count_of_rows(forge: Forge) -> None:
    name = f"{SITE}/demo/0"
    forge.change("manifest.json", lambda m: m["rowCounts"].update({name: m["rowCounts"][name] + 1}))


@fault("E-17")
def _more_groups_than_rows(forge: Forge) -> None:
    sealed = segment(forge, 0)
    sealed["groups"] = sealed["rows"] + 1
    forge.resign()


@fault("E-17")
def _no_rows_with_groups(forge: Forge) -> None:
    segment(forge, 0)["rows"] = 0
    forge.resign()
