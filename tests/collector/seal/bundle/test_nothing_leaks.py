"""Whatever happened and whatever is ordered: the bundle is valid, and holds nothing else.

Every row has a name of its own in it, so that one can search the whole bundle for any row that was
not ordered, for its salts, and for the keys.
"""

from __future__ import annotations

import base64
import json
import tempfile
import zipfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typing_extensions import override

from collector.errors import SealError
from collector.seal import files, leaves, policy, segment
from collector.seal.bundle.check import Trust, check
from collector.seal.bundle.order import Order
from collector.seal.disclose import ranges_of
from collector.seal.sealer import Interval
from tests.collector.seal.bundle import packing
from tests.collector.seal.school import BEGIN, DEMO, HOUR, SITE

PEOPLE = (None, "p-0001", "p-0002", "p-0003", "p-0004")
Row = tuple[int, int]
"""Who, and how many µs after the beginning of the hour."""
HISTORIES = st.lists(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 40)), max_size=24), min_size=1, max_size=3
)


class Random(packing.Pupils):
    """A school of one log whose rows are given."""

    def __init__(self, home: Path, hours: list[list[Row]]) -> None:
        super().__init__(home, logs=(("demo", 3600),))
        self.hours = iter(hours)
        self.names = 0

    @override
    def interval(self, log: str, rows: int, end_us: int | None = None) -> Interval:
        del rows
        empty = super().interval(log, 0, end_us)
        told = next(self.hours)
        if not told:
            return empty
        table = self.table(told, empty.start_us)
        spool_to = empty.spool_from + len(told)
        return Interval(
            log=log, start_us=empty.start_us, end_us=empty.end_us, spool_from=empty.spool_from,
            spool_to=spool_to, rows=partial(lambda rows: rows, table), document=DEMO,
        )  # fmt: skip

    def table(self, told: list[Row], start_us: int) -> pa.Table:
        names = [f"name-{self.names + n:05d}-of-a-row" for n in range(len(told))]
        self.names += len(told)
        table = packing.demo(len(told), start_us)
        columns: dict[str, Any] = {
            "person": [PEOPLE[who] for who, _ in told],
            "host": names,
        }
        times = pa.array([start_us + at for _, at in told], pa.int64())
        for name, values in columns.items():
            coded = pa.array(values, pa.string()).dictionary_encode()
            table = _set(table, name, coded.cast(table.schema.field(name).type))
        return _set(table, "time", times.cast(table.schema.field("time").type))


def _set(table: pa.Table, name: str, values: Any) -> pa.Table:
    return table.set_column(table.schema.get_field_index(name), name, values)


@st.composite
def orders(draw: st.DrawFn, hours: list[list[Row]]) -> dict[str, Any]:
    """Return what is ordered of a history: a person, or any rows."""
    withhold = draw(st.sampled_from([[], ["demo"]]))
    if draw(st.booleans()):
        level = draw(st.sampled_from(["C0", "C1", "C1", "C2"]))
        subject = draw(st.sampled_from(["p-0001", "p-0002", "p-0009"]))
        window = (BEGIN, BEGIN + draw(st.integers(1, 40))) if level == "C0" else None
        return {
            "levels": {"demo": level}, "subject": subject, "window": window, "withhold": withhold
        }  # fmt: skip
    rows = {}
    for seq, told in enumerate(hours):
        chosen = draw(st.sets(st.integers(0, max(len(told) - 1, 0)))) if told else set()
        if chosen:
            rows[f"{SITE}/demo/{seq}"] = ranges_of(np.array(sorted(chosen)))
    return {"levels": {"demo": "C0"}, "rows": rows, "withhold": withhold}


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_any_part_of_any_history_is_proven_and_nothing_else_is_told(data: st.DataObject) -> None:
    hours = data.draw(HISTORIES)
    wanted = data.draw(orders(hours))
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", lambda _: None)
        patch.setattr("os.fdatasync", lambda _: None)
        school = Random(Path(folder, "home"), hours)
        school.start()
        for _ in hours:
            school.now_us += HOUR
            school.sealer.seal([school.interval("demo", 0)])
        school.sealer.stop()
        bundle = Path(folder, "case.zip")
        try:
            packing.packed(school, packing.order(school, **wanted), bundle)
        except SealError as error:
            assert "nothing was found" in str(error)
            return
        believed = policy.parse(packing.policy(school, Path(folder, "policy")).read_text())
        result = check(bundle, Trust(policy=believed))
        assert (result.number, result.failure) == (None, None)
        _search(school, packing.order(school, **wanted), bundle)


def _search(school: Random, order: Order, bundle: Path) -> None:
    """Look for what must not be in a bundle."""
    with zipfile.ZipFile(bundle) as file:
        data = bundle.read_bytes()
        shown = {
            (name[8:-6], line["g"], line["r"])
            for name in file.namelist()
            if name.startswith("records/")
            for line in map(json.loads, file.read(name).splitlines())
        }
    give = packing.keys_of(school)
    for parquet in sorted((school.home / "logs").rglob("*.parquet")):
        name = f"{SITE}/demo/{parquet.stem}"
        start = BEGIN + int(parquet.stem) * HOUR
        key = give(name, start)
        for secret in (key, *(segment.sub_key(key, what) for what in ("salt", "detail", "tag"))):
            _is_not_in(secret, data)
        groups = segment.read_sidecar(files.sidecar_of(parquet).read_bytes())
        places = [(g, r) for g, count in enumerate(groups["count"].tolist()) for r in range(count)]
        hosts = pq.read_table(parquet)["host"].to_pylist()
        salts, detail = (leaves.salts(key, what, 0, len(hosts)) for what in ("salt", "detail"))
        for number, place in enumerate(places):
            there = (name, *place) in shown
            hidden = not there or "demo" in order.withhold
            assert (str(hosts[number]).encode() in data) == (not hidden)
            if not there:
                _is_not_in(salts[number].tobytes(), data)
            if hidden:
                _is_not_in(detail[number].tobytes(), data)


def _is_not_in(secret: bytes, data: bytes) -> None:
    for spelt in (secret, secret.hex().encode(), base64.b64encode(secret).rstrip(b"=")):
        assert spelt not in data
