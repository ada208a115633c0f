"""Connections are few per device and end in time: one that says nothing keeps nobody out."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import ClassVar

from typing_extensions import override
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

MOST_PER_ADDRESS = 40
"""A browser opens six."""
LONGEST_S = 60.0
"""Seconds after which a connection ends, whatever it does: the longest answer takes a few."""
ASK_S = 10.0
"""Seconds without a whole request after which it ends too: a device has many IPv6 addresses, so a
bound for each address is not enough."""


class BoundedProtocol(H11Protocol):
    """HTTP with a bound on how many connections an address has, and for how long."""

    open_from: ClassVar[Counter[str]] = Counter()
    _peer = ""
    _end: asyncio.TimerHandle | None = None
    _look: asyncio.TimerHandle | None = None
    _before: RequestResponseCycle | None = None

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Take a connection, or drop it at once when its address has too many."""
        super().connection_made(transport)
        self._peer = str((transport.get_extra_info("peername") or ("",))[0])
        self.open_from[self._peer] += 1
        if self.open_from[self._peer] > MOST_PER_ADDRESS:
            transport.abort()
            return
        self._end = asyncio.get_running_loop().call_later(LONGEST_S, transport.abort)
        self._look = asyncio.get_running_loop().call_later(ASK_S, self._look_after)

    def _look_after(self) -> None:
        """End a connection on which no request has become whole since the last look."""
        # uvicorn ends those that are silent after an answer, not those that drip.
        cycle: RequestResponseCycle | None = getattr(self, "cycle", None)  # None at first
        idle = cycle is None or cycle.response_complete
        if idle and cycle is self._before:
            self.transport.abort()
            return
        self._before = cycle
        self._look = asyncio.get_running_loop().call_later(ASK_S, self._look_after)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        """Give the place free."""
        for timer in (self._end, self._look):
            if timer is not None:
                timer.cancel()
        self.open_from[self._peer] -= 1
        if self.open_from[self._peer] <= 0:
            del self.open_from[self._peer]
        super().connection_lost(exc)
