"""Asks the kernel over rtnetlink, and hears what it tells."""

from __future__ import annotations

import contextlib
import errno
import socket
from collections.abc import Iterator

from collector.decode import neighbours
from collector.decode.neighbours import Messages
from collector.errors import Malformed

RTMGRP_NEIGH = 4
RECEIVE_BUFFER = 1 << 20
LARGEST = 1 << 16
_MOST_DATAGRAMS = 10_000
"""Of one dump, or of one look: the rest is for the next."""


class Overrun(Exception):
    """The kernel told more than there was room for: something went unheard."""


def dump(kind: int) -> list[Messages]:
    """Return a whole table.

    Raises:
        OSError: the kernel does not answer.
        Malformed: it answers with an error.
    """
    found: list[Messages] = []
    with _opened(0) as asking:
        asking.settimeout(5.0)
        asking.send(neighbours.request(kind, sequence=1))
        while not found or not (found[-1].done or len(found) >= _MOST_DATAGRAMS):
            found.append(neighbours.read(asking.recv(LARGEST)))
    return found


class Listener:
    """Hears of every change of the neighbour tables."""

    def __init__(self) -> None:
        self._socket = _opened(RTMGRP_NEIGH)
        self._socket.setblocking(False)

    def close(self) -> None:
        """Close."""
        self._socket.close()

    def heard(self) -> Iterator[Messages]:
        """Give what was told since last asked; what is not understood is left out.

        Raises:
            Overrun: some of it was lost.
        """
        for _ in range(_MOST_DATAGRAMS):
            try:
                datagram = self._socket.recv(LARGEST)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno == errno.ENOBUFS:
                    raise Overrun from error
                raise
            with contextlib.suppress(Malformed):
                yield neighbours.read(datagram)


def _opened(groups: int) -> socket.socket:
    opened = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    opened.bind((0, groups))
    return opened
