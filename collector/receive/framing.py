"""Syslog messages out of a byte stream: RFC 6587 octet counting, or a trailer of LF or NUL.

Which of them is found out frame by frame: a length counts only as digits, one space, then `<`.
What makes no sense becomes a message of its own, up to the next place that does; only what is past
the bound of one message is dropped, and counted. Pure: bytes in, messages out.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from collector.records import FrameKind

LONGEST = 64 << 10
"""Bytes of a message that are kept."""

_COUNT = re.compile(rb"([1-9][0-9]{0,6}) <")
_COUNT_BEGUN = re.compile(rb"[1-9][0-9]{0,6} ?\Z")
_END = re.compile(rb"[\n\0]")
_BLANK = re.compile(rb"[\n\0]+")
_END_OR_COUNT = re.compile(rb"[\n\0]|(?=[1-9][0-9]{0,6} <[0-9]{1,3}>)")
_COUNT_SIZE = 13
"""The longest beginning of a counted message that the pattern above looks at."""
_ENDS = {b"\n": re.compile(rb"\n"), b"\0": re.compile(rb"\0")}


class Splitter:
    """Takes the bytes of one connection as they come and returns whole messages.

    It holds at most LONGEST bytes besides what is fed at once.
    """

    kind = FrameKind.SYSLOG
    unit = "messages"
    cut_note = "longer than 64 KiB: the beginning was kept"
    fault = ""
    """None: whatever comes is made into messages."""

    def __init__(self) -> None:
        self.bad_lengths = 0
        """Frames that begin where none can, after a length that must have been wrong."""
        self.cut = 0
        """Messages longer than LONGEST; their beginning was kept."""
        self.skipped_bytes = 0
        """The rest of those."""
        self._rest = bytearray()
        self._at = 0
        self._searched = 0
        self._size = 0
        self._counting = False
        self._out: list[bytes] = []
        self._end = _END
        """What ends a line; the first one seen on a connection settles it."""
        self._step: Callable[[], bool] = self._begin
        """The state: moves on in the bytes, or returns False when it needs more of them."""

    def feed(self, data: bytes | memoryview) -> list[bytes]:
        """Return the messages that `data` completes."""
        lines, _, out = self.together(data)
        return [*lines.split(b"\n"), *out] if lines else out

    def together(self, data: bytes | memoryview) -> tuple[bytes, int, list[bytes]]:
        """Return the same: whole lines with a line feed between, how many, and the others."""
        self._rest += data
        lines, count = self._take_lines()
        while self._step():
            pass
        del self._rest[: self._at]
        self._searched -= self._at
        self._at = 0
        out, self._out = self._out, []
        return lines, count, out

    def finish(self) -> list[bytes]:
        """Return what is left when the sender has closed: a line without trailer, or half a one."""
        if self._step == self._counted:
            self.bad_lengths += 1
        left, self._rest = bytes(self._rest), bytearray()
        if self._step in (self._skip_counted, self._skip_line):
            self.skipped_bytes += len(left)
            left = b""
        self._step = self._begin
        return [left] if left else []

    def _take_lines(self) -> tuple[bytes, int]:
        """Take all whole lines at once, where nothing but lines with a priority came.

        This is what the steps below do, line by line and ten times as slowly.
        """
        if self._counting or self._step not in (self._begin, self._line):
            return b"", 0
        if self._end is not _ENDS[b"\n"]:
            return b"", 0
        end = self._rest.rfind(b"\n", max(self._searched, self._at))
        if end < 0:
            return b"", 0
        with memoryview(self._rest) as whole:
            lines = bytes(whole[self._at : end])
        count = _count(lines)
        if not count:
            return b"", 0
        first = lines.find(b"\n")
        if max(first, len(lines) - first) > LONGEST and _longest(lines) > LONGEST:
            return b"", 0
        self._at = end + 1
        self._step = self._begin
        return lines, count

    def _begin(self) -> bool:
        """At the start of a frame: find out which kind it is."""
        rest = self._rest
        blank = _BLANK.match(rest, self._at)
        if blank:
            self._at = blank.end()  # some senders count and end lines too
        count = _COUNT.match(rest, self._at)
        if count:
            self._size = int(count[1])
            self._at = count.end() - 1
            self._counting = True
            self._step = self._counted
            return True
        if self._at == len(rest) or _COUNT_BEGUN.match(rest, self._at):
            return False
        if self._counting and rest[self._at] != ord("<"):
            self.bad_lengths += 1
        self._searched = self._at
        self._step = self._line
        return True

    def _counted(self) -> bool:
        kept = min(self._size, LONGEST)
        if len(self._rest) - self._at < kept:
            return False
        self._emit(self._at + kept)
        self._size -= kept
        self.cut += self._size > 0
        self._step = self._skip_counted if self._size else self._begin
        return True

    def _line(self) -> bool:
        end = self._find()
        kept = end[0] if end else self._searched
        if kept - self._at > LONGEST:
            self._emit(self._at + LONGEST)
            self.cut += 1
            self._step = self._skip_line
            return True
        if end is None:
            return False
        self._emit(end[0])
        self._at = end[1]
        self._step = self._begin
        return True

    def _skip_counted(self) -> bool:
        skipped = min(self._size, len(self._rest) - self._at)
        self._at += skipped
        self.skipped_bytes += skipped
        self._size -= skipped
        if self._size:
            return False
        self._step = self._begin
        return True

    def _skip_line(self) -> bool:
        self._searched = max(self._searched, self._at)
        end = self._find()
        until = end[0] if end else self._searched
        self.skipped_bytes += until - self._at
        self._at = end[1] if end else until
        if end is None:
            return False
        self._step = self._begin
        return True

    def _find(self) -> tuple[int, int] | None:
        """Return where a line ends and what follows begins, or note how far there is no end.

        Where lengths were used, a line is what follows a wrong one: a right one ends it as well.
        """
        pattern = _END_OR_COUNT if self._counting else self._end
        found = pattern.search(self._rest, self._searched)
        if found is None:
            back = _COUNT_SIZE if self._counting else 0
            self._searched = max(self._searched, len(self._rest) - back)
            return None
        if not self._counting:
            self._end = _ENDS[found[0]]
        return found.start(), found.end()

    def _emit(self, end: int) -> None:
        self._out.append(bytes(self._rest[self._at : end]))
        self._at = end


def _count(lines: bytes) -> int:
    """Return how many lines these are; 0 where one of them begins without a priority.

    To look for each line feed so takes half of what `count` takes, and a fifth for both bytes.
    """
    if not lines.startswith(b"<"):
        return 0
    count, at, find = 1, lines.find(b"\n"), lines.find
    while at >= 0:
        count += 1
        if lines[at + 1 : at + 2] != b"<":
            return 0
        at = find(b"\n", at + 1)
    return count


def _longest(lines: bytes) -> int:
    return max(map(len, lines.split(b"\n")))
