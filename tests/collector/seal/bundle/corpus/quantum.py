"""ML-DSA-44 lines, good and wrong ones, for readers that can check them and those that cannot."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from collector.seal import mldsa, note
from collector.seal.note import Signer
from tests.collector.seal.bundle.forge import Book, Forge

TIME_S = 1_804_200_000


class Variant(NamedTuple):
    """How the notes are signed, what the policy asks for, and what must be said."""

    name: str
    signers: Callable[[Book, int], Sequence[Signer]]
    asked: Callable[[Book], str | None]
    """The key that the policy asks for, None for none."""
    expected: str
    unable: str
    """What a reader says that cannot check ML-DSA."""


def key(book: Book, seed: int = 6) -> mldsa.MlDsaKey:
    """Return an ML-DSA key of a ledger's name."""
    return mldsa.MlDsaKey(book.origin, bytes([seed]) * 32, time_s=TIME_S)


class _Wrong:
    """A key whose signatures are of another text."""

    def __init__(self, of: mldsa.MlDsaKey) -> None:
        self.vkey = of.vkey
        self._of = of

    def sign(self, text: bytes) -> bytes:
        line = note.parse_line(self._of.sign(text).decode()[:-1])
        signature = line.signature[:-1] + bytes([line.signature[-1] ^ 1])
        return note.signature_line(self.vkey, signature)


def _last(*more: Callable[[Book], Signer]) -> Callable[[Book, int], Sequence[Signer]]:
    return lambda book, size: [*book.keys(size), *(one(book) for one in more)]


def _own(book: Book) -> str:
    return key(book).vkey.text


def _nobody(_: Book) -> None:
    return None


def _wrong(book: Book) -> Signer:
    return _Wrong(key(book))


def _stranger(book: Book) -> Signer:
    return key(book, 7)


def _second(book: Book, size: int) -> Sequence[Signer]:
    first, *rest = book.keys(size)
    return [first, key(book), *rest]


VARIANTS = (
    Variant("an-ml-dsa-line-nobody-asks-for", _last(key), _nobody, "valid", "valid"),
    Variant("an-ml-dsa-line-asked-for", _last(key), _own, "valid", "E-20"),
    Variant("e-20-a-wrong-ml-dsa-line", _last(_wrong), _nobody, "E-20", "valid"),
    Variant("e-20-a-wrong-ml-dsa-line-asked-for", _last(_wrong), _own, "E-20", "E-20"),
    Variant("e-20-the-ml-dsa-line-of-another", _last(_stranger), _nobody, "E-20", "E-20"),
    Variant(
        "e-20-another-ml-dsa-key-asked-for",
        _last(key),
        lambda book: key(book, 7).vkey.text,
        "E-20",
        "E-20",
    ),
    Variant("e-20-no-ml-dsa-line", _last(), _nobody, "E-20", "E-20"),
    Variant("e-03-an-ml-dsa-line-out-of-place", _second, _nobody, "E-03", "E-03"),
    Variant("e-03-two-ml-dsa-lines", _last(key, key), _nobody, "E-03", "E-03"),
)


def signed(forge: Forge, variant: Variant) -> str:
    """Have genesis name an ML-DSA key and sign all notes so; return the policy."""
    book = forge.book
    book.entries[0]["mldsa_vkey"] = _own(book)
    for size in book.sizes:
        book.signers[size] = lambda of, size=size: list(variant.signers(of, size))  # type: ignore[misc]  # size is bound
    forge.resign()
    forge.relist()
    asked = variant.asked(book)
    return forge.policy if asked is None else f"log {asked}\n{forge.policy}"
