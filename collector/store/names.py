"""Names of people, as the rows of the `sessions` log tell them."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from collector.store.catalog import PersonName

COLUMNS = ("site", "person", "account", "full_name", "proofing", "time")
"""What `told` reads of the sessions log."""
_TOLD = list(COLUMNS[:-1])


def told(sessions: pa.Table) -> list[PersonName]:
    """Return each name in `sessions` once, with the first and last time it was told.

    Rows without a person, and rows that tell neither account nor name, tell nothing.
    """
    table = sessions.select(list(COLUMNS))
    plain = [(name, pa.string()) for name in _TOLD] + [("time", pa.int64())]
    table = table.cast(pa.schema(plain)).filter(pc.is_valid(table["person"]))
    found = table.group_by(_TOLD).aggregate([("time", "min"), ("time", "max")])
    return [
        PersonName(
            **{name: row[name] or "" for name in _TOLD},
            first_us=row["time_min"],
            last_us=row["time_max"],
        )
        for row in found.to_pylist()
        if row["account"] or row["full_name"]
    ]
