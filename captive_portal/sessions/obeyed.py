"""Orders from outside within the law of the house: they narrow a group's terms, never widen them.

Staff say on audited pages what a group may do. Whoever shares a RADIUS secret with the box may
take from that, and give back what was taken. Pure.
"""

from __future__ import annotations

from datetime import datetime

from captive_portal.errors import PortalError
from captive_portal.sessions.admission import Terms
from captive_portal.sessions.nas_terms import SLACK, Ordered


class Beyond(PortalError):
    """An order gives more than the group does."""


class NoGroup(PortalError):
    """An order names a group that is not there."""


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
