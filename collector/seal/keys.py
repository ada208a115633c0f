"""The keys of a home: what signs, and what wraps the key of every segment.

How secrets lie on the disk is `vault.py`. Segment keys lie in `keys/<site>/<day>.ring`, wrapped
under the ring key, and go when the segments go.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import rfc8785
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from collector import durable
from collector.errors import SealError
from collector.seal import entries, mldsa
from collector.seal.fault import Refused
from collector.seal.mldsa import MlDsaKey
from collector.seal.note import SigningKey, b64
from collector.seal.vault import (
    KEK,
    KEY_BYTES,
    NONCE_BYTES,
    PRIVATE,
    SECRETS,
    TAG_BYTES,
    DoesNotOpen,
    Random,
    Secrets,
)

__all__ = ["KEK", "SECRETS", "Random", "Rings", "Secrets", "SiteKeys", "read_ring", "ring_key"]

RINGS = "keys"
LOST_RING_KEY = "prathu keys restore brings it back from the paper; else: prathu keys replace"


class SiteKeys:
    """The signing keys of one site."""

    def __init__(self, secrets: Secrets, site: str, *, random: Random) -> None:
        self._secrets = secrets
        self._random = random
        self._log, self._epoch = f"prathu.log.{site}", f"prathu.epoch.{site}"
        self._next = f"{self._epoch}.next"
        self._mldsa = f"prathu.mldsa.{site}"

    def begin(self, origin: str) -> tuple[SigningKey, SigningKey]:
        """Return the log key and the first epoch key of a new ledger, made when not there yet.

        Keys of an older ledger are replaced; its last checkpoint must be published before.
        """
        self._secrets.erase(self._next)
        return self._begun(self._log, origin), self._begun(self._epoch, f"{origin}/epoch")

    def begin_mldsa(self, origin: str) -> str | None:
        """Return the ML-DSA key of a new ledger, made anew; None where there is no such key."""
        self._secrets.erase(self._mldsa)
        if not mldsa.AVAILABLE:
            return None
        self._secrets.write(self._mldsa, self._random(mldsa.SEED_BYTES))
        key = self._mldsa_key(origin, 1)
        return None if key is None else key.vkey.text

    def mldsa(self, vkey: str, time_s: int) -> MlDsaKey | None:
        """Return the ML-DSA key of this verifier key, to sign at a time; None when it is lost."""
        key = self._mldsa_key(vkey.partition("+")[0], time_s)
        return key if key is not None and key.vkey.text == vkey else None

    def log(self, vkey: str) -> SigningKey | None:
        """Return the log key of this verifier key, None when it is lost."""
        return self._with(self._log, vkey)

    def epoch(self, vkey: str) -> SigningKey | None:
        """Return the epoch key of this verifier key, None when it is lost or erased."""
        return self._with(self._epoch, vkey) or self._with(self._next, vkey)

    def next_epoch(self, origin: str) -> SigningKey:
        """Make and return the epoch key to come, beside the one that signs now."""
        return self._make(self._next, f"{origin}/epoch")

    def hand_over(self, vkey: str) -> None:
        """Erase the old epoch key, now that the hand-over to `vkey` is published.

        A crash may leave the next key alone under its own name, or one that was never committed.
        """
        if self._with(self._next, vkey) is not None:
            self._secrets.promote(self._next, self._epoch)
        self._secrets.erase(self._next)

    def _mldsa_key(self, name: str, time_s: int) -> MlDsaKey | None:
        with suppress(DoesNotOpen):
            seed = self._secrets.read(self._mldsa)
            if seed is not None and len(seed) == mldsa.SEED_BYTES and mldsa.AVAILABLE:
                return MlDsaKey(name, seed, time_s=time_s)
        return None

    def _begun(self, file: str, name: str) -> SigningKey:
        key = self._read(file)
        if key is not None and key.vkey.name == name:
            return key  # a crash came between the keys and the ledger
        self._secrets.erase(file)
        return self._make(file, name)

    def _make(self, file: str, name: str) -> SigningKey:
        key = SigningKey(name, self._random(32))
        self._secrets.write(file, key.text.encode())
        return key

    def _read(self, file: str) -> SigningKey | None:
        # A damaged key is a lost key; that the credential is right, the ring key has shown.
        with suppress(Refused, UnicodeDecodeError, DoesNotOpen):
            text = self._secrets.read(file)
            return None if text is None else SigningKey.parse(text.decode("ascii"))
        return None

    def _with(self, file: str, vkey: str) -> SigningKey | None:
        key = self._read(file)
        return key if key is not None and key.vkey.text == vkey else None


def ring_key(secrets: Secrets, *, random: Random, used: bool = False) -> bytes:
    """Return the key that wraps segment keys, made when the home is new.

    Args:
        secrets: Of the home.
        random: Makes a new one.
        used: Rings lie there already: without their key no row can be proven again.

    Raises:
        SealError: it is not 32 bytes, or it is gone and was used.
    """
    key = secrets.read(KEK)
    if key is None:
        if used:
            raise SealError(f"{SECRETS}/{KEK} is lost", hint=LOST_RING_KEY)
        key = random(KEY_BYTES)
        secrets.write(KEK, key)
    if len(key) != KEY_BYTES:
        raise SealError(f"{SECRETS}/{KEK} has {len(key)} bytes, not 32", hint=LOST_RING_KEY)
    return key


def ring_path(site: str, start_us: int) -> str:
    """Return the ring file of a segment, from the home on."""
    return f"{RINGS}/{site}/{entries.day(start_us):%Y-%m-%d}.ring"


class Rings:
    """The wrapped segment keys of a home.

    Args:
        home: Where `keys/` is.
        kek: The ring key, 32 bytes.
        random: For nonces.
        put: Writes a file so that it is on the disk whole or not at all.
    """

    def __init__(
        self, home: Path, kek: bytes, *, random: Random, put: Callable[[Path, bytes, int], None]
    ) -> None:
        self._home = home
        self._cipher = AESGCM(kek)
        self._random = random
        self._put = put

    def add(self, segment: str, start_us: int, key: bytes) -> None:
        """Wrap the key of a segment into the ring of its day."""
        site = segment.partition("/")[0]
        path = self._home / ring_path(site, start_us)
        durable.make_dir(path.parent)
        whole, torn = _whole(path)
        line = rfc8785.dumps(wrap(self._cipher, segment, key, self._random(NONCE_BYTES))) + b"\n"
        if torn:
            self._put(path, whole + line, PRIVATE)
        else:
            durable.append(path, line, mode=PRIVATE)

    def get(self, segment: str, start_us: int) -> bytes:
        """Return the key of a segment.

        Raises:
            Refused: E-24, no line of it or one that does not open.
        """
        path = self._home / ring_path(segment.partition("/")[0], start_us)
        whole, _ = _whole(path)
        theirs = [line for line in whole.splitlines(keepends=True) if _names(line, segment)]
        found = read_ring(b"".join(theirs[-1:]), self._cipher)
        if segment not in found:
            raise Refused("E-24", f"{ring_path(segment.partition('/')[0], start_us)}: no {segment}")
        return found[segment]

    def drop(self, segment: str, start_us: int) -> None:
        """Take away the keys of a segment that was never sealed, and a torn last line."""
        path = self._home / ring_path(segment.partition("/")[0], start_us)
        if not path.exists():
            return
        whole, torn = _whole(path)
        kept = b"".join(
            line for line in whole.splitlines(keepends=True) if not _names(line, segment)
        )
        if torn or kept != whole:
            self._put(path, kept, PRIVATE)


def _names(line: bytes, segment: str) -> bool:
    return line.endswith(b'"s":' + rfc8785.dumps(segment) + b"}\n")


def _whole(path: Path) -> tuple[bytes, bool]:
    """Return the whole lines of a ring and whether a torn one followed."""
    data = path.read_bytes() if path.exists() else b""
    whole = data[: data.rfind(b"\n") + 1]
    return whole, whole != data


def wrap(cipher: AESGCM, segment: str, key: bytes, nonce: bytes) -> dict[str, str]:
    """Return the line of a ring that holds `key`."""
    wrapped = cipher.encrypt(nonce, key, segment.encode())
    return {"k": _text(wrapped), "n": _text(nonce), "s": segment}


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def read_ring(data: bytes, cipher: AESGCM) -> dict[str, bytes]:
    """Return the keys in the bytes of a ring file, by segment; the last line of one counts.

    Raises:
        Refused: E-24, a line that is not of its form or does not open.
    """
    return dict(_lines(data, cipher))


def _lines(data: bytes, cipher: AESGCM) -> Iterator[tuple[str, bytes]]:
    for number, line in enumerate(data[: data.rfind(b"\n") + 1].split(b"\n")[:-1], 1):
        try:
            yield _opened(line, cipher)
        except (ValueError, TypeError, KeyError, AttributeError, InvalidTag, Refused) as error:
            raise Refused("E-24", f"line {number} is not a wrapped key that opens") from error


def _opened(line: bytes, cipher: AESGCM) -> tuple[str, bytes]:
    record = json.loads(line)
    segment, nonce, wrapped = record["s"], b64(record["n"]), b64(record["k"])
    if record.keys() != {"k", "n", "s"} or rfc8785.dumps(record) != line:
        raise ValueError("not in its canonical form")
    if len(nonce) != NONCE_BYTES or len(wrapped) != KEY_BYTES + TAG_BYTES:
        raise ValueError("a nonce or wrapped key of another length")
    return segment, cipher.decrypt(nonce, wrapped, segment.encode())
