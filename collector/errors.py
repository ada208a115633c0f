"""The collector's errors: one family, each with what to do next."""

from typing_extensions import override


class CollectorError(Exception):
    """Something the collector could not do; `hint` says what to do next."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint

    @override
    def __str__(self) -> str:
        """Return the message and, where there is one, the hint, on one line."""
        message = super().__str__()
        return f"{message}; {self.hint}" if self.hint else message


class Malformed(CollectorError):
    """Bytes from outside that do not follow their format. Counted, never fatal."""


class SettingsError(CollectorError):
    """A setting that is wrong: which one, where, and the nearest right one."""


class SpoolError(CollectorError):
    """The spool cannot take or give frames."""


class SpoolFull(SpoolError):
    """The disk is too full to promise that a frame is kept."""


class StoreError(CollectorError):
    """Parts, segments or the catalogue cannot be written or read."""


class SealError(CollectorError):
    """The ledger cannot go on; nothing was signed."""


class Busy(CollectorError):
    """Another process holds the lock."""
