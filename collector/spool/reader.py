"""The reading end of the spool, for other processes than the one that writes."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import Self

from collector.errors import SpoolError
from collector.records import Frame
from collector.spool import layout, lines


class SpoolReader:
    """Reads durable frames in order from the number `start`, while another process writes.

    Where that is the number of one of many lines in a frame, the whole frame is read.
    """

    def __init__(self, folder: Path, start: int) -> None:
        self._folder = folder
        self._position = start
        self._file = -1
        self._path = folder
        self._offset = 0
        self._next = 0
        """Number of the frame at the offset; below the position only right after opening."""
        self._mark = b""

    @property
    def position(self) -> int:
        """The number from which the next read goes on."""
        return self._position

    @property
    def unread_bytes(self) -> int:
        """How much of the file at hand was not read yet; 0 where none is open."""
        return os.fstat(self._file).st_size - self._offset if self._file >= 0 else 0

    def read(self, max_bytes: int) -> list[Frame]:
        """Return the next durable frames, about `max_bytes` of them, at least one if there is one.

        Raises:
            SpoolError: frames are damaged or gone: which file, where.
        """
        head, exact = layout.read_marker(self._folder)
        if self._position > head and exact:
            raise SpoolError(
                f"{self._folder} ends at frame {head}, but frame {self._position - 1} was read",
                hint="spool files were taken away: put them back; new frames would pass for old",
            )
        frames: list[Frame] = []
        while self._position < head and not frames:
            if self._file < 0:
                self._open_at(self._position)
            frames = self._read_chunk(max_bytes, head)
        return frames

    def close(self) -> None:
        """Let go of the open file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def __enter__(self) -> Self:
        """Return the reader: it opens files when they are read."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it."""
        self.close()

    def _read_chunk(self, max_bytes: int, head: int) -> list[Frame]:
        """Return frames from one read; none at the end of a file or before the position."""
        data = os.pread(self._file, max_bytes + layout.MAX_FRAME, self._offset)
        if not data:
            self._open_next()
            return []
        frames: list[Frame] = []
        at = 0
        while at <= max_bytes and self._next < head:
            parsed = layout.parse(data, at, self._mark)
            if parsed is None or parsed[0].number != self._next:
                break
            start, at = at, parsed[2]
            self._next = lines.after(parsed[0])
            if self._next > self._position:
                frames.append(parsed[0])
                alike, at = layout.parse_alike(
                    data, start, at, parsed[0], most=head - self._next, until=max_bytes
                )
                frames += alike
                self._next += len(alike)
        if at == 0:
            raise SpoolError(
                f"damage in {self._path} at offset {self._offset}: frame {self._next} is bad",
                hint="keep a copy of the spool and see the disk; nothing was skipped",
            )
        self._offset += at
        self._position = max(self._position, self._next)
        return frames

    def _open_at(self, number: int) -> None:
        """Open the file that holds `number`."""
        files = layout.files(self._folder)
        below = [first for first in files if first <= number]
        if not below:
            raise SpoolError(
                f"frames from {number} on are not in {self._folder}",
                hint="they were released, or taken away by hand",
            )
        self._open(files[max(below)])

    def _open_next(self) -> None:
        """Go on with the file after the one that was read to its end.

        It says where this one ends, so that missing frames are seen; it may begin later than that,
        where the writer had to leave out numbers after losing frames (it told of them then).
        """
        files = layout.files(self._folder)
        here, ended = self._path, self._next
        after = [first for first, path in files.items() if first >= ended and path != here]
        if not after or self._open(files[min(after)]) != ended:
            raise SpoolError(
                f"frames are missing after number {ended - 1}, the last in {here}",
                hint="keep a copy of the spool and see the disk; nothing was skipped",
            )
        self._position = max(self._position, self._next)

    def _open(self, path: Path) -> int:
        """Open a file at its first frame; return the number at which the file before ends."""
        self.close()
        try:
            self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            data = os.pread(self._file, layout.FILE_HEADER, 0)
        except OSError as error:
            raise SpoolError(f"cannot read {path}: {error.strerror}") from error
        self._path, self._offset = path, layout.FILE_HEADER
        self._next, ends_before, self._mark = layout.read_header(data, path)
        return ends_before
