"""Terms as a NAS holds them, and what an order from outside says of a session. Values only."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Any

SLACK = timedelta(seconds=60)
"""An end that moves by less is the same one to a NAS: it is not asked again for it."""
MB = 1_000_000
"""A byte limit that grows by less is the same one, and one that shrinks is the box's to keep."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NasTerms:
    """What a NAS is to let somebody do. None is no limit."""

    group: str = ""
    up_kbit: int | None = None
    down_kbit: int | None = None
    idle_s: int | None = None
    vlan: int | None = None
    until: datetime | None = None
    most_bytes: int | None = None
    """Of the whole session, both ways."""
    sure: bool = True
    """False: what a NAS has is not known, only that it is something else."""

    @property
    def sign(self) -> str:
        """What tells these terms from others, but for their times: 16 hexadecimal digits."""
        parts = [self.group, self.up_kbit, self.down_kbit, self.idle_s, self.vlan]
        text = json.dumps(parts, ensure_ascii=False).encode("utf-8", "surrogatepass")
        return hashlib.sha256(text).hexdigest()[:16]

    def alike(self, other: NasTerms) -> bool:
        """Say whether a NAS that has these need not be told the others."""
        if not self.sure or self.sign != other.sign or times_differ(self.until, other.until):
            return False
        if self.most_bytes is None or other.most_bytes is None:
            return self.most_bytes == other.most_bytes
        return other.most_bytes <= self.most_bytes + MB

    def words(self) -> str:
        """Return them for the log."""
        told = [self.group] if self.group else []
        told += [f"up {self.up_kbit} kbit/s"] if self.up_kbit is not None else []
        told += [f"down {self.down_kbit} kbit/s"] if self.down_kbit is not None else []
        told += [f"idle {self.idle_s} s"] if self.idle_s is not None else []
        told += [f"VLAN {self.vlan}"] if self.vlan is not None else []
        told += [f"until {self.until:%Y-%m-%d %H:%M:%S} UTC"] if self.until is not None else []
        told += ["a quota"] if self.most_bytes is not None else []
        return "; ".join(told) or "no limits"


def times_differ(one: datetime | None, other: datetime | None) -> bool:
    """Say whether two ends are not the same one."""
    if one is None or other is None:
        return one is not other
    return abs(one - other) >= SLACK


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordered:
    """What somebody outside orders of one session, within what its group may do."""

    by: str
    """Who: the address of a NAS or server, or the name of a way to sign in."""
    group: str = ""
    """Another group of the site, whose terms hold for this session; empty: its person's own."""
    until: datetime | None = None
    idle_s: int | None = None
    up_kbit: int | None = None
    """0: as its group says again."""
    down_kbit: int | None = None

    def over(self, before: Ordered | None) -> Ordered:
        """Return this order after an earlier one: what it does not speak of stays as it was."""
        if before is None:
            return self
        held = {name: getattr(before, name) for name in _ORDERED if not _given(self, name)}
        return replace(self, **held)


_ORDERED = ("group", "until", "idle_s", "up_kbit", "down_kbit")


def _given(ordered: Ordered, name: str) -> bool:
    return getattr(ordered, name) not in (None, "")


def plain(value: NasTerms | Ordered | None) -> dict[str, Any] | None:
    """Return a value as JSON holds it."""
    if value is None:
        return None
    told = asdict(value)
    told["until"] = None if value.until is None else value.until.isoformat()
    return told


def terms_of(told: dict[str, Any] | None) -> NasTerms | None:
    """Return the terms that `plain` wrote."""
    return None if told is None else NasTerms(**_read(told, NasTerms))


def ordered_of(told: dict[str, Any] | None) -> Ordered | None:
    """Return the order that `plain` wrote."""
    return None if told is None else Ordered(**_read(told, Ordered))


_NAMES = {kind: frozenset(field.name for field in fields(kind)) for kind in (NasTerms, Ordered)}


def _read(told: dict[str, Any], kind: type[NasTerms] | type[Ordered]) -> dict[str, Any]:
    read = {name: value for name, value in told.items() if name in _NAMES[kind]}
    if read.get("until") is not None:
        read["until"] = datetime.fromisoformat(read["until"])
    return read
