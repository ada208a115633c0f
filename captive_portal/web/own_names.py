"""Which requests are for the portal itself, and which a gate has turned here (RFC 8952 2.1).

A device that looks for the Internet asks some host of its maker's. Before sign-in the answer comes
from here: go to the page. Nothing of what it asked for is repeated in the answer, so that nobody
can make a link through us to elsewhere.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from urllib.parse import urlsplit

from starlette.requests import Request

from captive_portal.settings import SignIn


class OwnNames:
    """Tells our names from others'."""

    def __init__(
        self, settings: SignIn, *, gated: Callable[[Request], bool] = lambda _: False
    ) -> None:
        """Keep the names; `gated` says whether the box's own gate is in front of a device."""
        self._gated = gated
        self._page = settings.public_url
        names = {*settings.names, urlsplit(settings.public_url).hostname or "", "localhost"}
        self._names = {name.lower() for name in names if name}

    def elsewhere(self, request: Request) -> str | None:
        """Return the page's address for a request that is for somebody else, None for one of ours.

        Behind the box's own gate an address is ours only if the connection came to it: the gate
        turns here who asked for any other. Elsewhere it is ours, as somebody may translate it.
        """
        host = (request.url.hostname or "").lower()
        if not host or host in self._names:
            return None
        if _is_address(host) and (_same(host, request) or not self._gated(request)):
            return None
        return self._page or f"http://{_here(request)}/"


def _same(host: str, request: Request) -> bool:
    """Say whether the connection came to this address."""
    return str(ipaddress.ip_address(host.strip("[]"))) == _server(request)[0]


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def _here(request: Request) -> str:
    """Return our own address on the connection, as the kernel gives it."""
    host, port = _server(request)
    shown = f"[{host}]" if ":" in host else host
    return shown if port in (80, None) else f"{shown}:{port}"


def _server(request: Request) -> tuple[str, int | None]:
    """Return our end of the connection: its address, and its port."""
    server = request.scope.get("server") or ("127.0.0.1", 80)
    return str(server[0]).removeprefix("::ffff:").partition("%")[0], server[1]
