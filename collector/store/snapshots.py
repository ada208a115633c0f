"""State of the stages at a position of the spool: what a restart goes on from.

A snapshot is one JSON file named by the position it is true at: everything below it has been
decoded, nothing at or past it. It is a help and no evidence: without one, decoding starts where the
spool starts, without templates and sessions until they come again.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from collector import durable

_log = logging.getLogger(__name__)
_FORMAT = "prathu-state/1"


def write(folder: Path, position: int, sites: Mapping[str, Any]) -> None:
    """Keep the state of all sites at `position`, durably."""
    durable.make_dir(folder)
    document = {"format": _FORMAT, "position": position, "sites": sites}
    durable.replace(_path(folder, position), json.dumps(document, ensure_ascii=False).encode())


def newest(folder: Path, at_most: int) -> tuple[int, dict[str, Any]] | None:
    """Return position and state by site of the newest snapshot at or below `at_most`."""
    for position in sorted(_positions(folder), reverse=True):
        if position <= at_most:
            path = _path(folder, position)
            try:
                document = json.loads(path.read_bytes())
                if document["format"] == _FORMAT:
                    return position, dict(document["sites"])
            except (ValueError, KeyError, TypeError) as error:
                _log.warning("%s is not readable (%s); an older one serves", path, error)
    return None


def stands(folder: Path, at_most: int) -> int | None:
    """Return the position of the newest snapshot at or below `at_most`, by its name alone."""
    return max((at for at in _positions(folder) if at <= at_most), default=None)


def forget(folder: Path, below: int) -> None:
    """Take away the snapshots that no restart can need: older ones than the newest <= `below`."""
    old = sorted(_positions(folder))
    while len(old) > 1 and old[1] <= below:
        _path(folder, old.pop(0)).unlink()


def _positions(folder: Path) -> list[int]:
    return [int(path.stem) for path in folder.glob("*.json") if path.stem.isdecimal()]


def _path(folder: Path, position: int) -> Path:
    return folder / f"{position:020d}.json"
