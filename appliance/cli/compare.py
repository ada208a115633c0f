"""Sealed datagrams decoded once more, and compared with the rows that were made of them.

What is compared of each flow is what its record says; what the box concluded from what came before
(the exporter's clock, sampling rates and names from options, who it was) hangs on history that a
period alone does not have. Rows are compared by the hash of their canonical bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from appliance import settings as box_settings
from appliance.cli import report
from appliance.cli.context import Context, wall_clock
from appliance.cli.people_home import site_of
from appliance.errors import NotFound, WrongUse
from appliance.search import times
from collector.decode import datagram_rows
from collector.decode.conntrack.columns import SOURCE
from collector.decode.decoder import FlowDecoder
from collector.decode.limits import Limits
from collector.records import Frame
from collector.seal.encoding import Encoder
from collector.seal.hashing import HASH_BYTES, hash_rows
from collector.store import segments
from collector.store.catalog import Catalog
from collector.store.schema import DATAGRAMS, FLOWS

Hashes = npt.NDArray[np.void]
_SAID = (
    "received", "source", "observation_domain", "src_ip", "src_port", "dst_ip", "dst_port",
    "protocol", "packets", "bytes", "packets_reverse", "bytes_reverse", "tcp_flags", "tos",
    "icmp_type_code", "in_if", "out_if", "direction", "vlan", "src_mac", "dst_mac", "next_hop",
    "src_as", "dst_as", "nat_src_ip", "nat_src_port", "nat_dst_ip", "nat_dst_port", "nat_event",
    "end_reason", "firewall_event",
)  # fmt: skip
"""Columns that say what the record says."""
_BEGAN, _ENDED = "began", "ended"
"""By the exporter's own clock."""
_ENCODER = Encoder(
    [(name, FLOWS.columns[name]) for name in _SAID] + [(_BEGAN, "time"), (_ENDED, "time")]
)
_KEY = np.dtype((np.void, HASH_BYTES))
SHOWN = 10
MOST_LEAD_MIN = 10_000


@dataclass(slots=True)
class Comparison:
    """What came of it."""

    datagrams: int = 0
    """Of the period."""
    before: int = 0
    """Read before the period, for their templates."""
    decoded: int = 0
    rows: int = 0
    """Of `flows`, sealed, received in the period."""
    same: int = 0
    missing: int = 0
    """Decoded, and not among the sealed rows."""
    from_lines: int = 0
    """Sealed rows that a line of syslog told of."""
    from_kernel: int = 0
    unexplained: int = 0
    """Sealed rows that nothing sealed explains."""
    examples: list[dict[str, Any]] = field(default_factory=list)
    waiting_sets: int = 0
    """Sets whose template was in no datagram that was read."""

    @property
    def agrees(self) -> bool:
        """Say whether every row is what the datagrams say, and none is more."""
        return not self.missing and not self.unexplained

    def record(self) -> dict[str, Any]:
        """Return all of it, for JSON."""
        return {"agrees": self.agrees, **asdict(self)}


@dataclass(frozen=True, slots=True)
class Period:
    """What is compared: [start, end) of receipt at a site, after reading from `lead` on."""

    site: str
    lead_us: int
    start_us: int
    end_us: int


def run(context: Context, *, site: str, since: str, until: str, lead: float) -> int:
    """Compare, show what came of it, and return the exit status: 1 where rows differ.

    Raises:
        WrongUse: the period is empty.
        NotFound: none of its datagrams were kept.
    """
    settings = box_settings.load(context.home)
    now_us = wall_clock() // 1000
    start_us = times.parse(since, now_us).us
    end_us = times.parse(until, now_us).end_us if until else now_us
    if end_us <= start_us or not 0 <= lead <= MOST_LEAD_MIN:
        raise WrongUse("--from lies behind --to, or --lead is not of 0 to 10,000 minutes")
    lead_us = start_us - int(lead * 60e6)
    period = Period(site_of(settings, site), lead_us, start_us, end_us)
    report.act(context.home, settings, "view", target=f"compare {since} {until}".strip())
    found = compare(context.home, period)
    if not found.datagrams:
        hint = "datagrams.reason in the settings keeps them from then on"
        raise NotFound("no sealed datagrams of that period: nothing was compared", hint=hint)
    context.show(found.record())
    return 0 if found.agrees else 1


def compare(home: Path, period: Period) -> Comparison:
    """Decode the sealed datagrams of a period and compare.

    Raises:
        StoreError: a segment cannot be read.
    """
    found = Comparison()
    with Catalog.open(home / "catalog.sqlite") as catalog:
        paths = {
            log: _segments(home, catalog, log, period) for log in ("datagrams", "flows", "events")
        }
    decoded = _joined(_again(paths["datagrams"], period, found))
    rows = _Rows()
    for table in _within(paths["flows"], period):
        rows.add(table)
    found.decoded, found.rows = len(decoded), len(rows.hashes())
    _match(found, decoded, rows, paths["events"], period)
    return found


def _segments(home: Path, catalog: Catalog, log: str, period: Period) -> list[Path]:
    start_us = period.lead_us if log == DATAGRAMS.log else period.start_us
    files = catalog.files(
        log, sites=[period.site], start_us=start_us, end_us=period.end_us, by="received"
    )
    sealed = [file for file in files if file.kind == "segment"]
    return [home / file.path for file in sorted(sealed, key=lambda file: file.spool_from)]


def _again(paths: Sequence[Path], period: Period, found: Comparison) -> Iterator[Hashes]:
    """Yield the hashes of the flows in datagrams, decoded by a decoder that knows nothing."""
    decoder = FlowDecoder(period.site, Limits(counters_every_s=0))
    for frames in _frames(paths, period, found):
        while frames:
            decoded, taken = decoder.some(frames)
            frames = frames[taken:]
            if decoded.flows is not None:
                yield _hashes(_cut(FLOWS.table(decoded.flows), period))
    found.waiting_sets = len(decoder.waiting)


def _frames(paths: Sequence[Path], period: Period, found: Comparison) -> Iterator[Sequence[Frame]]:
    number = 0
    for path in paths:
        for table in segments.pieces(path):
            wanted = _received(table, period.lead_us, period.end_us)
            frames = datagram_rows.frames(wanted, period.site, first=number)
            before = sum(frame.received_ns < period.start_us * 1000 for frame in frames)
            found.before, found.datagrams = (
                found.before + before,
                found.datagrams + len(frames) - before,
            )
            number += len(frames)
            yield frames


def _within(paths: Sequence[Path], period: Period) -> Iterator[pa.Table]:
    for path in paths:
        for table in segments.pieces(path):
            yield _cut(table, period)


def _cut(table: pa.Table, period: Period) -> pa.Table:
    return _received(table, period.start_us, period.end_us)


def _received(table: pa.Table, start_us: int, end_us: int) -> pa.Table:
    """Return the rows that came in [start_us, end_us)."""
    received = _times(table)
    return table.filter(pa.array((received >= start_us) & (received < end_us)))


def _times(table: pa.Table) -> npt.NDArray[np.int64]:
    return np.asarray(table["received"].cast(pa.int64()), dtype=np.int64)


def _hashes(table: pa.Table) -> Hashes:
    """Return a hash of what the record of each flow says."""
    began = pc.coalesce(table["exporter_start"], table["time"])
    ended = pc.coalesce(table["exporter_end"], table["time_end"])
    told = table.append_column(_BEGAN, began).append_column(_ENDED, ended)
    matrix = np.zeros((table.num_rows, _ENCODER.width), dtype=np.uint8)
    if table.num_rows:
        _ENCODER.prepare(told).write(matrix, 0, 0)
    return np.ascontiguousarray(hash_rows(matrix)).view(_KEY).ravel()


def _joined(parts: Iterator[Hashes]) -> Hashes:
    found = list(parts)
    return np.concatenate(found) if found else np.empty(0, dtype=_KEY)


class _Rows:
    """Sealed rows: their hashes, and what tells where one comes from."""

    def __init__(self) -> None:
        self._hashes: list[Hashes] = []
        self._told: list[pa.Table] = []

    def add(self, table: pa.Table) -> None:
        self._hashes.append(_hashes(table))
        names = ["received", "source", "src_ip", "src_port", "dst_ip", "dst_port", "protocol"]
        plain = [pc.cast(table[n], pa.string()) if n in _TEXTS else table[n] for n in names]
        self._told.append(pa.Table.from_arrays(plain, names=names))

    def hashes(self) -> Hashes:
        return _joined(iter(self._hashes))

    def told(self, places: npt.NDArray[np.int64]) -> pa.Table:
        """Return what is known of some of them."""
        return pa.concat_tables(self._told).take(places)


_TEXTS = frozenset(("source", "src_ip", "dst_ip"))


def _match(
    found: Comparison, decoded: Hashes, rows: _Rows, lines: Sequence[Path], period: Period
) -> None:
    """Count what is on both sides, each row as often as it is there."""
    sealed = rows.hashes()
    ours, our_counts = np.unique(decoded, return_counts=True)
    theirs, first, their_counts = np.unique(sealed, return_index=True, return_counts=True)
    shared, in_ours, in_theirs = np.intersect1d(ours, theirs, return_indices=True)
    both = np.minimum(our_counts[in_ours], their_counts[in_theirs]) if len(shared) else np.zeros(0)
    found.same = int(both.sum())
    found.missing = len(decoded) - found.same
    over = their_counts.copy()
    over[in_theirs] -= both.astype(over.dtype)
    places, counts = first[over > 0], over[over > 0]
    if len(places):
        _explain(found, rows.told(places), counts, _told_by_lines(lines, period))


def _explain(
    found: Comparison, told: pa.Table, counts: npt.NDArray[np.int64], lines: set[tuple[int, str]]
) -> None:
    received = _times(told).tolist()
    for row, came, count in zip(told.to_pylist(), received, counts.tolist(), strict=True):
        if row["source"] == SOURCE:
            found.from_kernel += count
        elif (came, row["source"]) in lines:
            found.from_lines += count
        else:
            found.unexplained += count
            if len(found.examples) < SHOWN:
                found.examples.append({**row, "received": row["received"].isoformat()})


def _told_by_lines(paths: Sequence[Path], period: Period) -> set[tuple[int, str]]:
    """Return when lines came and from whom."""
    lines: set[tuple[int, str]] = set()
    for table in _within(paths, period):
        sources = map(str, table["source"].to_pylist())
        lines.update(zip(_times(table).tolist(), sources, strict=True))
    return lines
