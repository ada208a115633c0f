"""C2SP signed notes, their Ed25519 keys, and checkpoints (tlog-checkpoint).

Reading is strict: what is not exactly as the specification writes it is refused, and so is a bad
signature by a known key, however many good ones stand beside it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from collector.seal.fault import Refused

ED25519 = 0x01
COSIGNATURE = 0x04
ML_DSA_44 = 0x06
_PUBLIC_BYTES = {ED25519: 32, COSIGNATURE: 32, ML_DSA_44: 1312}
MAX_LINES = 100
MAX_BYTES = 1_000_000
DASH = "—"
_HIDDEN = "PRIVATE+KEY+"

_P = 2**255 - 19
_ORDER = 2**252 + 27742317777372353535851937790883648493
_Y8 = int.from_bytes(
    bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"), "little"
)
_SMALL_ORDER = frozenset({0, 1, _P - 1, _Y8, _P - _Y8})
"""The y of the eight points of order 1, 2, 4 and 8."""


@dataclass(frozen=True, slots=True)
class VKey:
    """A verifier key: who may have signed."""

    name: str
    kind: int
    public: bytes

    @property
    def key_id(self) -> bytes:
        """The four bytes that stand before a signature."""
        material = self.name.encode() + b"\n" + bytes([self.kind]) + self.public
        return hashlib.sha256(material).digest()[:4]

    @property
    def text(self) -> str:
        """The key as it is written in entries and policies."""
        encoded = base64.b64encode(bytes([self.kind]) + self.public).decode()
        return f"{self.name}+{self.key_id.hex()}+{encoded}"


@dataclass(frozen=True, slots=True)
class Line:
    """One signature line."""

    name: str
    key_id: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """A signed text; nothing is known of its signatures yet."""

    text: bytes
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The text of a checkpoint."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> bytes:
        """The three lines that are signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n".encode()


class Signer(Protocol):
    """Signs the text of a checkpoint."""

    @property
    def vkey(self) -> VKey:
        """The key that verifies."""
        ...

    def sign(self, text: bytes) -> bytes:
        """Return the signature line, with its newline."""
        ...


class SigningKey:
    """An Ed25519 key that signs notes under a name."""

    def __init__(self, name: str, seed: bytes) -> None:
        _check_name(name)
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        self._seed = seed
        public = self._private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.vkey = VKey(name, ED25519, public)

    @property
    def text(self) -> str:
        """The key as signed-note private key text."""
        encoded = base64.b64encode(bytes([ED25519]) + self._seed).decode()
        return f"{_HIDDEN}{self.vkey.name}+{self.vkey.key_id.hex()}+{encoded}"

    @classmethod
    def parse(cls, text: str) -> SigningKey:
        """Return the key in private key text.

        Raises:
            Refused: E-05; the message does not repeat the key.
        """
        parts = text.removeprefix(_HIDDEN).split("+", 2)
        if not text.startswith(_HIDDEN) or len(parts) != 3:
            raise Refused("E-05", "not the text of a private key")
        material = b64(parts[2])
        if len(material) != 33 or material[0] != ED25519:
            raise Refused("E-05", "not an Ed25519 private key")
        key = cls(parts[0], material[1:])
        if key.text != text:
            raise Refused("E-05", f"the id of the private key of {parts[0]} is not its own")
        return key

    def sign(self, text: bytes) -> bytes:
        """Return the signature line, with its newline, for the text of a note."""
        return signature_line(self.vkey, self._private.sign(text))


def signature_line(key: VKey, signature: bytes) -> bytes:
    """Return a signature line, with its newline."""
    encoded = base64.b64encode(key.key_id + signature).decode()
    return f"{DASH} {key.name} {encoded}\n".encode()


def b64(text: str) -> bytes:
    """Return the bytes of canonical standard base64.

    Raises:
        Refused: E-05.
    """
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refused("E-05", f"not base64: {text[:40]!r}") from error
    if base64.b64encode(data).decode() != text:
        raise Refused("E-05", f"base64 that is not canonical: {text[:40]!r}")
    return data


def _check_name(name: str) -> None:
    if not name or "+" in name or any(c.isspace() for c in name):
        raise Refused("E-05", f"not a key name: {name[:80]!r}")


def parse_vkey(text: str) -> VKey:
    """Return a verifier key.

    Raises:
        Refused: E-05, an unknown type, or an id that is not the key's.
    """
    parts = text.split("+", 2)
    if len(parts) != 3:
        raise Refused("E-05", f"not a verifier key: {text[:80]!r}")
    _check_name(parts[0])
    material = b64(parts[2])
    if not material or len(material) - 1 != _PUBLIC_BYTES.get(material[0]):
        raise Refused("E-05", f"a verifier key of unknown type: {text[:80]!r}")
    key = VKey(parts[0], material[0], material[1:])
    if key.text != text:
        raise Refused("E-05", f"the id of the verifier key {parts[0]} is not its own")
    return key


def parse(data: bytes) -> Note:
    """Return the text and the signature lines of a signed note.

    Raises:
        Refused: E-05.
    """
    if len(data) > MAX_BYTES:
        raise Refused("E-05", "a note of more than 1 MB")
    try:
        whole = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refused("E-05", "the note is not UTF-8") from error
    if any(c < " " and c != "\n" for c in whole):
        raise Refused("E-05", "a control character in the note")
    text, gap, signatures = whole.rpartition("\n\n")
    if not gap or not signatures.endswith("\n"):
        raise Refused("E-05", "no signature lines behind an empty line, or no final newline")
    lines = signatures[:-1].split("\n")
    if len(lines) > MAX_LINES:
        raise Refused("E-05", f"{len(lines)} signature lines")
    return Note(f"{text}\n".encode(), tuple(parse_line(line) for line in lines))


def parse_line(line: str) -> Line:
    """Return one signature line, without its newline.

    Raises:
        Refused: E-05.
    """
    dash, _, rest = line.partition(" ")
    name, space, encoded = rest.partition(" ")
    if dash != DASH or not space:
        raise Refused("E-05", f"not a signature line: {line[:80]!r}")
    _check_name(name)
    signature = b64(encoded)
    if len(signature) < 5:
        raise Refused("E-05", f"a signature line of {name} without signature")
    return Line(name, signature[:4], signature[4:])


def check(note: Note, keys: Sequence[VKey]) -> list[VKey | None]:
    """Return for each line the key that signed it, None where neither name nor id is known.

    A line is known only when name and id both are those of a key.

    Raises:
        Refused: E-05, a bad signature by a known key; E-07, a key or signature in an encoding that
            others may read otherwise; E-20, a bad ML-DSA signature, or one that cannot be checked.
    """
    known = {(key.name, key.key_id): key for key in keys}
    found = [known.get((line.name, line.key_id)) for line in note.lines]
    for line, key in zip(note.lines, found, strict=True):
        if key is not None and key.kind == ED25519 and not narrow(key.public, line.signature):
            raise Refused("E-07", f"the signature of {key.name} or its key is not canonical")
        if key is not None and not _signed(key, line.signature, note.text):
            number = "E-20" if key.kind == ML_DSA_44 else "E-05"
            raise Refused(number, f"the signature of {key.name} is not of this text")
    return found


def _signed(key: VKey, signature: bytes, text: bytes) -> bool:
    if key.kind == ML_DSA_44:
        from collector.seal import mldsa  # it needs the checkpoints of this module

        return mldsa.verify(key, signature, text)
    return key.kind == ED25519 and verify_ed25519(key.public, signature, text)


def verify_ed25519(public: bytes, signature: bytes, message: bytes) -> bool:
    """Say whether a signature holds by the narrow rule E-07.

    S below the order, A and R in their one encoding, A not of small order, the equation without
    cofactor and R compared as bytes (which is what OpenSSL does).
    """
    if not narrow(public, signature):
        return False
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def narrow(public: bytes, signature: bytes) -> bool:
    """Say whether key and signature are encoded as E-07 asks, before any arithmetic."""
    if len(public) != 32 or len(signature) != 64:
        return False
    if int.from_bytes(signature[32:], "little") >= _ORDER:
        return False
    if not _canonical(public) or not _canonical(signature[:32]):
        return False
    return _y(public) not in _SMALL_ORDER


def _y(point: bytes) -> int:
    return int.from_bytes(point, "little") & ((1 << 255) - 1)


def _canonical(point: bytes) -> bool:
    """Only y of 1 and -1 have x of 0: there a sign bit would be a second spelling."""
    y = _y(point)
    return y < _P and not (point[31] & 0x80 and y in (1, _P - 1))


def parse_checkpoint(text: bytes) -> Checkpoint:
    """Return the checkpoint in the text of a note.

    Raises:
        Refused: E-05, other than origin, size and root, one line each.
    """
    try:
        lines = text.decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise Refused("E-05", "the checkpoint is not UTF-8") from error
    size = re.compile(r"0|[1-9][0-9]{0,18}")
    if len(lines) != 4 or lines[3] or not lines[0] or not size.fullmatch(lines[1]):
        raise Refused("E-05", "not a checkpoint of origin, size and root")
    root = b64(lines[2])
    if len(root) != 32:
        raise Refused("E-05", "the root in the checkpoint is not 32 bytes")
    return Checkpoint(lines[0], int(lines[1]), root)
