"""What the kernel says that it dropped: at a socket of ours, and before any socket.

A socket's counter comes with its next datagram (SO_RXQ_OVFL), so a socket that fell silent would
keep what it knows to itself. It is asked for instead: of the socket's own memory (SO_MEMINFO,
Linux 4.12), else of the list of all sockets (`/proc/net/udp`).
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterable
from pathlib import Path

from collector.receive.losses import Losses, What

SO_MEMINFO = 55
_MEMINFO = struct.Struct("@9I")
_LISTS = {socket.AF_INET: "udp", socket.AF_INET6: "udp6"}
_INODE = 9
"""Place of the inode in a line of /proc/net/udp; the drops stand last."""
PROC = Path("/proc/net")
BACKLOG = (
    "the machine's queue of packets ran over before any port was looked at: whose they were is "
    "unknown; raise net.core.netdev_max_backlog"
)
FRAGMENTS = "datagrams in pieces of which one never came: whose they were is unknown"


def at_socket(opened: socket.socket) -> int | None:
    """Return the kernel's 32-bit count of datagrams it dropped at this socket, if it tells."""
    try:
        memory = opened.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, _MEMINFO.size)
    except OSError:
        memory = b""
    if len(memory) < _MEMINFO.size:
        return listed(opened)
    drops: int = _MEMINFO.unpack(memory)[8]
    return drops


def listed(opened: socket.socket) -> int | None:
    """Return the same by the list of all UDP sockets; None for one that is not in it."""
    name = _LISTS.get(opened.family)
    if name is None or opened.type != socket.SOCK_DGRAM:
        return None
    inode = str(os.fstat(opened.fileno()).st_ino)
    for line in _lines(name)[1:]:
        words = line.split()
        if len(words) > _INODE + 1 and words[_INODE] == inode:
            return int(words[-1])
    return None


class HostDrops:
    """What the kernel dropped of all that came to this machine, before any socket."""

    def __init__(self) -> None:
        self.backlog = 0
        """Packets, since the start."""
        self.fragments = 0
        """Datagrams of which a piece is missing, since the start."""
        self._queues = _queues()
        self._pieces = _fragments()

    def tell(self, losses: Losses, sites: Iterable[str]) -> None:
        """Write down what was dropped since the last time, for every site: it may be of any."""
        queues, pieces = _queues(), _fragments()
        backlog = sum(
            now - before & 0xFFFFFFFF
            for now, before in zip(queues, self._queues, strict=False)
            if now != before
        )
        fragments = max(0, pieces - self._pieces)
        self._queues, self._pieces = queues, pieces
        self.backlog += backlog
        self.fragments += fragments
        for count, note in ((backlog, BACKLOG), (fragments, FRAGMENTS)):
            for site in sites if count else ():
                what = What(site=site, kind="host-drop", source="", unit="packets", note=note)
                losses.add(what, count)

    def status(self) -> dict[str, int]:
        """Return the counts since the start."""
        return {"backlog": self.backlog, "fragments": self.fragments}


def _queues() -> list[int]:
    """Return what each CPU dropped because its queue was full: the second column, 32 bits."""
    columns = [line.split() for line in _lines("softnet_stat")]
    return [_number(words[1], 16) for words in columns if len(words) > 1]


def _fragments() -> int:
    """Return how many datagrams could not be put together (RFC 4293: ipReasmFails)."""
    four = [line.split() for line in _lines("snmp") if line.startswith("Ip:")]
    told = dict(zip(*four, strict=False)) if len(four) == 2 else {}  # names, then values
    told |= {words[0]: words[1] for line in _lines("snmp6") if len(words := line.split()) == 2}
    return sum(_number(told.get(name, "0")) for name in ("ReasmFails", "Ip6ReasmFails"))


def _number(text: str, base: int = 10) -> int:
    try:
        return int(text, base)
    except ValueError:
        return 0


def _lines(name: str) -> list[str]:
    """Return the lines of a file of the kernel; none where it tells nothing."""
    try:
        return (PROC / name).read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return []
