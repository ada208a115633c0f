"""Devices that come in by themselves: remembered since their person signed in, or the school's.

A MAC is easily copied, so a group has to allow that its people's devices are remembered, and a
device of the school counts only by a MAC that its maker gave it, unless the settings say else.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Self
from uuid import UUID

from captive_portal.people.accounts import Account, People
from captive_portal.people.devices import DeviceKind, Devices
from captive_portal.people.groups import Groups
from captive_portal.sign_in.workers import Workers
from collector.records import Clock, time_of

WAITING = 256


class KnownDevices:
    """The devices of a box. Used from one event loop."""

    def __init__(
        self,
        devices: Devices,
        people: People,
        groups: Groups,
        *,
        clock: Clock,
        random_macs: bool = False,
    ) -> None:
        """Keep the parts.

        Args:
            devices: The table.
            people: Their owners.
            groups: What says for how long a device is remembered.
            clock: The time.
            random_macs: Devices of the school come in by made-up MACs too.
        """
        self._devices = devices
        self._people = people
        self._groups = groups
        self._clock = clock
        self._random_macs = random_macs
        self._workers = Workers("device", threads=1, waiting=WAITING)

    def __enter__(self) -> Self:
        self._workers.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._workers.__exit__()

    async def known(self, site: str, mac: str) -> Account | None:
        """Return the owner of a device that needs no sign-in, or None. Raises Busy."""
        return await self._workers.run(self._known, site, mac)

    def _known(self, site: str, mac: str) -> Account | None:
        now = self._now()
        device = self._devices.known(site, mac, now)
        if device is None:
            return None
        owned = device.kind is DeviceKind.OWNED
        if owned and device.random and not self._random_macs:
            return None
        owner = self._people.get(device.person)
        if owner is None or owner.closed(now) or owner.must_change:
            return None
        # The group may have been told to remember no device since.
        if not owned and not self._remember_days(owner):
            return None
        self._devices.saw(device, now)
        return owner

    async def remember(self, account: Account, mac: str) -> None:
        """Know a device again, where the group of its person says so. Raises Busy."""
        await self._workers.run(self._remember, account, mac)

    def _remember(self, account: Account, mac: str) -> None:
        days = self._remember_days(account)
        if days and not account.must_change:
            now = self._now()
            until = now + timedelta(days=days)
            self._devices.remember(account.site, mac, account.id, now=now, until=until)

    async def forget(self, site: str, mac: str, person: UUID) -> None:
        """Let a remembered device sign in again. Raises Busy."""
        await self._workers.run(self._forget, site, mac, person)

    def _forget(self, site: str, mac: str, person: UUID) -> None:
        self._devices.sign_again(site, mac, person, now=self._now())

    def _remember_days(self, account: Account) -> int:
        return self._groups.of(account.site, account.group, account.kind).remember_days

    def _now(self) -> datetime:
        return time_of(self._clock)
