"""How much has passed the box, as the kernel counts it by interface (proc(5), `/proc/net/dev`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

FILE = Path("/proc/net/dev")


class Traffic:
    """What comes in by some interfaces: no packet of a session comes in by another one."""

    def __init__(self, interfaces: Sequence[str], *, file: Path = FILE) -> None:
        self._interfaces = frozenset(interfaces)
        self._file = file

    def __call__(self) -> int | None:
        """Return the bytes received since the machine began; None: an interface is not there."""
        found = dict[str, int]()
        try:
            for line in self._file.read_text(encoding="ascii", errors="replace").splitlines():
                name, colon, figures = line.partition(":")
                if colon and name.strip() in self._interfaces:
                    found[name.strip()] = int(figures.split()[0])
        except (OSError, ValueError, IndexError):
            return None
        return sum(found.values()) if len(found) == len(self._interfaces) else None
