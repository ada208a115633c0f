"""Passwords are looked at behind everything else that the box does, and only so many wait."""

import asyncio
import os
import threading

import pytest

from captive_portal.sign_in.way import Busy
from captive_portal.sign_in.workers import BEHIND, Workers


def niceness() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


def test_its_threads_leave_the_processor_to_the_others() -> None:
    async def asked() -> int:
        with Workers("hash", threads=1, waiting=1) as workers:
            return await workers.run(niceness)

    ours = niceness()
    assert asyncio.run(asked()) == min(19, ours + BEHIND)
    assert niceness() == ours


def test_who_comes_when_as_many_wait_as_may_is_told_so() -> None:
    async def asked() -> None:
        going = threading.Event()
        with Workers("hash", threads=1, waiting=1) as workers:
            first = asyncio.ensure_future(workers.run(going.wait))
            await asyncio.sleep(0)
            with pytest.raises(Busy):
                await workers.run(niceness)
            going.set()
            assert await first

    asyncio.run(asked())
