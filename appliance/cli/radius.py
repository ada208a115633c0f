"""`prathu radius`: profiles for devices that join 802.1X, and certificates for the school's own."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from appliance.cli.devices import end_sessions
from appliance.cli.people_home import Home, Site, new_file, opened
from appliance.errors import NotFound, WrongUse
from appliance.search import times
from captive_portal.errors import PortalError
from captive_portal.people.device_certificates import DeviceCertificates, Issued
from captive_portal.radius import device_authority
from captive_portal.radius.device_authority import DeviceAuthority, Packed
from captive_portal.radius.profiles.shelf import Profiles

radius_app = typer.Typer(no_args_is_help=True, help="802.1X: profiles and certificates of devices.")
certificate_app = typer.Typer(
    no_args_is_help=True, help="Certificates of the school's own devices (EAP-TLS)."
)
_COLUMNS = ["serial", "site", "mac", "name", "account", "until", "state"]


class For(StrEnum):
    """Kinds of devices that profiles are for."""

    APPLE = "apple"
    WINDOWS = "windows"
    ANDROID = "android"


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    radius_app.add_typer(certificate_app, name="certificate")
    app.add_typer(radius_app, name="radius")


@radius_app.command()
def profile(  # one argument per option
    ctx: typer.Context,
    kind: Annotated[For, typer.Argument(help="What it is for.")],
    out: Annotated[
        Path | None,
        typer.Option(help="A new file: .mobileconfig, .xml; for Android the CA certificate."),
    ] = None,
    network: Annotated[str, typer.Option(help="Windows: which network; the only one.")] = "",
    certificate: Annotated[
        bool, typer.Option("--certificate", help="Windows: for devices with a certificate.")
    ] = False,
    site: Site = "",
) -> None:
    """Make a profile of the Wi-Fi networks with 802.1X, or tell the fields for Android."""
    with opened(ctx) as at:
        profiles, school = _profiles(at), _school(at, site)
        if certificate and kind is not For.WINDOWS:
            raise WrongUse(
                "--certificate is for Windows",
                hint="prathu radius certificate add --apple makes a profile with a certificate",
            )
        if kind is For.ANDROID:
            _android(at, profiles, school, out)
            return
        if out is None:
            raise WrongUse("where to?", hint="--out wifi.mobileconfig")
        if kind is For.APPLE:
            octets = profiles.apple(school)
        else:
            octets = profiles.windows(school, _network(profiles, network), certificate=certificate)
        _write(new_file(out), octets)
        at.context.show({"file": str(out), "networks": ", ".join(profiles.networks)})


def _android(at: Home, profiles: Profiles, school: str, out: Path | None) -> None:
    facts = profiles.facts(school)
    if out is not None:
        _write(new_file(out), facts.root_der)
    at.context.show(
        {
            "networks": ", ".join(profiles.networks),
            "eap_method": "TTLS",
            "phase_2": "PAP",
            "ca_sha256": facts.thumbprint(),
            "domain": facts.servers[0],
            "anonymous_identity": facts.outer,
        }
    )


@certificate_app.command()
def add(  # one argument per option
    ctx: typer.Context,
    mac: Annotated[str, typer.Argument(help="The device's MAC, as `prathu devices` has it.")],
    out: Annotated[Path, typer.Option(help="A new file: PKCS#12, for example laptop.p12.")],
    days: Annotated[
        int, typer.Option(help="It is good for so long.", min=1, max=device_authority.MOST_DAYS)
    ] = device_authority.DAYS,
    apple: Annotated[
        bool, typer.Option("--apple", help="Write a .mobileconfig with the certificate in it.")
    ] = False,
    site: Site = "",
) -> None:
    """Give a listed device of the school a certificate; its password is shown now, never again."""
    with opened(ctx) as at:
        where = at.site(site)
        # Nothing is issued that could not be given out.
        school = _school(at, site)
        if apple:
            _profiles(at).facts(school)
        descriptor = new_file(out)
        at.wrote(f"radius certificate add {where} {mac} for {days} days"[:900])
        try:
            packed = _authority(at).issue(where, mac, now=at.now(), days=days)
            _write(descriptor, _packed(at, packed, school, apple=apple))
        except PortalError:
            out.unlink(missing_ok=True)
            raise
        at.context.show(_line(at, packed.issued) | {"file": str(out), "password": packed.password})
        at.context.say(f"put {out} on that device and delete it")


def _packed(at: Home, packed: Packed, school: str, *, apple: bool) -> bytes:
    if not apple:
        return packed.pkcs12
    account = packed.issued.account
    return _profiles(at).apple(school, identity=packed.pkcs12, account=account)


@certificate_app.command("list")
def list_(ctx: typer.Context, site: Site = "") -> None:
    """Show certificates of devices: whose, until when, and whether they are good."""
    with opened(ctx) as at:
        found = DeviceCertificates(at.engine).list(at.site(site) if site else None)
        at.wrote(f"radius certificate list, {len(found)} certificates")
        at.context.show_rows([_line(at, one) for one in found], _COLUMNS)


@certificate_app.command()
def revoke(
    ctx: typer.Context,
    serial: Annotated[str, typer.Argument(help="Its serial number, as the list has it.")],
) -> None:
    """Take a certificate back, for good; its session ends, and the device is refused."""
    with opened(ctx) as at:
        at.wrote(f"radius certificate revoke {serial}"[:900])
        try:
            taken = _authority(at).revoke(serial, now=at.now())
        except PortalError as error:
            raise NotFound(str(error)) from error
        end_sessions(at, taken)
        at.context.show(_line(at, taken))


def _authority(at: Home) -> DeviceAuthority:
    radius = at.settings.radius
    return DeviceAuthority(
        at.context.home, DeviceCertificates(at.engine), server_root=radius.eap_ca
    )


def _profiles(at: Home) -> Profiles:
    return Profiles(at.context.home, at.settings.radius)


def _school(at: Home, site: str) -> str:
    """Return what people call the school of a site."""
    wanted = at.site(site)
    return next(one.name or one.id for one in at.settings.sites if one.id == wanted)


def _network(profiles: Profiles, name: str) -> str:
    if name or len(profiles.networks) != 1:
        known = ", ".join(profiles.networks) or "none: set radius.eap_networks"
        if name not in profiles.networks:
            raise WrongUse("which network? say --network", hint=f"known: {known}")
        return name
    return profiles.networks[0]


def _line(at: Home, issued: Issued) -> dict[str, str]:
    return {
        "serial": issued.serial,
        "site": issued.site,
        "mac": issued.mac,
        "name": issued.name,
        "account": issued.account,
        "until": times.to_second(issued.until),
        "state": issued.state(at.now()),
    }


def _write(descriptor: int, octets: bytes) -> None:
    with os.fdopen(descriptor, "wb") as file:
        file.write(octets)
