"""Answers questions from the files of this box: open parts and sealed segments alike.

The catalogue names the files, newest first; DuckDB reads an explicit list of them, and no more
than it takes to fill the answer. The act of asking is on the disk before the answer is out.
"""

from __future__ import annotations

import time as stopwatch
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import ip_address, ip_network
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import duckdb
import pyarrow as pa

from appliance.errors import BoxError, WrongUse
from appliance.search import display, duck, times
from appliance.search.addresses import Address, Network
from appliance.search.duck import Limits, Runner, Vanished
from appliance.search.newest import newest
from appliance.search.question import Asked, Question, parse
from appliance.settings import BoxSettings
from collector.attribute.lent import parsed
from collector.records import AuditEvent, Binding, Clock
from collector.store.catalog import FILE as CATALOGUE
from collector.store.catalog import Catalog, FileEntry, PersonName

Networks = Mapping[str, tuple[Network, ...]]
"""Networks of each site."""
COVERAGE_ROWS = 200
"""So many gaps in the log are shown with an answer, the newest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Who asks, for the audit log."""

    actor: str
    address: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Rows, newest first, and what to know about them."""

    question: Question
    table: pa.Table
    """All columns of the log and the names; at most `question.limit` rows."""
    truncated: bool
    """Whether there are more rows than these."""
    files: int
    """Files read."""
    rows: int
    """Rows in the files read."""
    took_ms: float
    coverage: list[dict[str, Any]] = field(default_factory=list)
    """Rows of the log `coverage` that touch the period and sites: where the box was blind."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns a table shows."""
        return tuple(c for c in self.question.columns if c in self.table.column_names)


class LocalEngine:
    """Answers from one home. Safe to use from several threads."""

    def __init__(
        self,
        home: Path,
        limits: Limits,
        record_audit: Callable[[AuditEvent], None],
        *,
        clock: Clock,
        sites: Mapping[str, Sequence[str]],
        shared: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        """Keep the parts.

        Args:
            home: The home; files of the catalogue are relative to it.
            limits: What one question may use.
            record_audit: Returns when the event is durable, and raises if it cannot be.
            clock: The time now.
            sites: Each site's inside networks; in the audit log of the first one stand the
                questions about several sites.
            shared: Each site's addresses at which nobody is named.
        """
        self._home = home.resolve()
        self._limits = limits
        self._record_audit = record_audit
        self._clock = clock
        self._site = next(iter(sites))
        self._networks = _parsed(sites)
        self._shared = _parsed(shared or {})
        self._connection: duckdb.DuckDBPyConnection | None = None

    def __enter__(self) -> Self:
        """Start DuckDB."""
        self._connection = duck.connect(self._home, self._limits)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop DuckDB."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @property
    def home(self) -> Path:
        """The home, resolved."""
        return self._home

    def has(self, path: str) -> bool:
        """Return whether there is a file at a path relative to the home."""
        return (self._home / path).is_file()

    def catalogue(self) -> Catalog:
        """Return the catalogue of files, as it is now."""
        return Catalog.open(self._home / CATALOGUE)

    @property
    def now_us(self) -> int:
        """The time now, in microseconds."""
        return self._clock() // 1000

    def parse(self, text: str, asked: Asked) -> Question:
        """Return the question that `text` asks of this box.

        Raises:
            WrongQuestion: it cannot be read.
        """
        self.check_sites(asked.sites or ())
        return parse(text, asked, Names(self.catalogue(), self._shared), now_us=self.now_us)

    def check_sites(self, sites: Sequence[str]) -> None:
        """Refuse a site that the settings do not have.

        Raises:
            WrongUse: naming the site and those there are.
        """
        for site in sites:
            if site not in self._networks:
                known = ", ".join(self._networks)
                raise WrongUse(f"no site is called {site!r}", hint=f"there are: {known}")

    def ask(self, question: Question, asker: Asker) -> Answer:
        """Return the newest rows that fit.

        Raises:
            BoxError: the question could not be recorded, or used more than its share.
        """
        self._record_question(question, asker)
        begin = stopwatch.perf_counter()
        with self.runner() as run:
            try:
                found = self._newest(run, question)
            except Vanished:
                # Parts leave a while after their segment came: the fresh list has the segment.
                found = self._newest(run, question)
            table, files, rows = found
            coverage = self._coverage(run, question)
        shown = self.named(table.slice(0, question.limit), question)
        return Answer(
            question=question,
            table=shown,
            truncated=table.num_rows > question.limit,
            files=files,
            rows=rows,
            took_ms=(stopwatch.perf_counter() - begin) * 1000,
            coverage=coverage,
        )

    def _record_question(self, question: Question, asker: Asker) -> None:
        site = question.sites[0] if question.sites else None
        self.record_act("search", question.text, question.sentence, site, asker, log=question.log)

    def record_act(
        self, act: str, text: str, sentence: str, site: str | None, asker: Asker, log: str = "flows"
    ) -> None:
        """Make an act durable in the audit log; only then may anything be shown."""
        self._record_audit(
            AuditEvent(
                event_id=uuid4(),
                time=times.aware(self.now_us),
                site=site or self._site,
                actor=asker.actor,
                address=asker.address,
                act=act,
                log=log,
                question=text,
                sentence=sentence,
            )
        )

    def runner(self) -> Any:  # noqa: ANN401  # a context manager of Runner
        """Return a context in which statements run within the question's time."""
        if self._connection is None:
            raise BoxError("the search engine is not started")
        return Runner(self._connection, self._limits.seconds).running()

    def named(self, table: pa.Table, question: Question) -> pa.Table:
        """Return rows of a log with late sessions and names beside them."""
        if question.log != "flows":
            return table
        catalogue = self.catalogue()
        late = self.late(question.sites, question.start_us, question.end_us)
        table = display.with_late(table, late)
        ids = display.person_ids(table)
        return display.with_names(table, catalogue.persons(person_ids=ids) if ids else [])

    def _newest(self, run: Runner, question: Question) -> tuple[pa.Table, int, int]:
        """Walk the files from the newest until nothing older can be in the answer."""
        files = self.catalogue().files(
            question.log,
            sites=question.sites,
            start_us=question.start_us,
            end_us=question.end_us,
        )
        return newest(run, question, files, self.paths)

    def paths(self, files: Sequence[FileEntry]) -> list[str]:
        """Return where the files are."""
        return [str(self._home / file.path) for file in files]

    def _coverage(self, run: Runner, question: Question) -> list[dict[str, Any]]:
        if question.log == "coverage":
            return []
        return self.coverage(
            run,
            Asked(
                log="coverage",
                sites=question.sites,
                start_us=question.start_us,
                end_us=question.end_us,
            ),
        )

    def coverage(self, run: Runner, asked: Asked) -> list[dict[str, Any]]:
        """Return the newest rows of `coverage` in a period: where the box was blind."""
        everything = self.parse("*", replace(asked, limit=COVERAGE_ROWS))
        try:
            table, _, _ = self._newest(run, everything)
        except Vanished:
            table, _, _ = self._newest(run, everything)
        return list(table.slice(0, COVERAGE_ROWS).to_pylist())

    def late(
        self, sites: Sequence[str] | None, start_us: int | None, end_us: int | None
    ) -> list[Binding]:
        """Return the sessions learnt after sealing that name somebody: not at shared addresses."""
        return personal(
            self.catalogue().late_bindings(sites=sites, start_us=start_us, end_us=end_us),
            self._shared,
        )

    def is_inside(self, address: Address, site: str | None) -> bool:
        """Return whether the settings call the address one of a site's (or of any site's) own."""
        return _within(address, self._networks, site)

    def is_shared(self, address: Address, site: str | None) -> bool:
        """Return whether the settings say of a site (or of any) that many use the address."""
        return _within(address, self._shared, site)


def _parsed(sites: Mapping[str, Sequence[str]]) -> Networks:
    return {site: tuple(map(ip_network, networks)) for site, networks in sites.items()}


def _within(address: Address, networks: Networks, site: str | None) -> bool:
    asked = networks.values() if site is None else [networks.get(site, ())]
    return any(address in network for each in asked for network in each)


def personal(bindings: Iterable[Binding], shared: Networks) -> list[Binding]:
    """Return the bindings of addresses that nobody shares, and of prefixes around such.

    Of a block of ports it is the address behind the NAT that counts.
    """
    return [b for b in bindings if not _is_shared(b.address, shared.get(b.site, ()))]


def _is_shared(held: str, shared: Sequence[Network]) -> bool:
    lent = parsed(held)
    address = held if lent is None else lent[1]
    return "/" not in held and any(ip_address(address) in network for network in shared)


class Names:
    """The catalogue as the question language sees it."""

    def __init__(self, catalogue: Catalog, shared: Networks) -> None:
        self._catalogue = catalogue
        self._shared = shared

    def people(self, sites: Sequence[str] | None, text: str | None = None) -> list[PersonName]:
        """Return the persons of the sites whose name or account has `text` in it."""
        if sites is None:
            return self._catalogue.persons(text=text)
        return [p for site in sites for p in self._catalogue.persons(site=site, text=text)]

    def by_id(self, sites: Sequence[str] | None, person: str) -> list[PersonName]:
        """Return the names of one person, in the sites."""
        found = self._catalogue.persons(person_ids=[person])
        return [p for p in found if sites is None or p.site in sites]

    def late(
        self,
        *,
        sites: Sequence[str] | None,
        persons: Sequence[str] | None,
        start_us: int,
        end_us: int,
    ) -> Sequence[Binding]:
        """Return the late sessions of the persons, or of all."""
        found = self._catalogue.late_bindings(sites=sites, start_us=start_us, end_us=end_us)
        found = personal(found, self._shared)
        return [b for b in found if persons is None or b.person in persons]


def engine_of(
    home: Path,
    settings: BoxSettings,
    record_audit: Callable[[AuditEvent], None],
    *,
    clock: Clock,
) -> LocalEngine:
    """Return an engine over a home, with the limits and sites of its settings."""
    limits = Limits(seconds=settings.admin.query_seconds, memory_mb=settings.admin.query_memory_mb)
    sites = {site.id: site.networks for site in settings.sites}
    shared = {site.id: site.shared for site in settings.sites}
    return LocalEngine(home, limits, record_audit, clock=clock, sites=sites, shared=shared)
