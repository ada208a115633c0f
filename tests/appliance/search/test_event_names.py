"""Numbers of events are words where people read them, and numbers where programs do."""

from __future__ import annotations

from appliance.search import event_names
from appliance.web import cells
from appliance.web.texts import LANGUAGES, Texts


def test_every_event_has_a_name_in_both_languages() -> None:
    assert list(event_names.NAT) == list(range(1, 19))
    assert list(event_names.FIREWALL) == list(range(6))
    for column, names in event_names.NAMES.items():
        for number, name in names.items():
            shown = {cells.cell(column, number, Texts(lang)).text for lang in LANGUAGES}
            assert name in shown
            assert len(shown) == 2, name
            assert cells.cell(column, number, Texts("th")).term == f"{column}:{number}"


def test_a_number_without_name_stays_a_number() -> None:
    assert cells.cell("nat_event", 77, Texts("en")).text == "77"
    assert event_names.told({"nat_event": 77, "bytes": 3}) == {"nat_event": 77, "bytes": 3}
    assert event_names.told({"nat_event": None}) == {"nat_event": None}


def test_columns_of_events_stand_only_where_there_are_any() -> None:
    columns = ("time", "nat_event", "firewall_event")
    rows: list[dict[str, object]] = [{"time": 1, "nat_event": None}, {"firewall_event": 0}]
    assert event_names.shown(columns, rows) == ("time", "firewall_event")
    assert event_names.shown(columns, []) == ("time",)
