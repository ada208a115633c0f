"""One address and the machines that had it, from what DHCP servers and neighbour tables tell.

- A word `add`, `renew` or `seen` puts the address at a MAC: from the begin that it tells or its
  own time, until it expires (told nothing, for `SEEN_US`), or until a word of another MAC.
- `release` and `expire` end it for their MAC, and for no other.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from collector.records import LeaseEvent, microseconds

SEEN_US = 2 * 3_600_000_000
"""A machine that was seen on an address is taken to be there for so long."""
WLAN = "wlan"
"""Told by the flows of a wireless controller; there are no rows of it in the log `leases`."""
KINDS = ("dhcp", "dhcp6", "arp", "nd", WLAN)
"""What tells of machines; the other kinds tell of the box and its NAT."""
_ENDING = ("release", "expire")


class Span(NamedTuple):
    """A machine had the address during [start, end), in µs."""

    start: int
    end: int
    mac: str


class Word(NamedTuple):
    """One word about an address."""

    time: int
    puts: bool
    """Whether it puts the address at `mac`; else it ends that. Ends go first at one time."""
    mac: str
    until: int


@dataclass(slots=True)
class Lease:
    """All that was told of one address; the order in which it was told makes no difference."""

    words: list[Word] = field(default_factory=list)
    """By time, each once."""
    spans: list[Span] = field(default_factory=list)
    """As of the last change, by time."""
    _last: Span | None = field(default=None, compare=False, repr=False)
    """The last span, also where it is empty, if it is what all the words come to."""

    def take(self, event: LeaseEvent) -> int | None:
        """Take in an event; return the first time of which it changes anything, None without."""
        return self.put(_words(event))

    def put(self, words: Iterable[Word]) -> int | None:
        """Take in words; return the first time of which they change anything, None without."""
        fresh = sorted(set(words))
        if self._last is not None and fresh and self.words[-1] < fresh[0]:
            return self._go_on(self._last, fresh)
        fresh = [word for word in fresh if not self._knows(word)]
        if not fresh:
            return None
        for word in fresh:
            insort(self.words, word)
        folded = _fold([], self.words)
        self._last = folded[-1] if folded else None
        old, self.spans = self.spans, _real(folded)
        return _differ(old, self.spans)

    def _knows(self, word: Word) -> bool:
        at = bisect_left(self.words, word)
        return self.words[at : at + 1] == [word]

    def _go_on(self, last: Span, fresh: list[Word]) -> int | None:
        """Take in words behind all others: of what these came to, only the end can change."""
        self.words += fresh
        folded = _fold([last], fresh)
        self._last = folded[-1]
        before, after = _real([last]), _real(folded)
        self.spans[len(self.spans) - len(before) :] = after
        return _differ(before, after)

    def at(self, time_us: int) -> str:
        """Return who had the address at a time, empty for nobody known."""
        return next((s.mac for s in self.spans if s.start <= time_us < s.end), "")

    def shorten(self, before_us: int) -> None:
        """Forget what says nothing of `before_us` or later."""
        known = [span for span in self.spans if span.end > before_us]
        begin = known[0].start if known else before_us
        later = [word for word in self.words if word.time >= before_us]
        run = [w for w in self.words if begin <= w.time < before_us and w.puts]
        run = [word for word in run if word.mac == known[0].mac]
        if len(run) > 1:
            run = [run[0]._replace(until=run[-1].time), run[-1]]
        self.words, self.spans, self._last = run + later, known, None

    def plain(self) -> list[list[Any]]:
        """Return everything as JSON values."""
        return [list(word) for word in self.words]

    @classmethod
    def from_plain(cls, words: list[list[Any]]) -> Lease:
        """Return the lease that `plain` described."""
        read = [Word(*word) for word in words]
        return cls(read, _real(_fold([], read)))


def tells(event: LeaseEvent) -> bool:
    """Return whether an event says which machine has an address."""
    return event.kind in KINDS and bool(event.ip and event.mac)


def at_mac(leases: Mapping[str, Lease], addresses: set[str], mac: str) -> list[tuple[str, Span]]:
    """Return when a machine had which of its addresses."""
    return [(ip, span) for ip in sorted(addresses) for span in leases[ip].spans if span.mac == mac]


def _from(start: int, old_end: int | None, new_end: int | None) -> int:
    """Return when two spans of one begin, of which one may be missing, become different."""
    return start if old_end is None or new_end is None else min(old_end, new_end)


def _words(event: LeaseEvent) -> list[Word]:
    time = microseconds(event.time)
    if event.event in _ENDING:
        return [Word(time, False, event.mac, time)]
    start = time if event.start is None else min(time, microseconds(event.start))
    until = time + SEEN_US if event.expires is None else max(time, microseconds(event.expires))
    return [Word(at, True, event.mac, until) for at in sorted({start, time})]


def _fold(spans: list[Span], words: Iterable[Word]) -> list[Span]:
    """Return what earlier words came to, with what these make of it; some spans may be empty."""
    for word in words:
        last = spans[-1] if spans else None
        running = last is not None and word.time <= last.end
        if not word.puts:
            if last is not None and running and word.mac == last.mac:
                spans[-1] = last._replace(end=word.time)
        elif last is not None and running and word.mac == last.mac:
            spans[-1] = last._replace(end=word.until)
        else:
            if last is not None and running:
                spans[-1] = last._replace(end=word.time)
            spans.append(Span(word.time, word.until, word.mac))
    return spans


def _real(spans: list[Span]) -> list[Span]:
    return [span for span in spans if span.start < span.end]


def _differ(old: list[Span], new: list[Span]) -> int | None:
    """Return the first time of which spans tell otherwise than others, None without."""
    before, after = ({(s.start, s.mac): s.end for s in spans} for spans in (old, new))
    differing = {key for key in before | after if before.get(key) != after.get(key)}
    return min((_from(key[0], before.get(key), after.get(key)) for key in differing), default=None)
