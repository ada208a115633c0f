"""dnsmasq's files: for each zone a resolver for those who are signed in, and one for the others.

RFC 8910's option 114 and DHCPv6 option 103 tell devices of the page. Router advertisements are not
dnsmasq's: see `advert.py`.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import jinja2

from captive_portal.gate.advert import capport
from captive_portal.gate.plan import TEMPLATES, Plan, ZonePlan, garden_name

LEASE_TIME = "2h"
"""Phones change their MACs, and a starved pool is whole again after so long."""
PAGE_NAME = "login"
"""Below the domain: what people can type."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Daemon:
    """One dnsmasq."""

    name: str
    config: str
    lease_file: Path | None = None


def daemons(plan: Plan, folder: Path) -> Iterator[Daemon]:
    """Yield all of a gate, those that others ask first.

    Args:
        plan: The gate.
        folder: Where lease files lie.
    """
    for zone in plan.zones:
        leases = lease_file(folder, zone)
        yield Daemon(name=f"dnsmasq-{zone.id}", config=_zone(plan, zone, leases), lease_file=leases)
    for zone in plan.zones:
        if zone.portal:
            yield Daemon(name=f"dnsmasq-captive-{zone.id}", config=_captive(plan, zone))


def lease_file(folder: Path, zone: ZonePlan) -> Path:
    """Return where a zone's leases are written down."""
    return folder / f"leases-{zone.id}"


def own_names(plan: Plan) -> list[str]:
    """Return the names that are the box's in every zone."""
    return [name for name in (plan.public_host, f"{PAGE_NAME}.{plan.domain}") if name]


def _zone(plan: Plan, zone: ZonePlan, leases: Path) -> str:
    most = int(zone.leases[1]) - int(zone.leases[0]) + 1 if zone.leases else 0
    return _render(
        "dnsmasq-zone.conf",
        zone=zone,
        upstream=plan.upstream_dns,
        domain=plan.domain,
        own_names=own_names(plan),
        lease_file=leases,
        lease_most=most,
        lease_time=LEASE_TIME,
        api=capport(plan, zone),
    )


def _captive(plan: Plan, zone: ZonePlan) -> str:
    sets = {garden_name(name): "provider" for name in zone.providers}
    sets |= {garden_name(name): "garden" for name in zone.garden}
    return _render(
        "dnsmasq-captive.conf",
        zone=zone,
        own_names=own_names(plan),
        names=sorted(sets.items()),
        probes=[name for name in probes() if name not in sets],
    )


@functools.cache
def probes() -> tuple[str, ...]:
    """Return the names by which devices find out that they are captive."""
    lines = (TEMPLATES / "probes.txt").read_text(encoding="ascii").splitlines()
    return tuple(line.strip() for line in lines if line.strip() and not line.startswith("#"))


def _render(name: str, **values: object) -> str:
    environment = jinja2.Environment(  # noqa: S701  # no HTML; values are checked in `plan`
        loader=jinja2.FileSystemLoader(TEMPLATES),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(name).render(values)
