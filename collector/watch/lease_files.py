"""Looks at a DHCP server's lease file, and tells what changed in it.

Servers write while we read. dnsmasq empties its file and writes it anew, so what is missing in one
look may be there a moment later: a look counts once the file has not changed for a second and its
last entry is whole. A file that never rests is read all the same; then nothing in it is taken for
given back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from collector.decode.leases import changes, dnsmasq, isc, kea
from collector.decode.leases.held import Held, Reading
from collector.records import CoverageEvent, LeaseEvent, moment
from collector.settings import LeaseFile

REST_NS = 10**9
"""A file that has not changed for so long is whole."""
PATIENCE_NS = 15 * 10**9
"""One that never rests is read after so long."""
LARGEST = 64 << 20
COMPLAIN_NS = 600 * 10**9

_READERS: Mapping[str, Callable[[str], Reading]] = {
    "dnsmasq": dnsmasq.read,
    "isc": isc.read,
    "kea": kea.read,
}
Mark = tuple[tuple[str, int, int, int], ...]
"""Name, inode, size and time of change of every file that is read."""


@dataclass(frozen=True, slots=True)
class _Seen:
    mark: Mark
    since_ns: int


class LeaseFileWatch:
    """One lease file."""

    def __init__(self, settings: LeaseFile) -> None:
        self._settings = settings
        self._path = Path(settings.path)
        self._leases: dict[str, Held] | None = None
        self._read: Mark | None = None
        self._seen: _Seen | None = None
        self._restless_ns = 0
        """Since when the file differs from what was read; 0: it does not."""
        self._complained: dict[str, int] = {}

    def look(self, now_ns: int) -> Iterator[LeaseEvent | CoverageEvent]:
        """Give what changed; the file is read only where it has to be."""
        try:
            mark = self._mark()
            if mark == self._read:
                self._seen, self._restless_ns = None, 0
            elif self._is_due(mark, now_ns):
                yield from self._take(mark, now_ns)
        except OSError as error:
            self._restless_ns = self._restless_ns or now_ns
            # Between two renames of a clean-up there is no file for a moment.
            if now_ns - self._restless_ns >= PATIENCE_NS:
                yield from self._complain(f"cannot be read: {error.strerror or error}", now_ns)
        yield from self._ended(now_ns)

    def _is_due(self, mark: Mark, now_ns: int) -> bool:
        self._restless_ns = self._restless_ns or now_ns
        if self._seen is None or self._seen.mark != mark:
            self._seen = _Seen(mark, now_ns)
        rested = now_ns - self._seen.since_ns >= REST_NS
        return rested or now_ns - self._restless_ns >= PATIENCE_NS

    def _take(self, mark: Mark, now_ns: int) -> Iterator[LeaseEvent | CoverageEvent]:
        if sum(size for _, _, size, _ in mark) > LARGEST:
            yield from self._complain(f"is larger than {LARGEST >> 20} MiB", now_ns)
            return
        reading = _READERS[self._settings.format](self._text())
        settled = reading.complete and self._mark() == mark
        patient = now_ns - self._restless_ns < PATIENCE_NS
        if not settled and patient:
            self._seen = None
            return
        if reading.faults:
            yield from self._complain("has entries that cannot be read", now_ns, reading.faults)
        found = reading.held if settled else {**(self._leases or {}), **reading.held}
        changed_ns = min(now_ns, max((time for *_, time in mark), default=now_ns))
        yield from self._changed(found, changed_ns, now_ns)
        self._read, self._restless_ns = mark if settled else self._read, 0

    def _changed(
        self, found: Mapping[str, Held], changed_ns: int, now_ns: int
    ) -> Iterator[LeaseEvent]:
        now = moment(now_ns // 1000)
        after = changes.current(found, now)
        told = self._told(moment(changed_ns // 1000) if self._leases is not None else now)
        yield from changes.between(self._leases, after, now=now, told=told)
        self._leases = after

    def _ended(self, now_ns: int) -> Iterator[LeaseEvent]:
        """Tell of leases whose time is over while the file still has them."""
        now = moment(now_ns // 1000)
        held = self._leases or {}
        if any(lease.expires is not None and lease.expires <= now for lease in held.values()):
            yield from self._changed(held, now_ns, now_ns)

    def _told(self, time: datetime) -> LeaseEvent:
        return LeaseEvent(
            time=time,
            site=self._settings.site,
            kind="dhcp",
            event="seen",
            server=self._settings.server,
            source=self._settings.path,
        )

    def _complain(
        self, what: str, now_ns: int, count: int | None = None
    ) -> Iterator[CoverageEvent]:
        """Tell of a fault once in a while, however long it lasts."""
        last = self._complained.get(what)
        if last is not None and now_ns - last < COMPLAIN_NS:
            return
        self._complained[what] = now_ns
        yield CoverageEvent(
            time=moment(now_ns // 1000),
            end=moment(now_ns // 1000),
            site=self._settings.site,
            kind="leases-unread",
            source=self._settings.path,
            lost=count,
            unit="records" if count else "",
            note=f"the lease file {what}",
        )

    def _files(self) -> list[Path]:
        """Return the files to read, in their order.

        While Kea cleans its file up, leases stand in the older ones beside it: `.completed`, or
        else `.2`, then `.1`.
        """
        if self._settings.format != "kea":
            return [self._path]
        beside = [Path(f"{self._path}.{end}") for end in ("completed", "2", "1")]
        older = [path for path in beside if path.exists()]
        if older and older[0] == beside[0] and beside[1] in older:
            older.remove(beside[1])
        return [*older, self._path]

    def _mark(self) -> Mark:
        """Raise OSError where the file itself is not there."""
        stats = [(path, path.stat()) for path in self._files()]
        return tuple((str(path), s.st_ino, s.st_size, s.st_mtime_ns) for path, s in stats)

    def _text(self) -> str:
        found = []
        for path in self._files():
            with path.open("rb") as file:
                found.append(file.read(LARGEST).decode(errors="replace"))
        # A file that was rotated away may end in half a line.
        return "".join(
            text if at == len(found) - 1 else _whole(text) for at, text in enumerate(found)
        )


def _whole(text: str) -> str:
    return text[: text.rfind("\n") + 1]
