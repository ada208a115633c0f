"""What a device carries to a provider and back, without cookies.

The state is signed and bound to the provider and the device, lives ten minutes and is taken once.
Nonce and PKCE verifier are made from it with a key of the process, so that nothing is kept of
people who never come back.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from collections import Counter, OrderedDict
from dataclasses import dataclass, field

from captive_portal.errors import Refused
from captive_portal.sign_in.way import Busy, TooOften
from collector.records import Clock

VALID_NS = 10 * 60 * 10**9
"""Nanoseconds that somebody may take at the provider."""
MOST = 20_000
"""States that were taken and could come again; at this many nobody else is let in until one runs
out."""
MOST_OF_ONE = 30
"""Of these, those of one device."""
_STATE = re.compile(r"(th|en)\.([0-9]{1,20})\.([A-Za-z0-9_-]{22})\.([A-Za-z0-9_-]{43})")


class Stale(Refused):
    """A state that is not ours, of another device, too old, or was taken before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trip:
    """Somebody's way to a provider and back."""

    state: str
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)
    """Of PKCE (RFC 7636 4.1), 43 characters."""


class States:
    """Makes states and takes them back, each once. Used from one event loop."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._taken: OrderedDict[str, tuple[int, str]] = OrderedDict()
        self._of: Counter[str] = Counter()

    def __len__(self) -> int:
        """Return how many states are remembered as taken."""
        return len(self._taken)

    def make(self, provider: str, device: str, lang: str) -> Trip:
        """Return a trip that this device begins now.

        Args:
            provider: The id of the settings.
            device: Its MAC, or its address.
            lang: Of the pages, `th` or `en`.
        """
        head = f"{'en' if lang == 'en' else 'th'}.{self._clock()}.{secrets.token_urlsafe(16)}"
        return self._trip(f"{head}.{self._mac('state', head, provider, device)}")

    def take(self, state: str, provider: str, device: str) -> Trip:
        """Return the trip that ends here, and never again.

        Raises:
            Stale: it is none, another's, too old, or was taken.
            TooOften: the device has ended too many.
            Busy: all devices together have.
        """
        found = _STATE.fullmatch(state)
        if found is None:
            raise Stale("no state of ours")
        head, made, one = state.rpartition(".")[0], int(found[2]), found[3]
        if not hmac.compare_digest(found[4], self._mac("state", head, provider, device)):
            raise Stale("a state of another device, provider or time")
        now = self._clock()
        self._forget(now)
        if not 0 <= now - made <= VALID_NS:
            raise Stale("a state that is too old")
        if one in self._taken:
            raise Stale("a state that was taken")
        if self._of[device] >= MOST_OF_ONE:
            raise TooOften(60)
        if len(self._taken) >= MOST:
            raise Busy("too many sign in at this moment")
        # Kept from now on for as long as any state lives: in the order in which they run out.
        self._taken[one] = (now + VALID_NS, device)
        self._of[device] += 1
        return self._trip(state)

    def _forget(self, now: int) -> None:
        while self._taken:
            one, (until, device) = next(iter(self._taken.items()))
            if until >= now:
                return
            del self._taken[one]
            self._of[device] -= 1
            if not self._of[device]:
                del self._of[device]

    def _trip(self, state: str) -> Trip:
        nonce, verifier = self._mac("nonce", state), self._mac("verifier", state)
        return Trip(state=state, nonce=nonce, verifier=verifier)

    def _mac(self, *parts: str) -> str:
        digest = hmac.new(self._key, "\x1f".join(parts).encode(), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")
