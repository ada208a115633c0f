"""How it stands with backups and their rehearsals: written by each, read by whoever shows it.

A rehearsal is a backup restored beside the home and verified. Both are due by days; what was missed
while the box was off is due at once.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Literal

from appliance.settings import Backup
from collector import durable

STATE = Path("state") / "backup.json"
What = Literal["backup", "rehearsal"]
BANGKOK = timezone(timedelta(hours=7))
DAY_US = 86_400_000_000
HOUR_US = 3_600_000_000
AGAIN_US: dict[What, int] = {"backup": HOUR_US, "rehearsal": DAY_US}
"""What failed is tried again so much later."""
LATE_US: dict[What, int] = {"backup": DAY_US, "rehearsal": 7 * DAY_US}
"""So long past its day, it is overdue: an alarm even where nothing failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How it stands with one of the two."""

    what: What
    ok_us: int | None
    """When the last good one ended."""
    told: str
    """What came of that one."""
    fault: str
    """What was wrong with the last one; empty when it was good."""
    fault_us: int | None
    due_us: int | None
    """When the box makes the next by itself; None when it does not."""
    late: bool

    @property
    def alarm(self) -> str:
        """What somebody must look at, in words; empty when nothing is."""
        if self.fault:
            return f"the last {self.what} failed: {self.fault}"
        return f"the {self.what} is overdue: does the box run?" if self.late else ""


def read(home: Path, settings: Backup, now_us: int) -> tuple[Standing, Standing]:
    """Return how it stands with backups, and with their rehearsals."""
    known = _known(home)
    return (
        _standing("backup", known, settings, now_us),
        _standing("rehearsal", known, settings, now_us),
    )


def plain(standing: tuple[Standing, Standing]) -> dict[str, Any]:
    """Return it as JSON."""
    return {one.what: {**asdict(one), "alarm": one.alarm} for one in standing}


def watched(home: Path, now_us: int) -> None:
    """Write down since when the box makes backups by itself, once."""
    if _time(_known(home).get("since_us"), now_us) is None:
        _write(home, since_us=now_us)


def good(home: Path, what: What, told: str, now_us: int) -> None:
    """Write down that one was made and is good."""
    _write(home, **{what: {"ok_us": now_us, "told": told, "fault": "", "fault_us": None}})


def bad(home: Path, what: What, fault: str, now_us: int) -> None:
    """Write down that one failed; when the last good one was stays known."""
    known = _part(_known(home), what)
    _write(home, **{what: {**known, "fault": fault[:500], "fault_us": now_us}})


def due_us(ok_us: int, *, days: int, hour: int) -> int:
    """Return when the next one is due: at the hour, so many days after the last good one."""
    local = datetime.fromtimestamp(ok_us / 1e6, BANGKOK)
    day = local.replace(hour=hour, minute=0, second=0, microsecond=0) + timedelta(days=days)
    return round(day.timestamp()) * 1_000_000


def good_since(home: Path, what: What, since_us: int) -> bool:
    """Say whether a good one ended at a time or later."""
    ok_us = _part(_known(home), what).get("ok_us")
    return isinstance(ok_us, int) and ok_us >= since_us


def _standing(what: What, known: dict[str, Any], settings: Backup, now_us: int) -> Standing:
    days = settings.days if what == "backup" else settings.rehearse_days
    part, since_us = _part(known, what), _time(known.get("since_us"), now_us)
    ok_us, fault_us = _time(part.get("ok_us"), now_us), _time(part.get("fault_us"), now_us)
    due, late = None, False
    if settings.to and days:
        due = now_us if since_us is None else since_us
        if ok_us is not None:
            due = due_us(ok_us, days=days, hour=settings.hour)
        late = now_us > due + LATE_US[what]
        if fault_us is not None:
            due = max(due, fault_us + AGAIN_US[what])
    return Standing(
        what=what,
        ok_us=ok_us,
        told=str(part.get("told", "")),
        fault=str(part.get("fault", "")),
        fault_us=fault_us,
        due_us=due,
        late=late,
    )


def _time(us: object, now_us: int) -> int | None:
    """Return a time that was written down; one to come is of a clock that was wrong."""
    return us if isinstance(us, int) and 0 <= us <= now_us + HOUR_US else None


def _part(known: dict[str, Any], what: What) -> dict[str, Any]:
    part = known.get(what)
    return part if isinstance(part, dict) else {}


def _known(home: Path) -> dict[str, Any]:
    try:
        known = json.loads(durable.read_plain(home / STATE))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _write(home: Path, **told: object) -> None:
    path = home / STATE
    durable.make_dir(path.parent)
    durable.replace(path, json.dumps({**_known(home), **told}).encode())
