"""Bytes that are not those that were sealed, members that do not belong."""

from __future__ import annotations

import base64
from typing import Any

import rfc8785

from collector.seal.bundle.documents import origin_hash
from tests.collector.seal.bundle.corpus.faults import fault
from tests.collector.seal.bundle.corpus.proofs import proof_of, row_of
from tests.collector.seal.bundle.forge import Forge
from tests.collector.seal.school import SITE

# E-25: bytes.


@fault("E-25")
def _a_value_changed(forge: Forge) -> None:
    row_of(forge, lambda row: row["row"].update(port=8080))


@fault("E-25")
def _a_detail_changed(forge: Forge) -> None:
    row_of(forge, lambda row: row["detail"].update(host="other.example"))


@fault("E-25", "night-c1-withheld")
def _a_commitment_changed(forge: Forge) -> None:
    row_of(forge, lambda row: row.update(detail_commit=base64.b64encode(bytes(32)).decode()))


@fault("E-25")
def _a_salt_changed(forge: Forge) -> None:
    row_of(forge, lambda row: row.update(salt=base64.b64encode(bytes(16)).decode()))


@fault("E-25")
def _a_neighbour_changed(forge: Forge) -> None:
    proof_of(forge, lambda proof: proof["neighbours"][0].update(body="00" * 32))


@fault("E-25")
def _a_count_changed(forge: Forge) -> None:
    """A group is said to be longer, and its last row is shown to be the last but one."""
    rows = forge.rows("demo/0")[:-1]

    def cut(proof: dict[str, Any]) -> None:
        count = proof["disclosed"][0]["count"] - 1
        proof["disclosed"][0].update(count=count, rows=[[0, count]])

    proof_of(forge, cut)
    forge.put_rows("demo/0", rows)
    name = f"{SITE}/demo/0"
    forge.change("manifest.json", lambda m: m["rowCounts"].update({name: len(rows)}))


@fault("E-25")
def _an_entry_changed_under_its_note(forge: Forge) -> None:
    index = forge.book.of("gap")[0]["index"]
    entry = {**forge.book.entries[index], "cause": "power"}
    folder = origin_hash(forge.book.origin)
    forge.members[f"entries/{folder}/{index}.json"] = rfc8785.dumps(entry)


@fault("E-25")
def _a_note_under_another_name(forge: Forge) -> None:
    book = forge.book
    folder, size = origin_hash(book.origin), book.sizes[-1]
    forge.members[f"checkpoints/{folder}.{size}.note"] = book.note(book.sizes[0])


# E-21: members.


@fault("E-21")
def _a_member_that_nothing_refers_to(forge: Forge) -> None:
    forge.members["policy.txt"] = forge.policy.encode()


@fault("E-21")
def _a_proof_is_missing(forge: Forge) -> None:
    del forge.members[f"proofs/{SITE}/demo/0.json"]


@fault("E-21")
def _a_tlog_proof_is_missing(forge: Forge) -> None:
    del forge.members[f"proofs/{SITE}/demo/0.tlog-proof"]


@fault("E-21")
def _a_schema_that_nothing_uses(forge: Forge) -> None:
    forge.members[f"schema/{'ab' * 32}.json"] = b"{}"


@fault("E-21")
def _a_token_without_note(forge: Forge) -> None:
    forge.members[f"tst/{origin_hash(forge.book.origin)}.3.tsa.tsr"] = b"0"


@fault("E-21")
def _csv_with_another_value(forge: Forge) -> None:
    forge.members["records.csv"] = forge.members["records.csv"].replace(b"p-0002", b"p-0003", 1)


@fault("E-21")
def _csv_with_more_rows(forge: Forge) -> None:
    forge.members["records.csv"] += b'"x"\r\n'


@fault("E-21")
def _csv_with_fewer_rows(forge: Forge) -> None:
    lines = forge.members["records.csv"].split(b"\r\n")
    forge.members["records.csv"] = b"\r\n".join([*lines[:-2], b""])
