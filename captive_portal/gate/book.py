"""Which passes are in force, and what that means for the kernel's maps. Pure.

The book changes first and can be put back: whoever writes to the kernel asks for what changed, and
tells the book when the kernel refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from captive_portal.gate.classes import Classes
from captive_portal.gate.elements import (
    SESSIONS,
    Change,
    Element,
    Elements,
    Key,
    change,
    of_pass,
)
from captive_portal.sessions.passes import Pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What one call changed in the book; enough to put it back."""

    before: Mapping[int, Pass | None]
    keys: Mapping[Key, Element | None]
    """As they were."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """Whose connections must end."""

    serials: frozenset[int]
    addresses: frozenset[bytes]
    """In network order."""

    def __bool__(self) -> bool:
        """Return whether any must."""
        return bool(self.serials or self.addresses)


class Book:
    """All passes of a gate by serial, and each element's owner."""

    def __init__(self, classes: Classes) -> None:
        self.classes = classes
        self.passes: dict[int, Pass] = {}
        self.elements: dict[Key, Element] = {}
        self._keys: dict[int, dict[Key, None]] = {}

    def load(self, passes: Iterable[Pass]) -> None:
        """Begin anew with these passes. Raises GateError: more speeds than there are classes."""
        self.passes.clear()
        self.elements.clear()
        self._keys.clear()
        for each in passes:
            self._let_in(each, {}, {})

    def apply(self, let_in: Sequence[Pass], shut_out: Sequence[Pass]) -> Step:
        """Change passes; an address goes over to whoever is let in with it last.

        Raises:
            GateError: more speeds than there are classes; nothing has changed.
        """
        before: dict[int, Pass | None] = {}
        keys: dict[Key, Element | None] = {}
        try:
            for each in shut_out:
                self._remove(each.serial, before, keys)
            for each in let_in:
                self._let_in(each, before, keys)
        except BaseException:
            self.undo(Step(before=before, keys=keys))
            raise
        return Step(before=before, keys=keys)

    def undo(self, step: Step) -> None:
        """Put back what a call changed; of several, the last one first."""
        for key, element in step.keys.items():
            self._set(key, element)
        for serial, each in step.before.items():
            if each is None:
                self.passes.pop(serial, None)
            else:
                self.passes[serial] = each

    def keys_of(self, serial: int) -> tuple[Key, ...]:
        """Return where the elements of a pass stand."""
        return tuple(self._keys.get(serial, ()))

    def expired(self, now: datetime) -> list[Pass]:
        """Return the passes that the kernel has ended by now."""
        return [p for p in self.passes.values() if p.until is not None and p.until <= now]

    def _let_in(
        self, each: Pass, before: dict[int, Pass | None], keys: dict[Key, Element | None]
    ) -> None:
        speed = (each.up_kbit, each.down_kbit)
        number = self.classes.number(speed)
        if number is None:
            used = {element.mark & 0xFF for element in self.elements.values()}
            number = self.classes.add(speed, used)
        self._remove(each.serial, before, keys)
        for key, element in of_pass(each, number):
            keys.setdefault(key, self.elements.get(key))
            self._set(key, element)
        self.passes[each.serial] = each

    def _remove(
        self, serial: int, before: dict[int, Pass | None], keys: dict[Key, Element | None]
    ) -> None:
        before.setdefault(serial, self.passes.get(serial))
        for key in self.keys_of(serial):
            keys.setdefault(key, self.elements.get(key))
            self._set(key, None)
        self.passes.pop(serial, None)

    def _set(self, key: Key, element: Element | None) -> None:
        old = self.elements.pop(key, None)
        if old is not None:
            owned = self._keys[old.serial]
            owned.pop(key, None)
            if not owned:
                del self._keys[old.serial]
        if element is not None:
            self.elements[key] = element
            self._keys.setdefault(element.serial, {})[key] = None


def changed(book: Book, steps: Sequence[Step]) -> Change:
    """Return what the kernel must change after these steps, taken one after the other."""
    first: dict[Key, Element | None] = {}
    for step in steps:
        for key, element in step.keys.items():
            first.setdefault(key, element)
    now = {key: element for key, element in first.items() if element is not None}
    return change(now, book.elements, first)


def to_cut(book: Book, change: Change) -> Cut:
    """Return whose connections end with a change that the book has already.

    Those of sessions that have ended, and of addresses that are lost, or come to a session: what
    they began before it was translated as a stranger's. A session that keeps its addresses, and
    gets another speed or end, keeps its connections.
    """
    sessions, addresses = set(), set()
    for key in {**change.take, **change.put}:
        old, new = change.take.get(key), change.put.get(key)
        if old is not None and new is not None and old.serial == new.serial:
            continue
        addresses.add(key.raw[8:] if key.map in SESSIONS else key.raw)
        if old is not None and old.serial not in book.passes:
            sessions.add(old.serial)
    return Cut(serials=frozenset(sessions), addresses=frozenset(addresses))


def wanted(book: Book, now: datetime) -> Elements:
    """Return the elements that must be there at this time."""
    return {
        key: element
        for key, element in book.elements.items()
        if element.until is None or element.until > now
    }
