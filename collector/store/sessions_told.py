"""What the catalogue keeps of the rows of the log `sessions`."""

from __future__ import annotations

import pyarrow as pa

from collector.store import mentions, names
from collector.store.catalog import Catalog

COLUMNS = tuple(sorted({*names.COLUMNS, *mentions.COLUMNS}))
"""What `take_in` reads."""


def take_in(catalog: Catalog, sessions: pa.Table) -> None:
    """Let `catalog` know people and mentions in rows; the same again change nothing."""
    with catalog.together():
        catalog.add_persons(names.told(sessions))
        catalog.add_mentions(mentions.told(sessions))
