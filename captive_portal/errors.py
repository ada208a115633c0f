"""The portal's errors: one family, each with what to do next."""

import errno
from datetime import datetime

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


class Unfit(PortalError):
    """What somebody gave cannot be taken as it is: a word, a number, a day, a password."""


class Refused(PortalError):
    """A sign-in that was not accepted. Says the same whether or not the account exists."""


class Denied(PortalError):
    """Who it is was right, but they may not be on now; nothing was begun.

    `reason` is a word of `captive_portal.sessions.policy.Reason`, for pages to say it with;
    `opens` is when hours begin and end next, where it is for them.
    """

    def __init__(self, reason: str, opens: tuple[datetime, datetime] | None = None) -> None:
        super().__init__(f"may not be on now: {reason}")
        self.reason = reason
        self.opens = opens


class ReportError(PortalError):
    """The collector could not be told; nothing may be acknowledged."""


class ReportRefused(ReportError):
    """The collector was told and took nothing: an event, or the disk, is at fault."""


class GateError(PortalError):
    """The gate could not be changed or read."""


def cannot_listen(what: str, host: str, port: int, section: str, error: OSError) -> PortalError:
    """Return what to say of a port that cannot be opened.

    Args:
        what: What would have come there.
        host: The address asked for.
        port: The port asked for.
        section: The table of the settings that they stand under.
        error: Why not.
    """
    hints: dict[int | None, str] = {
        errno.EADDRINUSE: f"another program has the port (ss -lntup): stop it, or change {section}",
        errno.EADDRNOTAVAIL: f"this machine has no such address (ip address): change {section}",
        errno.EACCES: f"ports below 1024 need CAP_NET_BIND_SERVICE: change {section}",
    }
    return PortalError(
        f"cannot listen for {what} on {host}:{port}: {error.strerror}",
        hint=hints.get(error.errno, f"change {section} in prathu.toml"),
    )
