"""What the pages ask of the logs, and what they get: between `appliance.search` and a page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from appliance.search.engine_local import Asker
from appliance.search.who_answer import WhoAnswer


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A question with everything frozen: the same wish gives the same question at any time."""

    text: str
    log: str
    site: str
    """Empty: all sites."""
    start_us: int
    end_us: int
    limit: int
    columns: tuple[str, ...] = ()
    """Empty: the usual ones of the log."""
    count: bool = True
    """Count all matches, by time."""
    scaled: bool = False
    """Multiply the counters of sampled flows by their rate: estimates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """One bar of the histogram: [start_us, end_us) and how many matches begin in it."""

    start_us: int
    end_us: int
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """What the box did not see, or may not have seen."""

    start_us: int
    end_us: int
    source: str
    kind: str
    lost: int | None
    unit: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """An answer, ready for a page."""

    thai: str
    english: str
    notes: tuple[str, ...]
    columns: tuple[str, ...]
    rows: list[dict[str, Any]]
    total: int | None
    """All matches, not only those returned; None when they were not counted."""
    more: bool
    """There are matches past the limit."""
    took_ms: float
    buckets: tuple[Bucket, ...] = ()
    gaps: tuple[Gap, ...] = ()
    scaled: int | None = None
    """Of how many of these rows the counters are multiplied; None when that was not wished."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WhoWish:
    """The question officials ask, as the form has it."""

    address: str
    """ADDRESS or ADDRESS:PORT."""
    at: str
    target: str = ""
    within: str = ""
    site: str = ""
    protocol: str = ""


class Asking(Protocol):
    """Asks the logs. Every method may block, and makes its audit line durable first."""

    def search(self, wish: Wish, asker: Asker) -> Shown:
        """Return the answer; raises `WrongQuestion`, `WrongUse` or `BoxError`."""

    def csv(self, wish: Wish, asker: Asker) -> Iterator[bytes]:
        """Yield the answer as CSV, UTF-8 with BOM."""

    def who(self, wish: WhoWish, asker: Asker) -> WhoAnswer:
        """Return who was behind an address."""

    def columns(self, log: str) -> tuple[str, ...]:
        """Return all columns of a log."""

    def usual_columns(self, log: str) -> tuple[str, ...]:
        """Return the columns shown unless told otherwise."""
