"""Changes that make a bundle fail, by name: which bundle is changed, and the number expected."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.collector.seal.bundle.forge import Forge

Change = Callable[[Forge], None]
FORGED: dict[str, tuple[str, str, Change]] = {}
"""By name: which bundle is changed, the number expected, and the change."""


def fault(number: str, base: str = "night-c1") -> Callable[[Change], Change]:
    """Register a change that makes a bundle fail with a number."""

    def keep(change: Change) -> Change:
        name = f"{number.lower()}-{change.__name__.strip('_').replace('_', '-')}"
        FORGED[name] = (base, number, change)
        return change

    return keep


@fault("valid")
def _nothing(forge: Forge) -> None:
    """Put together again as it was: the forger himself makes no fault."""


@fault("valid", "new-year-c1")
def _nothing_over_new_year(forge: Forge) -> None:
    """The same over two ledgers."""


def segment(forge: Forge, seq: int) -> dict[str, Any]:
    entries = [e for book in forge.books for e in book.of("segment")]
    return next(e for e in entries if (e["log"], e["seq"]) == ("demo", seq))
