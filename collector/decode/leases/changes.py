"""What happened to leases between two looks at the same file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime

from collector.decode.leases.held import Held
from collector.records import LeaseEvent

Leases = Mapping[str, Held]


def current(leases: Leases, now: datetime) -> dict[str, Held]:
    """Return those that have not ended: servers keep the others in the file for a while."""
    return {ip: h for ip, h in leases.items() if h.expires is None or h.expires > now}


def between(
    before: Leases | None, after: Leases, *, now: datetime, told: LeaseEvent
) -> Iterator[LeaseEvent]:
    """Give what changed.

    Args:
        before: Leases at the last look, ended or not; None at the first, which only says what is
            there.
        after: Those that have not ended now.
        now: When the second look was.
        told: What all events share: site, source, server; its time is theirs.
    """
    if before is None:
        yield from (_event(told, "seen", h) for h in after.values())
        return
    for ip, old in before.items():
        new = after.get(ip)
        if new is None or new.holder != old.holder:
            yield _ended(told, old, now)
    for ip, new in after.items():
        was = before.get(ip)
        if was is None or was.holder != new.holder:
            yield _event(told, "add", new)
        elif was.expires != new.expires or was.hostname != new.hostname:
            yield _event(told, "renew", new)


def _ended(told: LeaseEvent, old: Held, now: datetime) -> LeaseEvent:
    if old.expires is not None and old.expires <= now:
        return replace(_event(told, "expire", old), time=old.expires)
    return _event(told, "release", old)


def _event(told: LeaseEvent, word: str, lease: Held) -> LeaseEvent:
    return replace(
        told,
        kind="dhcp6" if ":" in lease.ip else "dhcp",
        event=word,
        ip=lease.ip,
        mac=lease.mac,
        hostname=lease.hostname,
        client_id=lease.client_id,
        start=lease.start,
        expires=lease.expires,
    )
