"""What every request and every answer goes through: size, host, and the headers that bind browsers.

Pages may load from this box alone and carry no inline script or style, so that a name or a URL
that somebody managed to write into a log can never run.
"""

from __future__ import annotations

from collections.abc import Iterable

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BODY_LIMIT = 64 * 1024
"""Bytes. Forms are small."""
UPLOAD_LIMIT = 33 << 20
"""Bytes, where a school's roll is taken in."""
UPLOADS = frozenset({"/people/roll"})

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'; object-src 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


class Guard:
    """ASGI middleware; the outermost, so that error answers carry the headers too."""

    def __init__(self, app: ASGIApp, *, hosts: Iterable[str]) -> None:
        self._app = app
        self._hosts = frozenset(hosts)
        """Names by which the box may be called; empty allows any."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse what is too large or for another host; add the headers to the answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                # Files may be kept but are asked for anew, so that an update shows at once.
                static = scope["path"].startswith("/static/")
                headers.setdefault("Cache-Control", "no-cache" if static else "no-store")
            await send(message)

        limit = UPLOAD_LIMIT if scope["path"] in UPLOADS else BODY_LIMIT
        refusal = self._refusal(scope["method"], Headers(scope=scope), limit)
        await (refusal or self._app)(scope, receive, with_headers)

    def _refusal(self, method: str, headers: Headers, limit: int) -> ASGIApp | None:
        # A page on another name that resolves to loopback must not read the box (DNS rebinding).
        if self._hosts and _host(headers.get("host", "")) not in self._hosts:
            return PlainTextResponse("this box is not known by that name\n", status_code=421)
        if method in ("GET", "HEAD"):
            return None
        length = headers.get("content-length", "")
        if not length.isdecimal() or "transfer-encoding" in headers:
            return PlainTextResponse("a body needs its Content-Length\n", status_code=411)
        if int(length) > limit:
            most = f"{limit >> 10:,} KiB"
            both = f"ส่งข้อมูลได้ไม่เกิน {most} · at most {most}\n"
            return PlainTextResponse(both, status_code=413)
        return None


def _host(value: str) -> str:
    if value.startswith("["):
        return value[1:].partition("]")[0]
    return value.partition(":")[0].lower()


def hosts_for(listen: str) -> frozenset[str]:
    """Return the names allowed for a listening address: bound only on loopback."""
    if listen in ("127.0.0.1", "::1", "localhost"):
        return frozenset({"127.0.0.1", "::1", "localhost"})
    return frozenset()
