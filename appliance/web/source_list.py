"""Everyone who sends to the box: asked of the sealing process, or read from its last snapshot.

The page, the API and `prathu sources` show the same.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from appliance.web import source_words
from appliance.web.sources import Stranger, strangers
from appliance.web.texts import texts
from collector.decode.sources.told import STATES
from collector.errors import CollectorError
from collector.site import told_at_rest
from collector.store import snapshots

Told = Mapping[str, Any]
"""What the collector tells of one source (`collector/decode/sources/told.py`)."""


class Ask(Protocol):
    """Asks one of the box's processes."""

    def __call__(
        self, process: str, request: Mapping[str, Any], *, timeout_s: float = 5.0
    ) -> dict[str, Any]:
        """Return the reply; raises `collector.errors.CollectorError` when there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceList:
    """Everyone who sends, as of one time."""

    sources: Sequence[Told]
    """From the worst state to the best, by kind and name."""
    kernel: Sequence[Told]
    """What the kernel dropped, by socket."""
    strangers: Sequence[Stranger]
    as_of_us: int
    unread: Sequence[Told] = ()
    """Patterns of lines that no format reads, the commonest first."""
    error: str = ""
    """Why it is not as of now."""

    def find(self, site: str, kind: str, name: str) -> Told | None:
        """Return one source."""
        wanted = (site, kind, name)
        return next((s for s in self.sources if (s["site"], s["kind"], s["name"]) == wanted), None)

    def counts(self) -> dict[str, int]:
        """Return how many sources are in each state that there is."""
        states = [source["state"] for source in self.sources]
        return {state: states.count(state) for state in STATES if state in states}

    def plain(self) -> dict[str, Any]:
        """Return it as JSON, with advice in both languages."""
        words = (texts("th"), texts("en"))
        advised = [
            {
                **source,
                "advice": [
                    {"problem": thai.problem, "th": thai.text, "en": english.text}
                    for thai, english in zip(
                        *(source_words.advice(source, each) for each in words), strict=True
                    )
                ],
            }
            for source in self.sources
        ]
        refused = [{"address": one.address, "refused": one.count} for one in self.strangers]
        return {
            "as_of_us": self.as_of_us,
            "error": self.error,
            "sources": advised,
            "kernel": list(self.kernel),
            "unknown_senders": refused,
            "unread_patterns": list(self.unread),
        }


def read(home: Path, ask: Ask, *, now_us: int, whole: str = "") -> SourceList:
    """Return everyone who sends; as of the last snapshot when the box does not answer.

    Args:
        home: Of the box.
        ask: How its processes are asked.
        now_us: The time now.
        whole: The name whose templates and interfaces are wanted too; `ALL` for everyone's.
    """
    error, as_of_us = "", now_us
    try:
        told = ask("seal", {"do": "sources", "whole": whole}, timeout_s=25.0)
    except CollectorError as fault:
        error = str(fault)
        as_of_us, told = _at_rest(home, whole)
    try:
        unknown = strangers(ask("receive", {"do": "status"}))
    except CollectorError:
        unknown = []
    return SourceList(
        sources=sorted(told.get("sources", ()), key=_rank),
        kernel=[one for one in told.get("kernel", ()) if one["total"]],
        strangers=unknown,
        as_of_us=as_of_us,
        unread=sorted(told.get("unread", ()), key=lambda one: -int(one["lines"])),
        error=error,
    )


def _at_rest(home: Path, whole: str) -> tuple[int, dict[str, list[Any]]]:
    """Return what the newest snapshot knows, and when that was."""
    found: dict[str, list[Any]] = {"sources": [], "kernel": []}
    newest = snapshots.newest(home / "state", sys.maxsize)
    as_of_us = 0
    for site, state in (newest[1] if newest else {}).items():
        try:
            at_us, told = told_at_rest(site, state, whole=whole)
        except (ValueError, KeyError, TypeError):
            continue
        as_of_us = max(as_of_us, at_us)
        for kind, records in told.items():
            found[kind] += records
    return as_of_us, found


def _rank(source: Told) -> tuple[int, str, str, str]:
    return STATES.index(source["state"]), source["site"], source["kind"], source["name"]
