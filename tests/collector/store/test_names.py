"""Sessions tell the names of people, each once."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from collector.store import names
from collector.store.catalog import PersonName
from collector.store.schema import SESSIONS
from tests.collector.store.tables import column


def sessions(*rows: dict[str, Any]) -> pa.Table:
    """Return rows of the sessions log at site a."""
    full = [{"site": "a", "received": r["time"], **r} for r in rows]
    arrays = {
        name: column(SESSIONS, name, [row.get(name) for row in full]) for name in SESSIONS.columns
    }
    return pa.table(arrays, schema=SESSIONS.arrow)


def test_a_name_is_told_from_its_first_to_its_last_time() -> None:
    somchai = {"person": "p1", "account": "somchai", "full_name": "สมชาย ใจดี", "proofing": "card"}
    told = names.told(
        sessions(
            {**somchai, "time": 30},
            {**somchai, "time": 10},
            {"person": "p2", "account": "guest", "time": 20},
            {"person": "p1", "time": 5},
            {"account": "rejected", "time": 5},
        )
    )
    assert sorted(told, key=lambda n: n.person) == [
        PersonName(site="a", first_us=10, last_us=30, **somchai),
        PersonName(
            site="a",
            person="p2",
            account="guest",
            full_name="",
            proofing="",
            first_us=20,
            last_us=20,
        ),
    ]


def test_no_sessions_tell_no_names() -> None:
    assert names.told(sessions({"time": 1}).slice(0, 0)) == []
