"""What the pages are given: everything they touch, and nothing that they make themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import Engine

from appliance.settings import BoxSettings
from appliance.web.asking import Asking
from collector.records import Clock


class May(StrEnum):
    """What a staff member may do."""

    SEARCH = "search"
    """Read the logs and ask who it was."""
    HELP = "help"
    """Give pupils of their own classes more for today, and new passwords; alone, nothing else."""
    MANAGE = "manage"
    """Accounts of people and staff, and the demo school."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A staff member as of now."""

    id: UUID
    account: str
    name: str
    may: frozenset[May]
    must_change: bool
    """Signed in with a one-time password: nothing works before a new one is set."""
    stamp: str
    """Changes with the password."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonLine:
    """One account in the list of people."""

    id: UUID
    site: str
    account: str
    name: str
    kind: str
    role: str
    disabled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionLine:
    """One session that goes on."""

    id: UUID
    site: str
    zone: str
    account: str
    name: str
    group: str
    addresses: tuple[str, ...]
    mac: str
    method: str
    nas: str
    start: datetime
    until: datetime | None
    bytes_in: int | None
    bytes_out: int | None
    slow: bool
    doubted: bool = False
    """Two devices claimed its address or its MAC."""
    nas_state: str = ""
    """How it stands with telling its NAS of a change; a refusal with its number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPerson:
    """An account to be made, as the form has it."""

    site: str
    account: str
    name: str
    kind: str
    role: str


class Staff(Protocol):
    """Staff accounts and people; every method may block (database, argon2)."""

    def check(self, account: str, password: str) -> Member:
        """Return the member; raises `captive_portal.errors.Refused`."""

    def get(self, member: UUID) -> Member | None:
        """Return the member unless it is gone, disabled or staff no more."""

    def change_password(self, member: UUID, old: str, new: str) -> None:
        """Set the member's own password; raises `PortalError` with what is wrong with it."""

    def people(self, text: str) -> list[PersonLine]:
        """Return people whose account or name has `text`, by site and name."""

    def add(self, new: NewPerson) -> str:
        """Make an account and return its one-time password; raises `PortalError`."""

    def disable(self, person: UUID) -> str:
        """Disable the account, and return its name."""

    def reset(self, person: UUID) -> tuple[str, str]:
        """Return the account's name and a new one-time password."""


class Live(Protocol):
    """The sessions that go on; may block."""

    def sessions(self, text: str) -> list[SessionLine]:
        """Return those that have `text` in some word, the latest first."""


class Control(Protocol):
    """Asks one of the box's processes over its socket."""

    def __call__(
        self, process: str, request: Mapping[str, Any], *, timeout_s: float = 5.0
    ) -> dict[str, Any]:
        """Return the reply; raises `collector.errors.CollectorError` when there is none."""


class Demo(Protocol):
    """The simulated school, run beside the pages."""

    @property
    def running(self) -> bool:
        """Whether it is at work."""

    def start(self) -> None:
        """Start it, unless it is at work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deps:
    """All that `create_app` needs."""

    home: Path
    settings: BoxSettings
    clock: Clock
    asking: Asking
    staff: Staff
    live: Live
    control: Control
    demo: Demo
    database: Engine | None = None
    """People, groups and vouchers; None where only logs are asked about."""
    api_token: str = ""
    """What a local program sends as its bearer token; empty means none may."""
