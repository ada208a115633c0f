"""Why sessions end: the words of RFC 2866 section 5.10 where it has one, else our own."""

from enum import StrEnum


class Cause(StrEnum):
    """The cause of an end, as it stands in the log."""

    USER_REQUEST = "User-Request"
    SESSION_TIMEOUT = "Session-Timeout"
    IDLE_TIMEOUT = "Idle-Timeout"
    ADMIN_RESET = "Admin-Reset"
    """Somebody of the staff ended it."""
    REPLACED = "replaced"
    """Somebody else, or the same person, signed in there."""
    HOURS = "hours"
    """The group's hours are over."""
    QUOTA = "quota"
    CLOSED = "account closed"
    DEVICES = "other device"
    """The person signed in on one device more than the group allows."""
    OTHER_MAC = "address at other device"
    TERMS = "terms changed"
    """Its NAS could not be told of terms that take something away: its person signs in anew."""
    GATE = "gate failed"
    """Told, but the gate could not let it in."""
    UNANSWERED = "unanswered"
    """Told, but the box ended before the person was answered."""


ENDED_HERE = frozenset(
    {
        *(Cause.ADMIN_RESET, Cause.HOURS, Cause.QUOTA, Cause.CLOSED, Cause.DEVICES, Cause.TERMS),
        *(Cause.IDLE_TIMEOUT, Cause.SESSION_TIMEOUT),
    }
)
"""Ends that the box decides, so that a NAS which carries the session must be told; of those that
the NAS told itself (`stopped`) it knows."""
