"""What each sender takes of what all share: the receive loop, the queue to the disk, the disk.

No sender may hold more of the queue than twice what is left of it for the others, nor more of the
spool's disk than is left there, and none may send faster than the settings say. A school that works
never meets these bounds. What is refused is counted here and written down as coverage; so is how
long a sender over TCP or TLS, of whom nothing is refused, was held back.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from collector.receive.losses import Losses, What
from collector.receive.pace import Pace
from collector.settings import Limits

BURST_S = 4
"""A sender that was silent may send so many seconds' worth at once."""
FRAME_BYTES = 96
"""About what the spool adds to a payload."""
IDLE_NS = 600 * 1_000_000_000
"""Silent for longer, an account gives way to a new sender's."""
LOOK_NS = 5 * 1_000_000_000
HELD = "held-back"
"""The kind of coverage that lasts as long as a sender was held back, and tells of no loss."""
_OF_THE_REST = 2
"""Times what is left of the queue that one sender may hold: alone, two thirds of it."""


class Queue(Protocol):
    """What is asked of the spool: how full its queue in memory is."""

    emptied: int
    """How often all of the queue was taken to the disk so far."""

    @property
    def waiting_bytes(self) -> int:
        """Bytes in the queue."""

    @property
    def most_bytes(self) -> int:
        """Bytes that fit in."""


@dataclass(slots=True, kw_only=True, eq=False)
class Account:
    """What one sender, or all of a network that have none of their own, took and was refused."""

    name: str
    """The address, or the network."""
    site: str
    datagrams: int = 0
    """Datagrams and messages that were kept."""
    bytes: int = 0
    offered: int = 0
    """Datagrams that came through to us."""
    fast: int = 0
    """Refused because they came too fast."""
    crowded: int = 0
    """Refused because the queue to the disk was too full of what this sender sent."""
    hoarded: int = 0
    """Refused because the disk was too full of what this sender sent."""
    dammed: int = 0
    """Held back by the kernel in a flood."""
    heard_ns: int = 0
    closed: bool = False
    """Whether it holds too much of the disk now."""
    left: int = 0
    """Datagrams that may still come before the clock is asked again."""
    filled_s: float = 0.0
    emptied: int = -1
    """Of which filling of the queue `queued` is."""
    queued: int = 0
    """Bytes of this sender's in the queue."""
    stored: int = 0
    """Bytes of this sender's in the spool, about."""
    pace: Pace | None = None
    """Of its connections, where it has any."""
    told: tuple[int, ...] = (0, 0, 0, 0)
    """Refusals that are written down already."""

    @property
    def refusals(self) -> tuple[int, ...]:
        """What was refused, by reason."""
        return self.fast, self.crowded, self.hoarded, self.dammed


class Accounts:
    """All accounts, at most so many as the settings say, and the bounds that they share."""

    def __init__(self, limits: Limits, queue: Queue) -> None:
        self.forgotten = 0
        """How often idle accounts were let go: what was found before then is to be found anew."""
        self._limits = limits
        self._queue = queue
        self._lock = threading.Lock()
        self._looked_ns = 0
        self._of: dict[tuple[str, str], Account] = {}
        self._shared: dict[tuple[str, str], Account] = {}

    def find(self, address: str, site: str, network: str, now_ns: int) -> Account:
        """Return the account of a sender; past the bound, that of its network in the settings."""
        with self._lock:
            account = self._of.get((address, site))
            if account:
                return account
            if len(self._of) >= self._limits.senders:
                self._forget(now_ns)
            if len(self._of) < self._limits.senders:
                account = Account(name=address, site=site, heard_ns=now_ns)
                self._of[address, site] = account
                return account
            new = Account(name=network, site=site, heard_ns=now_ns)
            return self._shared.setdefault((network, site), new)

    def admit(self, account: Account, size: int) -> bool:
        """Tell whether one more datagram of this size is within the bounds; count it if so."""
        account.offered += 1
        account.left -= 1
        if account.left < 0 and not self._fill(account):
            return False
        if not self.room(account, size):
            if account.closed:
                account.hoarded += 1
            else:
                account.crowded += 1
            return False
        self.take(account, size)
        return True

    def admit_all(self, account: Account, sizes: Sequence[int]) -> list[bool]:
        """Tell the same of datagrams that came one after the other."""
        count, whole = len(sizes), sum(sizes)
        if count <= account.left and self.room(account, whole + FRAME_BYTES * count):
            account.offered += count
            account.left -= count
            self.take(account, whole, count)
            return [True] * count
        return [self.admit(account, size) for size in sizes]

    def take(self, account: Account, size: int, count: int = 1) -> None:
        """Count what goes into the queue: the bytes of one datagram or message, or of several."""
        account.datagrams += count
        account.bytes += size
        size += FRAME_BYTES * count
        account.queued += size
        account.stored += size

    def pace(self, account: Account) -> Pace:
        """Return how fast messages may be taken off a sender's connections."""
        if account.pace is None:
            account.pace = Pace(self._limits.stream_per_second, time.monotonic())
        return account.pace

    def room(self, account: Account, size: int) -> bool:
        """Tell whether queue and disk have room for so much more of this sender's."""
        queue = self._queue
        if account.emptied != queue.emptied:
            account.emptied = queue.emptied
            account.queued = 0
        rest = queue.most_bytes - queue.waiting_bytes
        return account.queued + size <= _OF_THE_REST * rest and not account.closed

    def review(self, *, spool_bytes: int, disk_bytes: int, mark_bytes: int) -> None:
        """Find out who holds too much of the disk. Called once a second.

        Args:
            spool_bytes: What lies in the spool.
            disk_bytes: What the disk takes until the spool is full.
            mark_bytes: What a sender may hold in any case.
        """
        most = max(mark_bytes, disk_bytes)
        with self._lock:
            all_of_them = [*self._of.values(), *self._shared.values()]
        held = sum(account.stored for account in all_of_them)
        for account in all_of_them:
            if held > spool_bytes:  # some of it is sealed: of everybody's, as far as we know
                account.stored = account.stored * spool_bytes // held
            account.closed = account.stored > most

    def write_down(self, losses: Losses, since_ns: int) -> None:
        """Turn what was refused since the last time into coverage."""
        for account in self.listed():
            self._tell_held_back(account, losses)
            now = account.refusals
            new = [count - told for count, told in zip(now, account.told, strict=True)]
            account.told = now
            for count, why in zip(new, self._reasons(), strict=True):
                if count:
                    what = What(
                        site=account.site,
                        kind="exporter-limit",
                        source=account.name,
                        unit="datagrams",
                        note=why,
                    )
                    losses.add(what, count, since_ns=since_ns)

    def _tell_held_back(self, account: Account, losses: Losses) -> None:
        """Write down for how long a sender's connections were not read."""
        held_s = account.pace.untold_s(time.monotonic()) if account.pace else 0.0
        if held_s > 0:
            bound = f"limits.stream_per_second = {self._limits.stream_per_second}"
            note = f"faster than {bound}: it was not read for so long, and nothing of it is lost"
            losses.tell(
                What(site=account.site, kind=HELD, source=account.name, unit="", note=note), held_s
            )

    def listed(self) -> list[Account]:
        """Return all accounts."""
        with self._lock:
            return [*self._of.values(), *self._shared.values()]

    def _reasons(self) -> Iterable[str]:
        return (
            f"faster than limits.per_second = {self._limits.per_second}",
            "the queue to the disk was full of this sender's",
            "the disk was full of this sender's",
            "held back in the kernel: its flood left no room for others",
        )

    def _fill(self, account: Account) -> bool:
        """Give what the time since the last filling allows; count a refusal when that is none."""
        now = time.monotonic()
        per_second = self._limits.per_second
        since = min(now - account.filled_s, BURST_S)
        due = int(since * per_second)
        if due < 1:
            account.left = 0
            account.fast += 1
            return False
        account.filled_s = now
        account.left = due - 1
        return True

    def _forget(self, now_ns: int) -> None:
        """Let go of who was silent for long and has nothing that is still to be told.

        Looked for seldom: addresses that are made up may come a hundred thousand a second.
        """
        if 0 <= now_ns - self._looked_ns < LOOK_NS:
            return
        self._looked_ns = now_ns
        before = len(self._of)
        self._of = {
            key: account
            for key, account in self._of.items()
            if now_ns - account.heard_ns < IDLE_NS or account.refusals != account.told
        }
        self.forgotten += len(self._of) < before
