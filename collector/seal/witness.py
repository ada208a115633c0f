"""Witnesses (C2SP tlog-witness) and what they sign (tlog-cosignature).

Both ends speak through here: the box, which asks, and the service, which answers.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from collector.seal import mldsa, note, tree
from collector.seal.fault import Refused
from collector.seal.note import Checkpoint, Line, Note, SigningKey, VKey

SIZE_TYPE = "text/x.tlog.size"
"""The content type in which a witness tells the size that it knows."""
MOST_HASHES = 63
KINDS = (note.COSIGNATURE, note.ML_DSA_44)
"""What the key of a witness can be; the box asks those of the first kind, and reads both."""
MAX_REQUEST = note.MAX_BYTES + 4096
_TIME_BYTES, _SIGNATURE_BYTES = 8, 64
_TIME_MAX = (1 << 63) - 1
_OLD = re.compile(r"old (0|[1-9][0-9]{0,18})")
_SIZE = re.compile(r"(0|[1-9][0-9]{0,18})\n?")


class Cosigner:
    """The key of a witness."""

    def __init__(self, name: str, seed: bytes) -> None:
        self._signing = SigningKey(name, seed)
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        public = self._private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.vkey = VKey(name, note.COSIGNATURE, public)

    @property
    def text(self) -> str:
        """The key as signed-note private key text."""
        return self._signing.text

    @classmethod
    def parse(cls, text: str) -> Cosigner:
        """Return the key in private key text.

        Raises:
            Refused: E-05; the message does not repeat the key.
        """
        name = SigningKey.parse(text).vkey.name
        return cls(name, note.b64(text.split("+", 4)[4])[1:])

    def sign(self, text: bytes, time_s: int) -> bytes:
        """Return the line, with its newline, for the text of a checkpoint seen at a time."""
        signature = self._private.sign(_message(text, time_s))
        return line_text(
            Line(self.vkey.name, self.vkey.key_id, time_s.to_bytes(_TIME_BYTES, "big") + signature)
        )


def line_text(line: Line) -> bytes:
    """Return a signature line as it is written, with its newline."""
    return f"{note.DASH} {line.name} {_text64(line.key_id + line.signature)}\n".encode()


def _text64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _message(text: bytes, time_s: int) -> bytes:
    return f"cosignature/v1\ntime {time_s}\n".encode() + text


def time_of(line: Line) -> int:
    """Return when a cosignature says that it was made, in seconds; nothing else is checked.

    Raises:
        Refused: E-19, not of the form of a cosignature, or a time that cannot be.
    """
    if len(line.signature) - _TIME_BYTES not in (_SIGNATURE_BYTES, mldsa.SIGNATURE_BYTES):
        raise Refused("E-19", f"the line of {line.name} is no cosignature")
    time_s = int.from_bytes(line.signature[:_TIME_BYTES], "big")
    if not 0 < time_s <= _TIME_MAX:
        raise Refused("E-19", f"{line.name} cosigned at the time {time_s}")
    return time_s


def check_line(line: Line, key: VKey, text: bytes) -> int:
    """Return when `key` cosigned the text of a checkpoint, in seconds.

    Raises:
        Refused: E-19, another witness's line or a wrong time; E-05, a bad signature.
    """
    if key.kind not in KINDS or (line.name, line.key_id) != (key.name, key.key_id):
        raise Refused("E-19", f"the line of {line.name} is not by {key.name}")
    time_s = time_of(line)
    if key.kind == note.ML_DSA_44:
        holds = mldsa.verify(key, line.signature, text)
    else:
        signature = line.signature[_TIME_BYTES:]
        holds = note.verify_ed25519(key.public, signature, _message(text, time_s))
    if not holds:
        raise Refused("E-05", f"the cosignature of {key.name} is not of this text")
    return time_s


# The box asks.


def request(old: int, proof: Sequence[bytes], signed: bytes) -> bytes:
    """Return the body of `add-checkpoint`.

    Args:
        old: The size that the witness is thought to know.
        proof: From it to the size of the checkpoint; empty when `old` is 0.
        signed: The checkpoint as a signed note.
    """
    hashes = "".join(f"{_text64(part)}\n" for part in proof)
    return f"old {old}\n{hashes}\n".encode() + signed


def told_size(body: bytes) -> int:
    """Return the size that a witness knows, out of its answer 409.

    Raises:
        Refused: E-19, the answer tells none.
    """
    found = _SIZE.fullmatch(body.decode("ascii", "replace"))
    if found is None:
        raise Refused("E-19", f"the witness tells no size: {body[:40]!r}")
    return int(found[1])


def cosignature(body: bytes, key: VKey, text: bytes) -> tuple[bytes, int]:
    """Return the line of a witness in its answer 200, and its time in seconds.

    Lines by other keys are left out.

    Raises:
        Refused: E-05 or E-19, no line of this witness, two, or one that does not hold.
    """
    signed = note.parse(text + b"\n" + body)
    ours = [x for x in signed.lines if (x.name, x.key_id) == (key.name, key.key_id)]
    if signed.text != text or len(ours) != 1:
        raise Refused("E-19", f"{len(ours)} cosignatures of {key.name} in the answer, not one")
    return line_text(ours[0]), check_line(ours[0], key, text)


# The witness answers.


@dataclass(frozen=True, slots=True)
class Asked:
    """A request `add-checkpoint`."""

    old: int
    proof: tuple[bytes, ...]
    note: Note
    checkpoint: Checkpoint


def parse_request(body: bytes) -> Asked:
    """Return what is asked of a witness.

    Raises:
        Refused: not of its form; E-09 when there is a proof from nothing.
    """
    head, gap, signed = body.partition(b"\n\n")
    if not gap or len(body) > MAX_REQUEST:
        raise Refused("E-05", "not an old size, a proof, an empty line and a checkpoint")
    first, *hashes = head.decode("utf-8", "replace").split("\n")
    old = _OLD.fullmatch(first)
    if old is None or len(hashes) > MOST_HASHES:
        raise Refused("E-05", "no old size, or too many hashes")
    proof = tuple(note.b64(part) for part in hashes)
    parsed = note.parse(signed)
    asked = Asked(int(old[1]), proof, parsed, _checkpoint(parsed.text))
    if asked.old > asked.checkpoint.size or (proof and not asked.old):
        raise Refused("E-09", "an old size behind the checkpoint's, or a proof from nothing")
    return asked


def _checkpoint(text: bytes) -> Checkpoint:
    """Return origin, size and root; what lines a log adds is its own affair."""
    lines = text.split(b"\n")
    if b"" in lines[:-1]:
        raise Refused("E-05", "an empty line in the checkpoint")
    return note.parse_checkpoint(b"\n".join([*lines[:3], b""]))


def check_consistent(asked: Asked, known: Checkpoint | None) -> None:
    """Refuse a checkpoint that does not go on from the one that the witness knows.

    Raises:
        Refused: E-09.
    """
    if known is None or not known.size:
        return
    new = asked.checkpoint
    tree.check_consistency(
        known.size, new.size, asked.proof, old_root=known.root, new_root=new.root
    )
