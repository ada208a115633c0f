"""Who held which address of which site, and when.

A `Timeline` is told of sessions by their events, in any order, late or more than once, and gives
the same answer whatever the order. The rules of one session are in `session.py`; `reject` binds
nobody.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, Self

import pyarrow as pa

from collector.attribute.pieces import Pieces, cut
from collector.attribute.session import Session
from collector.records import Binding, SessionEvent

STUB_US = 24 * 3_600_000_000
"""A session that ended is remembered so much longer than asked: a late update of it must not look
like a session that goes on for ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A binding that is new (`old` None), no longer there (`new` None), or another than before.

    Old and new are of the same session and address and have the same begin.
    """

    old: Binding | None
    new: Binding | None

    @property
    def from_us(self) -> int:
        """The earliest time at which old and new give different answers.

        What is sealed from there on was attributed without knowing this.
        """
        old, new = self.old, self.new
        if old is None or new is None:
            return (old or new).start_us  # type: ignore[union-attr]  # one of them is there
        if old.person != new.person or old.method != new.method:
            return old.start_us
        return min(old.end_us, new.end_us)


class Timeline:
    """Sessions of any number of sites; what it holds is bounded by `forget`."""

    def __init__(self) -> None:
        self._sessions: dict[tuple[str, str], Session] = {}
        self._held: dict[str, dict[str, dict[str, list[Binding]]]] = {}
        """Site, address, session: its bindings."""
        self._pieces: dict[tuple[str, str], Pieces] = {}
        self._addresses: dict[str, pa.Array[Any]] = {}

    def add(self, event: SessionEvent, frame: int) -> list[Change]:
        """Take in an event; return the bindings that are other than before.

        Args:
            event: Of any age; a repeat changes nothing.
            frame: Its position in the spool, for `Binding.learnt_frame`.
        """
        if event.event == "reject":
            return []
        key = (event.site, str(event.session))
        session = self._sessions.get(key)
        if session is None:
            session = self._sessions[key] = Session(*key)
        session.take(event)
        return self._rebind(session, frame)

    def bindings(self, site: str, address: str, start_us: int, end_us: int) -> list[Binding]:
        """Return who held `address` at any time of [start_us, end_us), by start."""
        held = self._held.get(site, {}).get(address, {})
        found = [b for of_session in held.values() for b in of_session]
        found = [b for b in found if b.start_us < end_us and b.end_us > start_us]
        return sorted(found, key=lambda b: (b.start_us, b.session))

    def addresses(self, site: str) -> pa.Array[Any]:
        """Return all addresses of the site that anybody held, as text, in an order of their own."""
        if site not in self._addresses:
            self._addresses[site] = pa.array(list(self._held.get(site, {})), pa.string())
        return self._addresses[site]

    def pieces(self, site: str, address: str) -> Pieces:
        """Return the time of one address, cut where its holder changes."""
        found = self._pieces.get((site, address))
        if found is None:
            held = self._held.get(site, {}).get(address, {})
            found = cut(b for of_session in held.values() for b in of_session)
            self._pieces[site, address] = found
        return found

    def forget(self, before_us: int) -> None:
        """Let go of what only says something about the time before `before_us`.

        Answers about later times stay as they are, also when events come up to a day late.
        Sessions without end stay, whatever their age.
        """
        for key, session in list(self._sessions.items()):
            if session.end() <= before_us - STUB_US:
                self._unbind(session)
                del self._sessions[key]
                continue
            old = session.bindings
            session.shorten(before_us)
            if len(old) != len(session.bindings):
                kept, session.bindings = session.bindings, old
                self._unbind(session)
                self._bind(session, kept)

    def snapshot(self) -> dict[str, Any]:
        """Return everything as JSON values, for `restore`."""
        return {"version": 1, "sessions": [s.plain() for s in self._sessions.values()]}

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> Self:
        """Return the timeline that `snapshot` described.

        Raises:
            ValueError: not a snapshot of this version.
        """
        if state.get("version") != 1:
            raise ValueError("not a snapshot of this version of the timeline")
        timeline = cls()
        for plain in state["sessions"]:
            session = Session.from_plain(plain)
            timeline._sessions[session.site, session.session] = session
            timeline._bind(session, session.bindings)
        return timeline

    def _rebind(self, session: Session, frame: int) -> list[Change]:
        old = {(b.address, b.start_us): b for b in session.bindings}
        new = {}
        for address, start, end, person, method in session.bound():
            binding = Binding(
                site=session.site,
                address=address,
                start_us=start,
                end_us=end,
                person=person,
                session=session.session,
                method=method,
                learnt_frame=frame,
            )
            before = old.get((address, start))
            same = before is not None and replace(binding, learnt_frame=before.learnt_frame)
            new[address, start] = before if before is not None and same == before else binding
        changes = [
            Change(old=old.get(key), new=new.get(key))
            for key in sorted(old.keys() | new.keys())
            if old.get(key) is not new.get(key)
        ]
        if changes:
            self._unbind(session)
            self._bind(session, [new[key] for key in sorted(new)])
        return changes

    def _bind(self, session: Session, bindings: Sequence[Binding]) -> None:
        session.bindings = list(bindings)
        held = self._held.setdefault(session.site, {})
        for address, group in groupby(session.bindings, key=lambda b: b.address):
            if address not in held:
                self._addresses.pop(session.site, None)
            held.setdefault(address, {})[session.session] = list(group)
            self._pieces.pop((session.site, address), None)

    def _unbind(self, session: Session) -> None:
        held = self._held.get(session.site, {})
        for address in {binding.address for binding in session.bindings}:
            held[address].pop(session.session)
            self._pieces.pop((session.site, address), None)
            if not held[address]:
                del held[address]
                self._addresses.pop(session.site, None)
        session.bindings = []
