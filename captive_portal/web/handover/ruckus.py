"""Ruckus WISPr hotspots: ZoneDirector and Unleashed, and SmartZone."""

from __future__ import annotations

from captive_portal.settings import NasKind
from captive_portal.web.handover.hint import Forged, Form, Given, Hint, Query, Target

_KEPT = ("uip", "client_mac", "proxy", "ssid")


class Ruckus:
    """`sip`, `client_mac`, `uip` and so on; SmartZone says `nbiIP` or `zoneName` too."""

    word = "ruckus"
    kind: NasKind = "ruckus"
    ports = (9997, 9998)
    trusts_form = True

    def read(self, query: Query) -> Hint | None:
        """Return what a controller or an access point says of a device."""
        if not query.has("sip", "client_mac"):
            return None
        if query.text("client_mac").startswith("ENC"):
            raise Forged("encrypted-mac")
        extra = {name: query.text(name) for name in _KEPT if query.has(name)}
        smart_zone = query.has("nbiIP") or query.has("zoneName")
        return Hint(
            mac=query.mac("client_mac"),
            ip=query.address("uip"),
            ssid=query.text("ssid"),
            target=query.host("sip", "http", 9997),
            extra=extra | ({"smart-zone": "yes"} if smart_zone else {}),
            refused=query.text("reason").lower().startswith("fail"),
        )

    def form(self, hint: Hint, where: Target, given: Given) -> Form:
        """Return the form of the hotspot; by https where our own page has it."""
        if given.back.startswith("https:") and where.port == 9997:
            where = Target("https", where.host, 9998)
        smart_zone = "smart-zone" in hint.extra
        kept = tuple((name, hint.extra[name]) for name in _KEPT if name in hint.extra)
        fields = (("username", given.user), ("password", given.password), ("url", given.back))
        path = "/SubscriberPortal/hotspotlogin" if smart_zone else "/login"
        return Form(action=where.origin + path, fields=fields + (kept if smart_zone else ()))
