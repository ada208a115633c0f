"""What a hostile operator, who has every key, might try on a reader's program."""

from __future__ import annotations

import hashlib
from typing import Any

import rfc8785

from collector.seal import note
from collector.seal.bundle.documents import origin_hash
from tests.collector.seal.bundle.corpus.course import _destroy, _withdraw
from tests.collector.seal.bundle.corpus.faults import fault, segment
from tests.collector.seal.bundle.corpus.proofs import proof_of, row_of
from tests.collector.seal.bundle.forge import Book, Forge
from tests.collector.seal.school import SITE

# Entries that are signed, and are none.


def _entry(forge: Forge, **changed: Any) -> None:
    segment(forge, 0).update(changed)
    forge.resign()


@fault("E-11")
def _a_type_that_is_a_list(forge: Forge) -> None:
    _entry(forge, type=[["demo", 0, 0]])


@fault("E-11")
def _a_type_that_is_an_object(forge: Forge) -> None:
    _entry(forge, type={})


@fault("E-11")
def _software_with_a_control_character(forge: Forge) -> None:
    _entry(forge, software="prathu\x1b[2J")


@fault("E-11")
def _a_file_of_another_name(forge: Forge) -> None:
    _entry(forge, file={**segment(forge, 0)["file"], "name": "../../etc/passwd"})


@fault("E-11")
def _a_negative_start(forge: Forge) -> None:
    _entry(forge, start=-1)


@fault("E-17")
def _event_min_behind_event_max(forge: Forge) -> None:
    found = segment(forge, 0)
    _entry(forge, event_min=found["event_max"], event_max=found["event_min"])


@fault("E-01")
def _a_spool_that_goes_back(forge: Forge) -> None:
    _entry(forge, spool=[24, 0])


@fault("E-11")
def _genesis_with_a_key_that_is_none(forge: Forge) -> None:
    forge.book.entries[0]["mldsa_vkey"] = "a+b+c"
    forge.resign()


@fault("E-11")
def _an_anchor_of_no_ledger(forge: Forge) -> None:
    anchor = {"origin": "schema", "size": 1, "text_sha256": "00" * 32, "proofs": []}
    forge.book.add({"type": "anchor", **anchor, "renewal": None})
    forge.resign()


@fault("E-11")
def _an_export_of_no_size(forge: Forge) -> None:
    forge.book.add(
        {
            "type": "export", "bundle": {"sha256": "00" * 32, "size": None}, "rows": [],
            "request_commit": "00" * 32, "approver": "a", "exporter": "b", "recipient": "police",
        }
    )  # fmt: skip
    forge.resign()


@fault("E-01", "new-year-c1")
def _an_interval_in_the_ledger_of_another_year(forge: Forge) -> None:
    """The first interval of the new year begins within the old one."""
    old, new = ([e for e in b.of("segment") if e["log"] == "demo"] for b in forge.books)
    old[-1]["end"] -= 1
    new[0]["start"] -= 1
    new[0]["file"]["name"] = f"{SITE}/demo/2027/12/31/{new[0]['seq']}.parquet"
    forge.resign()


@fault("E-03")
def _an_epoch_key_that_comes_back(forge: Forge) -> None:
    book = forge.book
    first = book.epoch_keys[0]
    number = len(book.epoch_keys)
    epoch = {"epoch": number, "vkey": first.vkey.text, "broken": False, "approvals": []}
    book.add({"type": "epoch", **epoch})
    book.epoch_keys.append(first)
    forge.resign()


@fault("E-02")
def _two_holds_of_one_id(forge: Forge) -> None:
    """The second covers nothing, and does not end the first."""
    _withdraw(forge, 0)
    for scope in ([["demo", 0, 5]], []):
        forge.book.add(
            {
                "type": "hold", "hold": "h-1", "scope": scope, "bundle": None,
                "until": None, "ref_commit": "11" * 32,
            }
        )  # fmt: skip
    _destroy(forge, 0)


@fault("E-02")
def _something_else_destroyed_before_it_was_due(forge: Forge) -> None:
    time = int(segment(forge, 0)["received_max"]) + 91 * 86_400_000_000
    _destroy(forge, 0, segments=[["demo", 999, "00" * 32]], due=time + 1)


# Schemas.


def _schema(forge: Forge, **changed: Any) -> None:
    old = segment(forge, 0)["schema"]
    document = {**forge.get(f"schema/{old}.json"), **changed}
    data = rfc8785.dumps(document)
    new = hashlib.sha256(data).hexdigest()
    del forge.members[f"schema/{old}.json"]
    forge.members[f"schema/{new}.json"] = data
    for entry in forge.book.of("segment"):
        entry["schema"] = new if entry["schema"] == old else entry["schema"]
    forge.resign()


@fault("E-12")
def _a_type_of_a_column_that_is_a_list(forge: Forge) -> None:
    _schema(forge, core=[["time", ["time"]], ["received", {}]])


@fault("E-12")
def _a_schema_of_version_0(forge: Forge) -> None:
    _schema(forge, version=0)


@fault("E-12")
def _a_subject_that_is_a_list(forge: Forge) -> None:
    _schema(forge, subject=["person"])


# Proofs and rows.


@fault("E-15")
def _a_group_of_2_32_rows(forge: Forge) -> None:
    _entry(forge, rows=1 << 40)

    def grow(proof: dict[str, Any]) -> None:
        proof["disclosed"][0].update(count=1 << 32, rows=[[0, 1 << 32]])

    proof_of(forge, grow)


@fault("E-17")
def _more_rows_than_memory_holds(forge: Forge) -> None:
    """Claimed, not there: whoever makes a list of the places has none left."""
    _entry(forge, rows=1 << 40)

    def grow(proof: dict[str, Any]) -> None:
        most = (1 << 32) - 1
        proof["disclosed"][0].update(count=most, rows=[[0, most]])

    proof_of(forge, grow)
    name = f"{SITE}/demo/0"
    forge.change("manifest.json", lambda m: m["rowCounts"].update({name: 3}))


@fault("E-10")
def _a_hash_of_a_proof_that_is_no_base64(forge: Forge) -> None:
    proof_of(forge, lambda proof: proof["directory"].__setitem__(0, "A\n=="))


@fault("E-15", "night-absent")
def _an_absent_tag_that_is_none(forge: Forge) -> None:
    proof_of(forge, lambda proof: proof.update(absent=["C2"]))


@fault("E-12")
def _an_integer_beyond_what_a_file_holds(forge: Forge) -> None:
    row_of(forge, lambda row: row["row"].update(bytes="9223372036854775808"))


@fault("E-14")
def _a_salt_that_is_a_detail_salt(forge: Forge) -> None:
    row_of(forge, lambda row: row.update(detail_salt=row["salt"]))


@fault("E-11")
def _lists_within_lists(forge: Forge) -> None:
    deep: list[Any] = []
    for _ in range(40):
        deep = [deep]
    forge.change("manifest.json", lambda m: m["query"].update(more=deep))


@fault("valid")
def _a_question_with_odd_members(forge: Forge) -> None:
    odd: dict[str, Any] = {"__proto__": "x", "constructor": None, "toString": [], "\u2028": "\x7f"}
    forge.change("manifest.json", lambda m: m["query"].update(odd))


# The manifest.


@fault("E-11")
def _a_level_that_is_none(forge: Forge) -> None:
    name = f"{SITE}/demo/0"
    forge.change("manifest.json", lambda m: m["completeness"].update({name: "\nvalid"}))


@fault("E-11")
def _a_period_that_ends_before_it_begins(forge: Forge) -> None:
    forge.change("manifest.json", lambda m: m["query"].update({"to": m["query"]["from"]}))


@fault("E-11")
def _a_question_about_no_log(forge: Forge) -> None:
    forge.change("manifest.json", lambda m: m["query"].update(logs=[]))


@fault("E-11")
def _a_moment_that_is_none(forge: Forge) -> None:
    when = {"timeStamp": "2027-01-01T::::::::Z"}
    forge.change("manifest.json", lambda m: m["retainedDataHeader"].update(when))


@fault("E-11")
def _a_member_whose_name_writes_a_line(forge: Forge) -> None:
    forge.change("manifest.json", lambda m: m.update({"x\nvalid: \x1b[2J": 1}))


@fault("E-13", "night-quiet")
def _nothing_withheld_of_a_log(forge: Forge) -> None:
    forge.change("manifest.json", lambda m: m["withheld"].update(quiet=[]))


# Members.


@fault("E-21")
def _a_chain_of_no_token(forge: Forge) -> None:
    book = forge.book
    name = f"tst/{origin_hash(book.origin)}.{book.sizes[-1]}.tsa.pem"
    forge.members[name] = b"-----BEGIN"


@fault("E-10")
def _an_entry_of_no_ledger(forge: Forge) -> None:
    forge.members[f"entries/{'00' * 32}/0.json"] = b"{}"


def _with_line(forge: Forge, name: str) -> None:
    """Put a stranger's line behind the greatest note, and into the proofs that carry it."""
    book = forge.book
    old = forge.members[f"checkpoints/{origin_hash(book.origin)}.{book.sizes[-1]}.note"]
    line = f"— {name} AAAAAAA=\n".encode()
    for member in forge.members:
        if member.startswith("checkpoints/") or member.endswith(".tlog-proof"):
            forge.members[member] = forge.members[member].replace(old, old + line)


@fault("E-05")
def _a_key_name_with_a_line_break_of_old(forge: Forge) -> None:
    _with_line(forge, "a\x85b")


@fault("valid")
def _a_key_name_with_a_mark_of_byte_order(forge: Forge) -> None:
    _with_line(forge, "a\ufeffb")


@fault("valid")
def _a_key_name_with_delete(forge: Forge) -> None:
    _with_line(forge, "a\x7fb")


@fault("E-25")
def _a_note_of_more_than_a_megabyte(forge: Forge) -> None:
    _with_line(forge, "a" * 1_000_000)


@fault("E-25")
def _an_entry_too_long(forge: Forge) -> None:
    folder = origin_hash(forge.book.origin)
    index = segment(forge, 0)["index"]
    forge.members[f"entries/{folder}/{index}.json"] = b'{"a":"' + b"x" * 65_536 + b'"}'


@fault("E-05")
def _a_signature_whose_r_is_no_point(forge: Forge) -> None:
    """In its form nothing is odd: the signature is wrong."""
    book = forge.book
    book.signers[book.sizes[-1]] = lambda of: [_Broken(of), *of.keys(of.sizes[-1])[1:]]
    forge.resign()


class _Broken:
    """A log key whose signatures have an R that is on no curve."""

    def __init__(self, book: Book) -> None:
        self._key = book.log_key
        self.vkey = self._key.vkey

    def sign(self, text: bytes) -> bytes:
        line = note.parse_line(self._key.sign(text).decode()[:-1])
        signature = (2).to_bytes(32, "little") + line.signature[32:]
        return note.signature_line(self._key.vkey, signature)
