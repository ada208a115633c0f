"""A person's group has a name, their kind's where they are in none of their own."""

from dataclasses import replace
from uuid import uuid4

import pytest
from sqlalchemy import Engine, create_engine

from captive_portal.errors import PortalError
from captive_portal.people.accounts import People
from captive_portal.people.group_names import group_names
from captive_portal.people.groups import Groups, new
from tests.captive_portal.conftest import SITE


def test_the_group_of_a_person_is_named(engine: Engine, people: People) -> None:
    somchai, named = people.find(SITE, "somchai"), group_names(engine)
    assert somchai is not None
    assert named(somchai.id) == ""
    Groups(engine).put(replace(new(SITE, "นักเรียน"), kind="pupil"))
    assert named(somchai.id) == "นักเรียน"
    assert named(uuid4()) == ""


def test_a_database_that_does_not_answer_is_told() -> None:
    with pytest.raises(PortalError):
        group_names(create_engine("sqlite://"))(uuid4())
