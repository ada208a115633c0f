"""Bundles of a small school, for tests: who was there, what is ordered, how it is packed."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
from typing_extensions import override

from collector.seal.bundle import history
from collector.seal.bundle.order import Order, Told
from collector.seal.bundle.pack import Packed, pack
from collector.seal.keys import Rings
from collector.seal.sealer import Interval
from tests.collector.seal.school import ARROW, BEGIN, DEMO, HOUR, SITE, TEXT, TIME, School

LOGS = (("demo", 3600), ("plain", 3600), ("quiet", 3600))
PEOPLE = (None, *(f"p-{n:04d}" for n in range(1, 8)))
PLAIN: dict[str, Any] = {
    "format": "prathu-row/1",
    "log": "plain",
    "version": 1,
    "subject": None,
    "core": [
        ["time", "time"],
        ["received", "time"],
        ["kind", "str"],
        ["id", "uuid"],
        ["level", "u8"],
        ["count", "u32"],
        ["delta", "i64"],
        ["raw", "bytes"],
    ],
    "detail": [],
}
_PLAIN_ARROW = {
    "time": TIME,
    "received": TIME,
    "kind": TEXT,
    "id": TEXT,
    "level": pa.int32(),
    "count": pa.int64(),
    "delta": pa.int64(),
    "raw": pa.binary(),
}
_KINDS = ('=HYPERLINK("x")', "ประตู", 'a "quoted" word', "line\nbreak\tand \x01 more", "", None)
TOLD: dict[str, Any] = {
    "authority": "TH-ROYAL-POLICE",
    "request": "ตช 0039.1/2570",
    "ldid": "TH-POLICE-2570-1",
    "legal_basis": "CCA s. 26",
    "operator_name": "โรงเรียนตัวอย่าง",
    "recipient": "police",
    "approver": "director",
    "exporter": "it-head",
    "asked_us": BEGIN - HOUR,
    "approved_us": BEGIN,
    "query": {"english": "all rows of p-0002", "thai": "ทุกแถวของ p-0002"},
}


def demo(rows: int, start_us: int) -> pa.Table:
    """Return made-up rows of some people in the order of arrival."""
    numbers = range(rows)
    columns: dict[str, list[Any]] = {
        "time": [start_us + (n * 7919) % 1000 for n in numbers],
        "received": [start_us + 1000 + n for n in numbers],
        "person": [PEOPLE[(n * n + n // 3) % len(PEOPLE)] for n in numbers],
        "src": [("192.0.2.%d" if n % 3 else "2001:db8::%x") % (n % 200 + 10) for n in numbers],
        "port": [n % 65536 if n % 5 else None for n in numbers],
        "bytes": [n << 50 for n in numbers],
        "seen": [[True, False, None][n % 3] for n in numbers],
        "host": [["example.org", "ตัวอย่าง.ไทย", "", None][n % 4] for n in numbers],
        "mac": [f"02:00:00:00:00:{n % 256:02x}" if n % 2 else None for n in numbers],
    }
    return _table(columns, ARROW)


def plain(rows: int, start_us: int) -> pa.Table:
    """Return made-up rows about nobody."""
    numbers = range(rows)
    columns: dict[str, list[Any]] = {
        "time": [start_us + n // 2 for n in numbers],
        "received": [start_us + n for n in numbers],
        "kind": [_KINDS[n % len(_KINDS)] for n in numbers],
        "id": [f"0c6f8a52-6d1f-4d0e-9c59-{n:012x}" for n in numbers],
        "level": [n % 8 for n in numbers],
        "count": [n << 24 & 0xFFFF_FFFF for n in numbers],
        "delta": [-(n << 51) for n in numbers],
        "raw": [bytes([255 - n % 256, n % 256]) if n % 2 else None for n in numbers],
    }
    return _table(columns, _PLAIN_ARROW)


def _table(columns: dict[str, list[Any]], types: dict[str, Any]) -> pa.Table:
    arrays = [
        pa.array(values, pa.string()).dictionary_encode().cast(TEXT)
        if types[name] == TEXT
        else pa.array(values, types[name])
        for name, values in columns.items()
    ]
    return pa.Table.from_arrays(arrays, names=list(columns))


ROWS = {"demo": (demo, DEMO), "plain": (plain, PLAIN)}


class Pupils(School):
    """A school with more people, and a log of things that concern nobody."""

    def __init__(self, home: Path, **told: Any) -> None:
        super().__init__(home, **{"logs": LOGS, **told})
        self.begin_us = self.now_us

    @override
    def interval(self, log: str, rows: int, end_us: int | None = None) -> Interval:
        empty = super().interval(log, 0, end_us)
        if not rows:
            return empty
        make, document = ROWS[log]
        return Interval(
            log=log,
            start_us=empty.start_us,
            end_us=empty.end_us,
            spool_from=empty.spool_from,
            spool_to=empty.spool_from + rows,
            rows=partial(make, rows, empty.start_us),
            document=document,
        )

    def pass_hour(self, rows: int = 24, *, step_us: int = HOUR) -> None:
        """Let an hour pass and seal it; `demo` has rows, `plain` a third of them, `quiet` none."""
        self.now_us += step_us
        counts = {"demo": rows, "plain": rows // 3, "quiet": 0}
        self.sealer.seal([self.interval(log, counts[log]) for log, _ in LOGS])


def school(folder: Path, *, hours: int = 3, rows: int = 24) -> Pupils:
    """Return a school that was sealed for some hours, the second without rows."""
    made = Pupils(folder)
    made.start()
    for hour in range(hours):
        made.pass_hour(0 if hour == 1 else rows)
    made.sealer.stop()
    return made


def order(school_: Pupils, **wanted: Any) -> Order:
    """Return an order over all sealed hours; of `p-0002` at C1 unless told otherwise."""
    position = school_.sealer.position("demo")
    base: dict[str, Any] = {
        "case": "2570-001",
        "site": SITE,
        "levels": {"demo": "C1"},
        "from_us": BEGIN,
        "to_us": position.start_us,
        "subject": "p-0002",
        "told": Told(**TOLD),
    }
    if "rows" in wanted:
        del base["subject"]
    return Order(**{**base, **wanted})


def packed(school_: Pupils, wanted: Order, out: Path) -> Packed:
    """Return a bundle packed for the first time."""
    frozen, _ = history.freeze(school_.home, wanted, school_.now_us)
    return pack(school_.home, wanted, frozen, keys=keys_of(school_), out=out)


def keys_of(school_: Pupils) -> Any:
    """Return what gives the segment keys of a home."""
    kek = (school_.home / "secrets" / "prathu.kek").read_bytes()
    return Rings(school_.home, kek, random=bytes, put=lambda *_: None).get


def policy(school_: Pupils, path: Path) -> Path:
    """Write the policy that believes the school's log key; return its path."""
    path.write_text(f"log {school_.sealer.log_vkey}\nquorum none\n")
    return path
