"""Orders from outside within the law of the house: they narrow a group's terms, never widen them.

Staff say on audited pages what a group may do. Whoever shares a RADIUS secret with the box may
take from that, and give back what was taken. Pure.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from captive_portal.errors import PortalError
from captive_portal.sessions.admission import Terms
from captive_portal.sessions.causes import Cause
from captive_portal.sessions.nas_terms import SLACK, Ordered


class Beyond(PortalError):
    """An order gives more than the group does."""


class NoGroup(PortalError):
    """An order names a group that is not there."""


def within(terms: Terms, ordered: Ordered | None) -> Terms:
    """Return terms with an order in them: of each limit the tighter one.

    Args:
        terms: Of the group.
        ordered: The order; None: there is none.
    """
    if ordered is None:
        return terms
    granted = terms.grant
    idle = None if granted.idle is None else int(granted.idle.total_seconds())
    least = _least(idle, ordered.idle_s)
    until, ends = granted.until, granted.ends
    if ordered.until is not None and ordered.until < until:
        until, ends = ordered.until, Cause.SESSION_TIMEOUT
    narrowed = replace(
        granted,
        until=until,
        ends=ends,
        up_kbit=_least(granted.up_kbit, ordered.up_kbit or None),
        down_kbit=_least(granted.down_kbit, ordered.down_kbit or None),
        idle=None if least is None else timedelta(seconds=least),
    )
    return replace(terms, grant=narrowed, ordered=ordered)


def _least(one: int | None, other: int | None) -> int | None:
    return min((value for value in (one, other) if value is not None), default=None)


def more(ordered: Ordered, law: Terms) -> bool:
    """Say whether an order gives more than the law does."""
    granted = law.grant
    idle = None if granted.idle is None else int(granted.idle.total_seconds())
    pairs = (
        (ordered.up_kbit, granted.up_kbit),
        (ordered.down_kbit, granted.down_kbit),
        (ordered.idle_s, idle),
    )
    wider = any(told is not None and most is not None and told > most for told, most in pairs)
    return wider or _later(ordered.until, granted.until)


def _later(told: datetime | None, most: datetime) -> bool:
    return told is not None and told > most + SLACK
