"""The ledgers of one site as one chain: years, epochs, keys, and each commit's signatures.

Exactly one ledger is open. What is committed here was taken by the course first, so that nothing
is signed that the verifier refuses.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from collector import durable
from collector.errors import SealError
from collector.records import Clock
from collector.seal import course, entries, files, ledger
from collector.seal.course import Course, Position
from collector.seal.keys import Random, SiteKeys
from collector.seal.ledger import Ledger, Put
from collector.seal.note import Signer

BROKEN_HINT = (
    "two people must approve going on (prathu keys replace); until then frames wait in the spool"
)
Entry = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockState:
    """What keeps the box's clock right."""

    source: str = "system"
    offset_us: int = 0
    stratum: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """What a sealer is told of the box it runs on."""

    clock: Clock
    boot_id: str
    software: str
    """A word such as `prathu/0.1.0`."""
    random: Random = os.urandom
    wrap: bytes | None = None
    """The credential that secrets are wrapped under; None keeps them plain."""
    recovery: str = ""
    """The public half of the key on paper that the ring key is sealed to; empty for none."""
    clock_state: ClockState = ClockState()
    ml_dsa: bool = True
    """Whether a new ledger gets an ML-DSA key too, where the library has the algorithm."""


class Chain:
    """The open ledger of a site and its keys.

    Args:
        home: The home.
        site: Its ledgers.
        keys: Of the site.
        box: Clock and ids.
        put: Writes a file so that it is on the disk whole or not at all.
    """

    def __init__(self, home: Path, site: str, *, keys: SiteKeys, box: Box, put: Put) -> None:
        self._home = home
        self._site = site
        self._keys = keys
        self._box = box
        self._put = put
        self.clock_state = box.clock_state
        self.segments: dict[tuple[str, int], str] = {}
        """Paths of the segments of the open ledger that were not destroyed or lost."""
        self.alarms: list[str] = []
        """What the operator must see."""

    def open(self, approvals: Sequence[str] = ()) -> bool:
        """Read the newest ledger; False when the site has none yet.

        Args:
            approvals: Two people let go what was committed and can never be signed.
        """
        known = ledger.folders(self._home, self._site)
        # A newest one without state was only being made: it is made again from the one before.
        begun = [path for path in known[-1:] if _begun(path)] or [p for p in known[-2:-1]]
        if not begun or not _begun(begun[0]):
            return False
        self._load(f"{self._site}/ledger/{begun[0].name}")
        if len(set(approvals)) == 2 and self._stuck():
            with self.locked():
                self._ledger.rewind()
            return self.open(approvals)
        return True

    def first(self, positions: Mapping[str, Position], begin_us: int) -> None:
        """Make the first ledger of a new site."""
        origin = f"{self._site}/ledger/{entries.day(begin_us).year:04d}"
        self._make(origin, positions, previous=None, approvals=())

    def recover(self, approvals: Sequence[str]) -> None:
        """Publish what was committed, end a hand-over, begin a year that was closed.

        Raises:
            SealError: a key is lost, and no two people approve going on without it.
        """
        if self._ledger.behind():
            with self.locked():
                if not self._ledger.publish_kept():
                    self._ledger.publish(self._signers(self.course, self._last))
        if self.course.closed is not None:
            self._next_year()
        elif not self._has_log_keys():
            self._replace_lost(approvals)
        self._keys.hand_over(self.course.epochs[-1].vkey)
        if self._keys.epoch(self.course.epochs[-1].vkey) is None:
            two(approvals, f"the epoch key of {self.course.origin} is lost")
            self.alarms.append(f"the epoch key of {self.course.origin} was lost and is replaced")
            self._new_epoch(broken=True, approvals=approvals)

    @property
    def size(self) -> int:
        """Entries in the open ledger."""
        return self._ledger.state.size

    @property
    def log_vkey(self) -> str:
        """The log key of the open ledger."""
        return str(self._genesis["log_vkey"])

    def now_us(self) -> int:
        """Return the time now."""
        return self._box.clock() // 1000

    def clock_entry(self, step_us: int) -> dict[str, Any]:
        """Return what is to be said of the clock."""
        clock = self.clock_state
        return {
            "type": "clock",
            "offset_us": clock.offset_us,
            "source": clock.source,
            "stratum": clock.stratum,
            "step_us": step_us,
        }

    def stamp(self, told: Sequence[Entry]) -> tuple[list[dict[str, Any]], Course]:
        """Return entries with their common members, checked, and the course behind them.

        Raises:
            Refused: an entry that does not follow.
        """
        after, now = self.course.copy(), self.now_us()
        listed = list(told)
        told_already = bool(listed) and listed[0].get("step_us", 0) < 0
        if after.size and now < after.time_us and not told_already:
            step = self.clock_entry(now - after.time_us)
            listed.insert(
                0, {**step, **{n: after.clock[n] for n in _SAME}} if after.clock else step
            )
        stamped = []
        for entry in listed:
            whole = {
                "v": 1,
                "index": after.size,
                "time": now,
                "boot": self._box.boot_id,
                **entry,
                "site": self._site,
            }
            entries.check(whole)
            after.take(whole)
            stamped.append(whole)
        return stamped, after

    def commit(self, told: Sequence[Entry]) -> list[dict[str, Any]]:
        """Steps 5 and 6 of sealing: append entries, sign, move the state, publish.

        Raises:
            SealError: nothing was committed.
            StoreError: a write failed; start finds out how far it came.
        """
        stamped, after = self.stamp(told)
        data = [entries.encode(entry) for entry in stamped]
        signers = self._signers(after, stamped[-1])
        self._ledger.commit(data, signers, epoch=after.epochs[-1].number)
        self.course, self._last = after, stamped[-1]
        for entry in stamped:
            self._note(entry)
        self._ledger.publish(signers)
        return stamped

    def turn(self) -> None:
        """Close a year that all logs have left, and hand over to a new epoch on a new day."""
        starts = [p.start_us for p in self.course.positions.values()]
        year = entries.day(min(starts)).year if starts else 0
        if year > self.course.year:
            with self.locked():
                self.commit([{"type": "close", "next": f"{self._site}/ledger/{year:04d}"}])
            self._next_year()
        begun = self.course.epochs[-1].time_us
        if entries.day(self.now_us()).date() > entries.day(begun).date():
            self._new_epoch(broken=False, approvals=())

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep verifiers of a running box out while names and state do not agree."""
        folder = self._home / ledger.FOLDER / self._site
        durable.make_dir(folder, ledger.READABLE)
        with flock(folder):
            yield

    def _stuck(self) -> bool:
        """Say whether the newest entries were committed, not signed, and their key is lost."""
        if not self._ledger.behind() or self._ledger.kept() is not None:
            return False
        try:
            self._signers(self.course, self._last)
        except SealError:
            return True
        return False

    def _load(self, origin: str) -> None:
        """Read a ledger from its first entry on."""
        self._ledger = Ledger(self._home, origin, put=self._put)
        self._ledger.check()
        self.course = Course(origin)
        for index, data in enumerate(self._ledger.entries()):
            self._last = entries.parse(data, index=index, site=self._site)
            self.course.take(self._last)
            self._note(self._last)
        self._genesis: Entry = self.course.genesis or {}

    def _note(self, entry: Entry) -> None:
        """Keep what start must find on the disk."""
        if entry["type"] == "segment":
            self.segments[entry["log"], entry["seq"]] = files.paths(entry)[0]
        elif entry["type"] in ("destroyed", "lost"):
            for log, seq, _ in entry["segments"]:
                self.segments.pop((log, seq), None)

    def _next_year(self) -> None:
        """Make the ledger that `close` names; its keys replace those of the closed one."""
        closed = self.course
        self._make(str(closed.closed), closed.positions, previous=self._ledger.note(), approvals=())

    def _has_log_keys(self) -> bool:
        """Say whether the keys are there that live as long as the ledger."""
        quantum = self._genesis["mldsa_vkey"]
        return self._keys.log(self.log_vkey) is not None and (
            quantum is None or self._keys.mldsa(str(quantum), 1) is not None
        )

    def _replace_lost(self, approvals: Sequence[str]) -> None:
        """Go on in a second ledger of the year, because the log key is lost."""
        two(approvals, f"the log key of {self.course.origin} is lost")
        self.alarms.append(f"the log key of {self.course.origin} was lost: another ledger begins")
        name, _, year = self.course.origin.rpartition("/")
        year, _, number = year.partition("-")
        self._make(
            f"{name}/{year}-{int(number or 1) + 1}",
            self.course.positions,
            previous=self._ledger.note(),
            approvals=approvals,
        )

    def _make(
        self,
        origin: str,
        positions: Mapping[str, Position],
        *,
        previous: bytes | None,
        approvals: Sequence[str],
    ) -> None:
        log, epoch = self._keys.begin(origin)
        self._ledger = Ledger(self._home, origin, put=self._put)
        self.course = Course(origin, positions=dict(positions))
        self.segments = {}
        self._genesis = {
            "type": "genesis",
            "log_vkey": log.vkey.text,
            "epoch_vkey": epoch.vkey.text,
            "mldsa_vkey": self._keys.begin_mldsa(origin) if self._box.ml_dsa else None,
            "interval_s": max((p.interval_s for p in positions.values()), default=3600),
            "logs": course.rows(positions),
            "software": self._box.software,
            "previous": None if previous is None else previous.decode(),
            "approvals": list(approvals),
        }
        with self.locked():
            self.commit([self._genesis, self.clock_entry(0)])

    def _new_epoch(self, *, broken: bool, approvals: Sequence[str]) -> None:
        following = self._keys.next_epoch(self.course.origin)
        entry = {
            "type": "epoch",
            "epoch": self.course.epochs[-1].number + 1,
            "vkey": following.vkey.text,
            "broken": broken,
            "approvals": list(approvals),
        }
        with self.locked():
            self.commit([entry])
        # A crash before the old key is gone leaves both: start ends the hand-over.
        self._keys.hand_over(following.vkey.text)

    def _signers(self, after: Course, last: Entry) -> list[Signer]:
        """Return the keys that sign a checkpoint whose last entry is `last`, in order.

        Raises:
            SealError: one of them is not there.
        """
        newest = after.epochs[-1]
        wanted: list[tuple[Callable[[str], Signer | None], str]] = [
            (self._keys.log, self.log_vkey),
            (self._keys.epoch, newest.vkey),
        ]
        if last["type"] == "epoch" and not newest.broken:
            wanted.insert(1, (self._keys.epoch, after.epochs[-2].vkey))
        if self._genesis["mldsa_vkey"] is not None:
            quantum = partial(self._keys.mldsa, time_s=self.now_us() // 1_000_000)
            wanted.append((quantum, str(self._genesis["mldsa_vkey"])))
        keys = []
        for find, vkey in wanted:
            key = find(vkey)
            if key is None:
                raise SealError(f"a key that must sign {after.origin} is lost", hint=BROKEN_HINT)
            keys.append(key)
        return keys


_SAME = ("source", "stratum", "offset_us")


def two(approvals: Sequence[str], why: str) -> None:
    """Refuse to go on without two different people.

    Raises:
        SealError: saying why they are needed.
    """
    if len(approvals) != 2 or approvals[0] == approvals[1]:
        raise SealError(why, hint=BROKEN_HINT)


def _begun(folder: Path) -> bool:
    return (folder / "state").exists() or (folder / "checkpoint").exists()


@contextmanager
def flock(folder: Path) -> Iterator[None]:
    """Hold the lock on a folder, waiting for it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
