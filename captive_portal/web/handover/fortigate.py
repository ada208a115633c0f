"""FortiGate with an external portal: `post` and `magic` come, /fgtauth takes the form."""

from __future__ import annotations

from captive_portal.settings import NasKind
from captive_portal.web.handover.hint import Forged, Form, Given, Hint, Query, Target


class Fortigate:
    """FortiOS: `?login&post=https://…:1003/fgtauth&magic=…&usermac=…&userip=…&ssid=…`."""

    word = "fortigate"
    kind: NasKind = "fortigate"
    ports = (1000, 1003)
    trusts_form = False

    def read(self, query: Query) -> Hint | None:
        """Return what a FortiGate says of a device."""
        if not query.has("magic", "post"):
            return None
        magic = query.text("magic")
        if not magic.isascii() or not magic.isalnum():
            raise Forged("magic")
        return Hint(
            mac=query.mac("usermac"),
            ip=query.address("userip"),
            ssid=query.text("ssid"),
            target=query.url("post"),
            extra={"magic": magic},
        )

    def form(self, hint: Hint, where: Target, given: Given) -> Form:
        """Return the form of /fgtauth."""
        fields = (
            ("magic", hint.extra["magic"]),
            ("username", given.user),
            ("password", given.password),
            ("4Tredir", given.back),
        )
        return Form(action=f"{where.origin}/fgtauth", fields=fields)
