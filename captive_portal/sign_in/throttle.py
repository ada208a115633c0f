"""Slows the guessing of passwords without locking anybody out.

An address may fail so many times a minute. An account that fails from all sides is guessed at:
then each address may try it only twice a minute, which the person can live with and a guesser
cannot.
"""

from __future__ import annotations

from collections import OrderedDict, deque

MINUTE_NS = 60 * 10**9
_MOST = 20_000
"""So many addresses and accounts are remembered; past it the longest silent one goes."""


class Throttle:
    """Counts the failed sign-ins of the last minute. Not for more than one thread."""

    def __init__(self, per_minute: int) -> None:
        self._per_address = per_minute
        self._per_account = 3 * per_minute
        self._per_pair = min(2, per_minute)
        self._failures: OrderedDict[tuple[str, ...], deque[int]] = OrderedDict()

    def wait_s(self, address: str, account: str, now_ns: int) -> int:
        """Return for how many seconds this address must wait; 0 when it may try now."""
        waits = [self._over((address,), self._per_address, now_ns)]
        if self._over(("", account), self._per_account, now_ns):
            waits.append(self._over((address, account), self._per_pair, now_ns))
        return max(waits)

    def tried(self, address: str, account: str, now_ns: int) -> None:
        """Count a try as failed, before it is known: many at once are as many."""
        for key in _keys(address, account):
            times = self._failures.setdefault(key, deque(maxlen=self._per_account))
            times.append(now_ns)
            self._failures.move_to_end(key)
        while len(self._failures) > _MOST:
            self._failures.popitem(last=False)

    def forgive(self, address: str, account: str, now_ns: int) -> None:
        """Take back a try counted at `now_ns` that did not fail."""
        for key in _keys(address, account):
            times = self._failures.get(key)
            if times is not None and now_ns in times:
                times.remove(now_ns)

    def _over(self, key: tuple[str, ...], limit: int, now_ns: int) -> int:
        times = self._failures.get(key, ())
        recent = [at for at in times if at > now_ns - MINUTE_NS]
        if len(recent) < limit:
            return 0
        return (recent[-limit] + MINUTE_NS - now_ns) // 10**9 + 1


def _keys(address: str, account: str) -> tuple[tuple[str, ...], ...]:
    return (address,), ("", account), (address, account)
