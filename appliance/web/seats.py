"""Who is signed in to the admin pages, and how often somebody may try.

Seats live in memory under a key made at start: a restart signs everybody out, and no secret lies on
the disk. The cookie holds a random number alone; rights are read anew at each request.
"""

from __future__ import annotations

import hmac
import secrets
from collections import OrderedDict, deque
from dataclasses import dataclass
from uuid import UUID

from itsdangerous import BadSignature, Signer, TimestampSigner

from collector.records import Clock

SECOND = 1_000_000_000
IDLE_NS = 60 * 60 * SECOND
LONGEST_NS = 12 * 60 * 60 * SECOND
FORM_S = 60 * 60
MOST_SEATS = 1000
MOST_WATCHED = 10_000


@dataclass(slots=True, kw_only=True)
class Seat:
    """One browser of one staff member."""

    number: str
    member: UUID
    stamp: str
    """Changes with the password; a seat of an older one is void."""
    csrf: str
    opened_ns: int
    seen_ns: int


class Seats:
    """Opens, finds and closes seats. Used from the event loop only."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        key = secrets.token_bytes(32)
        self._cookies = Signer(key, salt="seat")
        self._forms = TimestampSigner(key, salt="form")
        self._seats: OrderedDict[str, Seat] = OrderedDict()

    def open(self, member: UUID, stamp: str) -> tuple[Seat, str]:
        """Return a new seat and the value of its cookie."""
        now = self._clock()
        seat = Seat(
            number=secrets.token_urlsafe(24),
            member=member,
            stamp=stamp,
            csrf=secrets.token_urlsafe(24),
            opened_ns=now,
            seen_ns=now,
        )
        self._seats[seat.number] = seat
        while len(self._seats) > MOST_SEATS:
            self._seats.popitem(last=False)
        return seat, self._cookies.sign(seat.number).decode()

    def find(self, cookie: str | None, *, by_person: bool = True) -> Seat | None:
        """Return the seat of a cookie, unless it is forged, too old or idle for too long.

        Args:
            cookie: Its value.
            by_person: Not so for what a page fetches by itself, which keeps no seat warm.
        """
        try:
            number = self._cookies.unsign(cookie or "").decode()
        except BadSignature:
            return None
        seat, now = self._seats.get(number), self._clock()
        if seat is None:
            return None
        if now - seat.seen_ns > IDLE_NS or now - seat.opened_ns > LONGEST_NS:
            self.close(seat)
            return None
        if by_person:
            seat.seen_ns = now
        return seat

    def close(self, seat: Seat) -> None:
        """Forget a seat; its cookie is worth nothing from now on."""
        self._seats.pop(seat.number, None)

    def close_all(self, member: UUID) -> None:
        """Forget every seat of a staff member."""
        for seat in [s for s in self._seats.values() if s.member == member]:
            self.close(seat)

    def form_token(self, nonce: str) -> str:
        """Return the token of a form shown before sign-in to the browser with this nonce."""
        return self._forms.sign(nonce).decode()

    def form_token_is_right(self, token: str, nonce: str) -> bool:
        """Say whether a form came from a page that this box gave to this browser."""
        try:
            signed = self._forms.unsign(token, max_age=FORM_S).decode()
        except BadSignature:
            return False
        return bool(nonce) and hmac.compare_digest(signed.encode(), nonce.encode())


class Tries:
    """Counts failed tries per name (an account, an address) in a sliding window."""

    def __init__(self, *, clock: Clock, most: int = 5, window_s: int = 60) -> None:
        self._clock = clock
        self._most = most
        self._window_ns = window_s * SECOND
        self._failed: OrderedDict[str, deque[int]] = OrderedDict()

    def wait_s(self, *names: str) -> int:
        """Return for how many seconds none of `names` may try; 0 when they may."""
        now = self._clock()
        longest = 0
        for name in names:
            times = self._failed.get(name)
            if times and len(times) >= self._most:
                longest = max(longest, times[0] + self._window_ns - now)
        return -(-longest // SECOND) if longest > 0 else 0

    def failed(self, *names: str) -> None:
        """Count a failed try for each of `names`."""
        now = self._clock()
        for name in names:
            times = self._failed.setdefault(name, deque(maxlen=self._most))
            times.append(now)
            self._failed.move_to_end(name)
        while len(self._failed) > MOST_WATCHED:
            self._failed.popitem(last=False)

    def succeeded(self, *names: str) -> None:
        """Forget the failed tries of `names`."""
        for name in names:
            self._failed.pop(name, None)
