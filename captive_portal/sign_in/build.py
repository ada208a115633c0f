"""Builds the ways of a box from its settings."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Engine

from captive_portal.errors import PortalError
from captive_portal.people import nt_hashes
from captive_portal.people.accounts import People
from captive_portal.people.devices import Devices
from captive_portal.people.groups import Groups
from captive_portal.people.keys import person_key
from captive_portal.people.outside import Outside
from captive_portal.people.vouchers import Vouchers
from captive_portal.settings import PortalSettings, RadiusUpstream, Zone
from captive_portal.sign_in.chain import Chain
from captive_portal.sign_in.device import KnownDevices
from captive_portal.sign_in.directory import LdapWay
from captive_portal.sign_in.local import LocalWay
from captive_portal.sign_in.radius import Asks, RadiusWay
from captive_portal.sign_in.voucher import VoucherWay
from captive_portal.sign_in.way import Way, WayWord
from collector.records import Clock

if TYPE_CHECKING:
    from captive_portal.sign_in.oidc import OidcClient

MakeAsks = Callable[[Path, RadiusUpstream], Asks]
"""Raises PortalError: a secret cannot be read."""


def chain(
    home: Path, settings: PortalSettings, engine: Engine, *, asks: MakeAsks, clock: Clock
) -> Chain:
    """Return the ways of a box; nothing is opened yet.

    Args:
        home: The home.
        settings: The portal's sections.
        engine: The database.
        asks: What makes the packets of RADIUS servers of somebody else.
        clock: The time.

    Raises:
        PortalError: a zone names a way that is not there, or a secret cannot be read.
    """
    adopt = Outside(engine).adopt
    outside: defaultdict[tuple[str, str], list[Way]] = defaultdict(list)
    for directory in settings.ldap:
        way = LdapWay(directory, home, adopt=adopt, clock=clock)
        outside[directory.site, WayWord.LDAP].append(way)
    for section in settings.radius_upstream:
        if section.servers:
            radius = RadiusWay(section, asks(home, section), adopt=adopt, clock=clock)
            outside[section.site, WayWord.RADIUS].append(radius)
    table = Vouchers(engine, person_key(home))
    sites = {zone.site for zone in settings.zones}
    for site in sites | {nas.site for nas in settings.radius.clients}:
        outside[site, WayWord.VOUCHER].append(VoucherWay(table, clock=clock))
    for provider in settings.oidc:
        outside[provider.site, WayWord.OIDC] = []  # nobody's password is asked there
    for zone in settings.zones:
        _fit(zone, outside.keys())
    _known("radius", settings.radius.ways)
    if WayWord.OIDC in settings.radius.ways:
        raise PortalError("settings: radius.ways has oidc, which takes no password")
    sealing = nt_hashes.of(home, wanted=settings.radius.nt_hashes)
    people = People(engine, clock=clock, nt=sealing)
    devices = KnownDevices(
        Devices(engine),
        people,
        Groups(engine),
        clock=clock,
        random_macs=settings.radius.random_macs,
    )
    return Chain(
        LocalWay(people),
        outside,
        devices,
        tries_per_minute=settings.sign_in.tries_per_minute,
        clock=clock,
    )


def oidc_clients(
    home: Path, settings: PortalSettings, engine: Engine, *, clock: Clock
) -> Sequence[OidcClient]:
    """Return a client of each provider that has a button; nothing is opened or asked yet.

    Raises:
        PortalError: a secret cannot be read, or the libraries are not installed.
    """
    if not settings.oidc:
        return ()
    try:
        from captive_portal.sign_in.oidc import OidcClient  # an extra
    except ImportError as error:
        raise PortalError(
            f"settings: oidc: a library is missing: {error.name}", hint="install prathu[oidc]"
        ) from error
    public_url, key = settings.sign_in.public_url, person_key(home)
    if not public_url:
        raise PortalError("settings: oidc: people return to sign_in.public_url, which is not set")
    adopt = Outside(engine).adopt
    return [
        OidcClient(one, home, public_url=public_url, adopt=adopt, key=key, clock=clock)
        for one in settings.oidc
    ]


def _fit(zone: Zone, known: Collection[tuple[str, str]]) -> None:
    _known(f"zones: {zone.id}", zone.ways)
    for word in zone.ways:
        if word not in (WayWord.LOCAL, WayWord.DEVICE) and (zone.site, word) not in known:
            raise PortalError(
                f"settings: zones: {zone.id} signs in by {word}, which site {zone.site} has not",
                hint="docs/sign-in.md says what each way needs",
            )


def _known(where: str, words: Collection[str]) -> None:
    for word in words:
        if word not in tuple(WayWord):
            raise PortalError(
                f"settings: {where} has an unknown way {word!r}",
                hint=f"the ways are {', '.join(WayWord)}",
            )
