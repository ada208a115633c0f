"""A format that the settings give a sender holds whatever its lines look like."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector import settings
from collector.decode.syslog import messages
from collector.decode.syslog.fixed import NAMES, Fixed
from collector.errors import SettingsError
from collector.records import Frame
from collector.settings import CollectorSettings
from collector.site import SiteLine, formats
from tests.collector.decode.syslog import golden
from tests.collector.decode.syslog.test_formats import SAMPLES

TYPED = "<13>web: GET /?q=CEF:0|Acme|Gate|1|7|blocked|5|src=10.0.0.9"
FORTIGATE = (
    "<189>date=2026-01-25 time=09:59:58 devname=gate logid=0000000013 type=traffic "
    "subtype=forward srcip=10.0.0.5 dstip=203.0.113.9 action=accept"
)


def vendors(found: messages.Messages) -> list[str | None]:
    column = found.events.columns["vendor"]
    return list(column.to_pylist())


def sent(lines: list[str], senders: list[str]) -> list[Frame]:
    pairs = zip(golden.frames(lines), senders, strict=True)
    return [frame._replace(address=sender) for frame, sender in pairs]


def test_only_the_format_of_the_settings_is_tried() -> None:
    frames = sent([TYPED] * 3, ["192.0.2.1", "192.0.2.2", "192.0.2.3"])
    fixed = Fixed([("192.0.2.0/24", "mikrotik"), ("192.0.2.2", ""), ("192.0.2.3", "none")])
    assert vendors(messages.read(frames)) == ["cef"] * 3
    found = messages.read(frames, fixed)
    assert vendors(found) == [None, "cef", None]
    assert found.events.columns["raw"].to_pylist() == [TYPED] * 3
    assert len(found.unread) == 2, "they are listed with what no format reads"


def test_lines_that_are_read_by_the_batch_keep_their_order_among_others() -> None:
    senders = [f"192.0.2.{1 + n % 3}" for n in range(90)]
    frames = sent([FORTIGATE] * 90, senders)
    fixed = Fixed([("192.0.2.1", "fortigate"), ("192.0.2.2", "sophos")])
    found = messages.read(frames, fixed)
    assert found.events.frame.tolist() == [frame.number for frame in frames]
    assert vendors(found) == ["fortigate", None, "fortigate"] * 30
    assert found.read == {"fortigate": 60}


@given(
    st.lists(st.tuples(st.sampled_from(SAMPLES) | st.text(max_size=80), st.integers(1, 4))),
    st.lists(st.tuples(st.integers(1, 4), st.sampled_from(sorted(NAMES)))),
)
def test_every_line_is_one_row_whatever_its_sender_is_said_to_send(
    lines: list[tuple[str, int]], given_of: list[tuple[int, str]]
) -> None:
    frames = sent([line for line, _ in lines], [f"192.0.2.{n}" for _, n in lines])
    fixed = Fixed((f"192.0.2.{n}", name) for n, name in given_of)
    found = messages.read(frames, fixed)
    assert found.events.frame.tolist() == [frame.number for frame in frames]
    for vendor, frame in zip(vendors(found) if frames else [], frames, strict=True):
        one = fixed.of(frame.address)
        assert one is None or vendor in (None, one.name)


def test_the_settings_reach_the_lines_of_their_site_and_a_wrong_name_is_told() -> None:
    def parsed(name: str) -> CollectorSettings:
        exporter = {"address": "192.0.2.1", "site": "school-a", "format": name}
        return settings.parse(
            {"sites": [{"id": "school-a"}], "exporters": [exporter]}, CollectorSettings
        )

    fixed = parsed("none")
    line = SiteLine(fixed.sites[0], {}, fixed)
    assert vendors(line.read_messages(sent([TYPED], ["192.0.2.1"]))) == [None]
    with pytest.raises(SettingsError, match="'fortigat'; did you mean 'fortigate'"):
        formats("school-a", parsed("fortigat"))
