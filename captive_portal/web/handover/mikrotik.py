"""MikroTik Hotspot: its login.html leads here, and takes the form at /login."""

from __future__ import annotations

import hashlib
import re

from captive_portal.settings import NasKind
from captive_portal.web.handover.hint import Forged, Form, Given, Hint, Query, Target

_OCTAL = re.compile(rb"(?:\\[0-3][0-7]{2})+")
_MOST_CHALLENGE = 64


class Mikrotik:
    """RouterOS: `$(mac-esc)`, `$(ip)`, `$(link-login-only-esc)`, `$(chap-id-esc)` and so on."""

    word = "mikrotik"
    kind: NasKind = "mikrotik"
    ports = (80, 443)
    trusts_form = False

    def read(self, query: Query) -> Hint | None:
        """Return what login.html says of a device."""
        if not query.has("link-login-only", "mac"):
            return None
        chap_id = _octets(query.octets("chap-id"))
        challenge = _octets(query.octets("chap-challenge"))
        if len(chap_id) > 1 or len(challenge) > _MOST_CHALLENGE or bool(chap_id) != bool(challenge):
            raise Forged("chap")
        return Hint(
            mac=query.mac("mac"),
            ip=query.address("ip"),
            target=query.url("link-login-only"),
            extra={"chap-id": chap_id.hex(), "chap-challenge": challenge.hex()},
            refused=bool(query.text("error")),
        )

    def form(self, hint: Hint, where: Target, given: Given) -> Form:
        """Return the form of /login; the proof by CHAP is made here, so that no script need run."""
        password = given.password
        if hint.extra["chap-id"]:
            chap_id, challenge = (
                bytes.fromhex(hint.extra[name]) for name in ("chap-id", "chap-challenge")
            )
            proof = hashlib.md5(chap_id + password.encode() + challenge)  # noqa: S324  # as it asks
            password = proof.hexdigest()
        fields = (("username", given.user), ("password", password), ("dst", given.back))
        return Form(action=f"{where.origin}/login", fields=fields)


def _octets(value: bytes) -> bytes:
    r"""Return octets that stand there as they are, or as `\371` of three octal digits."""
    if _OCTAL.fullmatch(value):
        return bytes(int(digits, 8) for digits in value.decode().split("\\")[1:])
    return value
