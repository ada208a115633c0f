"""The kernel's connections among datagrams: people at their ends, each row once."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from pathlib import Path
from uuid import uuid5

import pytest

from collector.errors import SettingsError
from collector.records import Frame, FrameKind
from collector.settings import CollectorSettings, Conntrack, Site, check_sites
from tests.collector.decode.netlink import DESTROY, NEW, counters, translated
from tests.collector.homes import BEGIN, SPACE, Home, flow_frame, ns, session_frame


def _told(seconds: float, *payloads: bytes) -> Frame:
    at = BEGIN + timedelta(seconds=seconds)
    return Frame(
        kind=FrameKind.CONNTRACK,
        site="school-a",
        received_ns=ns(at),
        wire_ns=ns(at),
        transport="local",
        payload=b"".join(payloads),
    )


def test_beginning_and_end_name_the_person_who_had_the_address(tmp_path: Path) -> None:
    home = Home(tmp_path)
    end = translated(DESTROY, counters(9, 1, 60), counters(10, 1, 90))
    home.write(
        [session_frame(BEGIN, "malee", "10.0.0.5"), _told(1, translated(NEW)), _told(9, end)]
    )
    pipeline = home.run()
    new, ended = sorted(home.sealed("flows").to_pylist(), key=lambda row: row["received"])
    assert {new["person"], ended["person"]} == {str(uuid5(SPACE, "malee"))}
    assert {new["certainty"], ended["certainty"]} == {"sure"}
    assert new["nat_key"] == ended["nat_key"]
    assert (new["bytes"], ended["bytes"], ended["bytes_reverse"]) == (None, 60, 90)
    assert (ended["time"], ended["time_end"]) == (new["time"], new["time"] + timedelta(seconds=8))
    assert pipeline.counts["malformed"] == 0


def test_connections_and_datagrams_together_are_stored_once_wherever_a_process_dies(
    tmp_path: Path,
) -> None:
    home = Home(tmp_path, rows=25)
    frames = []
    for n in range(30):
        frames.append(_told(n * 2, translated(NEW, port=5000 + n, key=n)))
        frames.append(flow_frame(BEGIN + timedelta(seconds=n * 2 + 1), 10_000 + n * 3, 3))
    frames.append(_told(90, *(translated(DESTROY, port=5000 + n, key=n) for n in range(30))))
    home.write(frames)
    for fed in (7, 33, 60):
        pipeline, reader = home.start()
        while pipeline.position < fed and (some := reader.read(1000)):
            pipeline.feed(some)
        if fed == 33:
            pipeline.seal_now()
        pipeline.close()
    home.run()
    again = Counter({port: 2 for port in range(5000, 5030)})
    assert home.ports() == Counter(range(10_000, 10_090)) + again
    assert home.findings() == []
    ends = [row for row in home.sealed("flows").to_pylist() if row["nat_event"] == 5]
    begun = {row["src_port"]: row["time"] for row in ends}
    assert begun == {5000 + n: BEGIN + timedelta(seconds=n * 2) for n in range(30)}


def test_where_there_are_several_sites_the_settings_say_which() -> None:
    sites = (Site(id="school-a"), Site(id="school-b"))
    for conntrack, words in (
        (Conntrack(enabled=True), "conntrack: site is not set; one of school-a, school-b"),
        (Conntrack(site="school-c"), "conntrack: there is no site 'school-c'"),
    ):
        with pytest.raises(SettingsError, match=words):
            check_sites(CollectorSettings(sites=sites, conntrack=conntrack))
    check_sites(CollectorSettings(sites=sites, conntrack=Conntrack(enabled=True, site="school-b")))
    check_sites(CollectorSettings(sites=sites[:1], conntrack=Conntrack(enabled=True)))
