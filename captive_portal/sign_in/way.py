"""What every way to prove who you are has in common: what it is asked, and what it may answer.

A way returns whose account and password these are, or raises one of four: `Unknown` (ask the next
way), `Refused` (known here and wrong: nobody else is asked), `NotNow` (it cannot say; the next way
may know), `Busy` (too many wait).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol, Self, runtime_checkable
from uuid import UUID

from captive_portal.errors import PortalError, Refused
from captive_portal.people.accounts import Account
from captive_portal.people.outside import Outsider
from captive_portal.sessions.nas_terms import Ordered


class WayWord(StrEnum):
    """What `ways` of the settings may say."""

    LOCAL = "local"
    LDAP = "ldap"
    RADIUS = "radius"
    VOUCHER = "voucher"
    DEVICE = "device"
    """A known device is in without a sign-in: pages, and NASes that tell a MAC."""
    OIDC = "oidc"
    """Has a button and takes no password: pages only."""


class Busy(PortalError):
    """Too many people sign in at this moment."""


class TooOften(PortalError):
    """Wrong passwords came too often from there."""

    def __init__(self, wait_s: int) -> None:
        super().__init__(f"wait {wait_s} s")
        self.wait_s = wait_s


class Unknown(Refused):
    """Nobody of that name is known to this way."""


class NotNow(PortalError):
    """This way cannot say at this moment whether they are right."""


class NameWanted(Refused):
    """A voucher is good, and nobody has said yet whose it is: the page asks for the name.

    A NAS cannot ask: there it is a refusal.
    """


class Unsure(Refused):
    """Not accepted, while one of the ways that were to be asked does not answer.

    Said to everybody who is not accepted at that time: it must not tell who is known where.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """Somebody's try to sign in."""

    site: str
    address: str
    """Where the person is, in canonical text."""
    account: str
    """As typed."""
    password: str = field(repr=False)
    """As typed; kept nowhere."""
    guest: str = ""
    """The guest's own name as typed, where a voucher asks for it."""
    mac: str = ""
    """Of the device, lower case with colons; empty where it is not known."""

    @property
    def device(self) -> str:
        """What stands for the device: its MAC, as addresses are changed more easily."""
        return self.mac or self.address


Adopt = Callable[[Outsider, datetime], Account]
"""Returns the account of somebody whose password is right. Raises Refused, PortalError."""


def adopted(adopt: Adopt, who: Outsider, now: datetime) -> Account:
    """Return the account of somebody from outside.

    Raises:
        Refused: they are disabled here.
        NotNow: the directory names them in a way that cannot be.
    """
    try:
        return adopt(who, now)
    except Refused:
        raise
    except PortalError as error:
        raise NotNow(str(error)) from error


@runtime_checkable
class Limiting(Protocol):
    """A way that says, beside whose password it is, what its session may do."""

    def limits_of(self, person: UUID) -> Ordered | None:
        """Return what was said of somebody who was let in a moment ago."""
        ...


class Way(Protocol):
    """One way to prove who you are. Used from one event loop."""

    name: str
    """For counts and lines of the log: `local`, `ldap ad`."""
    locks_after: int
    """Wrong passwords after which it locks an account for everybody; 0: it does not."""

    def __enter__(self) -> Self:
        """Open what it needs; nothing is asked yet."""
        ...

    def __exit__(self, *_: object) -> None: ...

    async def check(self, attempt: Attempt) -> Account:
        """Return whose account and password these are.

        Raises:
            Unknown: nobody's here.
            Refused: somebody's, and wrong, disabled or locked: the error does not say which.
            NotNow: it cannot be said now.
            NameWanted: a voucher is good, and the guest's name is wanted.
            Busy: too many wait.
        """
        ...

    def standing(self) -> Mapping[str, object]:
        """Return what the status page shows of it."""
        ...
