"""Sessions tell what they held; by it the catalogue knows where their rows are."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from collector.store import mentions
from collector.store.catalog import Mention
from collector.store.schema import SESSIONS
from tests.collector.store.tables import column

MAC = "02:00:5e:00:53:01"


def sessions(*rows: dict[str, Any]) -> pa.Table:
    """Return rows of the sessions log at site a."""
    full = [{"site": "a", "event": "update", "received": r["time"], **r} for r in rows]
    arrays = {
        name: column(SESSIONS, name, [row.get(name) for row in full]) for name in SESSIONS.columns
    }
    return pa.table(arrays, schema=SESSIONS.arrow)


def told(*rows: dict[str, Any]) -> dict[str, tuple[str, int, int]]:
    return {m.name: (m.session, m.first_us, m.last_us) for m in mentions.told(sessions(*rows))}


def test_a_session_is_told_with_its_addresses_prefixes_and_machine() -> None:
    held = '["10.0.0.5","2001:db8::/64"]'
    row = {"session": "s1", "ip": "10.0.0.5", "addresses": held, "mac": MAC, "time": 20}
    span = ("s1", 20, 20)
    names = ("s1", "10.0.0.5", "2001:db8::/64", MAC)
    assert told(row) == dict.fromkeys(names, span)


def test_it_lasts_from_its_start_to_what_was_told_last() -> None:
    found = told(
        {"session": "s1", "ip": "10.0.0.5", "time": 20, "start": 5},
        {"session": "s1", "ip": "10.0.0.6", "time": 30, "start": 5},
        {"session": "s1", "event": "stop", "time": 40},
    )
    assert found == {"s1": ("s1", 5, 40), "10.0.0.5": ("s1", 5, 20), "10.0.0.6": ("s1", 5, 30)}


def test_a_rejected_sign_in_is_no_session() -> None:
    assert told({"session": "s1", "event": "reject", "ip": "10.0.0.5", "time": 20}) == {}


def test_two_sites_with_one_address_stay_apart() -> None:
    rows = sessions(
        {"session": "s1", "ip": "10.0.0.5", "time": 20},
        {"session": "s2", "ip": "10.0.0.5", "time": 20, "site": "b"},
    )
    at = [m for m in mentions.told(rows) if m.name == "10.0.0.5"]
    assert sorted((m.site, m.session) for m in at) == [("a", "s1"), ("b", "s2")]
    assert isinstance(at[0], Mention)


def test_no_sessions_tell_nothing() -> None:
    assert mentions.told(sessions({"session": "s1", "time": 1}).slice(0, 0)) == []
