"""ML-DSA-44 lines of checkpoints (C2SP tlog-cosignature, signed-note type 0x06, FIPS 204).

The line is what remains when a quantum computer can forge Ed25519. The signed message is no note
text but a struct over all of the tree: label, name of the key, time, origin, first and last index,
root. A library that does not know the algorithm makes `AVAILABLE` false: then no ledger gets such a
key, and a line that must be checked is refused.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from collector.seal.note import ML_DSA_44, Checkpoint, VKey, parse_checkpoint, signature_line

try:
    from cryptography.hazmat.primitives.asymmetric import mldsa as _mldsa

    _mldsa.MLDSA44PrivateKey.from_seed_bytes(bytes(32))
    AVAILABLE = True
except (ImportError, UnsupportedAlgorithm):  # pragma: no cover  # an older library or OpenSSL
    AVAILABLE = False
"""Whether the library has the algorithm."""

SEED_BYTES = 32
SIGNATURE_BYTES = 2420
_TIME_BYTES = 8
_LABEL = b"subtree/v1\n\0"


class MlDsaKey:
    """A key that signs checkpoints with the time of signing.

    Args:
        name: Its name, the origin of the ledger.
        seed: 32 bytes.
        time_s: Of signing, seconds since 1970.
    """

    def __init__(self, name: str, seed: bytes, *, time_s: int) -> None:
        self._private = _mldsa.MLDSA44PrivateKey.from_seed_bytes(seed)
        self._time_s = time_s
        self.vkey = VKey(name, ML_DSA_44, self._private.public_key().public_bytes_raw())

    def sign(self, text: bytes) -> bytes:
        """Return the signature line, with its newline, for the text of a checkpoint.

        The signature is another one each time: the algorithm mixes in fresh random bytes.
        """
        told = message(self.vkey.name, parse_checkpoint(text), self._time_s)
        stamped = self._time_s.to_bytes(_TIME_BYTES, "big") + self._private.sign(told)
        return signature_line(self.vkey, stamped)


def message(name: str, checkpoint: Checkpoint, time_s: int) -> bytes:
    """Return what a key of this name signs of a whole tree at a time."""
    return b"".join(
        (
            _LABEL,
            _prefixed(name),
            time_s.to_bytes(8, "big"),
            _prefixed(checkpoint.origin),
            (0).to_bytes(8, "big"),
            checkpoint.size.to_bytes(8, "big"),
            checkpoint.root,
        )
    )


def verify(key: VKey, signature: bytes, text: bytes) -> bool:
    """Say whether a line's signature, time and all, is this key's for the text of a checkpoint.

    Raises:
        Refused: E-05, the text is no checkpoint.
    """
    if not AVAILABLE or len(signature) != _TIME_BYTES + SIGNATURE_BYTES:
        return False
    time_s = int.from_bytes(signature[:_TIME_BYTES], "big")
    if not 0 < time_s < 1 << 63:
        return False
    told = message(key.name, parse_checkpoint(text), time_s)
    try:
        public = _mldsa.MLDSA44PublicKey.from_public_bytes(key.public)
        public.verify(signature[_TIME_BYTES:], told)
    except (InvalidSignature, ValueError):
        return False
    return True


def _prefixed(text: str) -> bytes:
    data = text.encode()
    return bytes([len(data)]) + data
