"""One device as its person sees it: from the list of devices, from what goes on, or both. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from captive_portal.people.devices import Device, DeviceKind
from captive_portal.sessions.session import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnDevice:
    """One device of somebody, as they see it."""

    handle: str
    """Stands for it in forms."""
    name: str
    tail: str
    """Half of its MAC: enough to know it by, too little to be it. Empty: none is known."""
    random: bool = False
    here: bool = False
    on: bool = False
    seen: datetime
    remembered_until: datetime | None = None
    school: bool = False
    listed: bool = False
    """Whether they may forget it: it is more than a session that goes on, and not switched off."""
    mac: str = ""
    sessions: tuple[Session, ...] = ()


def together(
    rows: Sequence[Device],
    sessions: Sequence[Session],
    here: Session,
    *,
    handle: Callable[[str], str],
    now: datetime,
) -> list[OwnDevice]:
    """Return each device of somebody once: this one first, then those in use, then the latest.

    Args:
        rows: Those that are listed.
        sessions: Those that go on.
        here: The session of the device that asks.
        handle: Gives what stands for a device in forms.
        now: The time.
    """
    found = {row.mac: _listed(row, handle(row.mac), now) for row in rows}
    for session in sessions:
        key = session.mac or str(session.id)
        known = found.get(key) or _unlisted(session, handle(key))
        found[key] = replace(
            known,
            on=True,
            here=known.here or session.id == here.id,
            seen=max(known.seen, session.last_seen),
            sessions=(*known.sessions, session),
        )
    return sorted(found.values(), key=lambda one: (not one.here, not one.on, -one.seen.timestamp()))


def _listed(row: Device, handle: str, now: datetime) -> OwnDevice:
    lets_in = row.kind is DeviceKind.REMEMBERED and row.enabled
    return OwnDevice(
        handle=handle,
        name=row.name,
        tail=row.mac[9:],
        random=row.random,
        seen=row.seen_at,
        remembered_until=row.until if lets_in and row.until and row.until > now else None,
        school=row.kind is DeviceKind.OWNED,
        listed=row.enabled,
        mac=row.mac,
    )


def _unlisted(session: Session, handle: str) -> OwnDevice:
    mac = session.mac
    return OwnDevice(
        handle=handle,
        name="",
        tail=mac[9:],
        random=bool(mac) and bool(int(mac[:2], 16) & 2),
        seen=session.last_seen,
        mac=mac,
    )
