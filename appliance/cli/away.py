"""What a command writes into the spool of a box that does not run: first, that nobody listened.

The receiving process takes the newest frame of the spool for the last time that it was there. A
command that appends to the spool of a resting box must therefore say itself since when nobody
listened, or its own frame would hide that.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from collector.records import CoverageEvent, Frame, FrameKind
from collector.settings import Site
from collector.spool import SpoolWriter

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NOTE = "the box did not run"


def tell(spool: SpoolWriter, sites: Iterable[Site], *, since_ns: int, now_ns: int) -> None:
    """Append, for every site, that nobody listened between two times.

    Raises:
        SpoolError: it could not be written; append nothing else.
    """
    for site in sites:
        gap = CoverageEvent(
            time=_moment(min(since_ns, now_ns)),
            end=_moment(now_ns),
            site=site.id,
            kind="restart",
            note=NOTE,
        )
        spool.append(
            Frame(
                kind=FrameKind.COVERAGE,
                site=site.id,
                received_ns=now_ns,
                wire_ns=now_ns,
                transport="local",
                payload=gap.to_json(),
            )
        )


def _moment(time_ns: int) -> datetime:
    return _EPOCH + timedelta(microseconds=time_ns // 1000)
