"""Proofs that a form was filled in on a page of ours: without cookies, scripts or state.

A token is bound to the purpose, the device's address and a time; another site's page cannot read
it, and so cannot send the form in somebody's name.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

from collector.records import Clock

VALID_NS = 60 * 60 * 10**9
"""Nanoseconds that a page may stand open."""


class Tokens:
    """Makes and checks tokens. The key lives as long as the process."""

    def __init__(self, clock: Clock, key: bytes | None = None) -> None:
        self._clock = clock
        self._key = key or secrets.token_bytes(32)

    def make(self, *bound_to: str) -> str:
        """Return a token for this purpose, address and so on."""
        now = str(self._clock())
        return f"{now}.{self._sign(now, *bound_to)}"

    def good(self, token: str, *bound_to: str) -> bool:
        """Say whether `make` gave this token for the same, not too long ago."""
        made, _, signature = token.partition(".")
        if not made.isascii() or not made.isdecimal() or len(made) > 20:
            return False
        genuine = hmac.compare_digest(signature.encode(), self._sign(made, *bound_to).encode())
        return genuine and 0 <= self._clock() - int(made) <= VALID_NS

    def handle(self, *of: str) -> str:
        """Return what stands for something in a form, without saying what it is."""
        return self._sign("handle", *of)[:24]

    def _sign(self, *parts: str) -> str:
        text = "\x1f".join(parts).encode("utf-8", "surrogatepass")
        return hmac.new(self._key, text, hashlib.sha256).hexdigest()
