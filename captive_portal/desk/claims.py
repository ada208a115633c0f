"""Pairs of address and MAC that cannot be: two devices at one address, one device at two places.

Whoever answers ARP or ND in another's name would end that one's session, for the kernel believes
the last word. So when an address that a session holds shows another MAC, the desk hears of it only
after a while, in which the session's own device is asked, each second, whether it is there, and the
address is spoken to: the kernel then asks the new one, and all if that one is silent. If the own
device is back by then, the session stays, and the claim is told as a row of `coverage` (portal.md
P-22). Nobody gets through meanwhile: the gate wants the pair.

Who copies both MAC and address is one device to the kernel, as long as both keep to one place.
"""

from __future__ import annotations

import asyncio
import socket
from collections import Counter, OrderedDict, deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import NamedTuple, Self, TypeVar

from captive_portal.desk.neighbours import See, Try
from captive_portal.sessions.rows import Rows
from captive_portal.sessions.zones import Zones
from collector.records import Clock, CoverageEvent

LOOK_S = 1.0
CONFIRM_S = 15.0
"""The kernel gives up a neighbour that does not answer after 8 s, and asks all then."""
BACK_S = 60.0
"""An address that goes to another device and comes back within so long is claimed by both."""
TURNS = 3
"""So many moves of a device within that time are two devices: people walk, but not so fast."""
AGAIN_S = 600.0
"""The same is told again after so long at the soonest."""
MOST_PLACES = 65_536
MOST_WAITING = 2048
"""Addresses in doubt at once; past it, whoever claims most is not believed."""
MOST_ALARMS = 1024
ASKED_AT_ONCE = 256
MOST_UNTOLD = 256
_DISCARD = 9
_SECOND = 10**9

Key = TypeVar("Key")
Value = TypeVar("Value")
Holders = Callable[[Sequence[tuple[str, str]]], Mapping[str, str]]
"""Given sites and addresses, returns by address the MAC of the gate's session that holds it."""
Ask = Callable[[Sequence[tuple[str, str]]], Awaitable[None]]
"""Has devices asked, by address and MAC, at most 256 at once, whether they are there."""
Told = Callable[[Sequence[CoverageEvent]], None]
"""Writes rows of coverage. Raises ReportError."""


class Alarm(NamedTuple):
    """A pair that cannot be."""

    kind: str
    """`double-address` or `double-mac`, as the log has it."""
    what: str
    """The address, or the MAC."""
    note: str


@dataclass(slots=True)
class _Place:
    """Who is at an address."""

    mac: str
    before: str = ""
    since: float = 0.0
    """When it came from there."""


@dataclass(slots=True)
class _Device:
    """Where a device is, by its address of IPv4: it has one."""

    at: tuple[str, str]
    """Zone and address."""
    before: tuple[str, str] = ("", "")
    moved: tuple[float, ...] = ()
    """When it went back to where it had been before."""


class Places:
    """Notices pairs that cannot be, from one sighting after the other. Times in seconds."""

    def __init__(self) -> None:
        self._places: OrderedDict[str, _Place] = OrderedDict()
        self._devices: OrderedDict[str, _Device] = OrderedDict()

    def changes(self, address: str, mac: str) -> bool:
        """Say whether this is new of an address."""
        known = self._places.get(address)
        return known is None or known.mac != mac

    def take(self, zone: str, address: str, mac: str, now: float) -> list[Alarm]:
        """Take in that a device is at an address; return what cannot be."""
        alarms = [*self._claim(address, mac, now)]
        if ":" not in address:
            alarms += self._walk((zone, address), mac, now)
        return alarms

    def _claim(self, address: str, mac: str, now: float) -> Iterable[Alarm]:
        place = self._places.get(address)
        if place is None or place.mac != mac:
            double = place is not None and place.before == mac and now - place.since <= BACK_S
            if place is not None and double:
                both = " and ".join(sorted((place.mac, mac)))
                yield Alarm("double-address", address, f"{address} is claimed by {both}")
            self._places[address] = _Place(mac, place.mac if place else "", now)
        _keep(self._places, address, MOST_PLACES)

    def _walk(self, at: tuple[str, str], mac: str, now: float) -> Iterable[Alarm]:
        device = self._devices.setdefault(mac, _Device(at))
        if device.at != at:
            moved = tuple(time for time in device.moved if now - time <= BACK_S)
            back = device.before == at
            device.before, device.at = device.at, at
            device.moved = (*moved, now)[-TURNS:] if back else ()
            if len(device.moved) >= TURNS - 1:
                where = " and ".join(
                    f"{address} ({zone})" for zone, address in sorted((device.before, at))
                )
                yield Alarm("double-mac", mac, f"{mac} is at {where} by turns: two devices bear it")
        _keep(self._devices, mac, MOST_PLACES)


@dataclass(slots=True)
class _Doubt:
    """An address that a session holds and another device claims."""

    owner: str
    mac: str
    due: float


class Claims:
    """Stands between the kernel's neighbours and the desk. For the event loop's thread."""

    def __init__(
        self, see: See, *, zones: Zones, holders: Holders, tell: Told, clock: Clock
    ) -> None:
        """Make it.

        Args:
            see: Takes in what is beyond doubt.
            zones: Whose addresses are of interest.
            holders: Asked for addresses that changed; may block, so it is called in a thread.
            tell: Writes alarms down; called in a thread.
            clock: Nanoseconds.
        """
        self.ask: Ask | None = None
        """Whoever can have devices asked puts itself here."""
        self.alarms = 0
        """Pairs that could not be, however often each."""
        self.untold = 0
        """Alarms that nobody could be told of, because they were too many."""
        self.refused = 0
        """Claims that were not looked into, because too many were: the session there goes on."""
        self._see = see
        self._zones = zones
        self._holders = holders
        self._tell = tell
        self._clock = clock
        self._places = Places()
        self._waiting: dict[str, _Doubt] = {}
        self._turn = 0
        self._doubted: OrderedDict[str, int] = OrderedDict()
        self._said: OrderedDict[Alarm, float] = OrderedDict()
        self._rows: deque[CoverageEvent] = deque()

    def standing(self) -> dict[str, object]:
        """Return how it stands: counts, and since when which address or MAC is in doubt."""
        return {
            "alarms": self.alarms,
            "untold": self.untold,
            "refused": self.refused,
            "waiting": len(self._waiting),
            "doubted": dict(self._doubted),
        }

    async def see(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Take in who is at which address, and hand on what is beyond doubt.

        Raises:
            PortalError: as what takes it in.
        """
        now = self._clock() / _SECOND
        changed = [
            (zone.site, address)
            for address, mac in pairs
            if self._places.changes(address, mac) and (zone := self._zones.of(address))
        ]
        held = await asyncio.to_thread(self._holders, changed) if changed else {}
        onward = [pair for pair in pairs if self._take(*pair, held, now)]
        if onward:
            await self._see(onward)

    async def follow(self, attempt: Try) -> None:
        """Speak to addresses in doubt, hand on what stays so, and tell of alarms; until cancelled.

        Args:
            attempt: Does what may fail.
        """
        with _Voice() as voice:
            while True:
                await asyncio.sleep(LOOK_S)
                for address in self._waiting:
                    voice.speak_to(address)
                if self.ask is not None and self._waiting:
                    await attempt("asking devices", partial(self._ask_owners, self.ask))
                if due := self._due():
                    await attempt("taking in neighbours", partial(self._see, due))
                if self._rows:
                    await attempt("telling of double addresses", self._tell_rows)

    async def _ask_owners(self, ask: Ask) -> None:
        """Ask the devices whose addresses are in doubt, each in its turn where they are many."""
        owners = [(address, each.owner) for address, each in self._waiting.items()]
        turns = -(-len(owners) // ASKED_AT_ONCE)
        self._turn = (self._turn + 1) % turns
        await ask(owners[self._turn :: turns])

    def _take(self, address: str, mac: str, held: Mapping[str, str], now: float) -> bool:
        """Take one pair in; return whether to hand it on."""
        zone = self._zones.of(address)
        if zone is None:
            return False
        for alarm in self._places.take(zone.id, address, mac, now):
            self._alarm(alarm, zone.site, now)
        doubt = self._waiting.get(address)
        if doubt is not None:
            if mac == doubt.owner:
                del self._waiting[address]
                return True
            doubt.mac = mac
            return False
        owner = held.get(address, "")
        if not owner or owner == mac:
            return True
        if self._has_room(mac):
            self._waiting[address] = _Doubt(owner, mac, now + CONFIRM_S)
        return False

    def _has_room(self, mac: str) -> bool:
        """Say whether one more claim of a device is looked into, be it in place of another's.

        Nobody is let through by a claim that is refused, nor put out: whose address it is by now
        signs in there.
        """
        if len(self._waiting) < MOST_WAITING:
            return True
        self.refused += 1
        claims = Counter(each.mac for each in self._waiting.values())
        ((busiest, number),) = claims.most_common(1)
        if claims[mac] + 1 >= number:
            return False
        del self._waiting[next(at for at, each in self._waiting.items() if each.mac == busiest)]
        return True

    def _due(self) -> list[tuple[str, str]]:
        now = self._clock() / _SECOND
        due = [(address, each.mac) for address, each in self._waiting.items() if each.due <= now]
        for address, _ in due:
            del self._waiting[address]
        return due

    def _alarm(self, alarm: Alarm, site: str, now: float) -> None:
        self.alarms += 1
        self._doubted[alarm.what] = int(now * _SECOND)
        _keep(self._doubted, alarm.what, MOST_ALARMS)
        if now - self._said.get(alarm, -AGAIN_S) < AGAIN_S:
            return
        self._said[alarm] = now
        _keep(self._said, alarm, MOST_ALARMS)
        if len(self._rows) >= MOST_UNTOLD:
            self.untold += 1
            return
        at = datetime.fromtimestamp(now, UTC)
        row = CoverageEvent(
            time=at, end=at, site=site, kind=alarm.kind, source=alarm.what, note=alarm.note
        )
        self._rows.append(row)

    async def _tell_rows(self) -> None:
        rows = list(self._rows)
        await asyncio.to_thread(self._tell, rows)
        for _ in rows:
            self._rows.popleft()


class _Voice:
    """Says a word to a device, so that the kernel must find out who is there."""

    def __init__(self) -> None:
        self._wires = {
            family: socket.socket(family, socket.SOCK_DGRAM)
            for family in (socket.AF_INET, socket.AF_INET6)
            if family == socket.AF_INET or socket.has_ipv6
        }
        for wire in self._wires.values():
            wire.setblocking(False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for wire in self._wires.values():
            wire.close()

    def speak_to(self, address: str) -> None:
        """Send an empty datagram; whether it arrives does not matter."""
        wire = self._wires.get(socket.AF_INET6 if ":" in address else socket.AF_INET)
        try:
            if wire is not None:
                wire.sendto(b"", (address, _DISCARD))
        except OSError:
            return  # nobody is there: the kernel has asked


def _keep(table: OrderedDict[Key, Value], key: Key, most: int) -> None:
    """Let the entry go that was used least recently, if there are too many."""
    table.move_to_end(key)
    if len(table) > most:
        table.popitem(last=False)


def holders(rows: Rows, asked: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Return by address the MAC of the gate's session that holds it; see `Holders`."""
    wanted = {address for _, address in asked}
    return {
        address: session.mac
        for session in rows.open_at_any(asked)
        if session.serial is not None and session.mac
        for address in session.addresses
        if address in wanted
    }
