"""What a witness remembers: of each ledger the newest checkpoint that it signed, in one file."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from appliance.errors import BoxError
from collector import durable
from collector.errors import CollectorError, SettingsError
from collector.records import Clock
from collector.seal import note, policy, tree, witness
from collector.seal.fault import Refused
from collector.seal.note import Checkpoint, VKey
from collector.seal.vault import Secrets, credential
from collector.seal.witness import Asked, Cosigner

FORMAT = "prathu-witness/1"
STATE = Path("hub") / "witness.json"
KEY = "prathu.witness"
_DAMAGED = (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError)


class Misspelt(CollectorError):
    """Not a request of its form (400)."""


class Unknown(CollectorError):
    """A ledger that this witness does not serve (404)."""


class Unbelieved(CollectorError):
    """No signature by a log key that this witness believes (403)."""


class Conflict(CollectorError):
    """The old size is not the one that the witness knows (409)."""

    def __init__(self, size: int) -> None:
        super().__init__(f"the witness knows size {size}")
        self.size = size


@dataclass(frozen=True, slots=True)
class Seen:
    """The newest checkpoint of a ledger that was signed here."""

    checkpoint: Checkpoint
    note: str
    """The whole note as it was shown, with the log's signature."""
    time_s: int


class Witness:
    """Signs checkpoints that go on from what it saw before. One process at a time has the state.

    Args:
        home: The home; `hub/` is made there.
        key: Signs.
        logs: The file with the ledgers that are served.
        clock: The time now.
    """

    def __init__(self, home: Path, key: Cosigner, logs: Path, *, clock: Clock) -> None:
        self._path = home / STATE
        self._key = key
        self._logs_path = logs
        self._clock = clock
        self._file_lock = durable.Lock(self._path.with_suffix(".lock"))
        self._lock = threading.Lock()
        self._served: Mapping[str, tuple[VKey, ...]] = {}
        self._stamp: tuple[int, int] | None = None
        self._seen: dict[str, Seen] = {}

    def start(self) -> None:
        """Take the lock and read the state.

        Raises:
            Busy: another process is this witness.
            BoxError: the state is damaged; a witness that forgot would sign anything.
            SettingsError: the file of ledgers is wrong.
        """
        durable.make_dir(self._path.parent, 0o750)
        self._file_lock.take()
        try:
            self._seen = read_state(self._path)
            self.served()
        except BaseException:
            self._file_lock.release()
            raise

    def stop(self) -> None:
        """Let go of the lock."""
        self._file_lock.release()

    def served(self) -> Mapping[str, tuple[VKey, ...]]:
        """Return the log keys that are believed, by origin; the file is read again when it changed.

        Raises:
            SettingsError: the file is wrong; what it said before goes on to hold.
        """
        try:
            told = self._logs_path.stat()
            stamp = (told.st_mtime_ns, told.st_size)
            if stamp != self._stamp:
                self._served = parse_logs(self._logs_path.read_text(encoding="utf-8"))
                self._stamp = stamp
        except FileNotFoundError:
            self._served, self._stamp = {}, None
        except (Refused, OSError, UnicodeDecodeError) as error:
            raise SettingsError(
                f"{self._logs_path}: {error}", hint="lines such as: log KEY"
            ) from error
        return self._served

    def add_checkpoint(self, body: bytes) -> bytes:
        """Return the cosignature for what was asked; it is durable that it was given.

        Raises:
            Misspelt, Unknown, Unbelieved, Conflict: as C2SP tlog-witness has them.
            Refused: a proof that does not hold (422).
            StoreError: it could not be written down, and was not signed.
        """
        try:
            asked = witness.parse_request(body)
        except Refused as refused:
            raise Misspelt(str(refused)) from refused
        with self._lock:
            self._believe(asked)
            origin, new = asked.checkpoint.origin, asked.checkpoint
            before = self._seen.get(origin)
            known = before.checkpoint if before else Checkpoint(origin, 0, tree.EMPTY)
            if asked.old != known.size or (new.size == known.size and new.root != known.root):
                raise Conflict(known.size)
            witness.check_consistent(asked, known)
            # A clock set back must not make a later word the earlier one.
            time_s = max(self._clock() // 10**9, before.time_s if before else 1)
            whole = body.partition(b"\n\n")[2].decode()
            self._seen[origin] = Seen(new, whole, time_s)
            try:
                durable.replace(self._path, _text(self._seen))
            except BaseException:
                # What lies on the disk now is the old or the new; the new was not signed, so that
                # going on from the old is right in either case.
                self._undo(origin, before)
                raise
            return self._key.sign(asked.note.text, time_s)

    def _undo(self, origin: str, before: Seen | None) -> None:
        if before is None:
            self._seen.pop(origin, None)
        else:
            self._seen[origin] = before

    def _believe(self, asked: Asked) -> None:
        origin = asked.checkpoint.origin
        keys = self.served().get(origin)
        if not keys:
            raise Unknown(f"this witness does not serve {origin}")
        try:
            found = note.check(asked.note, keys)
        except Refused as refused:
            raise Unbelieved(str(refused)) from refused
        if not any(key is not None for key in found):
            raise Unbelieved(f"no signature by a believed log key of {origin}")

    def seen(self) -> Mapping[str, Seen]:
        """Return what was signed, by origin."""
        with self._lock:
            return dict(self._seen)


def parse_logs(text: str) -> Mapping[str, tuple[VKey, ...]]:
    """Return the keys in a file of lines `log KEY`, by origin.

    Raises:
        Refused: a line that is not understood.
    """
    read = policy.parse(f"{text}\nquorum none\n")
    found: dict[str, tuple[VKey, ...]] = {}
    for key in read.logs:
        found[key.name] = (*found.get(key.name, ()), key)
    return found


def read_state(path: Path) -> dict[str, Seen]:
    """Return what a witness remembers; nothing when it is new.

    Raises:
        BoxError: the file is damaged.
    """
    try:
        record = json.loads(path.read_bytes())
        if record.pop("format") != FORMAT:
            raise _strange(path, "another format")
        logs: dict[str, Any] = record["logs"]
        return {str(origin): _seen(str(origin), one) for origin, one in logs.items()}
    except FileNotFoundError:
        return {}
    except (*_DAMAGED, Refused) as error:
        raise _strange(path, str(error)) from error


def _strange(path: Path, why: str) -> BoxError:
    hint = "restore it; a witness that forgot must begin anew, with another key"
    return BoxError(f"{path} cannot be read: {why}", hint=hint)


def _seen(origin: str, record: Mapping[str, str | int]) -> Seen:
    checkpoint = Checkpoint(origin, int(record["size"]), bytes.fromhex(str(record["root"])))
    return Seen(checkpoint, str(record["note"]), int(record["time"]))


def _text(seen: Mapping[str, Seen]) -> bytes:
    logs = {
        origin: {
            "size": one.checkpoint.size,
            "root": one.checkpoint.root.hex(),
            "note": one.note,
            "time": one.time_s,
        }
        for origin, one in sorted(seen.items())
    }
    return json.dumps({"format": FORMAT, "logs": logs}, ensure_ascii=False, indent=1).encode()


def key_of(home: Path, name: str) -> Cosigner:
    """Return the key of this home's witness, made when there is none.

    Raises:
        SettingsError: no name is set, or the key that is there has another.
        SealError: the key does not open.
    """
    if not name:
        raise SettingsError(
            "hub: name is not set",
            hint='set it in prathu.toml, for ever: [hub] name = "hub.example.go.th/witness"',
        )
    secrets = Secrets(home, random=os.urandom, wrap=credential(os.environ))
    text = secrets.read(KEY)
    if text is None:
        if (home / STATE).exists():
            raise SettingsError(
                f"{home / STATE} is there, its key is not",
                hint="restore secrets/prathu.witness, or take the state away for a new witness",
            )
        key = Cosigner(name, os.urandom(32))
        secrets.write(KEY, key.text.encode())
        return key
    key = Cosigner.parse(text.decode("ascii", "replace"))
    if key.vkey.name != name:
        raise SettingsError(
            f"hub: name is {name}, but the key here is of {key.vkey.name}",
            hint="a witness keeps its name",
        )
    return key
