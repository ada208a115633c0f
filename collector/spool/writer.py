"""The writing end of the spool."""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from collector import durable
from collector.errors import SpoolError, SpoolFull, StoreError
from collector.records import Clock, Frame
from collector.settings import SpoolSettings
from collector.spool import layout, lines
from collector.spool.recover import Repair, examine

MAX_WAITING_BYTES = 96 << 20
"""Frames held in memory while the disk is slow; past it frames are refused."""
_SPACE_CHECK_S = 1.0


class SpoolWriter:
    """Takes frames without waiting for the disk; a thread of its own makes them durable.

    `repaired` says, once open, what a crash had left; `last_ns` when the newest frame found was
    received (the time of opening, when there was none).
    """

    def __init__(
        self,
        folder: Path,
        settings: SpoolSettings,
        *,
        clock: Clock,
        fatal: Callable[[SpoolError], None] | None = None,
    ) -> None:
        self.repaired: Repair | None = None
        self.last_ns = 0
        self.emptied = 0
        """How often all that waited was taken to the disk."""
        self._folder = folder
        self._settings = settings
        self._clock = clock
        self._fatal = fatal
        self._process_lock = durable.Lock(folder / "lock")
        self._thread = threading.Thread(target=self._run, name="spool-commit", daemon=True)
        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)
        self._done = threading.Condition(self._lock)
        # Guarded by the lock: what the commit thread has still to take, and who waits for it.
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self._waiters = 0
        self._head = self._durable = 0
        self._full = self._closing = False
        self._failure: SpoolError | None = None
        # Of the commit thread alone, once it runs.
        self._file = self._marker = -1
        self._path = folder
        self._size = 0
        self._mark = b""

    @property
    def head(self) -> int:
        """The number that the next frame gets."""
        return self._head

    @property
    def durable(self) -> int:
        """The first number that is not yet durable."""
        return self._durable

    @property
    def full(self) -> bool:
        """Whether frames are refused for want of disk space."""
        return self._full

    @property
    def waiting_bytes(self) -> int:
        """Bytes in memory that wait for the disk."""
        return self._pending_bytes

    @property
    def most_bytes(self) -> int:
        """Bytes that may wait for the disk; past it frames are refused."""
        return MAX_WAITING_BYTES

    def open(self) -> None:
        """Lock, repair what a crash left, and start the commit thread.

        Raises:
            Busy: another process writes this spool.
            SpoolError: damage that no crash explains, or the disk fails.
        """
        try:
            durable.make_dir(self._folder, 0o770)
            self._process_lock.take()
            self._recover()
            self._full = self._short_of_space()
        except (StoreError, OSError) as error:
            self._close_files()
            raise SpoolError(f"the spool cannot be opened: {error}") from error
        except BaseException:
            self._close_files()
            raise
        self._thread.start()

    def append(self, frame: Frame | layout.Draft) -> int:
        """Take a copy of a frame and return its number; it is durable within `commit_ms` or so.

        Raises:
            SpoolFull: too little disk space, or the disk is too slow; the frame was not taken.
            SpoolError: the spool has failed or is closed, or the frame cannot be a frame.
        """
        with self._lock:
            if self._full or self._failure or self._closing or self._marker < 0:
                self._refuse()
            if self._pending_bytes > MAX_WAITING_BYTES:
                raise SpoolFull("the disk is too slow for what comes in", hint="see iostat, dmesg")
            number = self._head
            data = layout.encode(frame, number, self._durable)
            self._pending.append(data)
            before = self._pending_bytes
            self._pending_bytes = before + len(data)
            self._head = number + lines.span(frame.kind, frame.payload)
            if before == 0 or before < self._settings.commit_bytes <= self._pending_bytes:
                self._work.notify()
        return number

    def append_all(
        self, draft: layout.Draft, payloads: Sequence[bytes], times: Sequence[int] = ()
    ) -> int:
        """Take frames of one sender; return how many of the first ones were taken.

        Args:
            draft: All but their payloads, and their times where there are no others.
            payloads: One for each frame.
            times: When each was received, ns.

        Raises:
            SpoolFull, SpoolError: as `append` does; none was taken.
        """
        with self._lock:
            if self._full or self._failure or self._closing or self._marker < 0:
                self._refuse()
            if self._pending_bytes > MAX_WAITING_BYTES:
                raise SpoolFull("the disk is too slow for what comes in", hint="see iostat, dmesg")
            before, number = self._pending_bytes, self._head
            fit = _fit(payloads, MAX_WAITING_BYTES - before)
            frames = layout.encode_all(draft, payloads[:fit], number, self._durable, times)
            self._pending += frames
            self._pending_bytes = before + sum(map(len, frames))
            self._head = number + lines.spans(draft.kind, payloads[:fit])
            if before == 0 or before < self._settings.commit_bytes <= self._pending_bytes:
                self._work.notify()
        return len(frames)

    def wait_durable(self, number: int) -> None:
        """Return when the frame `number` is on the disk; commits at once, together with others.

        Raises:
            SpoolError: it could not be written; it must not be acknowledged.
        """
        with self._lock:
            self._waiters += 1
            self._work.notify()
            try:
                while self._durable <= number:
                    if self._failure:
                        raise self._failure
                    if number >= self._head or not self._thread.is_alive():
                        raise SpoolError(f"frame {number} was never taken")
                    self._done.wait()
            finally:
                self._waiters -= 1

    def close(self) -> None:
        """Commit what was taken, stop the thread, and let go of the lock.

        Raises:
            SpoolError: what was taken last could not be written.
        """
        with self._lock:
            self._closing = True
            self._work.notify()
        if self._thread.is_alive():
            self._thread.join()
        self._close_files()
        if self._failure:
            raise self._failure

    def __enter__(self) -> Self:
        """Open it."""
        self.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it."""
        self.close()

    def _refuse(self) -> None:
        if self._failure:
            raise self._failure
        if self._closing or self._marker < 0:
            raise SpoolError("the spool is not open")
        raise SpoolFull(
            f"less than {self._settings.least_free_bytes >> 20} MiB free in {self._folder}",
            hint="make room (df): until then frames are refused and counted",
        )

    def _run(self) -> None:
        """Commit until closed. After a failure nothing is written again."""
        failure: SpoolError | None = SpoolError("the spool's commit thread ended")
        try:
            while self._pause():
                self._commit()
                self._full = self._short_of_space()
            self._commit()
            failure = None
        except (StoreError, OSError) as error:
            failure = SpoolError(f"the spool cannot be written: {error}")
        finally:
            with self._lock:
                self._failure = failure
                self._done.notify_all()
            if failure and self._fatal:
                self._fatal(failure)

    def _pause(self) -> bool:
        """Sleep until a commit is due; tell whether to go on after it."""
        with self._lock:
            while not (self._pending or self._closing):
                if not self._work.wait(_SPACE_CHECK_S if self._full else None):
                    return True  # to look at the disk again
            due = time.monotonic() + self._settings.commit_ms / 1000
            while not (self._waiters or self._closing):
                left = due - time.monotonic()
                if self._pending_bytes >= self._settings.commit_bytes or left <= 0:
                    break
                self._work.wait(left)
            return not self._closing

    def _commit(self) -> None:
        with self._lock:
            frames, self._pending = self._pending, []
            self._pending_bytes = 0
            self.emptied += 1
            head = self._head
        if not frames:
            return
        if self._size >= self._settings.file_bytes:
            self._new_file(first=self._durable, ends_before=self._durable)
        data = self._mark.join((b"", *frames))
        durable.write_all(self._file, data, self._path)
        durable.sync_file(self._file, self._path)
        self._size += len(data)
        # The commit point: before it a crash may lose these frames, and nobody was told of them.
        self._publish(head)

    def _publish(self, head: int) -> None:
        """Tell everyone that all below `head` is durable. The marker may lag, so is not synced."""
        os.pwrite(self._marker, layout.pack_marker(head), 0)
        with self._lock:
            self._durable = head
            self._done.notify_all()

    def _short_of_space(self) -> bool:
        disk = os.statvfs(self._folder)
        return disk.f_bavail * disk.f_frsize < self._settings.least_free_bytes

    def _recover(self) -> None:
        """Find the end of the newest file, cut a torn write, and go on from there."""
        floor, _ = layout.read_marker(self._folder)
        self.last_ns = self._clock()
        files = layout.files(self._folder)
        if files:
            self._take_up(files[max(files)], floor)
        else:
            self._begin_anew(floor)
        path = self._folder / "durable"
        self._marker = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, durable.FILE_MODE)
        self._publish(self._head)

    def _begin_anew(self, floor: int) -> None:
        if floor:
            self.repaired = Repair(file=str(self._folder), offset=0, cut_bytes=0, lost=floor)
        self._head = floor
        self._new_file(first=floor, ends_before=floor)

    def _take_up(self, path: Path, floor: int) -> None:
        tail = examine(path, floor)
        self._path, self._mark, self._size = path, tail.mark, tail.end
        self._head = tail.number
        self.last_ns = tail.last_ns or self.last_ns
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        os.ftruncate(self._file, tail.end)
        durable.sync_file(self._file, path)  # whole frames may have lain in memory only
        lost = max(0, floor - tail.number)
        if tail.torn or lost:
            self.repaired = Repair(file=path.name, offset=tail.end, cut_bytes=tail.torn, lost=lost)
        if lost:  # their numbers were given out: rows may bear them, so they are not used again
            self._head = floor
            self._new_file(first=floor, ends_before=tail.number)

    def _new_file(self, *, first: int, ends_before: int) -> None:
        """Begin a file. It appears under its name with a whole header, or not at all."""
        mark = secrets.token_bytes(layout.MARK_SIZE)
        path = self._folder / layout.name(first)
        durable.replace(path, layout.pack_header(first, ends_before, mark))
        if self._file >= 0:
            os.close(self._file)
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        self._path, self._size, self._mark = path, layout.FILE_HEADER, mark

    def _close_files(self) -> None:
        for descriptor in (self._file, self._marker):
            if descriptor >= 0:
                os.close(descriptor)
        self._file = self._marker = -1
        self._process_lock.release()


def _fit(payloads: Sequence[bytes], room_bytes: int) -> int:
    """Return how many payloads may wait where this much room is left; the last may exceed it."""
    if sum(map(len, payloads)) <= room_bytes:
        return len(payloads)
    for taken, payload in enumerate(payloads):
        if room_bytes < 0:
            return taken
        room_bytes -= len(payload)
    return len(payloads)
