"""The catalogue made to agree with what lies on disk, at every start.

A crash can leave a sealed segment that the catalogue does not know yet, parts that nobody knows, or
no usable catalogue at all; one pass mends all three. It runs after the sealer's own recovery, which
decides which segments there are.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from collector.errors import StoreError
from collector.records import Clock
from collector.store import sessions_told
from collector.store.catalog import FILE, Catalog, FileEntry
from collector.store.faults import cannot_read
from collector.store.schema import LOGS, LogSchema

_log = logging.getLogger(__name__)
_UNKNOWN = (-1, -1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mended:
    """What a pass changed."""

    added: tuple[FileEntry, ...]
    """Segments that the catalogue did not know: their rollups may be missing too."""
    missing: tuple[str, ...]
    """Segments that it knew and that are no longer there; `prathu verify` tells whether rightly."""
    unreadable: tuple[str, ...]
    """Files under `logs/` that are no segment, or damaged: they cannot be searched."""


def reopen(home: Path, *, clock: Clock) -> Catalog:
    """Return the home's catalogue for writing, an empty one in place of one that cannot be used.

    Raises:
        StoreError: it could not be made either.
    """
    path = home / FILE
    try:
        return Catalog.open(path, write=True, clock=clock)
    except StoreError as error:
        _log.warning("making the catalogue anew: %s", error)
    for name in (path, path.with_name(FILE + "-journal")):
        name.unlink(missing_ok=True)
    return Catalog.open(path, write=True, clock=clock)


def reconcile(
    catalog: Catalog, home: Path, spool: Mapping[str, tuple[int, int]] | None = None
) -> Mended:
    """Make `catalog` agree with `logs/` and `open/` of `home`; remove parts nobody knows.

    A file that cannot be read is told and left alone: the box must go on collecting.

    Args:
        catalog: Open for writing.
        home: The home.
        spool: Frames [from, to) of each segment by its path, as the ledger's manifests say.
    """
    known = catalog.paths()
    found = {path.relative_to(home).as_posix() for path in (home / "logs").rglob("*.parquet")}
    missing = sorted(path for path in known - found if path.startswith("logs/"))
    added, unreadable = [], []
    with catalog.together():
        catalog.gone(missing)
        for path in sorted(found - known):
            try:
                added.append(_take_in(catalog, home, path, (spool or {}).get(path, _UNKNOWN)))
            except StoreError as error:
                _log.error("%s; it cannot be searched", error)
                unreadable.append(path)
    for part in (home / "open").rglob("*.parquet*"):
        if part.relative_to(home).as_posix() not in known:
            part.unlink()
    return Mended(added=tuple(added), missing=tuple(missing), unreadable=tuple(unreadable))


def _take_in(catalog: Catalog, home: Path, path: str, spool: tuple[int, int]) -> FileEntry:
    entry = entry_of(home, path, spool)
    if entry.log == "sessions":
        sessions_told.take_in(catalog, _read(home / path, list(sessions_told.COLUMNS)))
    catalog.publish(entry)
    return entry


def entry_of(home: Path, path: str, spool: tuple[int, int]) -> FileEntry:
    """Return what the catalogue says of the segment `logs/<site>/<log>/<y>/<m>/<d>/<seq>.parquet`.

    Raises:
        StoreError: the path or the file is not that of a segment.
    """
    file = home / path
    try:
        _, site, log, *_, name = Path(path).parts
        seq = int(Path(name).stem)
        schema = LOGS[log]
    except (ValueError, KeyError) as error:
        raise StoreError(f"{file} is not the name of a segment") from error
    extremes = _extremes(file, schema)
    ends = [extremes[column][1] for column in ("time", "time_end") if column in extremes]
    return FileEntry(
        path=path,
        kind="segment",
        site=site,
        log=log,
        seq=seq,
        schema_version=schema.version,
        spool_from=spool[0],
        spool_to=spool[1],
        rows=pq.read_metadata(file).num_rows,
        event_min=extremes["time"][0],
        event_max=max(ends),
        received_min=extremes["received"][0],
        received_max=extremes["received"][1],
        size=file.stat().st_size,
    )


def _extremes(file: Path, schema: LogSchema) -> dict[str, tuple[int, int]]:
    """Return least and greatest of the file's times, from the statistics in its footer."""
    try:
        metadata = pq.read_metadata(file)
    except (OSError, pa.ArrowException) as error:
        raise cannot_read("segment", file, error) from error
    if metadata.schema.names != list(schema.columns):
        raise StoreError(f"{file} does not have the columns of {schema.log}")
    found: dict[str, tuple[int, int]] = {}
    for column in ("time", "time_end", "received"):
        if column not in schema.columns:
            continue
        at = metadata.schema.names.index(column)
        groups = [metadata.row_group(g).column(at) for g in range(metadata.num_row_groups)]
        told: list[Any] = [g.statistics for g in groups if g.statistics]
        told = [statistics for statistics in told if statistics.has_min_max]
        if told:
            found[column] = (min(s.min_raw for s in told), max(s.max_raw for s in told))
    if not {"time", "received"} <= found.keys():
        raise StoreError(f"{file} does not say which times it holds")
    return found


def _read(file: Path, columns: list[str]) -> Any:  # noqa: ANN401  # the stubs lack a type here
    try:
        return pq.read_table(file, columns=columns, partitioning=None)
    except (OSError, pa.ArrowException) as error:
        raise cannot_read("segment", file, error) from error
