"""Who signed: notes, keys, what links notes, and tlog-proofs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from collector.seal.bundle.documents import origin_hash
from collector.seal.note import Signer, SigningKey
from tests.collector.seal.bundle.corpus.faults import fault
from tests.collector.seal.bundle.forge import Book, Forge, with_s_plus_order
from tests.collector.seal.school import SITE

# E-03: who signed.


@fault("E-03")
def _another_log_key(forge: Forge) -> None:
    stranger = SigningKey(forge.book.origin, bytes([9]) * 32)
    for size in forge.book.sizes:
        forge.book.signers[size] = partial(_others, stranger, size)
    forge.resign()


def _others(stranger: SigningKey, size: int, book: Book) -> Sequence[Signer]:
    return [stranger, *book.keys(size)[1:]]


@fault("E-03")
def _no_line_of_the_epoch_key(forge: Forge) -> None:
    forge.book.signers[forge.book.sizes[-1]] = lambda book: [book.log_key]
    forge.resign()


@fault("E-03")
def _hand_over_without_the_old_key(forge: Forge) -> None:
    size = forge.book.sizes[0]
    forge.book.signers[size] = lambda book: [book.log_key, book.epoch_keys[-1]]
    forge.resign()


@fault("E-03")
def _signed_with_the_epoch_before(forge: Forge) -> None:
    size = forge.book.sizes[-1]
    forge.book.signers[size] = lambda book: [book.log_key, book.epoch_keys[0]]
    forge.resign()


@fault("E-03")
def _one_line_too_many(forge: Forge) -> None:
    size = forge.book.sizes[-1]
    forge.book.signers[size] = lambda book: [*book.keys(size), book.epoch_keys[0]]
    forge.resign()


@fault("E-03")
def _a_hand_over_is_missing(forge: Forge) -> None:
    del forge.book.sizes[0]
    forge.resign()


@fault("E-03")
def _an_epoch_is_missing(forge: Forge) -> None:
    forge.book.shown.remove(forge.book.of("epoch")[0]["index"])
    forge.resign()


@fault("E-03")
def _genesis_names_another_log_key(forge: Forge) -> None:
    stranger = SigningKey(forge.book.origin, bytes([9]) * 32)
    forge.book.entries[0]["log_vkey"] = stranger.vkey.text
    forge.resign()


@fault("E-03")
def _broken_without_approvals(forge: Forge) -> None:
    forge.book.of("epoch")[0]["broken"] = True
    forge.resign()


# E-04 and E-09: notes that continue one another.


@fault("E-04")
def _two_histories(forge: Forge) -> None:
    forge.book.roots[forge.book.sizes[0]] = bytes(range(32))
    forge.resign()


def _links(forge: Forge, act: Callable[[dict[str, Any]], object]) -> None:
    forge.change("proofs/consistency.json", lambda document: act(document["logs"][0]))


@fault("E-09")
def _a_consistency_proof_too_long(forge: Forge) -> None:
    _links(forge, lambda log: log["proofs"][0].append(log["proofs"][0][0]))


@fault("E-09")
def _a_consistency_proof_too_short(forge: Forge) -> None:
    _links(forge, lambda log: log["proofs"][0].pop())


@fault("E-09")
def _no_consistency_proof(forge: Forge) -> None:
    _links(forge, lambda log: log.update(proofs=[]))


@fault("E-09")
def _consistency_from_size_0(forge: Forge) -> None:
    _links(forge, lambda log: log["sizes"].__setitem__(0, 0))


# E-05 and E-07: notes and signatures.


def _note(forge: Forge, act: Callable[[bytes], bytes]) -> None:
    """Change the greatest note, and the tlog-proofs that carry it."""
    book = forge.book
    name = f"checkpoints/{origin_hash(book.origin)}.{book.sizes[-1]}.note"
    old = forge.members[name]
    new = act(old)
    for member in forge.members:
        if member == name or member.endswith(".tlog-proof"):
            forge.members[member] = forge.members[member].replace(old, new)


@fault("E-05")
def _no_final_newline(forge: Forge) -> None:
    _note(forge, lambda note: note[:-1])


@fault("E-05")
def _a_control_character(forge: Forge) -> None:
    _note(forge, lambda note: note + "— other.example/x AAAAAAA\t=\n".encode())


@fault("E-05")
def _a_line_that_is_no_base64(forge: Forge) -> None:
    _note(forge, lambda note: note + "— other.example/x AAAA*AAA\n".encode())


@fault("E-05")
def _base64_that_is_not_canonical(forge: Forge) -> None:
    _note(forge, lambda note: note + "— other.example/x AAAAAAB=\n".encode())


@fault("E-05")
def _bad_utf_8(forge: Forge) -> None:
    _note(forge, lambda note: note + "— other".encode() + b"\xff x AAAAAAA=\n")


@fault("E-05")
def _too_many_lines(forge: Forge) -> None:
    line = "— other.example/x AAAAAAAAAAAA\n".encode()
    _note(forge, lambda note: note + 99 * line)


@fault("E-05")
def _an_extension_line(forge: Forge) -> None:
    book = forge.book

    def extended(note: bytes) -> bytes:
        text = note.partition(b"\n\n")[0] + b"\nextension\n"
        return text + b"\n" + b"".join(key.sign(text) for key in book.keys(book.sizes[-1]))

    _note(forge, extended)


@fault("E-05")
def _a_bad_signature_of_a_known_key(forge: Forge) -> None:
    book = forge.book
    _note(forge, lambda note: note + book.log_key.sign(b"another text\n"))


@fault("E-05")
def _a_bad_signature_of_an_epoch_key(forge: Forge) -> None:
    book = forge.book
    text = b"another text\n"
    _note(
        forge,
        lambda note: note.partition(b"\n\n")[0] + b"\n\n"
        + book.log_key.sign(note.partition(b"\n\n")[0] + b"\n") + book.epoch_keys[-1].sign(text),
    )  # fmt: skip


@fault("valid")
def _a_line_of_an_unknown_witness(forge: Forge) -> None:
    stranger = SigningKey("witness.example/w", bytes([9]) * 32)
    _note(forge, lambda note: note + stranger.sign(note.partition(b"\n\n")[0] + b"\n"))


@fault("valid")
def _a_known_name_with_another_id(forge: Forge) -> None:
    stranger = SigningKey(forge.book.origin, bytes([9]) * 32)
    _note(forge, lambda note: note + stranger.sign(b"another text\n"))


@fault("E-07")
def _s_plus_order(forge: Forge) -> None:
    _note(forge, with_s_plus_order)


# E-08: tlog-proofs.


def _tlog(forge: Forge, act: Callable[[list[bytes]], object]) -> None:
    name = f"proofs/{SITE}/demo/0.tlog-proof"
    lines = forge.members[name].split(b"\n")
    act(lines)
    forge.members[name] = b"\n".join(lines)


@fault("E-08")
def _a_tlog_proof_too_short(forge: Forge) -> None:
    _tlog(forge, lambda lines: lines.pop(2))


@fault("E-08")
def _a_tlog_proof_too_long(forge: Forge) -> None:
    _tlog(forge, lambda lines: lines.insert(2, lines[2]))


@fault("E-08")
def _a_tlog_proof_in_another_order(forge: Forge) -> None:
    _tlog(forge, lambda lines: lines.insert(2, lines.pop(3)))


@fault("E-08")
def _a_tlog_proof_of_another_index(forge: Forge) -> None:
    _tlog(forge, lambda lines: lines.__setitem__(1, b"index 1"))


@fault("E-08")
def _a_tlog_proof_with_extra(forge: Forge) -> None:
    _tlog(forge, lambda lines: lines.insert(1, b"extra AAAA"))


@fault("E-08")
def _a_tlog_proof_with_another_note(forge: Forge) -> None:
    book = forge.book
    name = f"proofs/{SITE}/demo/0.tlog-proof"
    head = forge.members[name].partition(b"\n\n")[0]
    forge.members[name] = head + b"\n\n" + book.note(book.sizes[0])
