"""Aruba controllers, Instant and Instant On: `cmd=login`, and a form at /cgi-bin/login."""

from __future__ import annotations

from captive_portal.settings import NasKind
from captive_portal.web.handover.hint import Form, Given, Hint, Query, Target


class Aruba:
    """`switchip` names a controller, `post` an Instant On access point; Instant names neither."""

    word = "aruba"
    kind: NasKind = "aruba"
    ports = (80, 443)
    trusts_form = False

    def read(self, query: Query) -> Hint | None:
        """Return what a controller or an access point says of a device."""
        if query.text("cmd").lower() != "login" or not query.has("mac"):
            return None
        named = next((name for name in ("switchip", "post") if query.has(name)), "")
        return Hint(
            mac=query.mac("mac"),
            ip=query.address("ip"),
            ssid=query.text("essid") or query.text("network"),
            target=query.host(named, "https", 443) if named else None,
            refused=bool(query.text("errmsg")),
        )

    def form(self, hint: Hint, where: Target, given: Given) -> Form:  # noqa: ARG002  # as others
        """Return the form of /cgi-bin/login."""
        fields = (
            ("user", given.user),
            ("password", given.password),
            ("cmd", "authenticate"),
            ("url", given.back),
        )
        return Form(action=f"{where.origin}/cgi-bin/login", fields=fields)
