"""One-time passwords for a whole class, as slips of paper: known once, then only as hashes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from captive_portal.errors import PortalError
from captive_portal.people import grades, passwords
from captive_portal.people.accounts import Account, Kind, People, Role

MOST = 150
"""Slips at once on a page: a class or three; each password takes a moment of work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slip:
    """One slip of paper."""

    account: str
    full_name: str
    class_name: str
    password: str


def pupils(
    people: People, site: str, *, grade: str, room: str, now: datetime, all_of_them: bool
) -> Sequence[Account]:
    """Return whom slips would be made for, by name.

    Args:
        people: The accounts.
        site: The school.
        grade: Of the class; empty: all grades.
        room: Empty: all rooms.
        now: The time.
        all_of_them: Those too who have a password of their own already, which is then replaced.

    Raises:
        PortalError: nobody is in that class, or all of them have a password of their own.
    """
    wanted = grades.read(grade, room)
    in_class = [
        one
        for one in people.list(site)
        if one.kind is Kind.PUPIL
        and one.role is Role.NONE
        and not one.source
        and not one.closed(now)
        and (not wanted.grade or one.grade == wanted.grade)
        and (not wanted.room or one.room == wanted.room)
    ]
    found = [one for one in in_class if all_of_them or not one.has_password or one.must_change]
    if not in_class:
        raise PortalError(f"no pupil is in {wanted if wanted.grade else f'room {wanted.room}'}")
    if not found:
        raise PortalError(
            f"all {len(in_class)} pupils have a password of their own",
            hint="prathu people slips --all gives them new ones",
        )
    return found


def check_count(chosen: Sequence[Account]) -> None:
    """Refuse more slips than one page makes.

    Raises:
        PortalError: they are more.
    """
    if len(chosen) > MOST:
        raise PortalError(
            f"that would be {len(chosen)} slips, more than {MOST} at once",
            hint="choose a class, or use prathu people slips",
        )


def make(
    people: People, chosen: Iterable[Account], *, told: Callable[[], None] = lambda: None
) -> list[Slip]:
    """Give everybody a new one-time password and return the slips; `told` after each."""
    made = []
    for one in chosen:
        password = passwords.one_time()
        people.set_password(one.id, password, must_change=True)
        made.append(
            Slip(
                account=one.account,
                full_name=one.full_name,
                class_name=str(grades.Class(one.grade, one.room)),
                password=password,
            )
        )
        told()
    return made
