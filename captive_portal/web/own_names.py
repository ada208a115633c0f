"""Which requests are for the portal itself, and which a gate has turned here (RFC 8952 2.1).

A device that looks for the Internet asks some host of its maker's. Before sign-in the answer comes
from here: go to the page. Nothing of what it asked for is repeated in the answer, so that nobody
can make a link through us to elsewhere.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from starlette.requests import Request

from captive_portal.settings import SignIn


class OwnNames:
    """Tells our names from others'."""

    def __init__(self, settings: SignIn) -> None:
        self._page = settings.public_url
        names = {*settings.names, urlsplit(settings.public_url).hostname or "", "localhost"}
        self._names = {name.lower() for name in names if name}

    def elsewhere(self, request: Request) -> str | None:
        """Return the page's address for a request that is for somebody else, None for one of ours.

        An address of a host is ours: the gate turns only those here who asked for the box, or whom
        it answers in the name of others; those get the page anyway.
        """
        host = (request.url.hostname or "").lower()
        if not host or host in self._names or _is_address(host):
            return None
        return self._page or f"http://{_here(request)}/"


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def _here(request: Request) -> str:
    """Return our own address on the connection, as the kernel gives it."""
    server = request.scope.get("server") or ("localhost", 80)
    host, port = str(server[0]).removeprefix("::ffff:"), server[1]
    shown = f"[{host}]" if ":" in host else host
    return shown if port in (80, None) else f"{shown}:{port}"
