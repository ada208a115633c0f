"""The part of a site's ledgers that a bundle shows, as it stands or as it was frozen.

Shown are the entries of the intervals asked for, one behind the other, and what a reader needs to
judge them: all of the year that tell of keys and of the clock, and what became of the segments.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from collector.errors import SealError
from collector.seal import entries, ledger, tiles
from collector.seal.bundle.order import Frozen, FrozenLog, Order
from collector.seal.chain import flock

Entry = dict[str, Any]
ALWAYS = frozenset({"genesis", "epoch", "clock", "close"})
_TOKEN = re.compile(r"([0-9]+)\.[a-z0-9-]+\.(?:tsr|pem)")


@dataclass(slots=True, kw_only=True)
class Chapter:
    """What is shown of one ledger."""

    origin: str
    folder: Path
    size: int
    raw: dict[int, bytes] = field(default_factory=dict)
    """Bytes of the entries that are shown, by index."""
    told: dict[int, Entry] = field(default_factory=dict)
    """The same, parsed."""

    @property
    def first(self) -> int | None:
        """Index of the first entry that tells of an interval."""
        kinds = ("segment", "empty", "gap")
        return min((i for i, e in self.told.items() if e["type"] in kinds), default=None)

    def hand_overs(self) -> list[int]:
        """Return the sizes of the checkpoints that hand over to another epoch key."""
        first = self.first
        return [
            index + 1
            for index, entry in self.told.items()
            if entry["type"] == "epoch" and first is not None and index > first
        ]


def freeze(home: Path, order: Order, now_us: int) -> tuple[Frozen, list[Chapter]]:
    """Return what a bundle of this order shows of the ledgers as they stand now.

    Raises:
        SealError: the ledgers do not cover the period.
    """
    with flock(home / ledger.FOLDER / order.site):
        sizes = {
            folder.name: ledger.parse_state((folder / "state").read_bytes()).size
            for folder in ledger.folders(home, order.site)
        }
    chapters = read(home, order, sizes)
    logs = [_frozen(chapter) for chapter in chapters]
    logs.sort(key=lambda each: each.origin)
    return Frozen(logs=logs, packed_us=now_us), chapters


def thaw(home: Path, order: Order, frozen: Frozen) -> list[Chapter]:
    """Return the same chapters again, however the ledgers have grown since."""
    return read(home, order, {each.origin.rpartition("/")[2]: each.size for each in frozen.logs})


def read(home: Path, order: Order, sizes: Mapping[str, int]) -> list[Chapter]:
    """Return the chapters of a site, oldest first, up to these sizes by folder name.

    Raises:
        SealError: there is no ledger, or it does not cover the period.
    """
    chapters = []
    for folder in ledger.folders(home, order.site):
        size = sizes.get(folder.name, 0)
        if size:
            origin = f"{order.site}/ledger/{folder.name}"
            chapters.append(_chapter(Chapter(origin=origin, folder=folder, size=size), order))
    if not chapters:
        raise SealError(f"the site {order.site} has no ledger here", hint="see: prathu status")
    check_cover([e for c in chapters for _, e in sorted(c.told.items())], order)
    _add_fates(chapters)
    return _needed(chapters)


def begins(home: Path, site: str) -> dict[str, int]:
    """Return when the first ledger of a site begins to tell of each log, µs.

    Raises:
        SealError: there is no ledger.
    """
    for folder in ledger.folders(home, site):
        state = ledger.parse_state((folder / "state").read_bytes())
        genesis = json.loads(tiles.Tiles(folder, state.size).entries(0)[0])
        return {row[0]: row[3] for row in genesis["logs"]}
    raise SealError(f"the site {site} has no ledger here", hint="see: prathu status")


def _chapter(chapter: Chapter, order: Order) -> Chapter:
    reader = tiles.Tiles(chapter.folder, chapter.size)
    index = 0
    for number in range(-(-chapter.size // tiles.WIDTH)):
        for data in reader.entries(number):
            entry = json.loads(data)
            if entry["type"] in ALWAYS or _meets(entry, order) or entry["type"] in _FATES:
                chapter.raw[index] = data
                chapter.told[index] = entries.parse(data, index=index, site=order.site)
            index += 1
    return chapter


def logs_of(entry: Mapping[str, Any]) -> list[str]:
    """Return the logs of whose intervals an entry tells."""
    if entry["type"] == "segment":
        return [entry["log"]]
    if entry["type"] == "empty":
        return [row[0] for row in entry["logs"]]
    return list(entry["logs"]) if entry["type"] == "gap" else []


def meets(entry: Mapping[str, Any], from_us: int, to_us: int) -> bool:
    """Say whether an interval meets a period; one without length does where it begins."""
    start, end = entry["start"], entry["end"]
    inside: bool = start < to_us and (end > from_us or start == end >= from_us)
    return inside


def _meets(entry: Entry, order: Order) -> bool:
    if order.levels.keys().isdisjoint(logs_of(entry)):
        return False
    return meets(entry, order.from_us, order.to_us)


def check_cover(told: Sequence[Entry], order: Order) -> None:
    """Refuse a period that the ledger does not cover for all logs asked for.

    Raises:
        SealError: naming the log, and from or until when it is covered.
    """
    for log in order.logs:
        spans = [(e["start"], e["end"]) for e in told if log in logs_of(e)]
        if not spans:
            raise SealError(f"{log} was not sealed in this period", hint=_ASK)
        begun, ended = spans[0][0], spans[-1][1]
        if begun > order.from_us:
            raise SealError(f"the ledger has {log} from {_moment(begun)} on only", hint=_ASK)
        if ended < order.to_us:
            raise SealError(
                f"{log} is sealed until {_moment(ended)} only",
                hint="prathu seal --now seals what is open; or ask until then",
            )


_ASK = "ask for a period that begins later"


def _moment(time_us: int) -> str:
    return f"{entries.day(time_us):%Y-%m-%dT%H:%M:%SZ}"


_FATES = frozenset({"destroyed", "lost", "hold", "release"})


def _add_fates(chapters: Sequence[Chapter]) -> None:
    """Leave of holds and destructions those that touch segments which are shown."""
    shown = {
        (e["log"], e["seq"]) for c in chapters for e in c.told.values() if e["type"] == "segment"
    }
    holds = {
        entry["hold"]
        for chapter in chapters
        for entry in chapter.told.values()
        if entry["type"] == "hold" and _touches(entry, shown)
    }
    for chapter in chapters:
        for index, entry in list(chapter.told.items()):
            if entry["type"] in _FATES and not _concerns(entry, shown, holds):
                del chapter.told[index], chapter.raw[index]


def _concerns(entry: Entry, shown: set[tuple[str, int]], holds: set[str]) -> bool:
    if entry["type"] in ("destroyed", "lost"):
        return any((log, seq) in shown for log, seq, _ in entry["segments"])
    return entry["hold"] in holds


def _touches(hold: Entry, shown: set[tuple[str, int]]) -> bool:
    scope = hold["scope"] or []
    return any(
        log == held and low <= seq <= high for held, low, high in scope for log, seq in shown
    )


def _needed(chapters: Sequence[Chapter]) -> list[Chapter]:
    """Leave ledgers out that tell nothing of the period, but keep all between two that do."""
    telling = [
        place
        for place, chapter in enumerate(chapters)
        if any(entry["type"] not in ALWAYS for entry in chapter.told.values())
    ]
    return list(chapters[telling[0] : telling[-1] + 1])


def _frozen(chapter: Chapter) -> FrozenLog:
    tokens = dict(_tokens(chapter))
    wanted = {chapter.size, *chapter.hand_overs()}
    wanted |= {int(name.partition(".")[0]) for name in tokens}
    wanted |= _cosigned(chapter)
    return FrozenLog(
        origin=chapter.origin,
        size=chapter.size,
        notes={str(size): _note(chapter.folder, size) for size in sorted(wanted)},
        tokens=tokens,
    )


def _cosigned(chapter: Chapter) -> set[int]:
    """Return the newest size that each witness cosigned: the newest of all is often too young."""
    newest: dict[str, int] = {}
    for path in (chapter.folder / "cosig").glob("*.*"):
        size, _, witness = path.name.partition(".")
        if size.isdecimal() and int(size) <= chapter.size:
            newest[witness] = max(newest.get(witness, 0), int(size))
    return set(newest.values()) - {0}


def _note(folder: Path, size: int) -> str:
    """Return a checkpoint with the cosignatures that came later."""
    lines = [(folder / "checkpoints" / str(size)).read_bytes()]
    lines += [path.read_bytes() for path in sorted((folder / "cosig").glob(f"{size}.*"))]
    return b"".join(lines).decode()


def _tokens(chapter: Chapter) -> Iterator[tuple[str, str]]:
    """Give the tokens that cover an interval shown, and their chains."""
    first = chapter.first
    for path in sorted((chapter.folder / "tst").glob("*")):
        found = _TOKEN.fullmatch(path.name)
        if found and first is not None and first < int(found[1]) <= chapter.size:
            yield path.name, base64.b64encode(path.read_bytes()).decode()
