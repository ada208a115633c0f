"""What the writer does first: find the end of the newest file, whatever a crash left there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from typing_extensions import override

from collector.errors import SpoolError
from collector.spool import layout, lines


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """What opening the spool had to cut away or to leave out."""

    file: str
    offset: int
    cut_bytes: int
    lost: int
    """Frames that had been durable and are gone: more than a crash of the process explains."""

    @override
    def __str__(self) -> str:
        """Return it as a line for the log."""
        return (
            f"spool: cut {self.cut_bytes} bytes of an unfinished write from {self.file} at offset "
            f"{self.offset}; {self.lost} durable frames lost"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Tail:
    """Where the newest file ends."""

    mark: bytes
    number: int
    """Of the next frame."""
    end: int
    """Bytes that are whole frames."""
    torn: int
    """Bytes after them."""
    last_ns: int
    """When the last frame was received; 0 in an empty file."""


def examine(path: Path, floor: int) -> Tail:
    """Walk the newest file to its last whole frame.

    What follows it was never promised to anyone when no later frame is whole, or when those that
    are were written before the bad one was durable: a power cut keeps pages in any order.

    Args:
        path: The newest file.
        floor: All frames below this number were once durable.

    Raises:
        SpoolError: a bad frame that was durable, with good ones after it: that is damage.
    """
    data = path.read_bytes()
    number, _, mark = layout.read_header(data[: layout.FILE_HEADER], path)
    at, last_ns = layout.FILE_HEADER, 0
    while (parsed := layout.parse(data, at, mark)) is not None and parsed[0].number == number:
        last_ns, at = parsed[0].received_ns, parsed[2]
        number = lines.after(parsed[0])
    place = data.find(mark, at + 1)
    while place >= 0:
        later = layout.parse(data, place, mark)
        if later is not None and max(later[1], floor) > number:
            raise SpoolError(
                f"damage in {path} at offset {at}: frame {number} is bad, later ones are good",
                hint="keep a copy of the spool and see the disk; nothing was cut",
            )
        place = data.find(mark, place + 1)
    return Tail(mark=mark, number=number, end=at, torn=len(data) - at, last_ns=last_ns)
