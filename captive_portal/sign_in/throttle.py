"""Slows the guessing of passwords without locking anybody out.

A device may fail so many times a minute, and fewer in an hour; and try so many different
accounts. An account that fails from all sides is guessed at: then each device may try it only
twice a minute, which the person can live with and a guesser cannot. A device that somebody has
signed in on before is not held up by what others do to the account.

Each limit is one time (the generic cell rate algorithm): until when what was tried is paid for.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

MINUTE_NS = 60 * 10**9
HOUR_NS = 60 * MINUTE_NS
_MOST = 20_000
"""Devices and accounts that are remembered; beyond it the one that was silent for longest goes."""

_Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Limit:
    """A number of tries in a span of time."""

    times: int
    per_ns: int

    @property
    def _each_ns(self) -> int:
        return self.per_ns // self.times

    def wait_ns(self, paid_ns: int, now_ns: int) -> int:
        """Return how long to wait; `paid_ns`: until when what was tried is paid for."""
        return max(0, paid_ns - now_ns - (self.times - 1) * self._each_ns)

    def after(self, paid_ns: int, now_ns: int) -> int:
        """Return until when it is paid for with one more."""
        return max(paid_ns, now_ns) + self._each_ns

    def before(self, paid_ns: int) -> int:
        """Return the same with one less."""
        return paid_ns - self._each_ns


@dataclass(frozen=True, slots=True)
class Try:
    """What one try was counted under, to be taken back when it did not fail."""

    counted: tuple[tuple[_Key, Limit], ...]


class Throttle:
    """Counts failed sign-ins. Not for more than one thread."""

    def __init__(self, per_minute: int) -> None:
        self._device = (Limit(per_minute, MINUTE_NS), Limit(6 * per_minute, HOUR_NS))
        self._accounts = Limit(2 * per_minute, HOUR_NS)
        self._account = (Limit(3 * per_minute, MINUTE_NS), Limit(12 * per_minute, HOUR_NS))
        self._pair = (Limit(min(2, per_minute), MINUTE_NS), Limit(per_minute, HOUR_NS))
        self._paid: OrderedDict[_Key, int] = OrderedDict()
        self._friends: OrderedDict[tuple[str, str], None] = OrderedDict()

    def __len__(self) -> int:
        """Return how many devices and accounts are remembered."""
        return len(self._paid) + len(self._friends)

    def wait_s(self, device: str, account: str, now_ns: int) -> int:
        """Return for how many seconds this device must wait; 0 when it may try now."""
        waits = [self._wait_ns(("device", device), self._device, now_ns)]
        pair = ("pair", device, account)
        if not self._known(pair, now_ns):
            waits.append(self._wait_ns(("accounts", device), (self._accounts,), now_ns))
        if not self.friend(device, account) and self._wait_ns(
            ("account", account), self._account, now_ns
        ):
            waits.append(self._wait_ns(pair, self._pair, now_ns))
        return _seconds(max(waits))

    def tried(self, device: str, account: str, now_ns: int) -> Try:
        """Count a try as failed, before it is known: many at once are as many."""
        pair = ("pair", device, account)
        counted = _under(("device", device), self._device)
        if not self._known(pair, now_ns):
            counted += _under(("accounts", device), (self._accounts,))
        if not self.friend(device, account):
            counted += _under(("account", account), self._account)
        counted += _under(pair, self._pair)
        return self._count(counted, now_ns)

    def forgive(self, one: Try) -> None:
        """Take back a try that did not fail."""
        for key, limit in one.counted:
            if key in self._paid:
                self._paid[key] = limit.before(self._paid[key])

    def befriend(self, device: str, account: str) -> None:
        """Remember that somebody signed in on a device."""
        self._friends[device, account] = None
        self._friends.move_to_end((device, account))
        while len(self._friends) > _MOST:
            self._friends.popitem(last=False)

    def friend(self, device: str, account: str) -> bool:
        """Say whether somebody has signed in on a device."""
        return (device, account) in self._friends

    def spare(self, way: str, device: str, account: str, most: int, now_ns: int) -> Try | int:
        """Count a try at a way that locks accounts, or return for how many seconds to wait.

        All strangers' devices together have fewer tries than lock an account, and each device
        that its person has signed in on has as many of its own.

        Args:
            way: Who would lock it.
            device: Who tries.
            account: Whom.
            most: Wrong passwords in half an hour after which it is locked.
            now_ns: The time.
        """
        limit = Limit(max(1, (most - 1) // 2), HOUR_NS // 2)
        key: _Key = ("lock", way, account)
        if self.friend(device, account):
            key += (device,)
        if wait := limit.wait_ns(self._paid.get(key, 0), now_ns):
            return _seconds(wait)
        return self._count(((key, limit),), now_ns)

    def _count(self, counted: tuple[tuple[_Key, Limit], ...], now_ns: int) -> Try:
        for key, limit in counted:
            self._paid[key] = limit.after(self._paid.get(key, 0), now_ns)
            self._paid.move_to_end(key)
        while len(self._paid) > _MOST:
            self._paid.popitem(last=False)
        return Try(counted)

    def _known(self, pair: _Key, now_ns: int) -> bool:
        """Say whether the device has tried that account within the hour."""
        return self._paid.get((*pair, str(HOUR_NS)), 0) > now_ns

    def _wait_ns(self, key: _Key, limits: tuple[Limit, ...], now_ns: int) -> int:
        waits = (
            limit.wait_ns(self._paid.get(name, 0), now_ns) for name, limit in _under(key, limits)
        )
        return max(waits)


def _under(key: _Key, limits: tuple[Limit, ...]) -> tuple[tuple[_Key, Limit], ...]:
    return tuple(((*key, str(limit.per_ns)), limit) for limit in limits)


def _seconds(wait_ns: int) -> int:
    return -(-wait_ns // 10**9)
