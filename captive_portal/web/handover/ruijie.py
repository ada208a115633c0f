"""Ruijie and Reyee by WiFiDog: a token goes back with the device, and the gateway asks us of it."""

from __future__ import annotations

from captive_portal.settings import NasKind
from captive_portal.web.handover.hint import Form, Given, Hint, Query, Target


class Ruijie:
    """`gw_id`, `gw_address`, `gw_port`, `mac`, `ip`; then /wifidog/auth with a token."""

    word = "ruijie"
    kind: NasKind = "ruijie"
    ports = (2060,)
    trusts_form = False

    def read(self, query: Query) -> Hint | None:
        """Return what a gateway says of a device."""
        if not query.has("gw_id", "gw_address", "gw_port"):
            return None
        port = query.text("gw_port")
        number = int(port) if port.isascii() and port.isdecimal() and len(port) < 6 else 0
        return Hint(
            mac=query.mac("mac"),
            ip=query.address("ip"),
            ssid=query.text("ssid"),
            target=query.host("gw_address", "http", number),
        )

    def form(self, hint: Hint, where: Target, given: Given) -> Form:  # noqa: ARG002  # as others
        """Return the way back; the name is the first half of the token."""
        fields = (("token", f"{given.user}.{given.password}"),)
        return Form(action=f"{where.origin}/wifidog/auth", fields=fields, method="get")
