"""The appliance's errors: one family, each with what to do next and an exit status."""

from typing_extensions import override


class BoxError(Exception):
    """Something the box could not do now; `hint` says what to do next."""

    status = 3

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint

    @override
    def __str__(self) -> str:
        """Return the message and, where there is one, the hint, on one line."""
        message = super().__str__()
        return f"{message}; {self.hint}" if self.hint else message


class WrongUse(BoxError):
    """The command, question or form was wrong; the message says where."""

    status = 2


class WrongQuestion(WrongUse):
    """A question that cannot be read: the place and the nearest right word."""


class NotFound(BoxError):
    """The answer is no."""

    status = 1
