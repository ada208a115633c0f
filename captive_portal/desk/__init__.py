"""The sessions' desk: their thread, their rules, and what they tell the gate and NASes."""

from captive_portal.desk.desk import SessionDesk
from captive_portal.desk.home import KEY, session_ids, times

__all__ = ["KEY", "SessionDesk", "session_ids", "times"]
