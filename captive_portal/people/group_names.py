"""The name of a person's group, for those who are told of people from outside."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from captive_portal.errors import PortalError
from captive_portal.people.accounts import People
from captive_portal.people.groups import Groups


def group_names(engine: Engine) -> Callable[[UUID], str]:
    """Return what names a person's group; empty where they are in none.

    What it returns raises PortalError when the database does not answer.
    """
    people, groups = People(engine), Groups(engine)

    def name(person: UUID) -> str:
        try:
            account = people.get(person)
            if account is None:
                return ""
            return groups.of(account.site, account.group, account.kind).name
        except SQLAlchemyError as error:
            raise PortalError(f"the group of a person cannot be read: {error}") from error

    return name
