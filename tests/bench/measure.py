"""What a process cost and what the kernel dropped, from /proc."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

TICK_S = 1 / os.sysconf("SC_CLK_TCK")


def cpu_s(pid: int) -> float:
    """Return the CPU time of a process and its threads, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * TICK_S


def pss_bytes(pids: Iterable[int]) -> int:
    """Return the memory of processes together, each shared page counted once (PSS)."""
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1]) << 10
    return total


def kernel_drops(port: int) -> int:
    """Return how many datagrams the kernel dropped at the UDP sockets of a port."""
    return sum(int(fields[-1]) for fields in _sockets(port))


def kernel_queue(port: int) -> int:
    """Return the bytes that wait at the UDP sockets of a port."""
    return sum(int(fields[4].rpartition(":")[2], 16) for fields in _sockets(port))


def _sockets(port: int) -> list[list[str]]:
    tables = [Path(f"/proc/net/{name}").read_text() for name in ("udp", "udp6")]
    lines = [line.split() for table in tables for line in table.splitlines()[1:]]
    return [fields for fields in lines if int(fields[1].rpartition(":")[2], 16) == port]


def size_bytes(folder: Path, pattern: str = "*") -> int:
    """Return the bytes of the files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob(pattern) if path.is_file())
