"""Connections are few per device and end in time: one that says nothing keeps nobody out."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import ClassVar

from typing_extensions import override
from uvicorn.protocols.http.h11_impl import H11Protocol

MOST_PER_ADDRESS = 40
"""A browser opens six."""
LONGEST_S = 60.0
"""A connection ends after so long, whatever it does: the longest answer takes some seconds."""


class BoundedProtocol(H11Protocol):
    """HTTP with a bound on how many connections an address has, and for how long."""

    open_from: ClassVar[Counter[str]] = Counter()
    _peer = ""
    _end: asyncio.TimerHandle | None = None

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

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        """Give the place free."""
        if self._end is not None:
            self._end.cancel()
        self.open_from[self._peer] -= 1
        if self.open_from[self._peer] <= 0:
            del self.open_from[self._peer]
        super().connection_lost(exc)
