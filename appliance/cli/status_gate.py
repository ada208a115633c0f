"""What `prathu status` shows of the gate: who is in, what was not let through and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from appliance.cli.up import GATE
from appliance.privileged import plans
from appliance.settings import BoxSettings
from captive_portal.errors import PortalError
from captive_portal.gate.ruleset import COUNTERS
from captive_portal.gate.wire import SOCKET
from collector.control import ask
from collector.errors import CollectorError

ASK_S = 10.0
NEARLY_ALL = 0.9
"""Of a zone's addresses: whoever comes next may get none."""


def read(home: Path, settings: BoxSettings) -> dict[str, Any] | None:
    """Return how the gate stands, `error` where it does not; None: the box is nobody's router."""
    try:
        if plans.of(settings) is None:
            return None
        return ask(home / SOCKET, {"id": 1, "do": "status"}, timeout=ASK_S)
    except (CollectorError, PortalError) as error:
        return {"error": str(error)}


def processes(settings: BoxSettings) -> tuple[str, ...]:
    """Return the gate's process, where the box is a router."""
    return (GATE,) if settings.gateway.uplink else ()


def lines(gate: Mapping[str, Any] | None) -> Iterator[tuple[str, str]]:
    """Yield a name and a text for each thing to show."""
    if gate is None:
        return
    if "error" in gate:
        yield "gate", f"DOES NOT ANSWER: {gate['error']}"
        return
    yield "gate", f"{gate['passes']:,} sessions are in"
    dead = sorted(name for name, alive in gate["daemons"].items() if not alive)
    if dead:
        yield "gate", f"NOT RUNNING: {', '.join(dead)}; what they say is in the journal"
    yield from _pools(gate["pools"])
    for name, (packets, _) in gate["dropped"].items():
        if packets:
            yield "gate", f"{packets:,} packets stopped: {COUNTERS.get(name, name)}"
    for count, what in (
        (gate["mended"], "times the kernel was mended"),
        (gate["failed"], "calls failed"),
        (gate["adverts"]["failed"], "router advertisements could not be sent"),
    ):
        if count:
            yield "gate", f"{count:,} {what}; the journal says why"


def claims(told: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what the portal says of addresses that two devices claim."""
    for count, what in (
        (told.get("alarms"), "times two devices claimed one address or MAC; see: coverage"),
        (told.get("refused"), "claims of addresses not believed: too many at once"),
    ):
        if count:
            yield "gate", f"{count:,} {what}"


def _pools(pools: Mapping[str, tuple[int, int]]) -> Iterator[tuple[str, str]]:
    """Yield zones that have hardly an address left to lend."""
    for zone, (lent, most) in pools.items():
        if lent >= NEARLY_ALL * most:
            yield "gate", f"ZONE {zone}: {lent:,} of {most:,} addresses are lent; widen `leases`"
