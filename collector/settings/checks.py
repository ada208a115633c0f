"""What one section cannot know of another: sites that are not there, ports that are double."""

from __future__ import annotations

from collector.errors import SettingsError
from collector.settings.faults import nearest
from collector.settings.models import (
    BelievedSender,
    CollectorSettings,
    Listen,
    Names,
    Retention,
)


def check_sites(settings: CollectorSettings) -> None:
    """Refuse site ids and ports that are double, and exporters of a site that is not there.

    Raises:
        SettingsError: naming the id and the nearest right one.
    """
    known = {site.id for site in settings.sites}
    if len(known) != len(settings.sites):
        raise SettingsError("two sites have the same id", hint="ids are for ever: give one another")
    for exporter in settings.exporters:
        if exporter.site not in known:
            near = nearest(exporter.site, known)
            raise SettingsError(f"exporters: {exporter.address} is of site {exporter.site!r}{near}")
    for name in ("lease_files", "neighbours", "uplinks", "sniff"):
        for each in getattr(settings, name):
            if each.site not in known:
                near = nearest(each.site, known)
                raise SettingsError(f"{name}: one is of site {each.site!r}{near}")
    _check_listen(settings.listen)
    _check_names(settings.names, known)
    conntrack, local = settings.conntrack, settings.local_syslog
    _check_site("conntrack", conntrack.site, known, used=conntrack.enabled)
    _check_site("local_syslog", local.site, known, used=bool(local.path))
    _check_retention(settings.retention)
    _check_outside(settings, known)
    for sender in settings.believed_senders:
        _check_believed(sender, known, asked=bool(settings.syslog_tls.client_ca))


def _check_outside(settings: CollectorSettings, known: set[str]) -> None:
    """Refuse one name for two authorities, one key for two witnesses, and sites not there."""
    names = [authority.name for authority in settings.timestamp_authorities]
    keys = [witness.key for witness in settings.witnesses]
    for what, told in (("timestamp_authorities", names), ("witnesses", keys)):
        if twice := next((one for one in told if told.count(one) > 1), ""):
            raise SettingsError(f"{what}: {twice} stands there twice", hint="leave one out")
    for witness in settings.witnesses:
        for site in witness.sites:
            if site not in known:
                raise SettingsError(f"witnesses: one is of site {site!r}{nearest(site, known)}")


def _check_retention(retention: Retention) -> None:
    logs = [one.log for one in retention.logs]
    if len(set(logs)) != len(logs):
        raise SettingsError("retention.logs: a log stands there twice", hint="leave one of the two")


def _check_believed(sender: BelievedSender, known: set[str], *, asked: bool) -> None:
    """Refuse an entry that names nobody, or somebody who could not be told from others."""
    name = sender.address or sender.certificate or "one"
    fault = hint = ""
    if sender.site not in known:
        fault = f"is of site {sender.site!r}{nearest(sender.site, known)}"
    elif name == "one":
        fault, hint = "names nobody", "set address or certificate"
    elif sender.address and sender.certificate:
        fault, hint = "has a certificate too", "make two entries: each believes one of the two"
    elif sender.certificate and not asked:
        fault, hint = "shows no certificate", "set client_ca in [syslog_tls]: nobody is asked yet"
    elif sender.certificate and sender.udp:
        fault, hint = "cannot show a certificate over UDP", "leave out udp, or set address"
    if fault:
        raise SettingsError(f"believed_senders: {name} {fault}", hint=hint)


def _check_listen(listen: Listen) -> None:
    """Refuse one port for two kinds of data: who sends would be heard by either, or by nobody."""
    for names in (("flows", "syslog_udp"), ("syslog_tcp", "syslog_tls", "ipfix_tcp", "ipfix_tls")):
        taken: dict[str, str] = {}
        for name in names:
            for at in getattr(listen, name):
                first = taken.setdefault(at, name)
                if not at.endswith(":0") and first != name:
                    message = f"listen: {at} stands under {first} and under {name}"
                    raise SettingsError(message, hint="give each a port of its own")


def _check_names(names: Names, known: set[str]) -> None:
    for each in names.capture:
        if each.site not in known:
            near = nearest(each.site, known)
            raise SettingsError(f"names.capture: one is of site {each.site!r}{near}")
    if names.capture and not names.reason:
        hint = "write down why names of hosts are kept, as the record of processing has it"
        raise SettingsError("names.capture: names.reason is empty", hint=hint)


def _check_site(name: str, site: str | None, known: set[str], *, used: bool) -> None:
    """Refuse a section whose site is not there, or not said where there are several."""
    if used and site is None and len(known) > 1:
        raise SettingsError(f"{name}: site is not set", hint=f"one of {', '.join(sorted(known))}")
    if site is not None and site not in known:
        raise SettingsError(f"{name}: there is no site {site!r}{nearest(site, known)}")
