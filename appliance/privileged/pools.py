"""How many addresses of each zone are lent, as dnsmasq's own files say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address
from pathlib import Path

from captive_portal.gate.plan import Plan
from captive_portal.gate.resolver import lease_file

LONGEST = 64 << 20
"""Octets of a file that are read: a lease takes some eighty."""


def lent(plan: Plan, folder: Path, *, now_s: float) -> dict[str, tuple[int, int]]:
    """Return for each zone that lends addresses how many are lent, and how many it has.

    Args:
        plan: The gate.
        folder: Where lease files lie.
        now_s: Seconds since the epoch: leases that ran out before are none.
    """
    found = {}
    for zone in plan.zones:
        if zone.leases is None:
            continue
        first, last = zone.leases
        taken = {each for each in _leases(lease_file(folder, zone), now_s) if first <= each <= last}
        found[zone.id] = (len(taken), int(last) - int(first) + 1)
    return found


def _leases(file: Path, now_s: float) -> Iterator[IPv4Address]:
    """Yield the addresses of leases that go on; no file: there are none yet."""
    try:
        with file.open(encoding="ascii", errors="replace") as lines:
            text = lines.read(LONGEST)
    except OSError:
        return
    yield from _read(text.splitlines(), now_s)


def _read(lines: Iterable[str], now_s: float) -> Iterator[IPv4Address]:
    """Each line is the end (0: never), MAC, address, name, client id; others are of IPv6."""
    for line in lines:
        words = line.split()
        try:
            ends, address = int(words[0]), IPv4Address(words[2])
        except (ValueError, IndexError):
            continue
        if ends == 0 or ends > now_s:
            yield address
