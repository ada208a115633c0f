"""What keeping datagrams costs is told before and after it is switched on."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.cli.datagram_forecast import FLOW_BYTES, forecast, line
from collector.settings import Datagrams
from tests.collector.homes import Home, stream


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_before_anything_is_sealed_nothing_is_guessed(home: Home) -> None:
    told = forecast(home.folder, home.settings)
    assert line(told, 180) == "not kept"


def test_flows_tell_what_their_datagrams_would_take(home: Home) -> None:
    home.write(list(stream(30)))
    home.run()
    told = forecast(home.folder, home.settings)
    assert told == {"reason": "", "bytes_per_day": 300 * FLOW_BYTES * 24}
    assert line(told, 100) == "not kept; would be about 158 kB a day, 16 MB in 100 days"


def test_what_is_kept_is_measured(home: Home) -> None:
    reason = Datagrams(reason="court order 12/2569")
    home.settings = home.settings.model_copy(update={"datagrams": reason})
    home.write(list(stream(30)))
    home.run()
    (path,) = (home.folder / "logs/school-a/datagrams").rglob("*.parquet")
    told = forecast(home.folder, home.settings)
    assert told["bytes_per_day"] == path.stat().st_size * 24
    assert line(told, 90).startswith("kept (court order 12/2569): about ")
