"""Destruction of segments that are due: planned, entered in the ledger, and then made true.

The entry comes first and is the order to finish: what a crash leaves undone, start does with the
same function. Keys go before files, since without its key no hash left anywhere can be tied to a
guessed row.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from collector import durable
from collector.seal import files
from collector.seal.holds import DAY_US, LEAST_US, Account, Hold, Kept
from collector.seal.keys import RINGS
from collector.seal.staging import Stage

MOST = 500
"""Segments in one entry, which may have 65,535 bytes."""
METHOD = "overwrite-unlink"
POLICY = "policy"
"""Who is the second person where a setting decided and no person did."""
BACKUPS_US = 14 * DAY_US
"""So long a copy of the ring key may lie in a backup, and the destroyed keys with it."""
ROLLUPS = "rollup"
_DEAD = ".dead"
Segment = tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is due, and what of it a hold keeps."""

    due: tuple[Kept, ...]
    held: tuple[tuple[Kept, Hold], ...]


def plan(account: Account, *, days: Mapping[str, int], now_us: int) -> Plan:
    """Return what is to be destroyed now, the earliest received first.

    Args:
        account: Of one site, up to the newest entry.
        days: Days that each log is kept; a log that is not named here is kept for ever.
        now_us: The time.
    """
    due, held = [], []
    for one in sorted(account.kept.values(), key=lambda kept: kept.received_us):
        if one.log not in days or due_us(one, days) > now_us:
            continue
        holding = account.holding(one.log, one.seq, now_us)
        if holding:
            held.append((one, holding[0]))
        else:
            due.append(one)
    return Plan(due=tuple(due), held=tuple(held))


def due_us(one: Kept, days: Mapping[str, int]) -> int:
    """Return when a segment may be destroyed, if no hold keeps it; never before 90 days."""
    return one.received_us + max(days[one.log] * DAY_US, LEAST_US)


def entries(
    due: Sequence[Kept], *, days: Mapping[str, int], now_us: int, size: int, actor: str
) -> Iterator[dict[str, Any]]:
    """Give `destroyed` entries, one for each setting and so many segments as fit.

    Args:
        due: What a plan found.
        days: As it was planned with.
        now_us: The time.
        size: Of the ledger whose holds were looked at; each entry adds one to it.
        actor: Who asked for it: an opaque id, or `box` when nobody did.
    """
    for kept_days in sorted({days[one.log] for one in due}):
        same = [one for one in due if days[one.log] == kept_days]
        for first in range(0, len(same), MOST):
            some = same[first : first + MOST]
            yield {
                "type": "destroyed",
                "segments": sorted([one.log, one.seq, one.root] for one in some),
                "policy": f"days-{kept_days}",
                "due": max(due_us(one, days) for one in some),
                "holds_checked": size,
                "actor": actor,
                "second": POLICY,
                "method": METHOD,
                "backups_gone_by": now_us + BACKUPS_US,
            }
            size += 1


def fulfil(home: Path, site: str, gone: Set[Segment], *, stage: Stage) -> None:
    """Make true what `destroyed` entries say, or what of it a crash left undone.

    Args:
        home: The home.
        site: Whose entries.
        gone: Log and number of the segments named.
        stage: Of the site; dead rings wait there.

    Raises:
        StoreError: something may still be readable; end the process, and start goes on here.
    """
    _shred(stage)
    if not gone:
        return
    names = {f"{site}/{log}/{seq}" for log, seq in gone}
    for ring in sorted((home / RINGS / site).glob("*.ring")):
        _thin(ring, names, stage)
    dead = list(_files(home, site, gone))
    durable.remove_all(dead)
    for folder in sorted({path.parent for path in dead}, reverse=True):
        for empty in (folder, folder.parent, folder.parent.parent):
            with suppress(OSError):  # it is not empty
                empty.rmdir()


def _thin(ring: Path, names: Set[str], stage: Stage) -> None:
    """Take the keys of dead segments out of a ring, so that their bytes are overwritten."""
    data = ring.read_bytes()
    lines = data[: data.rfind(b"\n") + 1].splitlines(keepends=True)
    kept = [line for line in lines if _name(line) not in names]
    if len(kept) == len(lines):
        return
    durable.make_dir(stage.folder)
    dead = stage.folder / (ring.name + _DEAD)
    if kept:
        durable.link(ring, dead)
        # A crash here leaves one file under two names: the ring is whole, and start tries again.
        stage.put(ring, b"".join(kept), 0o600)
    else:
        durable.rename(ring, dead)
    # A crash here leaves the dead keys in the stage, where start shreds them.
    _shred(stage)


def _shred(stage: Stage) -> None:
    """Overwrite dead rings, and forget the second name of one that is not dead yet."""
    for dead in sorted(stage.folder.glob(f"*{_DEAD}")):
        if dead.stat().st_nlink > 1:
            durable.remove(dead)
        else:
            durable.overwrite_and_unlink(dead)


def _name(line: bytes) -> str:
    """Return whose key a line of a ring is; what is no such line is nobody's."""
    try:
        return str(json.loads(line)["s"])
    except (ValueError, TypeError, KeyError):
        return ""


def _files(home: Path, site: str, gone: Set[Segment]) -> Iterator[Path]:
    """Give the Parquet files, sidecars and rollups of segments that are still there."""
    for place in (files.LOGS, ROLLUPS):
        root = home / place / site
        for path in sorted(root.rglob("*")):
            if path.suffix not in (".parquet", ".groups") or not path.stem.isdecimal():
                continue
            if (path.relative_to(root).parts[0], int(path.stem)) in gone:
                yield path
