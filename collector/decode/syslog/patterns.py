"""Which lines no format reads: their patterns, counted, so that the admin sees what is missing.

A pattern is a line with everything masked that differs between lines or may be about a person. The
table is bounded: when it is full, the rarest half is let go of and counted as other.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from itertools import repeat
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from collector.decode.syslog.messages import Messages

MOST = 1000
"""Patterns that are held."""
SHOWN = 20
_LOOKED_AT = 120
"""Characters of a line that make its pattern; what follows is cut."""

_HIDDEN = re.compile(
    r"""
    (?P<quoted>"[^"]{0,200}"?|'[^']{1,200}')
  | (?P<value>(?<==)[^\s,;"'&|]{1,200})
  | (?P<named>(?<=\buser\ )[^\s,;:]{1,100} | (?<=\bUser\ )[^\s,;:]{1,100}
      | (?<=\bfor\ )[^\s,;:]{1,100} | (?<=\bname\ )[^\s,;:]{1,100}
      | (?<=\bby\ )[^\s,;:]{1,100} | (?<=\bhost\ )[^\s,;:]{1,100}
      | (?<=\buser:\ )[^\s,;:]{1,100} | (?<=\bfrom\ )[^\s,;]{1,100})
  | (?P<other>[^\s,;=()\[\]{}<>"'|]{0,100}[\d@\\.\x80-\U0010ffff][^\s,;=()\[\]{}<>"'|]{0,100})
    """,
    re.VERBOSE,
)
_SPACES = re.compile(r"\s+")


def mask(text: str) -> str:
    """Return a line without numbers, addresses, names of hosts, quoted texts and values.

    A word after `user`, `for`, `from`, `by`, `name` or `host` goes too, and every word that is not
    plain ASCII; other words stay, for they are what tells the admin which message it is.
    """
    masked = _HIDDEN.sub("*", text[:_LOOKED_AT])
    return _SPACES.sub(" ", masked).strip()


class Place(NamedTuple):
    """Where a line is to be found in the log `events`."""

    newest_us: int | None
    source: str


NOWHERE = Place(None, "")


class Unread:
    """Lines that no format reads, by pattern, since this process began."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._counts: Counter[str] = Counter()
        self._newest: dict[str, Place] = {}
        self.lines = 0
        self.other = 0
        """Lines whose pattern was let go of."""

    def add(
        self, lines: Iterable[tuple[str | None, str]], places: Iterable[Place] = repeat(NOWHERE)
    ) -> None:
        """Count lines, each given as program and message, with where it is to be found."""
        for (program, text), place in zip(lines, places, strict=False):
            self.lines += 1
            pattern = f"{mask(program)}: {mask(text)}" if program else mask(text)
            self._counts[pattern] += 1
            self._newest[pattern] = place
            if len(self._counts) > self._most:
                self._let_go()

    def commonest(self, most: int = SHOWN) -> list[dict[str, Any]]:
        """Return the commonest patterns with their counts, and where the newest line of each is."""
        return [
            {"pattern": pattern, "lines": n, **self._newest[pattern]._asdict()}
            for pattern, n in self._counts.most_common(most)
        ]

    def _let_go(self) -> None:
        kept = Counter(dict(self._counts.most_common(self._most // 2)))
        self.other += self._counts.total() - kept.total()
        self._counts = kept
        self._newest = {pattern: self._newest[pattern] for pattern in kept}


class Tally:
    """What became of the syslog lines of one site, since this process began."""

    def __init__(self) -> None:
        self.vendors: Counter[str] = Counter()
        self.unread = Unread()
        self.flows = 0
        self.sign_ins = 0

    def count(self, said: Messages) -> None:
        """Count what a batch of lines gave."""
        self.vendors += said.read
        places = _places(said) if said.unread else []
        self.unread.add(said.unread, places if len(places) == len(said.unread) else repeat(NOWHERE))
        self.flows += 0 if said.flows is None else len(said.flows)
        self.sign_ins += len(said.sign_ins)

    def status(self) -> dict[str, Any]:
        """Return what `prathu status` shows of it."""
        return {
            "read": dict(self.vendors.most_common()),
            "unread": self.unread.lines,
            "flows": self.flows,
            "sign_ins": self.sign_ins,
            "unread_patterns": self.unread.commonest(),
            "unread_other": self.unread.other,
        }


def _places(said: Messages) -> list[Place]:
    """Return where the unread lines are: the rows without a vendor, in the same order."""
    told: dict[str, Any] = said.events.columns
    at = pc.indices_nonzero(pc.is_null(told["vendor"]))
    times = told["time"].cast(pa.int64()).take(at).to_pylist()
    sources = told["source"].take(at).to_pylist()
    return [Place(time, source or "") for time, source in zip(times, sources, strict=True)]
