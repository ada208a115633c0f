"""What sessions were told with, as the rows of the `sessions` log tell it.

Which of a month's files tell of the few sessions that ever held an address, the catalogue knows by
this; without it `who` would have to open them all.
"""

from __future__ import annotations

import json
from itertools import chain

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from collector.store.catalog import Mention

COLUMNS = ("site", "session", "event", "ip", "addresses", "mac", "time", "start")
"""What `told` reads of the sessions log."""
_KEY = ["name", "site", "session"]


def told(sessions: pa.Table) -> list[Mention]:
    """Return each session in `sessions` once for its id and for all it was told with.

    A sign-in that was rejected is no session.
    """
    table = _plain(sessions)
    table = table.filter(pc.not_equal(table["event"], pa.scalar("reject")))
    found = pa.concat_tables(
        [*(_named(table, n) for n in ("session", "ip", "mac")), _listed(table)]
    )
    spans = found.group_by(_KEY).aggregate([("began", "min"), ("time", "max")])
    return [
        Mention(
            **{name: row[name] for name in _KEY}, first_us=row["began_min"], last_us=row["time_max"]
        )
        for row in spans.to_pylist()
        if row["name"]
    ]


def _plain(sessions: pa.Table) -> pa.Table:
    """Return the columns as plain text and µs, with the time from which each row tells."""
    times = ("time", "start")
    table = sessions.select(list(COLUMNS)).cast(
        pa.schema([(n, pa.int64() if n in times else pa.string()) for n in COLUMNS])
    )
    return table.append_column("began", pc.coalesce(table["start"], table["time"]))


def _named(table: pa.Table, column: str) -> pa.Table:
    columns = [table[name] for name in (column, "site", "session", "began", "time")]
    return pa.table(columns, [*_KEY, "began", "time"])


def _listed(table: pa.Table) -> pa.Table:
    """Return a row for each address and prefix in the lists."""
    lists = [json.loads(text or "[]") for text in table["addresses"].to_pylist()]
    rows = np.repeat(np.arange(len(lists)), [len(names) for names in lists])
    names = pa.array(list(chain.from_iterable(lists)), pa.string())
    return _named(table, "session").take(rows).set_column(0, "name", names)
