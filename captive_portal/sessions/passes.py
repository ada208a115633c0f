"""What open sessions may do on the wire, in the words that the sessions and the gate share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """Lets the packets of one session through."""

    serial: int
    """Of the session, 1 to 2^24-1; stands in the marks of its packets and connections."""
    zone: str
    mac: str
    addresses: tuple[str, ...]
    """All of the session, IPv4 and IPv6: both the MAC and one of these must match."""
    up_kbit: int | None = None
    """1,000 bits a second; None: no limit. One budget for both families."""
    down_kbit: int | None = None
    until: datetime | None = None
    """The kernel itself ends it then, whatever else works."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """What the kernel counted for one session since its pass was given."""

    bytes_in: int
    """From the device, as RADIUS counts Input."""
    bytes_out: int
    packets_in: int
    packets_out: int


class Gate(Protocol):
    """The kernel's side. Many callers wait at the same time: changes go in together."""

    async def apply(self, let_in: Sequence[Pass], shut_out: Sequence[Pass]) -> None:
        """Change passes; returns once the kernel has all and connections of both are cut.

        A pass of a serial that is in already is replaced; its counts go on.

        Raises:
            GateError: it could not be done; nothing of this call is in force.
        """
        ...

    async def restore(self, passes: Sequence[Pass]) -> None:
        """Make the kernel know these and no others, in one step. Raises GateError."""
        ...

    async def reconcile(self, read: Callable[[], Awaitable[Sequence[Pass]]]) -> None:
        """Make the kernel know what `read` returns, and what is applied meanwhile, and no others.

        Raises:
            GateError: it could not be done; nothing changed.
        """
        ...

    async def counted(self, serials: Collection[int] | None = None) -> Mapping[int, Passed]:
        """Return the counts of all passes by serial, or of some. Raises GateError.

        Passes that are over may still be among them. Counts only grow, but begin anew with the
        kernel.
        """
        ...
