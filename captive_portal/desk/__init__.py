"""The sessions' desk: their thread, their rules, and what they tell the gate and NASes."""

from captive_portal.desk.control import answering
from captive_portal.desk.desk import SessionDesk
from captive_portal.desk.home import KEY, doubted, in_doubt, session_ids, times
from captive_portal.desk.opening import Gap, make_claims, make_desk, make_keeper

__all__ = [
    "KEY",
    "Gap",
    "SessionDesk",
    "answering",
    "doubted",
    "in_doubt",
    "make_claims",
    "make_desk",
    "make_keeper",
    "session_ids",
    "times",
]
