"""Since when it is proven outside of the box what its ledgers hold, and what is wrong with that."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from collector.outside.memory import Line, Memory
from collector.seal import note, outside
from collector.seal.outside import Known
from collector.settings import CollectorSettings

HOUR_US = 3_600_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """How it stands with one site."""

    site: str
    known: Known | None
    """The newest checkpoint that is known outside."""
    asked: bool
    """Whether the settings name anybody who could know it."""
    age_us: int | None
    """How old that knowledge is: so long ago can nothing be changed unseen."""
    late: bool
    """Older than the settings allow."""
    faults: tuple[Line, ...]
    """Authorities and witnesses from whom nothing good came of late."""

    @property
    def alarms(self) -> tuple[Line, ...]:
        """Those that speak against this box."""
        return tuple(line for line in self.faults if line.alarm)

    def plain(self) -> dict[str, Any]:
        """Return it as JSON."""
        known = self.known
        return {
            "site": self.site,
            "since_us": None if known is None else known.since_us,
            "ledger": None if known is None else known.origin,
            "size": None if known is None else known.size,
            "by": [] if known is None else list(known.by),
            "asked": self.asked,
            "age_s": None if self.age_us is None else self.age_us // 1_000_000,
            "late": self.late,
            "faults": [
                {
                    "name": line.name,
                    "kind": line.kind,
                    "fault": line.fault or line.alarm,
                    "since_us": line.fault_us,
                    "alarm": bool(line.alarm),
                }
                for line in self.faults
            ],
        }


def read(home: Path, settings: CollectorSettings, now_us: int) -> list[Proven]:
    """Return how it stands with every site, whether the box runs or not."""
    memory = Memory(home)
    return [_site(home, settings, site.id, memory, now_us) for site in settings.sites]


def _site(
    home: Path, settings: CollectorSettings, site: str, memory: Memory, now_us: int
) -> Proven:
    names = set(_asked(settings, site))
    known = outside.newest(home, site)
    age_us = None if known is None else max(0, now_us - known.since_us)
    most_us = int(settings.outside.alarm_hours * HOUR_US)
    return Proven(
        site=site,
        known=known,
        asked=bool(names),
        age_us=age_us,
        late=bool(names) and (age_us is None or age_us > most_us),
        faults=tuple(
            line
            for (of, kind, name), line in sorted(memory.lines.items())
            if of == site and (kind, name) in names and (line.fault or line.alarm)
        ),
    )


def _asked(settings: CollectorSettings, site: str) -> Iterator[tuple[str, str]]:
    for authority in settings.timestamp_authorities:
        yield "authority", authority.name
    for one in settings.witnesses:
        if not one.sites or site in one.sites:
            yield "witness", note.parse_vkey(one.key).name
