"""A quota of bytes ends when it is used up, not a minute later; nothing is counted twice."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping

import pytest

from captive_portal.errors import GateError
from captive_portal.people.groups import AtQuota
from captive_portal.sessions.passes import Passed
from tests.captive_portal.conftest import SITE
from tests.captive_portal.desk.test_desk import (
    HERE,
    MAC,
    OTHER_MAC,
    THERE,
    School,
    pupils,
    run,
    school,
)

__all__ = ["school"]
MB = 1_000_000


def used(school: School) -> int:
    month = school.usage.months(school.now.date()).values()
    return sum(one.day_bytes for one in month)


@pytest.mark.parametrize("at_quota", list(AtQuota))
def test_a_quota_ends_before_the_minute_does(school: School, at_quota: AtQuota) -> None:
    account = school.add("somchai", pupils(quota_day_mb=30, at_quota=at_quota, slow_kbit=256))

    async def play() -> None:
        await school.desk.tick()
        await school.desk.sign_in(SITE, account, HERE, MAC)
        school.gate.send(MAC, HERE, 9 * MB)  # and twice as much comes back
        await school.desk.metering.sooner()
        assert school.gate.asked[-1] is not None, "not everybody's counts are asked for"
        assert used(school) == 0, "nothing is written before something must happen"
        school.gate.send(MAC, HERE, 1 * MB)
        await school.desk.metering.sooner()
        assert used(school) == 30 * MB
        [one] = school.rows.recent(5)
        assert one.slow == (at_quota is AtQuota.SLOW)
        assert one.open == (at_quota is AtQuota.SLOW)
        asked = len(school.gate.asked)
        await school.desk.metering.sooner()
        assert len(school.gate.asked) == asked, "there is nothing left to watch for"
        await school.pass_minutes(1)
        assert used(school) == 30 * MB

    run(play)


def test_all_devices_of_a_person_use_up_one_quota(school: School) -> None:
    account = school.add("somchai", pupils(quota_day_mb=30))

    async def play() -> None:
        await school.desk.tick()
        await school.desk.sign_in(SITE, account, HERE, MAC)
        school.gate.send(MAC, HERE, 4 * MB)
        await school.pass_minutes(1)
        await school.desk.sign_in(SITE, account, THERE, OTHER_MAC)
        school.gate.send(OTHER_MAC, THERE, 5 * MB)
        await school.desk.metering.sooner()
        assert await school.desk.open_sessions() == 2
        school.gate.send(MAC, HERE, 1 * MB)
        await school.desk.metering.sooner()
        assert await school.desk.open_sessions() == 0
        assert not school.gate.passes

    run(play)


def test_traffic_of_others_makes_nobody_be_looked_at(school: School) -> None:
    account, total = school.add("somchai", pupils(quota_day_mb=30)), [0]

    async def play() -> None:
        school.desk.metering.traffic = lambda: total[0]
        await school.desk.tick()
        await school.desk.sign_in(SITE, account, HERE, MAC)
        await school.desk.metering.sooner()
        asked = len(school.gate.asked)
        total[0] += 29 * MB
        await school.desk.metering.sooner()
        assert len(school.gate.asked) == asked
        total[0] += 1 * MB
        await school.desk.metering.sooner()
        assert len(school.gate.asked) == asked + 1

    run(play)


def test_a_gate_that_does_not_tell_is_asked_again(school: School) -> None:
    account = school.add("somchai", pupils(quota_day_mb=30))

    async def play() -> None:
        await school.desk.tick()
        await school.desk.sign_in(SITE, account, HERE, MAC)
        school.gate.send(MAC, HERE, 10 * MB)
        school.gate.fails = "before"
        with pytest.raises(GateError):
            await school.desk.metering.sooner()
        school.gate.fails = ""
        await school.desk.metering.sooner()
        assert await school.desk.open_sessions() == 0

    run(play)


@pytest.mark.parametrize("power_cut", [False, True])
def test_a_restart_between_counts_nothing_twice(school: School, power_cut: bool) -> None:
    account = school.add("somchai", pupils(quota_day_mb=30))

    async def play() -> None:
        await school.desk.tick()
        await school.desk.sign_in(SITE, account, HERE, MAC)
        school.gate.send(MAC, HERE, 4 * MB)
        await school.desk.metering.sooner()
        await school.desk.minute()
        school.gate.send(MAC, HERE, 1 * MB)
        school.desk.close()
        if power_cut:  # what was counted since is lost with the kernel
            school.gate.reboot()
        school.start_anew()
        await school.desk.tick()
        school.gate.send(MAC, HERE, (5 if power_cut else 4) * MB)
        await school.desk.metering.sooner()
        assert await school.desk.open_sessions() == 1
        assert used(school) == 12 * MB
        school.gate.send(MAC, HERE, 1 * MB)
        await school.desk.metering.sooner()
        assert await school.desk.open_sessions() == 0
        assert used(school) == 30 * MB

    run(play)


def test_counts_that_come_late_are_not_taken_for_a_kernel_that_began_anew(school: School) -> None:
    account, held = school.add("somchai"), asyncio.Event()

    async def play() -> None:
        await school.desk.tick()
        session = await school.desk.sign_in(SITE, account, HERE, MAC)
        school.gate.send(MAC, HERE, 1 * MB)
        ask = school.gate.counted

        async def slowly(serials: Collection[int] | None = None) -> Mapping[int, Passed]:
            counts = await ask(serials)
            if serials is None:
                school.gate.send(MAC, HERE, 1 * MB)
                asyncio.get_running_loop().call_soon(held.set)
            return counts

        school.gate.counted = slowly  # type: ignore[method-assign]
        minute = asyncio.create_task(school.desk.minute())
        await held.wait()
        await school.desk.metering.count([session])
        await minute
        await school.desk.end(session.id, "User-Request")
        [one] = school.rows.recent(5)
        assert (one.counters.bytes_in, one.counters.bytes_out) == (2 * MB, 4 * MB)
        assert used(school) == 6 * MB

    run(play)
