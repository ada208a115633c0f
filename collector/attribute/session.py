"""One session: what was told of it, and the bindings that follow.

- A session begins where its `start` event says (without one: the earliest begin told) and ends with
  its earliest `stop`; without a stop when the newest `expires` comes, though not before the
  newest event; without either it is open.
- An event tells person and addresses as of its time, until the next that tells of them. What
  was told first holds from the begin. An event that names no address, or no person, tells nothing
  of it.
- A session also holds what leases put at its MAC, as long as they do: every IPv6 address, because a
  device takes many, and an IPv4 address while the session names none itself.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise, takewhile
from typing import Any

from collector.attribute.lease import Span
from collector.records import Binding, SessionEvent, microseconds

OPEN_US = 253_402_300_799_000_000
"""The end of a binding that has none yet: the last second that calendars know."""
_Told = tuple[int, str, str, tuple[str, ...]]
"""Time, person ("" = not told), method, addresses (empty = not told)."""
_Bound = tuple[str, int, int, str, str]


@dataclass(slots=True)
class Session:
    """What was told of one session so far; the order in which it was told makes no difference."""

    site: str
    session: str
    began: int | None = None
    """By the earliest `start` event."""
    heard: int | None = None
    """The earliest begin that other events told, or failing that the earliest event."""
    stopped: int | None = None
    expires: tuple[int, int] | None = None
    """Time of the newest event that told an end, and that end."""
    alive: int = 0
    """Time of the newest event that was no stop."""
    floor: int | None = None
    """What was told of the time before this is forgotten."""
    past: int = -OPEN_US
    """Bindings that ended by then are forgotten."""
    mac: tuple[int, str] | None = None
    """Time of the newest event that told a MAC, and that MAC."""
    told: list[_Told] = field(default_factory=list)
    """By time, each once."""
    bindings: list[Binding] = field(default_factory=list)
    """As of the last change, by address and start."""

    def take(self, event: SessionEvent) -> None:
        """Take in one event."""
        time = microseconds(event.time)
        start = time if event.start is None else microseconds(event.start)
        if event.event == "start":
            self.began = _least(self.began, start)
        else:
            self.heard = _least(self.heard, start)
        if event.event == "stop":
            self.stopped = _least(self.stopped, time)
        else:
            self.alive = max(self.alive, time)
            if event.expires is not None:
                newest = (time, microseconds(event.expires))
                self.expires = max(self.expires or newest, newest)
        if event.mac:
            self.mac = max(self.mac or (time, event.mac), (time, event.mac))
        if event.person or event.addresses:
            person = "" if event.person is None else str(event.person)
            self._tell((time, person, event.method, tuple(sorted(set(event.addresses)))))

    def end(self) -> int:
        """Return when the session ended or will end, as far as is known."""
        if self.stopped is not None:
            return self.stopped
        return OPEN_US if self.expires is None else max(self.expires[1], self.alive)

    def bound(self, leased: Sequence[tuple[str, Span]] = ()) -> Iterator[_Bound]:
        """Give (address, start, end, person, method) of each binding.

        Args:
            leased: When the session's MAC had which address, by time.
        """
        runs: dict[tuple[str, str, str], list[list[int]]] = {}
        for start, end, person, method, addresses in self._segments():
            for address, begin, until in _held(start, end, addresses, leased):
                of_key = runs.setdefault((address, person, method), [])
                if of_key and of_key[-1][1] >= begin:
                    of_key[-1][1] = max(of_key[-1][1], until)
                else:
                    of_key.append([begin, until])
        for key, of_key in runs.items():
            for begin, until in of_key:
                if until > self.past:
                    yield key[0], self._since(begin, key), until, key[1], key[2]

    def shorten(self, before_us: int) -> None:
        """Forget what was told before `before_us` and replaced before it, and bindings ended."""
        states = [state for state in self._states() if state[0] < before_us]
        if states:
            self.floor = states[-1][0]
        older = self.told[: bisect_left(self.told, (before_us,))]
        keep = _trailing([(person, method) if person else () for _, person, method, _ in older])
        keep |= _trailing([addresses for *_, addresses in older])
        self.told = [older[i] for i in sorted(keep)] + self.told[len(older) :]
        self.past = max(self.past, before_us)
        self.bindings = [b for b in self.bindings if b.end_us > before_us]

    def plain(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        record = {name: getattr(self, name) for name in self.__slots__}
        return {**record, "bindings": [asdict(binding) for binding in self.bindings]}

    @classmethod
    def from_plain(cls, record: Mapping[str, Any]) -> Session:
        """Return the session that `plain` described."""
        expires, mac = record["expires"], record["mac"]
        told = [(t, person, method, tuple(a)) for t, person, method, a in record["told"]]
        return cls(
            **{
                **record,
                "expires": None if expires is None else (expires[0], expires[1]),
                "mac": None if mac is None else (mac[0], mac[1]),
                "told": told,
                "bindings": [Binding(**binding) for binding in record["bindings"]],
            }
        )

    def _tell(self, told: _Told) -> None:
        at = bisect_left(self.told, told)
        if self.told[at : at + 1] != [told]:
            self.told.insert(at, told)

    def _segments(self) -> Iterator[tuple[int, int, str, str, tuple[str, ...]]]:
        """Give what was told, each with its begin and end."""
        states = self._states()
        ends = [*(later[0] for _, later in pairwise(states)), self.end()]
        for (start, person, method, addresses), end in zip(states, ends, strict=False):
            yield start, end, person, method, addresses

    def _states(self) -> list[_Told]:
        """Return person, method and addresses from each time on; nothing while nobody is known."""
        start, end = self._begin(), self.end()
        person, method = next(((t[1], t[2]) for t in self.told if t[1]), ("", ""))
        addresses = next((t[3] for t in self.told if t[3]), ())
        if start >= end or not person:
            return []
        states: list[_Told] = [(start, person, method, addresses)]
        for time, told_person, told_method, told_addresses in self.told:
            if time >= end:
                break
            if told_person:
                person, method = told_person, told_method
            addresses = told_addresses or addresses
            if time <= states[-1][0]:
                states[-1] = (states[-1][0], person, method, addresses)
            elif states[-1][1:] != (person, method, addresses):
                states.append((time, person, method, addresses))
        return states

    def _begin(self) -> int:
        start = self.began if self.began is not None else self.heard
        return max(OPEN_US if start is None else start, self.floor or -OPEN_US)

    def _since(self, time: int, key: tuple[str, str, str]) -> int:
        """Return when a binding that runs at `time` began: before the floor, if it is remembered.

        The binding that crosses the floor keeps its begin, though the events that told it are gone.
        """
        if time == self.floor:
            for old in self.bindings:
                known = (old.address, old.person, old.method) == key
                if known and old.start_us < time < old.end_us:
                    return old.start_us
        return time


def _held(
    start: int, end: int, addresses: tuple[str, ...], leased: Sequence[tuple[str, Span]]
) -> Iterator[tuple[str, int, int]]:
    """Give what is held in [start, end): what the session names, and what its MAC has besides."""
    for address in addresses:
        yield address, start, end
    named_v4 = any(":" not in address for address in addresses)
    for address, span in leased:
        begin, until = max(start, span.start), min(end, span.end)
        known = address in addresses or (named_v4 and ":" not in address)
        if begin < until and not known:
            yield address, begin, until


def _trailing(values: Sequence[tuple[str, ...]]) -> set[int]:
    """Return the places of the first and the last of the newest values that are equal.

    Empty ones tell nothing. The last keeps what comes late from changing the present, the first
    keeps the time at which the present began.
    """
    places = [place for place, value in enumerate(values) if value]
    agree = list(takewhile(lambda place: values[place] == values[places[-1]], reversed(places)))
    return {agree[0], agree[-1]} if agree else set()


def _least(known: int | None, time: int) -> int:
    return time if known is None else min(known, time)
