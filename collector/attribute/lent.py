"""Blocks of public ports that a NAT lent to inside addresses, and who thereby held them.

A block is lent until the NAT says that it took it back, or lent one of its ports to another
address, or for `LENT_US` after it was told of last. Where blocks of an address overlap they are cut
into *cells*: runs of ports that every block has whole or not at all. Who held the inside address
held the cell: those are bindings like any other, of `198.51.100.7:2048-2111=10.0.0.5` in place of
an address.

The clocks of a NAT and of who tells of flows differ, and lines of syslog bear whole seconds: a
block is taken to be lent `SLACK_US` earlier and later than told. When two addresses may have had a
port at the same moment, nobody had it.
"""

from __future__ import annotations

import ipaddress
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from collector.attribute.lease import Lease, Span, Word
from collector.attribute.pieces import Pieces, cut
from collector.records import Binding, LeaseEvent, microseconds

KIND = "block"
"""Of the events that tell of blocks."""
LENT_US = 8 * 24 * 3_600_000_000
SLACK_US = 2_000_000
MOST = 1 << 17
"""So many cells of a site are remembered, ..."""
MOST_OF_NAT = 1 << 13
"""... so many runs of ports of one public address, lent or not, ..."""
MOST_WORDS = 1 << 12
"""... and so many words of each, ..."""
MOST_TOLD = 1 << 20
"""... and of all together; blocks that would make more are refused."""
PORT_BITS = 16
ALWAYS, NEVER = -(1 << 62), 1 << 62
Ints = npt.NDArray[np.int64]
_ENDING = ("release", "expire")
_MOST_PORT = 0xFFFF


class Block(NamedTuple):
    """A run of ports of a public address, both ends included."""

    nat_ip: str
    first: int
    last: int

    def text(self, ip: str) -> str:
        """Return it, lent to an inside address, as bindings name it in place of an address."""
        host = f"[{self.nat_ip}]" if ":" in self.nat_ip else self.nat_ip
        return f"{host}:{self.first}-{self.last}={ip}"


def parsed(held: str) -> tuple[Block, str] | None:
    """Return block and inside address that a binding is of; None where it is of an address."""
    ports, lent, ip = held.partition("=")
    if not lent:
        return None
    host, _, ports = ports.rpartition(":")
    first, _, last = ports.partition("-")
    return Block(host.strip("[]"), int(first), int(last)), ip


@dataclass(slots=True)
class Cell:
    """A run of ports, whom a NAT lent it to, and who was there."""

    block: Block
    key: str
    """By which `Holders` knows those who held it ..."""
    lent_key: str
    """... and the addresses that it was lent to."""
    lent: Lease = field(default_factory=Lease)
    """With inside addresses in the place of MACs."""
    bound: dict[Span, list[Binding]] = field(default_factory=dict)
    """By whom it was held in each span, as last settled."""


class _Todo(NamedTuple):
    """What of a cell is to be bound anew."""

    cell: Cell
    since: int
    """Words about this time and later changed."""
    touched: set[str]
    """The addresses whose holders are others than before."""


class Settled(NamedTuple):
    """What is other than before of a cell."""

    cell: Cell
    changed: list[tuple[Binding | None, Binding | None]]
    """Each binding that is new (first None), no longer there (second None), or another."""


class Table(NamedTuple):
    """All cells, to look up many ports at once."""

    nat_ips: pa.Array[Any]
    first: Ints
    """The place of the public address, and the first port; ascending."""
    last: Ints
    cells: list[Cell]


Held = Callable[[str], Iterable[Binding]]
"""Gives all bindings of an inside address."""


class Blocks:
    """Of one site."""

    def __init__(self, slack_us: int = SLACK_US) -> None:
        self.refused = 0
        """Blocks that found no room."""
        self.made = 0
        """Another one whenever there are other cells than before."""
        self.cells: dict[str, Cell] = {}
        """By each of their keys."""
        self.of_nat: dict[str, list[Cell]] = {}
        """By public address; by their ports there."""
        self._told = 0
        """How many words there are, or more: those of cells that were cut count until `forget`."""
        self._slack_us = slack_us
        self._table: tuple[int, Table] | None = None
        self._of_ip: dict[str, set[str]] = {}
        """Inside address: the keys of the cells that were lent to it."""
        self._unsettled: dict[str, _Todo] = {}

    def add(self, event: LeaseEvent) -> int | None:
        """Take in what was told of a block; return the first time of which it changes anything."""
        block = _block(event)
        if block is None:
            return None
        cells = self._fit(block)
        words = _words(event)
        full = self._told + len(words) * len(cells) > MOST_TOLD
        if not cells or full or any(len(cell.lent.words) >= MOST_WORDS for cell in cells):
            self.refused += 1
            return None
        self._told -= sum(len(cell.lent.words) for cell in cells)
        told = [cell.lent.put(words) for cell in cells]
        self._told += sum(len(cell.lent.words) for cell in cells)
        since = [us for us in told if us is not None]
        for cell in cells if since else ():
            self._of_ip.setdefault(event.ip, set()).add(cell.key)
            self._unsettle(cell, min(since))
        return min(since) - self._slack_us if since else None

    def touch(self, held: str) -> None:
        """Note that who held an inside address, or a prefix, is another than before."""
        ips = [held]
        if "/" in held:
            network = ipaddress.ip_network(held)
            ips = [ip for ip in self._of_ip if ipaddress.ip_address(ip) in network]
        for ip in ips:
            for key in self._of_ip.get(ip, set()) & self.cells.keys():
                self._unsettle(self.cells[key], NEVER).touched.add(ip)

    def settle(self, held: Held) -> Iterator[Settled]:
        """Bind anew what changed."""
        while self._unsettled:
            key, todo = self._unsettled.popitem()
            cell, old, new = todo.cell, list[Binding](), list[Binding]()
            gone = self._cut_off(cell, todo.since)
            since = next(reversed(cell.bound)).end if cell.bound else ALWAYS
            spans = self._spans(cell, since) if key in self.cells else []
            for span in [*cell.bound, *spans] if todo.touched else spans:
                known = gone.pop(span) if span in gone else cell.bound.get(span)
                if known is None or span.mac in todo.touched:
                    old += known or ()
                    known = list(_bound(cell, span, held))
                    new += known
                cell.bound[span] = known
            old += [binding for bound in gone.values() for binding in bound]
            yield Settled(cell, _changed(old, new))

    def _cut_off(self, cell: Cell, since: int) -> dict[Span, list[Binding]]:
        """Take out and return what words about a time may have changed."""
        gone: dict[Span, list[Binding]] = {}
        while cell.bound and next(reversed(cell.bound)).end >= since - self._slack_us:
            span, bound = cell.bound.popitem()
            gone[span] = bound
        return gone

    def pieces(self, key: str, from_us: int) -> Pieces:
        """Return the pieces of a cell, as last settled: of its holders, or of whom it was lent."""
        cell = self.cells[key]
        spans = [span for span in cell.bound if span.end > from_us]
        if key == cell.lent_key:
            return cut(_lent(cell, span) for span in spans)
        return cut(b for span in spans for b in cell.bound[span] if b.end_us > from_us)

    def table(self) -> Table:
        """Return all cells."""
        if self._table is None or self._table[0] != self.made:
            cells = [cell for cells in self.of_nat.values() for cell in cells]
            counts = [len(cells) for cells in self.of_nat.values()]
            nat = np.repeat(np.arange(len(counts)), counts) << PORT_BITS
            first, last = (
                nat | np.array([cell.block[at] for cell in cells], np.int64) for at in (1, 2)
            )
            nat_ips = pa.array(list(self.of_nat), pa.string())
            self._table = self.made, Table(nat_ips, first, last, cells)
        return self._table[1]

    def forget(self, before_us: int) -> None:
        """Let go of what only says something about the time before `before_us`."""
        for nat_ip, cells in list(self.of_nat.items()):
            for cell in cells:
                cell.lent.shorten(before_us)
                self._unsettle(cell, ALWAYS)
                if not cell.lent.words:
                    self._drop(cell)
            self.of_nat[nat_ip] = [cell for cell in cells if cell.lent.words]
            if not self.of_nat[nat_ip]:
                del self.of_nat[nat_ip]
        self._of_ip, self._told = {}, 0
        for key, cell in self.cells.items():
            if key == cell.key:
                self._note(cell)
                self._told += len(cell.lent.words)

    def plain(self) -> list[Any]:
        """Return everything as JSON values."""
        return [[*c.block, c.lent.plain()] for cells in self.of_nat.values() for c in cells]

    def restore(self, state: Iterable[Any]) -> None:
        """Take in the blocks that `plain` described, where there were none."""
        for nat_ip, first, last, words in state:
            cell = self._new(Block(nat_ip, first, last), words)
            self.of_nat.setdefault(nat_ip, []).append(cell)

    def _fit(self, block: Block) -> list[Cell]:
        """Return the cells of a block, cut so that they fit it; none where there is no room."""
        known = self.of_nat.get(block.nat_ip, [])
        at = bisect_right(known, block.first, key=lambda cell: cell.block.first)
        if at and known[at - 1].block == block:
            return [known[at - 1]]
        room = MOST - len(self.cells) // 2
        before = known[at - 1].block.last if at else -1
        if before < block.first and all(block.last < c.block.first for c in known[at : at + 1]):
            return self._fill(known, at, block) if room > 0 else []
        edges = [edge for cell in known for edge in (cell.block.first, cell.block.last + 1)]
        runs = list(pairwise(sorted({*edges, block.first, block.last + 1})))
        if len(runs) > MOST_OF_NAT or len(runs) - len(known) > room:
            return []
        made = list(self._cut(known, block, runs))
        keys = {cell.key for cell in made}
        for old in known:
            if old.key not in keys:
                self._drop(old)
        self.of_nat[block.nat_ip] = made
        return [cell for cell in made if block.first <= cell.block.first <= block.last]

    def _fill(self, known: list[Cell], at: int, block: Block) -> list[Cell]:
        """Put a block between others."""
        if len(known) >= MOST_OF_NAT:
            return []
        cell = self._new(block)
        known.insert(at, cell)
        self.of_nat[block.nat_ip] = known
        return [cell]

    def _cut(
        self, known: Iterable[Cell], block: Block, runs: Iterable[tuple[int, int]]
    ) -> Iterator[Cell]:
        """Give the cells of an address anew, one for each of the runs that anything covers."""
        left = iter([*known, None])
        cell = next(left)
        for first, behind in runs:
            while cell is not None and cell.block.last < first:
                cell = next(left)
            run = Block(block.nat_ip, first, behind - 1)
            if cell is not None and cell.block.first <= first:
                yield cell if cell.block == run else self._new(run, cell.lent.plain())
            elif block.first <= first <= block.last:
                yield self._new(run)

    def _new(self, block: Block, words: Sequence[Any] = ()) -> Cell:
        self.made += 1
        self._told += len(words)
        lent = Lease.from_plain([list(word) for word in words])
        cell = Cell(block, f"held {self.made}", f"lent {self.made}", lent)
        self.cells |= {cell.key: cell, cell.lent_key: cell}
        self._unsettle(cell, ALWAYS)
        self._note(cell)
        return cell

    def _drop(self, cell: Cell) -> None:
        self.made += 1
        self._unsettle(cell, ALWAYS)
        for word in cell.lent.words:
            self._of_ip.get(word.mac, set()).discard(cell.key)
        del self.cells[cell.key], self.cells[cell.lent_key]

    def _unsettle(self, cell: Cell, since: int) -> _Todo:
        todo = self._unsettled.get(cell.key, _Todo(cell, NEVER, set()))
        self._unsettled[cell.key] = todo = todo._replace(since=min(todo.since, since))
        return todo

    def _note(self, cell: Cell) -> None:
        """Note which addresses a cell was lent to."""
        for ip in {word.mac for word in cell.lent.words}:
            self._of_ip.setdefault(ip, set()).add(cell.key)

    def _spans(self, cell: Cell, since: int) -> list[Span]:
        """Return when a cell can have been lent to one address only, and to which, from a time."""
        slack, spans = self._slack_us, cell.lent.spans
        first = bisect_right(spans, since - slack, key=lambda span: span.end)
        wide = [
            Span(max(since, span.start - slack), span.end + slack, span.mac)
            for span in spans[first:]
        ]
        edges = sorted({edge for span in wide for edge in span[:2]})
        found: list[Span] = []
        ended = begun = 0
        for start, end in pairwise(edges):
            while ended < len(wide) and wide[ended].end <= start:
                ended += 1
            while begun < len(wide) and wide[begun].start <= start:
                begun += 1
            ips = {span.mac for span in wide[ended:begun]}
            if len(ips) == 1:
                ip = ips.pop()
                last = found[-1] if found else None
                if last is not None and (last.end, last.mac) == (start, ip):
                    found[-1] = last._replace(end=end)
                else:
                    found.append(Span(start, end, ip))
        return found


def _block(event: LeaseEvent) -> Block | None:
    """Return the block that an event is about, None where it does not say."""
    first, last = event.port_first, event.port_last
    if event.kind != KIND or not event.ip or not event.nat_ip or first is None or last is None:
        return None
    return Block(event.nat_ip, first, last) if 0 <= first <= last <= _MOST_PORT else None


def _words(event: LeaseEvent) -> list[Word]:
    """Return what an event says; one that ends a block may tell when it began."""
    time = microseconds(event.time)
    start = time if event.start is None else min(time, microseconds(event.start))
    if event.event in _ENDING:
        begun = [] if event.start is None else [Word(start, True, event.ip, start + LENT_US)]
        return [*begun, Word(time, False, event.ip, time)]
    until = time + LENT_US if event.expires is None else max(time, microseconds(event.expires))
    return [Word(at, True, event.ip, until) for at in sorted({start, time})]


def _bound(cell: Cell, span: Span, held: Held) -> Iterator[Binding]:
    """Give who held a cell in a span: those who held the address, as long as that."""
    text = cell.block.text(span.mac)
    for binding in held(span.mac):
        start, end = max(binding.start_us, span.start), min(binding.end_us, span.end)
        if start < end:
            yield replace(binding, address=text, start_us=start, end_us=end)


def _lent(cell: Cell, span: Span) -> Binding:
    """Return a span as a binding of an inside address in the place of a person."""
    return Binding(
        site="",
        address=cell.block.text(span.mac),
        start_us=span.start,
        end_us=span.end,
        person=span.mac,
        session="",
        method="",
    )


def _changed(
    old: Iterable[Binding], new: Iterable[Binding]
) -> list[tuple[Binding | None, Binding | None]]:
    before, after = ({(b.address, b.session, b.start_us): b for b in x} for x in (old, new))
    pairs = ((before.get(key), after.get(key)) for key in sorted(before | after))
    return [(one, other) for one, other in pairs if one != other]
