"""What strangers send fits into the table of sessions, of either kind of database."""

from dataclasses import replace
from uuid import UUID

import pytest
from sqlalchemy import Engine

from captive_portal.sessions.review import pass_of
from captive_portal.sessions.rows import Rows
from captive_portal.sessions.session import Counters, Nas
from tests.captive_portal.sessions.test_gated_machine import ONE


@pytest.mark.parametrize(
    "text", ["ก" * 300, "a\x00b", "\ud800", "\U0001f600" * 255, "'; DROP TABLE session; --"]
)
def test_any_text_of_a_nas_comes_back_or_is_cut(engine: Engine, text: str) -> None:
    rows = Rows(engine)
    odd = replace(ONE, nas=Nas(identifier=text), ssid=text, key=text, cause=text)
    rows.write([odd])
    found = rows.get(ONE.id)
    assert found is not None
    assert replace(found, cause="") == replace(odd, cause="")
    assert [session.id for session in rows.of_key(text)] == [ONE.id]


@pytest.mark.parametrize("size", [2**63 - 1, 2**64 - 1])
def test_counters_of_64_bits_come_back(engine: Engine, size: int) -> None:
    rows = Rows(engine)
    rows.write([replace(ONE, counters=Counters(bytes_in=size, bytes_out=size))])
    found = rows.get(ONE.id)
    assert found is not None
    assert found.counters.bytes_in == size


def test_a_session_is_found_by_how_its_id_begins(engine: Engine) -> None:
    rows = Rows(engine)
    ids = [
        UUID("0123abcd-0000-4000-8000-000000000001"),
        UUID("0123abcd-ffff-4000-8000-000000000001"),
    ]
    rows.write(replace(ONE, id=one, serial=at) for at, one in enumerate(ids, 1))
    assert len(rows.named("0123ABCD")) == 2
    assert [one.id for one in rows.named("0123abcd-f")] == [ids[1]]
    assert [one.id for one in rows.named(str(ids[0]))] == [ids[0]]
    assert rows.named("fedcba") == rows.named("no id") == rows.named("0" * 99) == []
    assert (rows.has_serial(2), rows.has_serial(3)) == (True, False)


def test_passes_are_those_of_the_open_sessions(engine: Engine) -> None:
    rows = Rows(engine)
    over = replace(ONE, id=UUID(int=2), serial=2, end=ONE.start)
    no_gate = replace(ONE, id=UUID(int=3), serial=None)
    slow = replace(ONE, up_kbit=256, down_kbit=512, addresses=("10.0.0.1", "2001:db8::1"))
    rows.write([slow, over, no_gate])
    assert rows.passes() == [pass_of(slow)]
