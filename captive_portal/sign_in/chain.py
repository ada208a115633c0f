"""All ways of a site in the order of a zone, behind one throttle.

Whoever is not accepted hears the same after about the same time: an unknown name, a wrong
password, somebody disabled. What a way cannot say now is counted and told in the log, and the
next way is asked.
"""

from __future__ import annotations

import asyncio
import logging
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from typing import Self
from uuid import UUID

from captive_portal.errors import PortalError, Refused
from captive_portal.people import names
from captive_portal.people.accounts import Account
from captive_portal.sessions.nas_terms import Ordered
from captive_portal.sign_in.device import KnownDevices
from captive_portal.sign_in.local import LocalWay
from captive_portal.sign_in.throttle import Throttle, Try
from captive_portal.sign_in.way import (
    Attempt,
    Busy,
    Limiting,
    NameWanted,
    NotNow,
    TooOften,
    Unknown,
    Unsure,
    Way,
    WayWord,
)
from collector.records import Clock

REFUSAL_S = 1.0
"""Seconds that a refusal takes at least where more than the box's own accounts are asked: its time
must not tell who of them knew the name."""
SILENT_NS = 60 * 10**9
"""Nanoseconds. For this long after a way failed to answer, everybody who is refused hears that not
all could be asked."""
_INVISIBLE = ("Cc", "Cf", "Cs", "Co", "Cn")
_log = logging.getLogger(__name__)


class Chain:
    """The ways of a box. Used from one event loop."""

    def __init__(
        self,
        local: LocalWay,
        outside: Mapping[tuple[str, str], Sequence[Way]],
        devices: KnownDevices | None = None,
        *,
        tries_per_minute: int,
        clock: Clock,
        refusal_s: float = REFUSAL_S,
    ) -> None:
        """Keep the parts.

        Args:
            local: The box's own accounts.
            outside: By site and `WayWord`.
            devices: Those that sign in by themselves; None: none does.
            tries_per_minute: Failed sign-ins of a device before it waits.
            clock: The time.
            refusal_s: When a refusal is told at the earliest.
        """
        self.counts: Counter[str] = Counter()
        """Answers by way, as `ldap ad wrong`."""
        self._local = local
        self._outside = outside
        self._devices = devices
        self._throttle = Throttle(tries_per_minute)
        self._clock = clock
        self._refusal_s = refusal_s
        self._silent: dict[str, int] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._stack.enter_context(self._local)
        if self._devices is not None:
            self._stack.enter_context(self._devices)
        for ways in self._outside.values():
            for way in ways:
                self._stack.enter_context(way)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    async def check(self, attempt: Attempt, ways: Sequence[str] = (WayWord.LOCAL,)) -> Account:
        """Return whose account and password these are.

        Args:
            attempt: Who tries, from where, with what.
            ways: Those of the zone, in its order.

        Raises:
            Refused: they are not anybody's; `Unsure` while a way does not answer.
            TooOften: too many failed before.
            Busy: too many sign in now.
            NotNow: nobody knows them, and not all could be asked.
            NameWanted: a voucher is good, and the guest's name is wanted.
        """
        name, now = _key(attempt), self._clock()
        if wait := self._throttle.wait_s(attempt.device, name, now):
            self.counts["too often"] += 1
            raise TooOften(wait)
        if not _can_be_told(attempt):
            raise Refused("account or password is not right")
        asked = self._ways(attempt.site, ways)
        spared, held_s = self._spare(attempt, name, asked)
        counted = self._throttle.tried(attempt.device, name, now)
        earliest = self._earliest(asked)
        try:
            account = await self._ask(attempt, [way for way in asked if way.name not in held_s])
        except (Busy, NameWanted) as error:
            self._forgive(counted, *spared)
            self.counts["busy" if isinstance(error, Busy) else "name wanted"] += 1
            raise
        except (Refused, NotNow) as error:
            await asyncio.sleep(earliest - asyncio.get_running_loop().time())
            if held_s:
                raise TooOften(max(held_s.values())) from None
            raise self._same(error, asked) from None
        self._forgive(counted, *spared)
        self._throttle.befriend(attempt.device, name)
        await self.remember(account, attempt.mac, ways)
        return account

    async def remember(self, account: Account, mac: str, ways: Sequence[str]) -> None:
        """Know the device of somebody who is in, where zone and group let devices in."""
        if self._devices is not None and WayWord.DEVICE in ways and names.mac(mac):
            with suppress(Busy):  # they are in; the device is remembered the next time
                await self._devices.remember(account, mac)

    async def by_device(self, site: str, mac: str, ways: Sequence[str]) -> Account | None:
        """Return who is on a device that may come in by itself, or None.

        Raises:
            Busy: too many sign in now.
        """
        if self._devices is None or WayWord.DEVICE not in ways or not mac:
            return None
        account = await self._devices.known(site, mac)
        self.counts["device unknown" if account is None else "device right"] += 1
        return account

    async def forget_device(self, site: str, mac: str, person: UUID) -> None:
        """Let a device sign in again: its person has signed out on it."""
        if self._devices is not None and mac:
            await self._devices.forget(site, mac, person)

    async def change(self, person: Account, password: str) -> None:
        """Give an account of the box the password that its person chose. Raises PortalError."""
        await self._local.change(person, password)

    def limits_of(self, person: UUID) -> Ordered | None:
        """Return what a server outside allowed somebody whom it let in a moment ago."""
        limiting = (way for ways in self._outside.values() for way in ways)
        told = (way.limits_of(person) for way in limiting if isinstance(way, Limiting))
        return next((one for one in told if one is not None), None)

    def standing(self) -> dict[str, object]:
        """Return what the status page shows."""
        ways = {way.name: way.standing() for ways in self._outside.values() for way in ways}
        return {"counts": dict(self.counts), "ways": {k: dict(v) for k, v in ways.items() if v}}

    def _ways(self, site: str, words: Sequence[str]) -> list[Way]:
        found: list[Way] = []
        for word in words:
            found += [self._local] if word == WayWord.LOCAL else self._outside.get((site, word), ())
        return found

    def _earliest(self, asked: Sequence[Way]) -> float:
        only_here = all(way is self._local for way in asked)
        return asyncio.get_running_loop().time() + (0 if only_here else self._refusal_s)

    def _spare(
        self, attempt: Attempt, name: str, asked: Sequence[Way]
    ) -> tuple[list[Try], dict[str, int]]:
        """Count a try at the ways that lock accounts, whether they will be asked or not.

        Returns:
            What was counted, and for how many seconds which ways may not be asked: one try more
            could lock the account for everybody.
        """
        counted: list[Try] = []
        held_s: dict[str, int] = {}
        for way in asked:
            if not way.locks_after:
                continue
            most, now = way.locks_after, self._clock()
            one = self._throttle.spare(way.name, attempt.device, name, most, now)
            if isinstance(one, int):
                self.counts[f"{way.name} spared"] += 1
                held_s[way.name] = one
            else:
                counted.append(one)
        return counted, held_s

    def _forgive(self, *counted: Try) -> None:
        for one in counted:
            self._throttle.forgive(one)

    async def _ask(self, attempt: Attempt, asked: Sequence[Way]) -> Account:
        silent: NotNow | None = None
        for way in asked:
            try:
                account = await way.check(attempt)
            except Unknown:
                self.counts[f"{way.name} unknown"] += 1
            except NameWanted:
                raise
            except Refused:
                self.counts[f"{way.name} wrong"] += 1
                raise
            except NotNow as error:
                silent = error
                self._note(way, error)
            else:
                self.counts[f"{way.name} right"] += 1
                return account
        raise silent or Unknown("account or password is not right")

    def _note(self, way: Way, error: PortalError) -> None:
        self.counts[f"{way.name} silent"] += 1
        now = self._clock()
        if self._silent.get(way.name, 0) <= now:
            _log.warning("%s cannot say who signs in: %s", way.name, error)
        self._silent[way.name] = now + SILENT_NS

    def _same(self, error: PortalError, asked: Sequence[Way]) -> PortalError:
        """Return what everybody hears who is not accepted now."""
        now = self._clock()
        if any(self._silent.get(way.name, 0) > now for way in asked):
            only = len(asked) == 1 and isinstance(error, NotNow)
            return error if only else Unsure("not accepted, and not all could be asked")
        return Refused("account or password is not right")


def _can_be_told(attempt: Attempt) -> bool:
    """Say whether it is text that goes over a wire: half of a pair of surrogates is none."""
    try:
        f"{attempt.account}{attempt.password}{attempt.guest}".encode()
    except UnicodeEncodeError:
        return False
    return True


def _key(attempt: Attempt) -> str:
    """Return what stands for the account: directories take more spellings for the same than we."""
    shown = unicodedata.normalize("NFKC", attempt.account[: names.MAX_ACCOUNT])
    plain = "".join(letter for letter in shown if unicodedata.category(letter) not in _INVISIBLE)
    return f"{attempt.site}/{names.folded(plain)}"
