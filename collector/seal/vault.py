"""The files in `secrets/`: plain with mode 0600, or wrapped under the credential `prathu.wrap`.

The service manager hands the credential in where the box is installed; under `prathu up` there is
none. A wrapped file is 12 random bytes, then AES-256-GCM with the file's name as associated data.
A secret that is given up is overwritten before its name goes, also one that is only wrapped anew.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from collector import durable
from collector.errors import SealError
from collector.seal.fault import Refused
from collector.seal.note import SigningKey

SECRETS = "secrets"
KEK = "prathu.kek"
WRAP = "prathu.wrap"
"""The credential: 32 bytes."""
CREDENTIALS = "CREDENTIALS_DIRECTORY"
NONCE_BYTES, TAG_BYTES = 12, 16
KEY_BYTES = 32
PRIVATE = 0o600
_TEXT = b"PRIVATE+KEY+"
"""How a signing key begins; a part of one may have the length of a key."""
_WRAPPING = ".wrapped"
_HALF = ".tmp"
_WRAPPED_KEY = NONCE_BYTES + KEY_BYTES + TAG_BYTES
Random = Callable[[int], bytes]


class DoesNotOpen(SealError):
    """A secret that was not wrapped under this credential, or was damaged."""


def credential(environment: Mapping[str, str]) -> bytes | None:
    """Return the credential that the service manager hands in, None when it hands in none.

    Raises:
        SealError: it is not 32 bytes.
    """
    folder = environment.get(CREDENTIALS)
    path = Path(folder) / WRAP if folder else None
    if path is None or not path.is_file():
        return None
    wrap = path.read_bytes()
    if len(wrap) != KEY_BYTES:
        raise SealError(f"{path} has {len(wrap)} bytes, not {KEY_BYTES}", hint="see docs/keys.md")
    return wrap


def wrapped(home: Path) -> bool | None:
    """Return whether the secrets of a home are wrapped, None when it has none yet."""
    try:
        return (home / SECRETS / KEK).stat().st_size != KEY_BYTES
    except FileNotFoundError:
        return None


class Secrets:
    """The files in `secrets/`; `wrap` is the credential they are wrapped under, or None."""

    def __init__(self, home: Path, *, random: Random, wrap: bytes | None = None) -> None:
        self._folder = home / SECRETS
        self._random = random
        self._wrap = AESGCM(wrap) if wrap is not None else None

    def read(self, name: str) -> bytes | None:
        """Return a secret, None when there is no such file.

        Raises:
            DoesNotOpen: the file is not what was wrapped under this credential.
        """
        try:
            data = (self._folder / name).read_bytes()
        except FileNotFoundError:
            return None
        if self._wrap is None and name == KEK and len(data) == _WRAPPED_KEY:
            hint = f"only its service opens it, with the credential {WRAP}: see docs/keys.md"
            raise DoesNotOpen(f"{self._folder / name} is wrapped", hint=hint)
        if self._wrap is None or _plain(data):
            return data
        return self._opened(name, data)

    def write(self, name: str, data: bytes) -> None:
        """Put a secret on the disk, whole or not at all."""
        durable.make_dir(self._folder)
        durable.replace(self._folder / name, self._closed(name, data), mode=PRIVATE)

    def erase(self, name: str) -> None:
        """Overwrite a secret and take it away."""
        if (self._folder / name).exists():
            durable.overwrite_and_unlink(self._folder / name)

    def promote(self, name: str, target: str) -> None:
        """Let one secret take the place of another, whose bytes are overwritten first."""
        data = self.read(name)
        if data is None:
            return
        # The name is bound to what is wrapped: it is wrapped anew under the one it takes.
        beside = self._beside(target)
        durable.write_new(beside, self._closed(target, data), mode=PRIVATE)
        self._replaced(target)
        self.erase(name)

    def mend(self) -> None:
        """Finish what a crash broke off, and wrap what lies there plain from before.

        Raises:
            DoesNotOpen: the ring key is wrapped under another credential, or under one at all.
        """
        for half in sorted(self._folder.glob(f"*{_HALF}")):
            durable.overwrite_and_unlink(half)
        for beside in sorted(self._folder.glob(f"*{_WRAPPING}")):
            name = beside.name.removesuffix(_WRAPPING)
            if self._whole(name, beside.read_bytes()):
                self._replaced(name)
            else:
                self.read(name)  # that one must open, or both may be of another credential
                durable.overwrite_and_unlink(beside)
        for path in sorted(self._folder.glob("prathu.*")) if self._wrap is not None else ():
            data = path.read_bytes()
            if _plain(data):
                closed = self._closed(path.name, data)
                durable.write_new(self._beside(path.name), closed, mode=PRIVATE)
                self._replaced(path.name)

    def _beside(self, name: str) -> Path:
        return self._folder / f"{name}{_WRAPPING}"

    def _replaced(self, name: str) -> None:
        """Overwrite a secret; what lies beside it takes its place."""
        # What is beside is on the disk: a crash here loses the old bytes only, and `mend` goes on.
        self.erase(name)
        durable.rename(self._beside(name), self._folder / name)

    def _whole(self, name: str, data: bytes) -> bool:
        if self._wrap is None:
            return _plain(data)
        with suppress(DoesNotOpen):
            return bool(self._opened(name, data))
        return False

    def _closed(self, name: str, data: bytes) -> bytes:
        if self._wrap is None:
            return data
        nonce = self._random(NONCE_BYTES)
        return nonce + self._wrap.encrypt(nonce, data, name.encode())

    def _opened(self, name: str, data: bytes) -> bytes:
        if self._wrap is None:
            return data
        try:
            return self._wrap.decrypt(data[:NONCE_BYTES], data[NONCE_BYTES:], name.encode())
        except (InvalidTag, ValueError) as error:
            raise DoesNotOpen(
                f"{self._folder / name} does not open", hint=f"see that {WRAP} is this box's"
            ) from error


def _plain(data: bytes) -> bool:
    """Say whether these are the bytes of a whole secret that is not wrapped."""
    try:
        return bool(SigningKey.parse(data.decode("ascii")))
    except (Refused, UnicodeDecodeError):
        return len(data) == KEY_BYTES and not data.startswith(_TEXT)
