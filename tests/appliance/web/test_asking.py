"""The pages' questions on a real engine over real files."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path

import pytest

from appliance.errors import WrongQuestion, WrongUse
from appliance.web.asking import WhoWish, Wish
from appliance.web.asking_local import LocalAsking
from tests.appliance.search.homes import ASKER, MINUTE, NOW_US, SITE, SITES, Home, flow

HOUR = 60 * MINUTE
WISH = Wish(text="*", log="flows", site="", start_us=NOW_US - HOUR, end_us=NOW_US, limit=10)
PERSON = "11111111-1111-4111-8111-111111111111"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Return a home with a flow in each of sixty minutes, the first ten of them sealed."""
    home = Home(tmp_path)
    home.person(PERSON, "demo-s001", "=กล้วยไม้ สมมติสกุล")
    flows = [
        flow(NOW_US - HOUR + n * MINUTE, "10.20.1.11", "203.0.113.10", person=PERSON)
        for n in range(60)
    ]
    home.segment(flows[:10])
    home.part(flows[10:])
    return home


def test_the_histogram_counts_all_matches_not_only_those_shown(home: Home) -> None:
    with home.engine() as engine:
        shown = LocalAsking(engine, sites=list(SITES)).search(WISH, ASKER)
    assert len(shown.rows) == 10
    assert shown.more
    assert shown.total == 60
    assert [b.count for b in shown.buckets] == [1] * 60


def test_rows_counted_in_memory_and_by_the_engine_fall_into_the_same_bars(home: Home) -> None:
    with home.engine() as engine:
        asking = LocalAsking(engine, sites=list(SITES))
        few, all_of_them = (asking.search(replace(WISH, limit=n), ASKER) for n in (10, 1000))
    assert not all_of_them.more
    assert few.buckets == all_of_them.buckets


def test_a_flow_that_began_before_the_period_counts_at_its_begin(home: Home) -> None:
    home.part([flow(NOW_US - 3 * HOUR, "10.20.1.12", "192.0.2.80", time_end=NOW_US - MINUTE)])
    with home.engine() as engine:
        asking = LocalAsking(engine, sites=list(SITES))
        for limit in (10, 1000):
            shown = asking.search(replace(WISH, limit=limit), ASKER)
            assert shown.total == 61
            assert shown.buckets[0].count == 2


def test_what_was_not_seen_stands_beside_the_answer(home: Home) -> None:
    gap = {"time": NOW_US - MINUTE, "kind": "sequence-gap", "lost": 7, "unit": "records"}
    home.part([gap], log="coverage")
    with home.engine() as engine:
        shown = LocalAsking(engine, sites=list(SITES)).search(WISH, ASKER)
    assert [(g.kind, g.lost, g.start_us) for g in shown.gaps] == [
        ("sequence-gap", 7, NOW_US - MINUTE)
    ]


def test_csv_opens_in_a_spreadsheet_and_runs_nothing_there(home: Home) -> None:
    with home.engine() as engine:
        asking = LocalAsking(engine, sites=list(SITES))
        wish = replace(WISH, columns=("time", "full_name", "bytes"), limit=100)
        text = b"".join(asking.csv(wish, ASKER)).decode()
    assert text.startswith("\ufeff")
    rows = list(csv.reader(io.StringIO(text[1:])))
    assert rows[0] == ["time", "full_name", "bytes"]
    assert len(rows) == 61
    assert rows[1][1] == "'=กล้วยไม้ สมมติสกุล"
    assert rows[1][0].endswith("+07:00")


def test_sampled_counters_are_multiplied_only_when_asked_for(home: Home) -> None:
    home.part([flow(NOW_US - MINUTE, "10.20.1.12", "192.0.2.80", sampling_rate=100)])
    wish = replace(WISH, text="src:10.20.1.12", columns=("bytes", "packets"), scaled=True)
    with home.engine() as engine:
        asking = LocalAsking(engine, sites=list(SITES))
        shown, plain = asking.search(wish, ASKER), asking.search(replace(wish, scaled=False), ASKER)
        files = [b"".join(asking.csv(replace(wish, scaled=each), ASKER)) for each in (True, False)]
        usual = asking.search(replace(wish, columns=()), ASKER).columns
    assert ([row["bytes"] for row in shown.rows], shown.scaled) == ([100_000], 1)
    assert ([row["bytes"] for row in plain.rows], plain.scaled) == ([1000], None)
    assert [b"100000,300" in text for text in files] == [True, False]
    assert usual[-1] == "sampling_rate"


def test_questions_and_exports_are_written_down_first(home: Home) -> None:
    with home.engine() as engine:
        asking = LocalAsking(engine, sites=list(SITES))
        asking.search(WISH, ASKER)
        next(asking.csv(WISH, ASKER))
        asking.who(WhoWish(address="10.20.1.11", at=""), ASKER)
    assert [event.act for event in home.audited] == ["search", "export", "search", "who"]


def test_a_question_that_cannot_be_read_is_not_asked(home: Home) -> None:
    with home.engine() as engine:
        asking = LocalAsking(engine, sites=list(SITES))
        with pytest.raises(WrongQuestion, match="at character"):
            asking.search(replace(WISH, text="usr:somchai"), ASKER)
        with pytest.raises(WrongUse):
            asking.who(WhoWish(address="not an address", at=""), ASKER)
    assert home.audited == []


def test_the_site_stands_in_rows_only_where_there_are_several(home: Home) -> None:
    with home.engine() as engine:
        assert "site" not in LocalAsking(engine, sites=[SITE]).usual_columns("flows")
        assert "site" in LocalAsking(engine, sites=list(SITES)).usual_columns("flows")
