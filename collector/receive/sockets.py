"""Opening sockets: the kernel's time stamps, its drop counter, and a buffer for bursts."""

from __future__ import annotations

import contextlib
import errno
import logging
import socket
from collections.abc import Iterable, Iterator
from ipaddress import ip_address

from collector.errors import CollectorError
from collector.receive import bpf

# <asm-generic/socket.h>; Python 3.11 names none of these.
SO_RCVBUFFORCE = 33
SO_TIMESTAMPNS = 35
SO_RXQ_OVFL = 40
_MOST_BUFFER = (1 << 30) - 1
"""The kernel doubles what is asked for, in 31 bits."""

_log = logging.getLogger(__name__)

Endpoint = tuple[str, int]


def endpoint(text: str) -> Endpoint:
    """Return address and port of a setting such as `0.0.0.0:2055` or `[::]:2055`."""
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


def shown(address: Endpoint) -> str:
    """Return an endpoint as one writes it."""
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def open_udp(
    at: Endpoint, *, count: int, buffer_bytes: int, beside: Iterable[Endpoint]
) -> list[socket.socket]:
    """Return bound, non-blocking UDP sockets that share one port.

    Args:
        at: Where.
        count: How many (SO_REUSEPORT); each sender's datagrams come to one of them.
        buffer_bytes: Kernel buffer asked for, each; what was got is logged when it is less.
        beside: All endpoints of this kind, for IPv6 that has an IPv4 wildcard beside it.

    Raises:
        CollectorError: the port is taken or may not be opened.
    """
    found: list[socket.socket] = []
    try:
        # Alone first: sockets that share a port would let a second box of the same user in too.
        with _opening("udp", at, socket.SOCK_DGRAM, beside) as alone:
            alone.bind(at)
            at = (at[0], alone.getsockname()[1])
            alone.close()
        for _ in range(count):
            found.append(_open_one(at, buffer_bytes, beside, shared=count > 1))
        if count > 1:
            _spread(found, at)
        _tell_buffer(found, at, buffer_bytes)
    except BaseException:
        for each in found:
            each.close()
        raise
    return found


def _open_one(
    at: Endpoint, buffer_bytes: int, beside: Iterable[Endpoint], *, shared: bool
) -> socket.socket:
    with _opening("udp", at, socket.SOCK_DGRAM, beside) as opened:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, int(shared))
        opened.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        opened.setsockopt(socket.SOL_SOCKET, SO_RXQ_OVFL, 1)
        _ask_buffer(opened, buffer_bytes)
        opened.bind(at)
        opened.setblocking(False)
        return opened


def _spread(found: list[socket.socket], at: Endpoint) -> None:
    try:
        bpf.spread(found[0], len(found))
    except OSError as error:
        _log.warning(
            "udp %s: one socket instead of %d: the kernel does not keep senders apart: %s",
            shown(at),
            len(found),
            error.strerror,
        )
        while len(found) > 1:
            found.pop().close()


def open_tcp(at: Endpoint, *, beside: Iterable[Endpoint]) -> socket.socket:
    """Return a listening, non-blocking TCP socket.

    Raises:
        CollectorError: the port is taken or may not be opened.
    """
    with _opening("tcp", at, socket.SOCK_STREAM, beside) as opened:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind(at)
        opened.listen(512)
        opened.setblocking(False)
        return opened


def buffer_got(opened: socket.socket) -> int:
    """Return the receive buffer in bytes, as it was asked for: the kernel doubles it for itself."""
    return opened.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2


@contextlib.contextmanager
def _opening(
    kind: str, at: Endpoint, socket_type: int, beside: Iterable[Endpoint]
) -> Iterator[socket.socket]:
    """Give a socket to set up; when that fails, close it and say why."""
    family = socket.AF_INET6 if ":" in at[0] else socket.AF_INET
    opened = socket.socket(family, socket_type)
    try:
        if family == socket.AF_INET6:
            # With an IPv4 wildcard on the same port, IPv6 takes only its own.
            alone = not any(ip_address(host).version == 4 for host, port in beside if port == at[1])
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(not alone))
        yield opened
    except OSError as error:
        opened.close()
        raise CollectorError(
            f"cannot listen on {kind} {shown(at)}: {error.strerror}",
            hint=_HINTS.get(error.errno, _HINT),
        ) from error


_HINT = "see [listen] and the ports of [[exporters]] in prathu.toml"
_HINTS: dict[int | None, str] = {
    errno.EADDRINUSE: "another program has the port (ss -lntup): stop it, or change [listen]",
    errno.EACCES: "ports below 1024 need CAP_NET_BIND_SERVICE: change [listen], or run by systemd",
    errno.EADDRNOTAVAIL: "this machine has no such address (ip address): change [listen]",
}


def _ask_buffer(opened: socket.socket, wanted: int) -> None:
    """Ask for a large buffer, past the limit where we may."""
    wanted = min(wanted, _MOST_BUFFER)
    try:
        opened.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, wanted)
    except OSError:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, wanted)


def _tell_buffer(found: list[socket.socket], at: Endpoint, wanted: int) -> None:
    """Say how large the buffers are, with the knob when they are smaller than wanted."""
    wanted, got = min(wanted, _MOST_BUFFER), buffer_got(found[0])
    if got < wanted:
        _log.warning(
            "udp %s: asked for a buffer of %d bytes, got %d; bursts may be lost: "
            "sysctl -w net.core.rmem_max=%d",
            shown(at),
            wanted,
            got,
            wanted,
        )
    else:
        _log.info("udp %s: kernel buffers of %d × %d bytes", shown(at), len(found), got)
