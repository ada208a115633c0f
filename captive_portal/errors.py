"""The portal's errors: one family, each with what to do next."""

from typing_extensions import override


class PortalError(Exception):
    """Something the portal could not do; `hint` says what to do next."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint

    @override
    def __str__(self) -> str:
        """Return the message and, where there is one, the hint, on one line."""
        message = super().__str__()
        return f"{message}; {self.hint}" if self.hint else message


class Refused(PortalError):
    """A sign-in that was not accepted. Says the same whether or not the account exists."""


class ReportError(PortalError):
    """The collector could not be told; nothing may be acknowledged."""


class ReportRefused(ReportError):
    """The collector was told and took nothing: an event, or the disk, is at fault."""
