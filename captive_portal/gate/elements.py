"""Passes as elements of the kernel's maps, and what must change between two states. Pure.

A pass is two elements for each of its addresses: one looked up for packets from the device, by MAC
and address, one for packets to it, by address alone. Both give its mark.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton
from typing import NamedTuple

from captive_portal.gate.classes import Classes
from captive_portal.sessions.passes import Pass

MAPS = ("session4", "session6", "download4", "download6")
SESSIONS = frozenset(MAPS[:2])
SLACK = timedelta(seconds=2)
"""The kernel is told whole seconds; ends that differ by less are the same."""


class Key(NamedTuple):
    """Where an element stands."""

    map: str
    raw: bytes
    """The kernel's form: fields in network order, each filled up to four bytes."""


class Element(NamedTuple):
    """What stands there."""

    mark: int
    until: datetime | None

    @property
    def serial(self) -> int:
        """Return the session's serial."""
        return self.mark >> 8


Elements = Mapping[Key, Element]


def of_pass(each: Pass, number: int) -> Iterator[tuple[Key, Element]]:
    """Yield the elements of a pass.

    Args:
        each: The pass.
        number: Its class of speed.
    """
    mac = bytes.fromhex(each.mac.replace(":", "")) + bytes(2)
    element = Element(each.serial << 8 | number, each.until)
    for address in each.addresses:
        if ":" in address:
            raw, session, download = inet_pton(AF_INET6, address), "session6", "download6"
        else:
            raw, session, download = inet_pton(AF_INET, address), "session4", "download4"
        yield Key(session, mac + raw), element
        yield Key(download, raw), element


def address_of(key: Key) -> str:
    """Return the address in a key."""
    raw = key.raw[8:] if key.map in SESSIONS else key.raw
    return inet_ntop(AF_INET if len(raw) == 4 else AF_INET6, raw)


def mac_of(key: Key) -> str:
    """Return the MAC in a key of a session map."""
    return key.raw[:6].hex(":")


def to_passes(elements: Elements, classes: Classes) -> dict[int, Pass]:
    """Return the passes that elements are of, as far as they tell: by serial, without zone."""
    found: dict[int, Pass] = {}
    for key, element in elements.items():
        if key.map not in SESSIONS:
            continue
        up, down = classes.speed(element.mark & 0xFF)
        before = found.get(element.serial)
        found[element.serial] = Pass(
            serial=element.serial,
            zone="",
            mac=mac_of(key),
            addresses=(*(before.addresses if before else ()), address_of(key)),
            up_kbit=up,
            down_kbit=down,
            until=element.until,
        )
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What turns one state of the maps into another."""

    take: Mapping[Key, Element]
    """What must go, as it is now."""
    put: Mapping[Key, Element]
    """What must come."""

    def __bool__(self) -> bool:
        """Return whether anything changes."""
        return bool(self.take or self.put)


def change(now: Elements, wanted: Elements, keys: Iterable[Key] | None = None) -> Change:
    """Return what changes from one state to the other.

    Args:
        now: How it is.
        wanted: How it must be.
        keys: Look at these only.
    """
    take: dict[Key, Element] = {}
    put: dict[Key, Element] = {}
    for key in {**now, **wanted} if keys is None else keys:
        old, new = now.get(key), wanted.get(key)
        if _same(old, new):
            continue
        if old is not None:
            take[key] = old
        if new is not None:
            put[key] = new
    return Change(take=take, put=put)


def _same(old: Element | None, new: Element | None) -> bool:
    if old is None or new is None:
        return old is new
    if old.mark != new.mark or (old.until is None) is not (new.until is None):
        return False
    return old.until is None or new.until is None or abs(old.until - new.until) < SLACK


Come = tuple[bytes, int | None, int | None]
"""The key of an element, its mark, and the milliseconds until it ends; None: it has none."""


class Order(NamedTuple):
    """Elements of one map that come, or go."""

    map: str
    comes: bool
    elements: Sequence[Come]


def orders(change: Change, now: datetime) -> list[Order]:
    """Return the change as what comes and goes one after the other, all in one transaction.

    What must go is put there first: the kernel may have let it expire a moment ago, and to delete
    what is not there would refuse the whole transaction.
    """
    gone: dict[str, list[Come]] = {}
    for key, element in change.take.items():
        gone.setdefault(key.map, []).append((key.raw, element.mark, None))
    dead = [Order(name, True, elements) for name, elements in gone.items()]
    deletes = [Order(name, False, elements) for name, elements in gone.items()]
    return [*dead, *deletes, *_adds(change.put, now)]


def _adds(elements: Elements, now: datetime) -> list[Order]:
    """Return what adds elements, but for those that have ended by now."""
    added: dict[str, list[Come]] = {}
    left_ms: dict[datetime | None, int | None] = {None: None}
    for (name, raw), (mark, until) in elements.items():
        if until is not None and until not in left_ms:
            left_ms[until] = math.ceil((until - now).total_seconds()) * 1000
        left = left_ms[until]
        if left is None or left > 0:
            added.setdefault(name, []).append((raw, mark, left))
    return [Order(name, True, added[name]) for name in added]
