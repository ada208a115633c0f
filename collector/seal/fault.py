"""What does not hold, with the number it has in the table of the evidence format."""

from collector.errors import SealError


class Refused(SealError):
    """Evidence that does not follow the format; `number` is that of the table, `E-01` to `E-25`."""

    def __init__(self, number: str, message: str) -> None:
        super().__init__(message)
        self.number = number
