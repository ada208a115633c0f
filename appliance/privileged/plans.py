"""The plan of the gate from all settings of the box."""

from __future__ import annotations

from ipaddress import ip_network

from appliance.settings import BoxSettings
from captive_portal.gate import plan


def of(settings: BoxSettings) -> plan.Plan | None:
    """Return the plan, or None: the box is nobody's router. Raises PortalError."""
    return plan.build(
        settings.zones,
        settings.gateway,
        ports=_box_ports(settings),
        public_url=settings.sign_in.public_url,
        providers=settings.oidc,
    )


def _box_ports(settings: BoxSettings) -> plan.Ports:
    """Return where exporters, NASes and browsers come in."""
    listen, radius = settings.listen, settings.radius
    senders = [each.address for each in settings.exporters]
    senders += [each.network for each in radius.clients]
    own_ports = [each.port for each in settings.exporters if each.port]
    udp = [*_ports(listen.flows), *_ports(listen.syslog_udp), *own_ports]
    udp += [radius.authentication_port, radius.accounting_port, radius.coa_port]
    tcp = [port for name in ("syslog_tcp", "syslog_tls", "ipfix_tcp", "ipfix_tls")
           for port in _ports(getattr(listen, name))]  # fmt: skip
    return plan.Ports(
        page=settings.sign_in.port,
        page_tls=settings.sign_in.tls_port or 0,
        senders=tuple(ip_network(each, strict=False) for each in dict.fromkeys(senders)),
        senders_udp=tuple(udp),
        senders_tcp=tuple(tcp),
    )


def _ports(listed: tuple[str, ...]) -> list[int]:
    return [int(each.rpartition(":")[2]) for each in listed]
