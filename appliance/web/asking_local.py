"""The pages' questions, asked of this box's own engine."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, BinaryIO, cast

from appliance.errors import BoxError
from appliance.search import counts, export, scaled, times, who
from appliance.search.engine_local import Answer, Asker, LocalEngine
from appliance.search.question import COLUMNS, Asked, Question
from appliance.search.who_answer import WhoAnswer
from appliance.web.asking import Bucket, Gap, Shown, WhoWish, Wish
from collector.store.schema import LOGS

WITHIN = "5m"
"""So far around the instant `who` looks, unless told otherwise."""
MOST_BARS = 90
CSV_IN_MEMORY, CSV_PIECE = 8 << 20, 1 << 16
"""Bytes. A larger file waits on the disk while it is sent."""
NAMES = ("account", "full_name", "peer_account", "peer_full_name", "learnt_after_sealing")
"""Columns that an answer about flows has beside those of the log."""


class LocalAsking:
    """Asks a started `LocalEngine`. Safe to use from several threads."""

    def __init__(self, engine: LocalEngine, *, sites: Sequence[str]) -> None:
        self._engine = engine
        self._sites = tuple(sites)

    def search(self, wish: Wish, asker: Asker) -> Shown:
        """Return the newest rows that fit, and how many there are over time."""
        question = self._question(wish)
        answer = self._engine.ask(question, asker)
        buckets, notes = self._counted(answer) if wish.count else ((), ())
        answer, multiplied = scaled.scale(answer) if wish.scaled else (answer, None)
        return Shown(
            thai=question.thai,
            english=question.english,
            notes=(*question.notes, *notes),
            columns=wish.columns or self._usual(wish),
            rows=answer.table.to_pylist(),
            total=sum(b.count for b in buckets) if buckets else _total(answer),
            more=answer.truncated,
            took_ms=answer.took_ms,
            buckets=buckets,
            gaps=tuple(_gap(row) for row in answer.coverage),
            scaled=multiplied,
        )

    def csv(self, wish: Wish, asker: Asker) -> Iterator[bytes]:
        """Yield the answer as CSV, all columns or those wished for."""
        question = self._question(wish)
        self._engine.record_act(
            "export", question.text, question.sentence, wish.site or None, asker, log=wish.log
        )
        answer = self._engine.ask(question, asker)
        if wish.scaled:
            answer, _ = scaled.scale(answer)
        wanted = [c for c in wish.columns if c in answer.table.column_names]
        if wanted:
            answer = replace(answer, table=answer.table.select(wanted))
        with tempfile.SpooledTemporaryFile(CSV_IN_MEMORY) as file:
            export.write_csv(answer, cast("BinaryIO", file))
            file.seek(0)
            while piece := file.read(CSV_PIECE):
                yield piece

    def who(self, wish: WhoWish, asker: Asker) -> WhoAnswer:
        """Return who was behind an address."""
        question = who.parse(
            wish.address,
            at=wish.at,
            dst=wish.target,
            within=wish.within or WITHIN,
            site=wish.site or None,
            proto=wish.protocol,
            now_us=self._engine.now_us,
        )
        return who.who(self._engine, question, asker)

    def columns(self, log: str) -> tuple[str, ...]:
        """Return all columns that an answer about a log has."""
        names = NAMES if log == "flows" else ()
        return tuple(dict.fromkeys((*LOGS[log].columns, *names)))

    def usual_columns(self, log: str) -> tuple[str, ...]:
        """Return the columns shown unless told otherwise."""
        # Who and whereto must be seen without scrolling; the name of an only site tells nothing.
        hidden = {"time_end"} if len(self._sites) > 1 else {"time_end", "site"}
        return tuple(c for c in COLUMNS[log] if c not in hidden)

    def _usual(self, wish: Wish) -> tuple[str, ...]:
        """Return the usual columns; beside multiplied counters the rate."""
        rate = (scaled.RATE,) if wish.scaled and wish.log == "flows" else ()
        return (*self.usual_columns(wish.log), *rate)

    def _question(self, wish: Wish) -> Question:
        asked = Asked(
            log=wish.log,
            sites=(wish.site,) if wish.site else None,
            start_us=wish.start_us,
            end_us=wish.end_us,
            limit=wish.limit,
        )
        return self._engine.parse(wish.text, asked)

    def _counted(self, answer: Answer) -> tuple[tuple[Bucket, ...], tuple[str, ...]]:
        """Count all matches by time; a count that takes too long costs the bars, not the rows."""
        try:
            bars = counts.histogram(self._engine, answer.question, MOST_BARS)
        except BoxError as error:
            return (), (str(error),)
        buckets = (Bucket(start_us=b.start_us, end_us=b.end_us, count=b.count) for b in bars)
        return tuple(buckets), ()


def _total(answer: Answer) -> int | None:
    return None if answer.truncated else answer.table.num_rows


def _gap(row: Mapping[str, Any]) -> Gap:
    start: datetime = row["time"]
    end: datetime = row["time_end"] or start
    return Gap(
        start_us=times.microseconds(start),
        end_us=times.microseconds(end),
        source=row["source"] or "",
        kind=row["kind"] or "",
        lost=row["lost"],
        unit=row["unit"] or "",
        note=row["note"] or "",
    )
