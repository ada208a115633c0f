"""The log `datagrams`: what exporters sent, byte for byte, where a reason is set."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from collector.decode import datagram_rows
from collector.decode.decoder import FlowDecoder
from collector.settings import Datagrams
from collector.store import schema
from tests.collector.homes import BEGIN, Home, coverage_frame, flow_frame, ns, session_frame, stream


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path)
    reason = Datagrams(reason="asked for by the court")
    made.settings = made.settings.model_copy(update={"datagrams": reason})
    return made


def test_without_a_reason_nothing_is_kept(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.write(list(stream(3)))
    home.run()
    assert not (tmp_path / "logs/school-a/datagrams").exists()
    assert home.findings() == []


def test_what_was_sent_is_sealed_byte_for_byte_and_gives_the_same_rows_again(home: Home) -> None:
    sent = [*stream(40), session_frame(BEGIN, "malee", "10.0.0.1"), coverage_frame(BEGIN, "x")]
    home.write(sent)
    home.run()
    kept = home.sealed("datagrams")
    flows = [frame for frame in sent if frame.local_port == 2055]
    payloads: list[Any] = kept["payload"].to_pylist()
    assert sorted(payloads) == sorted(frame.payload for frame in flows)
    assert set(kept["source"].to_pylist()) == {"192.0.2.1"}
    assert set(kept["port"].to_pylist()) == {50_000}
    again = datagram_rows.frames(kept.sort_by("received"), "school-a")
    assert [f._replace(number=-1) for f in again] == flows
    decoded = FlowDecoder("school-a").decode(again).flows
    assert decoded is not None
    ports: list[Any] = decoded.columns["src_port"].to_pylist()
    sealed: list[Any] = home.sealed("flows")["src_port"].to_pylist()
    assert sorted(ports) == sorted(sealed)
    assert home.findings() == []


def test_long_rows_make_a_full_segment_sooner(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(schema.FULL_ROWS, "datagrams", 16)
    home.write(list(stream(40)))
    home.run()
    files = sorted((home.folder / "logs/school-a/datagrams").rglob("*.parquet"))
    assert len(files) == 3
    assert home.sealed("datagrams").num_rows == 40
    assert home.findings() == []


def test_a_restart_keeps_each_datagram_once(home: Home) -> None:
    home.write(list(stream(10)))
    pipeline, reader = home.start()
    pipeline.feed(reader.read(1 << 20))
    pipeline.seal_now()
    home.write([flow_frame(BEGIN + timedelta(minutes=2), 40_000 + 10 * i, 3) for i in range(5)])
    pipeline.feed(reader.read(1 << 20))
    pipeline.close()
    home.clock.now += timedelta(minutes=5)
    home.run()
    assert home.sealed("datagrams").num_rows == 15
    assert ns(BEGIN) // 1000 == home.sealed("datagrams")["received"][0].value
    assert home.findings() == []
