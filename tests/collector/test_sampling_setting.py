"""The settings' word on an exporter's sampling rate, up to its rows."""

from __future__ import annotations

import pytest

from collector import settings
from collector.errors import SettingsError
from collector.settings import CollectorSettings
from collector.site import SiteLine
from tests.collector.decode import rows, wire


def parsed(*exporters: dict[str, object]) -> CollectorSettings:
    sites = [{"id": wire.SITE}, {"id": "school-b"}]
    return settings.parse({"sites": sites, "exporters": exporters}, CollectorSettings)


def test_a_rate_of_an_exporter_is_on_its_rows_and_on_no_others() -> None:
    given = parsed(
        {"address": "192.0.2.0/24", "site": wire.SITE, "sampling": 1000},
        {"address": "192.0.2.9", "site": "school-b", "sampling": 7},
        {"address": "198.51.100.1", "site": wire.SITE},
    )
    line = SiteLine(given.sites[0], {}, given)
    senders = ["192.0.2.9", "198.51.100.1"]
    payload = wire.v5([wire.v5_record()])
    frames = [wire.frame(payload, n, address=sender) for n, sender in enumerate(senders)]
    found = rows.of(line.decoder.decode(frames))
    assert [(row["sampling_origin"], row.get("sampling_rate")) for row in found] == [
        ("setting", 1000),
        ("none", None),
    ]


@pytest.mark.parametrize("rate", [0, -1, 1 << 32, "many"])
def test_a_rate_that_is_none_is_refused(rate: object) -> None:
    with pytest.raises(SettingsError, match="sampling"):
        parsed({"address": "192.0.2.1", "site": wire.SITE, "sampling": rate})
