"""When the kernel's buffers run over, whoever sends most is held back before them.

The loop takes what it can; past that the kernel drops whatever comes, from whomever. So while it
drops, and one sender's datagrams are more than half of all, the kernel is told to let through only
a part of that sender's, at random: the others find room again. All strangers together count as one
sender. The part is doubled after a while without drops, later each time it was too early.

What was held back is known but for chance: the kernel counts it with its other drops, and how many
came through tells how many came.
"""

from __future__ import annotations

import logging
import math
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import ip_network

from collector.receive import bpf
from collector.receive.accounts import Account, Accounts
from collector.receive.strangers import Strangers

LOUD = 5000
"""Datagrams a second, below which nobody is held back."""
STEP = 4
"""Each time, the part that is let through becomes so many times smaller."""
LEAST = 1 / 4096
PATIENCE = 5
"""Seconds without drops before more is let through; doubled up to PATIENCE_MOST."""
PATIENCE_MOST = 320
MOST = 64
"""Senders held back at once."""
SPARED = 500
"""Senders that are let through one by one while the rest of their network is held back."""
_SURE = 5
"""Standard deviations."""
_EVERYBODY = (ip_network("0.0.0.0/0"), ip_network("::/0"))

_log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class _Held:
    """A sender that is held back; all strangers, when there is no account."""

    account: Account | None
    part: float = 1.0
    calm: int = 0
    patience: int = PATIENCE
    through: int = 0
    """Datagrams that came through in the last second."""

    @property
    def name(self) -> str:
        """Who it is."""
        return self.account.name if self.account else "unknown senders"

    @property
    def stopped(self) -> float:
        """How many were held back in the last second, by those that were not."""
        return self.through * (1 - self.part) / self.part


class Dam:
    """Decides once a second, for all UDP sockets together."""

    def __init__(
        self, accounts: Accounts, strangers: Strangers, networks: Sequence[bpf.Network]
    ) -> None:
        self._accounts = accounts
        self._strangers = strangers
        self._networks = networks
        self._sockets: list[socket.socket] = []
        self._held: dict[Account | None, _Held] = {}
        self._seen: dict[Account | None, int] = {}
        self._failed = False

    def add(self, sockets: Iterable[socket.socket]) -> None:
        """Guard these sockets, too."""
        self._sockets += sockets

    def status(self) -> list[dict[str, object]]:
        """Return who is held back, and how much of theirs comes through."""
        return [{"name": held.name, "part": held.part} for held in list(self._held.values())]

    def tick(self, dropped: int) -> int:
        """Look at the last second; return how many of the drops were not of those held back.

        Args:
            dropped: What the kernel counted as dropped in it, at all sockets.
        """
        came = self._count()
        for account, held in self._held.items():
            held.through = came.get(account, 0)
        meant = sum(held.stopped for held in self._held.values())
        rest = dropped - self._blame(min(meant, dropped), dropped)
        if rest:
            self._hold_back(came)
        else:
            self._let_go()
        return rest

    def _count(self) -> dict[Account | None, int]:
        """Return how many datagrams of each came through since the last time."""
        now: dict[Account | None, int] = {a: a.offered for a in self._accounts.listed()}
        now[None] = self._strangers.refused
        came = {who: count - self._seen.get(who, 0) for who, count in now.items()}
        self._seen = now
        return came

    def _blame(self, meant: float, dropped: int) -> int:
        """Write the drops that were meant to the accounts of those held back; return them."""
        least = min((held.part for held in self._held.values()), default=1.0)
        if dropped - meant <= _SURE * math.sqrt(meant / least):
            meant = dropped if meant else 0  # the rest is chance
        whole = sum(held.stopped for held in self._held.values())
        blamed = 0
        for held in self._held.values():
            share = int(meant * held.stopped / whole) if whole else 0
            if held.account:
                held.account.dammed += share
            else:
                self._strangers.dam(share)
            blamed += share
        return dropped if meant == dropped else blamed

    def _hold_back(self, came: dict[Account | None, int]) -> None:
        """Let less through of whoever sends most, if that is most of all."""
        most = max(came, key=lambda who: came[who])
        others = sum(came.values()) - came[most]
        if came[most] < LOUD or came[most] < others or not others:
            return
        held = self._held.get(most)
        if held is None:
            if len(self._held) >= MOST:
                return
            held = self._held[most] = _Held(most)
            _log.warning("%s: a flood: a part of it is held back in the kernel", held.name)
        elif held.part < 1 and held.calm < held.patience:
            held.patience = min(held.patience * 2, PATIENCE_MOST)  # more was let through too soon
        held.part, held.calm = max(held.part / STEP, LEAST), 0
        self._tell_kernel()

    def _let_go(self) -> None:
        changed = False
        for who, held in list(self._held.items()):
            held.calm += 1
            if held.calm < held.patience:
                continue
            held.calm, held.part = 0, held.part * 2
            changed = True
            if held.part >= 1:
                del self._held[who]
                _log.warning("%s: the flood is over", held.name)
        if changed:
            self._tell_kernel()

    def _tell_kernel(self) -> None:
        held_back = [held for held in self._held.values() if held.account]
        rules = [bpf.Rule(ip_network(held.name), held.part) for held in held_back]
        if any("/" in held.name for held in held_back):
            # Whoever has an account of their own is not of those who share the network's.
            known = sorted(self._accounts.listed(), key=lambda account: -account.bytes)
            own = [account for account in known if "/" not in account.name][:SPARED]
            spared = [bpf.Rule(ip_network(a.name), 1.0) for a in own if a not in self._held]
            rules = [*spared, *sorted(rules, key=lambda rule: -rule.network.prefixlen)]
        if None in self._held:
            rules += [bpf.Rule(network, 1.0) for network in self._networks]
            rules += [bpf.Rule(network, self._held[None].part) for network in _EVERYBODY]
        try:
            bpf.thin(self._sockets, rules)
        except (OSError, ValueError) as error:
            self._held.clear()
            if not self._failed:
                self._failed = True
                _log.warning("floods cannot be held back in the kernel: %s", error)
