"""Whom to ask for what, and what becomes of the answers; the doors are on the control socket."""

from __future__ import annotations

import base64
import os
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from collector.errors import CollectorError
from collector.outside.memory import Line, Memory
from collector.outside.pins import DAY_US, LEDGERS, Pins
from collector.outside.roots import roots
from collector.records import Clock
from collector.seal import ledger, note, outside, tiles, timestamp, tree, witness
from collector.seal.note import Checkpoint, VKey
from collector.seal.staging import Stage
from collector.settings import CollectorSettings, TimestampAuthority, Witness

HOUR_US = 3_600_000_000
PENDING_US = 300_000_000
"""A question that nobody brought an answer for is asked again after so long."""
NOTE_TYPE = "text/plain; charset=utf-8"
KEPT, AGAIN, LET_GO = "kept", "again", "let go"
_CONFLICTS = 3

Tell = Callable[[str, Mapping[str, Any]], None]
"""Writes an entry into the ledger of a site."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """A question that is on its way."""

    line: Line
    folder: Path
    checkpoint: Checkpoint
    asked_us: int
    authority: TimestampAuthority | None = None
    nonce: int = 0
    key: VKey | None = None
    old: int = 0


class Outside:
    """Asks for all sites of a box; safe to use from several threads.

    Args:
        home: The home, whose ledgers are read.
        settings: Authorities and witnesses.
        clock: The time now.
        tell: Writes an entry; None leaves pinning to the next start.
    """

    def __init__(
        self, home: Path, settings: CollectorSettings, *, clock: Clock, tell: Tell | None
    ) -> None:
        self._home = home
        self._settings = settings
        self._clock = clock
        self._tell = tell
        self._lock = threading.Lock()
        self._sites = [site.id for site in settings.sites]
        self._memory = Memory(home)
        self._asked: dict[str, _Asked] = {}
        self._knows: dict[tuple[str, str], int] = {}
        """By origin and key id, the size that a witness said or is known to have."""
        self._conflicts: dict[tuple[str, str], int] = {}
        self._let_go: set[tuple[str, str]] = set()
        """Ended ledgers that a witness does not serve any more."""
        self._anew = False
        """Ask witnesses for what they signed, too: who saw more than a restored box says so."""
        self._put = Stage(home, "+outside", random=os.urandom).put
        self._pins: dict[str, Pins] = {}

    # What the control socket answers to.

    def handlers(self) -> dict[str, Callable[[dict[str, Any]], dict[str, Any]]]:
        """Return what is asked by whoever carries questions out."""
        return {
            "outside-due": lambda _: {"questions": self.due()},
            "outside-answer": self._answer,
            "outside": lambda request: self.status(now=bool(request.get("now"))),
        }

    def due(self) -> list[dict[str, Any]]:
        """Return the questions that are to be asked now; each is given once.

        Raises:
            CollectorError: a ledger cannot be read.
        """
        if not self._settings.timestamp_authorities and not self._settings.witnesses:
            return []
        self._anchor()
        with self._lock:
            now = self._now_us()
            self._forget(now)
            try:
                found = [one for site in self._sites for one in self._of_site(site, now)]
            except OSError as error:
                raise CollectorError(f"the ledger cannot be read: {error}") from error
            self._anew = False
            self._memory.write()
        return found

    def answer(self, ident: str, *, status: int = 0, body: bytes = b"", error: str = "") -> str:
        """Take an answer; return what became of it: `kept`, `again`, or what is wrong.

        Args:
            ident: Of the question.
            status: Of HTTP, 0 where nobody answered.
            body: What came.
            error: Why nobody answered.

        Raises:
            CollectorError: no such question, or one that was answered.
        """
        with self._lock:
            asked = self._asked.pop(ident, None)
            if asked is None:
                raise CollectorError(f"no question {ident[:40]!r} waits for an answer")
            try:
                told = self._take(asked, status, body, error)
            except (CollectorError, OSError) as fault:
                told = asked.line.fail(str(fault), self._now_us())
            self._memory.write()
        self._anchor()
        return told

    def status(self, *, now: bool = False) -> dict[str, Any]:
        """Return how it stands with everybody outside; `now` lets all be asked at once."""
        with self._lock:
            lines = [line for site in self._sites for line in self._lines(site)]
            if now:
                self._anew = True
                self._memory.chosen.clear()
                for line in lines:
                    line.again_us = 0
            return {
                "lines": [asdict(line) for line in lines],
                "asked": len(self._asked),
                "waiting": {s: len(queue) for s, queue in self._memory.waiting.items()},
                "dropped": self._memory.dropped,
            }

    def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        told = self.answer(
            str(request["id"]),
            status=int(request.get("status", 0)),
            body=base64.b64decode(request.get("body", "")),
            error=str(request.get("error", "")),
        )
        return {"told": told}

    # Questions.

    def _of_site(self, site: str, now: int) -> Iterator[dict[str, Any]]:
        folders = ledger.folders(self._home, site)
        if not folders:
            return
        if self._settings.timestamp_authorities:
            self._choose(site, folders[-1], now)
        for authority in self._settings.timestamp_authorities:
            line = self._memory.line(site, "authority", authority.name)
            if not line.rests(now) and not self._busy(line):
                yield from self._stamp(site, authority, line, now)
        for one in self._witnesses(site):
            for folder in folders[-LEDGERS:]:
                yield from self._cosign(site, one, folder, now, ended=folder != folders[-1])

    def _choose(self, site: str, folder: Path, now: int) -> None:
        """Choose the checkpoint of the day, which every authority is to stamp."""
        every = int(self._settings.outside.every_hours * HOUR_US)
        chosen = self._memory.chosen.get(site, now - DAY_US)
        checkpoint = outside.published(folder)
        if checkpoint is not None and checkpoint.size and not 0 <= now - chosen < every:
            self._memory.wait(site, checkpoint.origin, checkpoint.size, now)

    def _stamp(
        self, site: str, authority: TimestampAuthority, line: Line, now: int
    ) -> Iterator[dict[str, Any]]:
        """Give the question for the oldest checkpoint that this authority did not stamp yet."""
        for waiting in self._memory.waiting.get(site, ()):
            folder = outside.folder_of(self._home, waiting.origin)
            if self._has(folder, waiting.size, authority.name):
                continue
            text = note.parse(outside.signed_note(folder, waiting.size)).text
            request = timestamp.request(text)
            asked = _Asked(
                line=line, folder=folder, checkpoint=note.parse_checkpoint(text), asked_us=now,
                authority=authority, nonce=request.nonce,
            )  # fmt: skip
            yield self._ask(asked, authority.url, timestamp.REQUEST_TYPE, request.body)
            return

    def _cosign(
        self, site: str, one: Witness, folder: Path, now: int, *, ended: bool
    ) -> Iterator[dict[str, Any]]:
        key = note.parse_vkey(one.key)
        line = self._memory.line(site, "witness", key.name)
        at = (outside.origin_of(folder), key.key_id.hex())
        if line.rests(now) or self._busy(line, folder) or (ended and at in self._let_go):
            return
        checkpoint = outside.published(folder)
        if checkpoint is None or not checkpoint.size:
            return
        kept = outside.Kept(checkpoint.size, key.key_id.hex(), outside.COSIGNATURES)
        if (folder / kept.name).exists() and not self._anew:
            return
        old = min(self._known(folder, key), checkpoint.size)
        reader = tiles.Tiles(folder, checkpoint.size)
        proof = tree.consistency_proof(old, checkpoint.size, reader.subtree) if old else []
        body = witness.request(old, proof, outside.signed_note(folder, checkpoint.size))
        asked = _Asked(
            line=line, folder=folder, checkpoint=checkpoint, asked_us=now, key=key, old=old
        )
        yield self._ask(asked, f"{one.url.rstrip('/')}/add-checkpoint", NOTE_TYPE, body)

    def _known(self, folder: Path, key: VKey) -> int:
        """Return the size that a witness is thought to know."""
        at = (outside.origin_of(folder), key.key_id.hex())
        if at not in self._knows:
            self._knows[at] = self._signed(folder, at[1])
        return self._knows[at]

    def _signed(self, folder: Path, key_id: str) -> int:
        """Return the greatest size of which a witness's cosignature is kept."""
        kept = outside.listed(folder)
        sizes = [k.size for k in kept if (k.kind, k.by) == (outside.COSIGNATURES, key_id)]
        return max(sizes, default=0)

    def _ask(self, asked: _Asked, url: str, kind: str, body: bytes) -> dict[str, Any]:
        ident = secrets.token_hex(8)
        self._asked[ident] = asked
        return {
            "id": ident,
            "whom": asked.line.name,
            "site": asked.line.site,
            "url": url,
            "type": kind,
            "body": base64.b64encode(body).decode(),
            "timeout_s": self._settings.outside.timeout_s,
        }

    def _busy(self, line: Line, folder: Path | None = None) -> bool:
        return any(
            asked.line is line and folder in (None, asked.folder) for asked in self._asked.values()
        )

    def _forget(self, now: int) -> None:
        for ident, asked in list(self._asked.items()):
            if not 0 <= now - asked.asked_us < PENDING_US:
                del self._asked[ident]
                asked.line.fail("nobody brought an answer", now)

    # Answers.

    def _take(self, asked: _Asked, status: int, body: bytes, error: str) -> str:
        if error or not status:
            return self._fail(asked, error or "no answer")
        if asked.authority is not None:
            return self._token(asked, asked.authority, status, body)
        if asked.key is not None:
            return self._cosigned(asked, asked.key, status, body)
        return self._fail(asked, "nobody was asked")

    def _token(self, asked: _Asked, authority: TimestampAuthority, status: int, body: bytes) -> str:
        if status != 200:
            return self._fail(asked, f"answered HTTP {status}")
        trusted, size, now = roots(self._home, authority), asked.checkpoint.size, self._now_us()
        newest = outside.published(asked.folder) or asked.checkpoint
        stamp = timestamp.check(
            body,
            asked.checkpoint.text,
            trusted=trusted,
            nonce=asked.nonce,
            covers_us=outside.Clocks(asked.folder, newest.size).covered_us(size),
        )
        chain = timestamp.kept_chain(body, trusted)
        outside.Shelf(asked.folder, self._put).token(size, authority.name, body, chain)
        asked.line.done(size, now)
        if stamp.time_us > now + timestamp.SLACK_US:
            ahead_s = (stamp.time_us - now) / 1e6
            asked.line.alarm = f"its clock is {ahead_s:.0f} s ahead of this box's"
        self._leave(asked.line.site)
        if asked.line.site in self._pins:
            self._pins[asked.line.site].fresh = True
        return KEPT

    def _cosigned(self, asked: _Asked, key: VKey, status: int, body: bytes) -> str:
        checkpoint, at = asked.checkpoint, (asked.checkpoint.origin, key.key_id.hex())
        if status == 200:
            line, _ = witness.cosignature(body, key, checkpoint.text)
            outside.Shelf(asked.folder, self._put).cosignature(checkpoint.size, key, line)
            self._knows[at] = max(checkpoint.size, self._known(asked.folder, key))
            self._conflicts.pop(at, None)
            asked.line.done(checkpoint.size, self._now_us())
            return KEPT
        if status == 409:
            return self._conflict(asked, at, witness.told_size(body))
        if status == 422:
            fault = (
                f"it knows another history of {at[0]}: what it saw at size {asked.old} does not "
                f"begin what this box has at size {checkpoint.size}"
            )
            return self._fail(asked, fault, alarm=True)
        if status in (403, 404) and asked.folder != self._newest(asked.line.site):
            self._let_go.add(at)
            return LET_GO
        return self._fail(asked, _REFUSALS.get(status, f"answered HTTP {status}").format(at[0]))

    def _conflict(self, asked: _Asked, at: tuple[str, str], told: int) -> str:
        """Ask again from the size that a witness tells, unless it knows more than this box."""
        newest = outside.published(asked.folder) or asked.checkpoint
        if told > newest.size:
            fault = (
                f"somebody holds a longer history than we do: {asked.line.name} knows {at[0]} at "
                f"size {told}, this box has {newest.size}"
            )
            return self._fail(asked, fault, alarm=True)
        signed = self._signed(asked.folder, at[1])
        if told < signed:
            fault = _FORGOT.format(asked.line.name, at[0], signed, told)
            return self._fail(asked, fault, alarm=True)
        if told == asked.old == asked.checkpoint.size:
            fault = f"{asked.line.name} knows another history of {at[0]} at size {told}"
            return self._fail(asked, fault, alarm=True)
        self._knows[at] = told
        self._conflicts[at] = self._conflicts.get(at, 0) + 1
        if self._conflicts[at] > _CONFLICTS:
            return self._fail(asked, f"it tells size {told} again and again")
        return AGAIN

    def _fail(self, asked: _Asked, fault: str, *, alarm: bool = False) -> str:
        return asked.line.fail(fault, self._now_us(), alarm=alarm)

    def _leave(self, site: str) -> None:
        """Let go of checkpoints that every authority has stamped."""
        names = [authority.name for authority in self._settings.timestamp_authorities]
        self._memory.waiting[site] = [
            one
            for one in self._memory.waiting.get(site, [])
            if not all(
                self._has(outside.folder_of(self._home, one.origin), one.size, name)
                for name in names
            )
        ]

    def _has(self, folder: Path, size: int, authority: str) -> bool:
        return (folder / outside.Kept(size, authority, "tsr").name).exists()

    # Anchors.

    def _anchor(self) -> None:
        """Have the ledgers pin what came; outside the lock, for the sealer may be busy."""
        if self._tell is None:
            return
        with self._lock:
            now = self._now_us()
            try:
                told = [(s, entry) for s in self._sites for entry in self._due_pins(s, now)]
            except OSError as error:
                raise CollectorError(f"the ledger cannot be read: {error}") from error
        for site, entry in told:
            self._tell(site, entry)

    def _due_pins(self, site: str, now: int) -> Iterator[Mapping[str, Any]]:
        if site not in self._pins:
            self._pins[site] = Pins(self._home, site, self._put)
        yield from self._pins[site].due(now)

    # Who is in the settings.

    def _lines(self, site: str) -> Iterator[Line]:
        for authority in self._settings.timestamp_authorities:
            yield self._memory.line(site, "authority", authority.name)
        for one in self._witnesses(site):
            yield self._memory.line(site, "witness", note.parse_vkey(one.key).name)

    def _witnesses(self, site: str) -> Iterator[Witness]:
        yield from (w for w in self._settings.witnesses if not w.sites or site in w.sites)

    def _newest(self, site: str) -> Path | None:
        return next(reversed(ledger.folders(self._home, site)), None)

    def _now_us(self) -> int:
        return self._clock() // 1000


_FORGOT = "{} forgot what it signed of {}: size {} is kept here, it knows {}. It needs a new key"
_REFUSALS = {
    403: "it does not believe the log key of {}: give it the line of prathu outside",
    404: "it does not serve {}: give it the line of prathu outside",
}
