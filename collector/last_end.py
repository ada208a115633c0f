"""How the sealing process ended the last time, for the `gap` entries of the next start.

One small file in `state/` says it: `running` while the process lives, with the id of the boot;
`stopped` after an orderly stop; `full` after the disk took no more. Its name is changed, never its
content, since a full disk still takes a rename.
"""

from __future__ import annotations

import errno
from contextlib import suppress
from pathlib import Path

from collector import durable

_RUNNING, _STOPPED, _FULL = "running", "stopped", "full"


class LastEnd:
    """The file of one home; `boot_id` is that of now."""

    def __init__(self, home: Path, boot_id: str) -> None:
        self._folder = home / "state"
        self._boot_id = boot_id

    def cause(self) -> str:
        """Return the cause of the gap since the last end, a word of the ledger.

        A box that was started anew without an orderly stop lost its power, or as good as that.
        """
        if (self._folder / _STOPPED).exists():
            return "stopped"
        if (self._folder / _FULL).exists():
            return "disk-full"
        with suppress(OSError):
            if (self._folder / _RUNNING).read_text() != self._boot_id:
                return "power"
        return "unknown"

    def begin(self) -> None:
        """Say that the process runs; what ended the last one is in the ledger by now."""
        durable.replace(self._folder / _RUNNING, self._boot_id.encode())
        for name in (_STOPPED, _FULL):
            (self._folder / name).unlink(missing_ok=True)

    def stopped(self) -> None:
        """Say that the stop was meant."""
        durable.rename(self._folder / _RUNNING, self._folder / _STOPPED)

    def failed(self, error: BaseException) -> None:
        """Say that the disk was full, if that is what ended the process."""
        if disk_full(error):
            with suppress(OSError):
                (self._folder / _RUNNING).rename(self._folder / _FULL)


def disk_full(error: BaseException | None) -> bool:
    """Return whether an error comes from a disk, or a share of one, that takes no more."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        error = error.__cause__ or error.__context__
    return False
