"""The ports of the sign-in page: http, and https where the settings ask for it."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import resource
import socket
from collections.abc import Generator, Mapping
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import uvicorn
from starlette.types import ASGIApp
from typing_extensions import override

from captive_portal.errors import cannot_listen
from captive_portal.settings import SignIn
from captive_portal.web import certificate
from captive_portal.web.certificate import Certificate
from captive_portal.web.connections import BoundedProtocol
from collector.records import Clock, time_of

SELF_MADE = Path("tls") / "sign-in.crt"
"""Where the box puts a certificate of its own, below the home."""
WAITING = 1024
"""Connections that the kernel holds until they are taken: a school comes at once at eight."""
MOST_AT_ONCE = 2000
"""Connections taken; the next ones are told to come again."""
OPEN_FILES = 65_536
"""A system begins a process with 1,024; a connection is one of them before it has said anything."""


class _QuietServer(uvicorn.Server):
    """uvicorn that leaves signals to whoever started the process."""

    @override
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Capture none."""
        yield


class PageServer:
    """Listens from the beginning of the block on; `serve` answers."""

    def __init__(self, app: ASGIApp, settings: SignIn, *, home: Path, clock: Clock) -> None:
        self._app = app
        self._settings = settings
        self._home = home
        self._clock = clock
        self._certificate: Certificate | None = None
        self._servers: list[tuple[_QuietServer, socket.socket]] = []
        self.ports: Mapping[str, int] = {}

    def __enter__(self) -> Self:
        """Open the ports.

        Raises:
            PortalError: a port is taken or not ours to open; the certificate cannot be used.
        """
        make_room()
        settings = self._settings
        ports = {"sign_in": self._open(settings.port)}
        if settings.tls_port is not None:
            self._certificate = self._load()
            ports["sign_in_tls"] = self._open(settings.tls_port, self._certificate)
        self.ports = ports
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for _, listener in self._servers:
            listener.close()

    async def serve(self) -> None:
        """Answer on all ports until `stop`."""
        async with asyncio.TaskGroup() as group:
            for server, listener in self._servers:
                group.create_task(server.serve(sockets=[listener]))

    def stop(self) -> None:
        """Let `serve` end what it is at, and return."""
        for server, _ in self._servers:
            server.should_exit = True

    async def renew_certificate(self) -> None:
        """Take up a new certificate.

        Raises:
            PortalError: it cannot be used; the old one stays.
        """
        if self._certificate is None:
            return
        if not self._settings.certificate:
            await asyncio.to_thread(self._make)
        await asyncio.to_thread(self._certificate.refresh)

    def standing(self) -> dict[str, object]:
        """Return how the certificate stands, for the status; empty without https."""
        if self._certificate is None:
            return {}
        ends = self._certificate.ends()
        return {
            "ends": ends.isoformat(),
            "days": (ends - self._now()).days,
            "self_made": self._certificate.self_made(),
        }

    def _open(self, port: int, secured: Certificate | None = None) -> int:
        config = uvicorn.Config(
            self._app,
            http=BoundedProtocol,
            log_config=None,
            log_level="warning",
            access_log=False,
            lifespan="off",
            server_header=False,
            proxy_headers=False,
            limit_concurrency=MOST_AT_ONCE,
            timeout_keep_alive=5,
            timeout_graceful_shutdown=3,
        )
        config.load()
        config.ssl = secured.context if secured else None
        listener = listen(self._settings.host, port)
        self._servers.append((_QuietServer(config), listener))
        return int(listener.getsockname()[1])

    def _load(self) -> Certificate:
        if not self._settings.certificate:
            self._make()
        return _certificate(self._home, self._settings)

    def _make(self) -> None:
        host = urlsplit(self._settings.public_url).hostname
        names = [name for name in (host, *self._settings.names) if name] or [socket.gethostname()]
        key = self._home / self._settings.certificate_key
        certificate.make(self._home / SELF_MADE, key, names, now=self._now())

    def _now(self) -> datetime:
        return time_of(self._clock)


def make_room() -> None:
    """Let this process have as many files open as it may, up to `OPEN_FILES`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def check_certificate(home: Path, settings: SignIn) -> None:
    """Try the certificate that the settings name; what the box makes itself is not made yet.

    Raises:
        PortalError: it cannot be used.
    """
    if settings.tls_port is not None and settings.certificate:
        _certificate(home, settings)


def _certificate(home: Path, settings: SignIn) -> Certificate:
    path = home / (settings.certificate or SELF_MADE)
    return Certificate(path, home / settings.certificate_key)


def listen(host: str, port: int) -> socket.socket:
    """Return a listening TCP socket; `::` takes IPv4 too, and stands for it where there is no IPv6.

    Raises:
        PortalError: the port is taken, or is not ours to open.
    """
    try:
        return _listening(host, port)
    except OSError as error:
        if host == "::" and error.errno in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
            return listen("0.0.0.0", port)  # noqa: S104  # people's devices reach it from the LAN
        raise cannot_listen("sign-ins", host, port, "[sign_in]", error) from error


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind((host, port))
        listener.listen(WAITING)
    except OSError:
        listener.close()
        raise
    listener.setblocking(False)
    return listener
