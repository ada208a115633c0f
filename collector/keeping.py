"""How long things are kept: destruction when it is due, and legal holds.

The keeper lives in the sealing process and acts between two batches, in the thread that seals,
since it writes the ledgers. What is only read of all this stands in `kept.py`.
"""

from __future__ import annotations

import json
import logging
import shutil
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any

from collector import durable, holding, losing
from collector.control import Handler
from collector.errors import CollectorError, SealError, StoreError
from collector.kept import STATE, days, disk_words, ending, state
from collector.records import Clock
from collector.seal import destroy, holds
from collector.seal.holds import DAY_US, MOST_HELD_US, Book
from collector.seal.sealer import Sealer
from collector.sealing import Act, SealWorker
from collector.settings import CollectorSettings
from collector.store import retention
from collector.store.catalog import Catalog
from collector.store.schema import LOGS

_log = logging.getLogger(__name__)
LOOK_US = 600 * 1_000_000
"""The clock is looked at so often."""
ABSENT_US = 2 * DAY_US
"""Time that goes on by more than this between two looks may be a clock that was set wrongly."""
REQUEST_S = 600.0
BOX = "box"
"""Who destroys when nobody asked for it."""
_NAMING = tuple(log for log, schema in LOGS.items() if "person" in schema.columns)
"""Logs whose rows name people by ids that the catalogue explains."""
Sealers = Mapping[str, Sealer]
Request = Mapping[str, Any]
Asked = Callable[[Sealers, Catalog, Request], dict[str, Any]]


class Keeper:
    """Destroys what is due once a day, and on demand; places and releases holds.

    Args:
        home: The home.
        settings: Of the box.
        clock: Tells the time.
    """

    def __init__(self, home: Path, settings: CollectorSettings, *, clock: Clock) -> None:
        self.home = home
        self._days = days(settings.retention)
        self._clock = clock
        self._looked = 0
        self._alarm: int | None = None
        self._books: dict[str, Book] = {}
        self._writing = threading.Lock()
        """Held while the state is written: both threads do."""

    def tick(self, worker: SealWorker) -> None:
        """Do what is due by time: the look at the disk, and once a day what is to be destroyed."""
        now = self._now_us()
        if abs(now - self._looked) < LOOK_US:
            return
        self._looked = now
        self._watch_disk()
        if self._due(now):
            worker.aside(self._daily)

    def handlers(self, worker: SealWorker) -> dict[str, Handler]:
        """Return what the control socket answers to, for people who were let in by others."""
        return {name: partial(self._ask, worker, act) for name, act in self.acts.items()}

    @property
    def acts(self) -> Mapping[str, Asked]:
        """What can be asked for; each is called while nothing is sealed."""
        return {
            "retention": self._run,
            "hold": self._hold,
            "hold-person": self._hold_person,
            "release": self._release,
            "renew": self._renew,
            "lose": self._lose,
        }

    def _ask(self, worker: SealWorker, act: Asked, request: Request) -> dict[str, Any]:
        done: Future[dict[str, Any]] = Future()
        worker.aside(_answering(act, request, done))
        try:
            return done.result(timeout=REQUEST_S)
        except TimeoutError as error:
            raise CollectorError("the sealing process is busy", hint="it will be done") from error

    def _run(self, sealers: Sealers, catalog: Catalog, request: Request) -> dict[str, Any]:
        return self.run(sealers, catalog, actor=str(request["actor"]))

    def _hold(self, sealers: Sealers, _: Catalog, request: Request) -> dict[str, Any]:
        return self.hold(sealers, request)

    def _hold_person(self, sealers: Sealers, _: Catalog, request: Request) -> dict[str, Any]:
        return self.hold_person(sealers, request)

    def _release(self, sealers: Sealers, _: Catalog, request: Request) -> dict[str, Any]:
        return self.release(sealers, str(request["hold"]))

    def _renew(self, sealers: Sealers, _: Catalog, request: Request) -> dict[str, Any]:
        return self.renew(sealers, request)

    def _lose(self, sealers: Sealers, catalog: Catalog, request: Request) -> dict[str, Any]:
        """Enter that segments are lost, as two people say."""
        books = {site: self._book(site) for site in sealers}
        told = losing.declare(self.home, books, request, self._now_us())
        for site, entries in told.items():
            for entry in entries:
                sealers[site].record(entry)
                kept = [books[site].kept[log, seq] for log, seq, _ in entry["segments"]]
                # Questions would go to it; should the file come back, start finds it.
                catalog.gone([f"logs/{one.name}" for one in kept])
        return {"lost": sum(len(e["segments"]) for some in told.values() for e in some)}

    # Destruction.

    def run(self, sealers: Sealers, catalog: Catalog, *, actor: str) -> dict[str, Any]:
        """Destroy what is due and not held, and forget whom no row needs any more."""
        told = {"destroyed": 0, "rows": 0, "bytes": 0, "held": 0}
        for site, sealer in sealers.items():
            now, book = self._now_us(), self._book(site)
            plan = destroy.plan(book, days=self._days, now_us=now)
            kept = {(one.log, one.seq): one for one in plan.due}
            for entry in destroy.entries(
                plan.due, days=self._days, now_us=now, size=sealer.size, actor=actor
            ):
                names = [kept[log, seq].name for log, seq, _ in entry["segments"]]
                # First, so that no question goes to a file that is going; a crash here costs
                # nothing, for start makes the catalogue know again what lies on the disk.
                catalog.gone([f"logs/{name}" for name in names])
                sealer.destroy(entry)
                _log.info("%s: destroyed %d segments, %s", site, len(names), entry["policy"])
            told["destroyed"] += len(plan.due)
            told["rows"] += sum(one.rows for one in plan.due)
            told["bytes"] += sum(one.size for one in plan.due)
            told["held"] += len(plan.held)
            book.refresh()
        self._end_bundles(sealers)
        forgotten = retention.forget(catalog, _NAMING, self._now_us())
        if forgotten.names or forgotten.bindings or forgotten.mentions:
            counts = forgotten.names, forgotten.bindings, forgotten.mentions
            _log.info("forgot %d names, %d bindings and %d mentions of sessions", *counts)
        self._clear_quarantine()
        return {**told, "names": forgotten.names, "bindings": forgotten.bindings}

    def _end_bundles(self, sealers: Sealers) -> None:
        """Release holds of one person that have ended: nothing else would delete their bundles."""
        now = self._now_us()
        books = [self._book(site) for site in sealers]
        ended = {one.hold for book in books for one in book.holds if one.bundle}
        ended -= {one.hold for book in books for one in book.in_force(now)}
        for name in sorted(ended):
            self.release(sealers, name)
            _log.info("the hold %s has ended: its bundle is deleted", name)

    def _daily(self, sealers: Sealers, catalog: Catalog) -> None:
        try:
            told = self.run(sealers, catalog, actor=BOX)
        except StoreError:
            raise  # a write failed: the process ends, and start finds out how far it came
        except CollectorError as error:
            # Collecting goes on without it; the next day tries again.
            _log.error("nothing more is destroyed today: %s", error)
            self._remember(ran_us=self._now_us())
            return
        lines = ending(self._all_books(), self._now_us())
        self._remember(ran_us=self._now_us(), ending=lines, **told)
        for line in lines:
            _log.warning("%s", line)

    def _due(self, now: int) -> bool:
        """Say whether the daily run may begin, looking at how far the clock went on.

        A clock that was set years ahead makes everything due. A box that finds itself days later
        than it last knew waits another day, so that a person can put the clock right.
        """
        known = state(self.home)
        seen, wait, ran = (int(known.get(n, 0)) for n in ("seen_us", "wait_us", "ran_us"))
        if seen and now - seen > ABSENT_US:
            wait = now + DAY_US
            _log.warning(
                "time went on by %.1f days: nothing is destroyed before tomorrow; see that"
                " the clock is right",
                (now - seen) / DAY_US,
            )
        elif wait > now + DAY_US:
            wait = 0  # the clock was set back: it had been wrong
        self._remember(seen_us=now, wait_us=wait)
        return now >= wait and not 0 <= now - ran < DAY_US

    def _clear_quarantine(self) -> None:
        """Delete damaged batches that are older than any log may be."""
        before = self._now_us() - max(self._days.values()) * DAY_US
        folder = self.home / "quarantine"
        for batch in folder.iterdir() if folder.is_dir() else ():
            if batch.stat().st_mtime_ns // 1000 < before:
                shutil.rmtree(batch) if batch.is_dir() else batch.unlink()
                _log.info("deleted %s, which was kept apart as damaged", batch)

    def _watch_disk(self) -> None:
        disk = retention.disk_of(self.home)
        alarm = retention.disk_alarm(*disk)
        if alarm is not None and (self._alarm is None or alarm < self._alarm):
            _log.warning("%s", disk_words(disk))
        self._alarm = alarm

    def _remember(self, **told: int | list[str]) -> None:
        path = self.home / STATE
        with self._writing:
            durable.make_dir(path.parent)
            durable.replace(path, json.dumps({**state(self.home), **told}).encode())

    # Holds.

    def hold(self, sealers: Sealers, request: Request) -> dict[str, Any]:
        """Place a hold on a range; what was received until now is sealed before.

        Raises:
            SealError: it would hold nothing, or longer than an order can ask for.
        """
        until = self._until(request)
        sites = request["sites"] or list(sealers)
        if unknown := [site for site in sites if site not in sealers]:
            raise SealError(f"no site {unknown[0]} is sealed here")
        scopes = {site: self._scope(site, request) for site in sites}
        scopes = {site: scope for site, scope in scopes.items() if scope}
        if not scopes:
            raise SealError("nothing stored meets that range: a hold would keep nothing")
        self._place(sealers, request, scopes, until)
        return {"hold": str(request["hold"]), "until_us": until, "scopes": scopes}

    def hold_person(self, sealers: Sealers, request: Request) -> dict[str, Any]:
        """Place a hold on a bundle that keeps one person's rows, encrypted under `holds/` already.

        Raises:
            SealError: there is no such bundle, or it would be held too long.
        """
        name, until = holding.name_of(request), self._until(request)
        site = str(request["sites"][0])
        path = self.home / holds.bundle_place(name)
        if site not in sealers or not path.is_file():
            raise SealError(f"there is no bundle of {site} at {path}")
        bundle = holding.bundle_of(path, int(request["segments"]))
        commit = holding.write_file(self.home, name, request, self._now_us())
        sealers[site].record(holding.entry(name, commit, until, bundle=bundle))
        return {"hold": name, "until_us": until, "bundle": bundle}

    def release(self, sealers: Sealers, name: str) -> dict[str, Any]:
        """Release a hold at every site where it is.

        Raises:
            SealError: no hold of that name is in any ledger, or was released before.
        """
        sites = []
        for site, sealer in sealers.items():
            found = [one for one in self._book(site).holds if one.hold == name]
            if found:
                commit = found[0].ref_commit
                sealer.record({"type": "release", "hold": name, "ref_commit": commit})
                durable.remove(self.home / holds.bundle_place(name))
                sites.append(site)
        if not sites:
            raise SealError(f"there is no hold {name}", hint="prathu hold list shows them")
        return {"hold": name, "sites": sites}

    def renew(self, sealers: Sealers, request: Request) -> dict[str, Any]:
        """Place a hold of another name and end on what a hold keeps, then release that one.

        Raises:
            SealError: there is no such hold, its bundle is gone, or it would last longer than an
                order can ask for.
        """
        old, until = str(request["renewed"]), self._until(request)
        found = {site: [h for h in self._book(site).holds if h.hold == old] for site in sealers}
        found = {site: listed for site, listed in found.items() if listed}
        if not found:
            raise SealError(f"there is no hold {old}", hint="prathu hold list shows them")
        again = holding.renewed(self.home, found, request, until=until, now_us=self._now_us())
        for site, listed in again.items():
            for entry in listed:
                sealers[site].record(entry)
        self.release(sealers, old)
        return {"hold": str(request["hold"]), "renews": old, "until_us": until}

    def _until(self, request: Request) -> int:
        now, until = self._now_us(), int(request["until_us"])
        if not now < until <= now + MOST_HELD_US:
            raise SealError(
                "a hold ends within two years, as an order by section 26 does",
                hint="give --until; it can be renewed before it ends",
            )
        return until

    def _place(
        self, sealers: Sealers, request: Request, scopes: Mapping[str, Any], until: int
    ) -> None:
        """Write down what a hold is for, then enter it in the ledger of each site."""
        name = holding.name_of(request)
        commit = holding.write_file(self.home, name, request, self._now_us())
        for site, scope in scopes.items():
            sealers[site].record(holding.entry(name, commit, until, scope=scope))

    def _scope(self, site: str, request: Request) -> list[list[Any]]:
        kept = list(self._book(site).kept.values())
        logs = request["logs"] or sorted(LOGS)
        return holds.scope(kept, logs=logs, from_us=request["from_us"], to_us=request["to_us"])

    def _book(self, site: str) -> Book:
        book = self._books.setdefault(site, Book(self.home, site))
        book.refresh()
        return book

    def _all_books(self) -> list[Book]:
        return list(self._books.values())

    def _now_us(self) -> int:
        return self._clock() // 1000


def _answering(act: Asked, request: Request, done: Future[dict[str, Any]]) -> Act:
    """Return an act whose answer, or refusal, somebody waits for."""

    def answer(sealers: Sealers, catalog: Catalog) -> None:
        try:
            done.set_result(act(sealers, catalog, request))
        except StoreError as error:
            done.set_exception(error)
            raise  # a write failed: the process ends, and start finds out how far it came
        except Exception as error:  # noqa: BLE001  # whoever asked is told
            done.set_exception(error)

    return answer
