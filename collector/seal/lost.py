"""Segments whose files are gone without a word: which they are, and what two people say of them.

An entry `lost` explains an absence and nothing else. A file that is there is checked as if nobody
had said anything, so it makes no changed segment a fine one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from collector.seal import files
from collector.seal.holds import Account, Kept

MOST = 500
"""Segments in one entry, which may have 65,535 bytes."""


def missing(home: Path, account: Account) -> list[Kept]:
    """Return the segments whose Parquet files are gone, and nobody said why; the oldest first."""
    unsaid = (one for key, one in account.kept.items() if key not in account.lost)
    gone = [one for one in unsaid if not (home / files.LOGS / one.name).exists()]
    return sorted(gone, key=lambda one: (one.start_us, one.log))


def entries(
    segments: Sequence[Kept], *, cause: str, reason_commit: str, approvals: Sequence[str]
) -> Iterator[Mapping[str, Any]]:
    """Give `lost` entries of one site, as many as these segments need."""
    named = sorted([one.log, one.seq, one.root] for one in segments)
    for first in range(0, len(named), MOST):
        yield {
            "type": "lost",
            "segments": named[first : first + MOST],
            "cause": cause,
            "reason_commit": reason_commit,
            "approvals": list(approvals),
        }
