"""pfSense: its own page leads here by three lines of HTML, and takes the form itself."""

from __future__ import annotations

import re

from captive_portal.settings import NasKind
from captive_portal.web.handover.hint import Forged, Form, Given, Hint, Query, Target

_ZONE = re.compile(r"[A-Za-z0-9_]{1,64}")


class Pfsense:
    """`portal_action`, `zone`, `client_mac`, `client_ip`, as docs/guides/pfsense.md writes them."""

    word = "pfsense"
    kind: NasKind = "pfsense"
    ports = range(8000, 8200)
    trusts_form = False

    def read(self, query: Query) -> Hint | None:
        """Return what the page says of a device."""
        if not query.has("portal_action", "client_mac"):
            return None
        zone = query.text("zone")
        if not _ZONE.fullmatch(zone):
            raise Forged("zone")
        return Hint(
            mac=query.mac("client_mac"),
            ip=query.address("client_ip"),
            target=query.url("portal_action"),
            extra={"zone": zone},
        )

    def form(self, hint: Hint, where: Target, given: Given) -> Form:
        """Return the form of the zone."""
        fields = (
            ("auth_user", given.user),
            ("auth_pass", given.password),
            ("zone", hint.extra["zone"]),
            ("redirurl", given.back),
            ("accept", "Continue"),
        )
        return Form(action=f"{where.origin}/index.php?zone={hint.extra['zone']}", fields=fields)
