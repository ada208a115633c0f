"""After a long run: what was sent is stored once, or rows of `coverage` say that it is missing."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from tests.soak.senders import Exporter, SFlow

LINE = re.compile(r"(udp|tcp)-line ([0-9]+) end")
_TIMES = re.compile(r"([0-9]+) times; ")

Counts = npt.NDArray[np.int64]


def flows(home: Path, exporters: Sequence[Exporter]) -> tuple[dict[str, Any], list[str]]:
    """Return figures of each exporter, and a line for each thing that is not explained."""
    counted = {e.address: np.zeros(e.next - e.base, np.int64) for e in exporters}
    strange = Counter[str]()
    columns = ["source", "bytes", "src_port", "dst_port", "protocol"]
    for table in tables(home, "flows", columns):
        source = np.asarray(table["source"].cast(pa.string()))
        numbers = table["bytes"].to_numpy()
        ports = [table[name].to_numpy().astype(np.int64) for name in ("src_port", "dst_port")]
        for exporter in exporters:
            of = source == exporter.address
            mine = ports[0][of] << 16 | ports[1][of]
            if not isinstance(exporter, SFlow):
                mine = numbers[of].astype(np.int64)
            mine -= exporter.base
            counts = counted[exporter.address]
            known = (mine >= 0) & (mine < len(counts))
            strange[exporter.address] += int(np.count_nonzero(~known))
            counts += np.bincount(mine[known], minlength=len(counts))
    told = coverage(home)
    figures: dict[str, Any] = {}
    faults: list[str] = []
    for exporter in exporters:
        one, wrong = _one(exporter, counted[exporter.address], told)
        one["strange"] = strange[exporter.address]
        figures[exporter.address] = one
        faults += wrong
        if one["strange"]:
            faults.append(f"{exporter.address}: {one['strange']} rows that were never sent")
    return figures, faults


def _one(
    exporter: Exporter, counts: Counts, told: Sequence[dict[str, Any]]
) -> tuple[dict[str, Any], list[str]]:
    """Reckon one exporter."""
    skipped = np.zeros(len(counts), np.bool_)
    skipped[np.array(sorted(exporter.skipped), np.int64) - exporter.base] = True
    of = [row for row in told if row["source"] == exporter.address]
    gaps = [row for row in of if row["kind"] == "sequence-gap"]
    records = sum(row["lost"] or 0 for row in gaps if row["unit"] == "records")
    missing = int(np.count_nonzero((counts == 0) & ~skipped))
    restarts = sum(_times(row) for row in of if row["kind"] == "exporter-restart")
    figures = {
        "kind": type(exporter).__name__,
        "sent": int(np.count_nonzero(~skipped)),
        "stored": int(counts.sum()),
        "skipped_on_purpose": int(np.count_nonzero(skipped)),
        "missing": missing,
        "told_missing": records,
        "double": int(np.count_nonzero(counts > 1)),
        "restarts": exporter.restarts,
        "restarts_to_be_seen": exporter.restarts_seen,
        "restarts_told": restarts,
        "templates": exporter.templates,
        "coverage": dict(Counter(row["kind"] for row in of)),
    }
    faults = []
    if records != int(np.count_nonzero(skipped)) + missing:
        faults.append(f"lost {records} by its coverage, but {figures}")
    if figures["double"] or counts[skipped].any():
        faults.append(f"stored twice, or never sent: {figures}")
    if restarts != exporter.restarts_seen:
        faults.append(f"restarts: {figures}")
    expected = {"sequence-gap", "exporter-restart"}
    if other := {row["kind"] for row in of} - expected:
        faults.append(f"other rows of coverage: {sorted(other)}")
    return figures, [f"{exporter.address}: {fault}" for fault in faults]


def lines(home: Path, kind: str, sent: set[int], dropped: int) -> tuple[dict[str, Any], list[str]]:
    """Reckon lines of syslog; as many may be missing as the kernel is known to have dropped."""
    stored = Counter[int]()
    for table in tables(home, "events", ["raw"]):
        for text in table["raw"].to_pylist():
            if (found := LINE.search(text or "")) and found[1] == kind:
                stored[int(found[2])] += 1
    return reckon(f"{kind}-line", sent, stored, dropped)


def sessions(home: Path, event: str, sent: set[int]) -> tuple[dict[str, Any], list[str]]:
    """Reckon starts or ends of sessions."""
    stored = Counter[int]()
    for table in tables(home, "sessions", ["event", "acct_session_id"]):
        for row in table.to_pylist():
            if row["event"] == event and (row["acct_session_id"] or "").startswith("soak-"):
                stored[int(row["acct_session_id"][5:])] += 1
    return reckon(f"sessions {event}", sent, stored, 0)


def leases(home: Path, sent: set[int]) -> tuple[dict[str, Any], list[str]]:
    """Reckon the leases of the file."""
    stored = Counter[int]()
    for table in tables(home, "leases", ["hostname"]):
        for name in filter(None, table["hostname"].to_pylist()):
            if name.startswith("soak-"):
                stored[int(name[5:])] += 1
    return reckon("leases", sent, stored, 0)


def reckon(
    what: str, sent: set[int], stored: Counter[int], dropped: int
) -> tuple[dict[str, Any], list[str]]:
    """Compare what was sent with what is stored."""
    missing = sent - stored.keys()
    double = [number for number, times in stored.items() if times > 1]
    strange = stored.keys() - sent
    figures = {
        "sent": len(sent),
        "stored": sum(stored.values()),
        "missing": len(missing),
        "double": len(double),
        "strange": len(strange),
    }
    fault = len(missing) > dropped or double or strange
    return figures, [f"{what}: {figures}, {dropped} dropped by the kernel"] if fault else []


def coverage(home: Path) -> list[dict[str, Any]]:
    """Return all that the box says that it did not see."""
    wanted = ["source", "kind", "lost", "unit", "note", "time", "time_end"]
    return [row for table in tables(home, "coverage", wanted) for row in table.to_pylist()]


def tables(home: Path, log: str, columns: list[str]) -> Iterator[pa.Table]:
    """Yield the sealed rows of a log, some hundred thousand at a time."""
    for path in sorted((home / "logs").glob(f"*/{log}/**/*.parquet")):
        for batch in pq.ParquetFile(path).iter_batches(1 << 18, columns=columns):
            yield pa.Table.from_batches([batch])


def _times(row: dict[str, Any]) -> int:
    """Return how often a row of coverage says that it happened."""
    found = _TIMES.match(row["note"] or "")
    return int(found[1]) if found else 1
