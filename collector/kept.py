"""What is kept of each log, until when, and why: read from ledgers and catalogue, never written.

For pages and the command line, and for the keeper's own words.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from collector import durable
from collector.seal import destroy, holds, ledger
from collector.seal.chain import flock
from collector.seal.holds import DAY_US, Book, Hold
from collector.settings import CollectorSettings, Retention
from collector.store import retention
from collector.store.catalog import FILE as CATALOGUE
from collector.store.catalog import Catalog
from collector.store.schema import LOGS

STATE = Path("state") / "retention.json"
HOLDS = "holds"
Books = dict[str, Book]


def days(settings: Retention) -> dict[str, int]:
    """Return for how many days each log is kept."""
    return {**dict.fromkeys(LOGS, settings.days), **{one.log: one.days for one in settings.logs}}


def read_books(home: Path, sites: Sequence[str], books: Books | None = None) -> Books:
    """Return the account of each site, going on from those that were read before."""
    books = {} if books is None else books
    for site in sites:
        folder = home / ledger.FOLDER / site
        if not folder.is_dir():
            continue
        with flock(folder):
            books.setdefault(site, Book(home, site)).refresh()
    return books


def overview(
    home: Path, settings: CollectorSettings, now_us: int, books: Books | None = None
) -> dict[str, Any]:
    """Return what is due, held and kept, how long the disk lasts, and what needs a person.

    Args:
        home: The home; nothing in it is written.
        settings: Of the box.
        now_us: The time.
        books: Read before, and brought up to date here.
    """
    books = read_books(home, [site.id for site in settings.sites], books)
    kept_days, disk = days(settings.retention), retention.disk_of(home)
    plans = {
        site: destroy.plan(book, days=kept_days, now_us=now_us) for site, book in books.items()
    }
    due_us = {
        f"logs/{one.name}": destroy.due_us(one, kept_days)
        for site, book in books.items()
        for one in book.kept.values()
        if one.log in kept_days and not book.holding(one.log, one.seq, now_us)
    }
    files = _files(home)
    told = retention.forecast(files, now_us=now_us, free_bytes=disk.free, due_us=due_us)
    due = [one for plan in plans.values() for one in plan.due]
    held = [one for plan in plans.values() for one, _ in plan.held]
    return {
        "days": kept_days,
        "due": _count(due),
        "held_past_due": _count(held),
        "next_due_us": min(due_us.values(), default=None),
        "logs": {log: _log(log, files, due_us) for log in sorted(LOGS)},
        "holds": list(hold_rows(home, books, now_us)),
        "forecast": asdict(told),
        "disk": {"free_bytes": disk.free, "total_bytes": disk.total},
        "disk_alarm": retention.disk_alarm(disk.free, disk.total),
        "last_run": state(home),
        "alarms": alarms(home, list(books.values()), now_us),
        "now_us": now_us,
    }


def alarms(home: Path, books: Sequence[Book] | None, now_us: int) -> list[str]:
    """Return a line for everything that needs a person, the disk first.

    Args:
        home: The home.
        books: Whose holds are looked at; None takes what the last daily run found, which is quick.
        now_us: The time.
    """
    disk, known = retention.disk_of(home), state(home)
    full = retention.disk_alarm(*disk) is not None
    found = [disk_words(disk)] if full else []
    if int(known.get("wait_us", 0)) > now_us:
        found.append(WAITS)
    if books is None:
        return [*found, *map(str, known.get("ending", ()))]
    return [*found, *ending(books, now_us)]


WAITS = (
    "nothing is destroyed for a day: the box finds itself days later than it last knew; see that "
    "its clock is right"
)


def _count(segments: Sequence[holds.Kept]) -> dict[str, Any]:
    return {
        "segments": len(segments),
        "rows": sum(one.rows for one in segments),
        "bytes": sum(one.size for one in segments),
        "oldest_us": min((one.received_us for one in segments), default=None),
    }


def _files(home: Path) -> list[Any]:
    if not (home / CATALOGUE).is_file():
        return []
    with Catalog.open(home / CATALOGUE) as catalog:
        return [file for log in LOGS for file in catalog.files(log) if file.kind == "segment"]


def _log(log: str, files: Sequence[Any], due_us: Mapping[str, int]) -> dict[str, Any]:
    mine = [file for file in files if file.log == log]
    return {
        "segments": len(mine),
        "rows": sum(file.rows for file in mine),
        "bytes": sum(file.size for file in mine),
        "oldest_us": min((file.received_min for file in mine), default=None),
        "next_due_us": min((due_us[f.path] for f in mine if f.path in due_us), default=None),
    }


def hold_rows(home: Path, books: Books, now_us: int) -> Iterator[dict[str, Any]]:
    """Give every hold that was not released, with what the ledger does not say of it."""
    names = dict.fromkeys(one.hold for book in books.values() for one in book.holds)
    for name in names:
        found = {
            site: [one for one in book.holds if one.hold == name] for site, book in books.items()
        }
        yield _row(home, name, {site: told for site, told in found.items() if told}, now_us, books)


def _row(
    home: Path, name: str, found: Mapping[str, list[Hold]], now_us: int, books: Books
) -> dict[str, Any]:
    told = [one for listed in found.values() for one in listed]
    until = max((one.until_us for one in told if one.until_us is not None), default=None)
    kept = [
        one
        for site, listed in found.items()
        for one in books[site].kept.values()
        if any(hold.covers(one.log, one.seq, now_us) for hold in listed)
    ]
    private = hold_file(home, name)
    return {
        "hold": name,
        "reference": private.get("reference", ""),
        "reason": private.get("reason", ""),
        "actor": private.get("actor", ""),
        "from_us": private.get("from_us"),
        "to_us": private.get("to_us"),
        "logs": sorted({log for one in told for log, _, _ in one.scope}),
        "sites": sorted(found),
        "placed_us": min(one.placed_us for one in told),
        "until_us": until,
        "in_force": any(one.until_us is None or now_us < one.until_us for one in told),
        "ends_soon": until is not None and 0 < until - now_us < holds.RENEW_US,
        "bundle": next((one.bundle for one in told if one.bundle), None),
        "keeps": _count(kept),
    }


def hold_file(home: Path, name: str) -> dict[str, Any]:
    """Return what was written down of a hold beside the ledger; nothing when it is not there."""
    try:
        known = json.loads(durable.read_plain(home / HOLDS / name / "hold.json"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def state(home: Path) -> dict[str, Any]:
    """Return what the keeper wrote down: when it last looked, ran, and what came of it."""
    try:
        known = json.loads(durable.read_plain(home / STATE))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def ending(books: Sequence[Book], now_us: int) -> list[str]:
    """Return a line for each hold that ends soon: it must be renewed, or is let go."""
    soon = {
        one.hold: one.until_us
        for book in books
        for one in book.in_force(now_us)
        if one.until_us is not None and one.until_us - now_us < holds.RENEW_US
    }
    return [
        f"the hold {name} ends in {(until - now_us) // DAY_US} days: prathu hold renew {name} by "
        "a new order, or what it keeps is destroyed when due"
        for name, until in sorted(soon.items())
    ]


def disk_words(disk: retention.Disk) -> str:
    """Return what to say of a disk that gets full, and what to do."""
    free, total = disk
    return (
        f"the disk is {100 * (total - free) // max(total, 1)} % full, {free / 1e9:.1f} GB are "
        "free; nothing is destroyed before it is due: put in a larger disk, or keep logs for "
        "fewer days (retention.days, at least 90); see: prathu retention status"
    )
