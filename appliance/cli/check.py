"""`prathu check`: the settings test."""

from __future__ import annotations

import importlib.util

import typer

from appliance import settings as box_settings
from appliance.cli import datagram_forecast
from appliance.cli.context import Context, wall_clock
from appliance.privileged import plans
from appliance.settings import BoxSettings
from captive_portal import __main__ as portal_main
from collector.__main__ import boot_id
from collector.errors import SettingsError
from collector.outside.roots import fingerprint, roots
from collector.pipeline import Pipeline
from collector.receive import certificate
from collector.receive.receiver import Receiver
from collector.seal.timestamp import roots_of
from collector.site import formats


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(check)


def check(ctx: typer.Context) -> None:
    """Build every part from the settings and stop: nothing is opened or changed."""
    context: Context = ctx.obj
    settings = box_settings.load(context.home)
    sites = [(site.id, site.name, site.networks) for site in settings.sites]
    portal_main.check(context.home, settings.portal, sites)
    gate = plans.of(settings)
    _check_secrets(context, settings)
    if settings.sniff and importlib.util.find_spec("scapy") is None:
        raise SettingsError("sniff: scapy is not installed", hint="pip install scapy")
    Receiver(context.home, settings, clock=wall_clock)
    Pipeline(context.home, settings, clock=wall_clock, boot_id=boot_id())
    for each in settings.sites:
        formats(each.id, settings)
    context.show(
        {
            "settings": "good",
            "sites": ", ".join(site.id for site in settings.sites),
            "exporters": len(settings.exporters),
            "radius_clients": len(settings.radius.clients),
            "gate": ", ".join(zone.id for zone in gate.zones) if gate else "",
            "datagrams": datagram_forecast.line(
                datagram_forecast.forecast(context.home, settings), settings.retention.days
            ),
            **_syslog_tls(context, settings),
            **_authorities(context, settings),
        }
    )


def _syslog_tls(context: Context, settings: BoxSettings) -> dict[str, str]:
    """Return the certificate that senders are to trust, after trying its files."""
    if not settings.listen.syslog_tls and not settings.listen.ipfix_tls:
        return {}
    return {"syslog_tls": certificate.checked(context.home, settings.syslog_tls)}


def _authorities(context: Context, settings: BoxSettings) -> dict[str, str]:
    """Return the root that each time-stamp authority is believed by, after reading its file."""
    return {
        f"root of {authority.name}": fingerprint(roots_of(roots(context.home, authority))[0])
        for authority in settings.timestamp_authorities
    }


def _check_secrets(context: Context, settings: BoxSettings) -> None:
    for client in settings.radius.clients:
        path = context.home / client.secret_file
        try:
            length = len(path.read_bytes().strip())
        except OSError as error:
            raise SettingsError(
                f"radius.clients: {client.network}: {path}: {error.strerror}",
                hint="write the NAS's shared secret there",
            ) from error
        if not length:
            raise SettingsError(f"radius.clients: {client.network}: {path} is empty")
