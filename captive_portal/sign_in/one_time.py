"""Passwords for one use, which a page gives to a person's browser to hand to a gateway.

The real one never goes through somebody else's form, which may be plain http. Each is 144 bits,
lives a minute, and is bound to the account, the gateway and the device: whoever sees it on the way
can use it only on that device, through that gateway, before its person does.
"""

from __future__ import annotations

import hashlib
import secrets
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from captive_portal.people import names
from collector.records import Clock

VALID_NS = 60 * 10**9
MOST = 10_000
"""Passwords that wait at once; beyond it the oldest goes, and its person starts again."""
_OCTETS = 18


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """What a password is good for."""

    site: str
    nas: str
    """The network of the gateway's entry in `radius.clients`."""
    mac: str
    """The device's, lower case with colons."""
    address: str = ""
    """The device's; compared where the gateway names no MAC."""


class Owner(NamedTuple):
    """Whose a password was."""

    person: UUID
    notice: str
    """The version of the privacy notice that the page showed them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Given:
    owner: Owner
    bound: Bound
    until_ns: int
    password: str = field(repr=False)


class OneTime:
    """Gives passwords and takes them back, once. Used from one event loop."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._given: OrderedDict[tuple[str, str], _Given] = OrderedDict()
        self._taken: OrderedDict[str, None] = OrderedDict()
        self.counts: Counter[str] = Counter()
        """`given`, `taken`, `other-device`, `too-late`, `pushed-out`."""

    def give(self, user: str, person: UUID, bound: Bound, *, notice: str = "") -> str:
        """Return a password for `user`; one given before for the same name is good no more.

        Args:
            user: The name that will come back with it.
            person: Whose it is.
            bound: What it is good for.
            notice: The version of the privacy notice that the page showed.
        """
        now, key = self._clock(), (bound.site, names.folded(user))
        self._forget(now)
        password = secrets.token_urlsafe(_OCTETS)
        self._given.pop(key, None)
        self._given[key] = _Given(
            owner=Owner(person, notice),
            bound=bound,
            until_ns=now + VALID_NS,
            password=password,
        )
        if len(self._given) > MOST:
            self._given.popitem(last=False)
            self.counts["pushed-out"] += 1
        self.counts["given"] += 1
        return password

    def take(self, user: str, bound: Bound, proves: Callable[[str], bool]) -> Owner | None:
        """Return whose password came, and forget it; None: it is none of these.

        Args:
            user: The name that came with it.
            bound: Where it came from; `mac` empty where the gateway did not name the device.
            proves: Says whether what came was made with this password.
        """
        given = self._given.get((bound.site, names.folded(user)))
        if given is None or given.bound.nas != bound.nas or not proves(given.password):
            return None
        if given.until_ns <= self._clock():
            self.counts["too-late"] += 1
            return None
        if not _same_device(given.bound, bound):
            self.counts["other-device"] += 1
            return None
        del self._given[bound.site, names.folded(user)]
        self._taken[mark(given.password)] = None
        if len(self._taken) > MOST:
            self._taken.popitem(last=False)
        self.counts["taken"] += 1
        return given.owner

    def was_taken(self, marked: str) -> bool:
        """Say whether the password with this mark has let somebody in, not long ago."""
        return marked in self._taken

    def _forget(self, now_ns: int) -> None:
        """Drop what has run out: the oldest come first."""
        while self._given and next(iter(self._given.values())).until_ns <= now_ns:
            self._given.popitem(last=False)


def mark(password: str) -> str:
    """Return what stands for a password where others may read it."""
    return hashlib.sha256(password.encode()).hexdigest()[:32]


def _same_device(given: Bound, came: Bound) -> bool:
    if came.mac:
        return came.mac == given.mac
    return bool(came.address) and came.address == given.address
