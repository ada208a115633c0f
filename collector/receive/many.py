"""Many datagrams with one system call, recvmmsg(2), each with its sender and its time of receipt.

Python has recvmsg(2) alone: a call, an address as text and a list of ancillary data for each
datagram cost half of what receiving it does. Here the kernel fills a row of slots; what it wrote
beside them is read together, and only what is to be kept is copied.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import socket
import struct
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from collector.receive import sockets

SLOTS = 64
"""Datagrams that are taken at once, at most."""
SLOT_BYTES = 66 << 10
"""More than any datagram has, and no power of two: what begins 64 KiB apart shares a few places of
the processor's caches."""
_HEAD = struct.Struct("@PIPNPNi0PI0P")
"""struct mmsghdr: name and its size, pieces and how many, ancillary data and its size, flags, and
the size of the datagram."""
_PIECE = struct.Struct("@PN")
_TOLD = struct.Struct("@NiiqqNiiI0P")
"""Ancillary data: size, level, type, seconds and nanoseconds of the receipt; then size, level, type
and the count of what was dropped, which the kernel leaves out as long as that is 0."""
_TIME_BYTES = socket.CMSG_SPACE(16)
_BOTH_BYTES = _TIME_BYTES + socket.CMSG_LEN(4)
_NAME_BYTES = 28
"""Of the longest address of a sender, struct sockaddr_in6."""
_FAMILY = struct.Struct("@H")
_NO_MORE = (errno.EAGAIN, errno.EINTR)

_recvmmsg = ctypes.CDLL(None, use_errno=True).recvmmsg
_recvmmsg.argtypes = (
    ctypes.c_int,
    ctypes.c_void_p,
    ctypes.c_uint,
    ctypes.c_int,
    ctypes.c_void_p,
)


class Run(NamedTuple):
    """Datagrams that came one after the other from the same socket of somebody."""

    host: str
    port: int
    first: int
    """The slot of the first one."""
    sizes: list[int]
    times: list[int]
    """When the kernel received each, ns; 0 where it does not say."""


class Many:
    """The slots of one thread."""

    def __init__(self) -> None:
        self.dropped: int | None = None
        """The kernel's count of what it dropped at the socket asked last, where it told any."""
        self._data = mmap.mmap(-1, SLOTS * SLOT_BYTES)
        self._names = bytearray(SLOTS * _NAME_BYTES)
        self._told = bytearray(SLOTS * _TOLD.size)
        pieces = bytearray(SLOTS * _PIECE.size)
        data, names = _place(self._data), _place(self._names)
        told, piece = _place(self._told), _place(pieces)
        fresh = bytearray()
        for slot in range(SLOTS):
            _PIECE.pack_into(pieces, slot * _PIECE.size, data + slot * SLOT_BYTES, SLOT_BYTES)
            at = names + slot * _NAME_BYTES, told + slot * _TOLD.size, piece + slot * _PIECE.size
            fresh += _HEAD.pack(at[0], _NAME_BYTES, at[2], 1, at[1], _TOLD.size, 0, 0)
        self._pieces = pieces  # the heads point there
        self._fresh = bytes(fresh)
        self._heads = bytearray(fresh)
        self._heads_at = _place(self._heads)
        heads, ancillary = memoryview(self._heads), memoryview(self._told)
        self._sizes = _column(heads.cast("I"), "@PIPNPNi0P", _HEAD)
        self._told_bytes = _column(heads.cast("P"), "@PIPNP", _HEAD)
        kinds, stamps = ancillary.cast("i"), ancillary.cast("q")
        self._stamps = (
            _column(kinds, "@Ni", _TOLD),
            _column(stamps, "@Nii", _TOLD),
            _column(stamps, "@Niiq", _TOLD),
        )

    def take(self, number: int) -> list[Run]:
        """Return what a socket holds, as many as there are slots; they hold it until the next call.

        Args:
            number: The socket's file descriptor.

        Raises:
            OSError: the kernel refused.
        """
        self.dropped = None
        count: int = _recvmmsg(number, self._heads_at, SLOTS, socket.MSG_DONTWAIT, None)
        if count < 0:
            why = ctypes.get_errno()
            if why in _NO_MORE:
                return []
            raise OSError(why, os.strerror(why))
        runs = self._runs(count)
        used = count * _HEAD.size
        self._heads[:used] = self._fresh[:used]  # the kernel wrote sizes over those of the slots
        return runs

    def payloads(self, run: Run) -> list[bytes]:
        """Return the datagrams of a run."""
        data, at = self._data, run.first * SLOT_BYTES
        starts = range(at, at + len(run.sizes) * SLOT_BYTES, SLOT_BYTES)
        return [data[at : at + size] for at, size in zip(starts, run.sizes, strict=True)]

    def _runs(self, count: int) -> list[Run]:
        """Return what the kernel wrote of the first slots."""
        sizes, times = self._sizes[:count].tolist(), self._times(count)
        names = bytes(self._names[: count * _NAME_BYTES])
        if names == names[:_NAME_BYTES] * count:  # as a rule: somebody's come together
            return [Run(*_endpoint(names[:_NAME_BYTES]), 0, sizes, times)]
        starts = range(0, len(names), _NAME_BYTES)
        each = [names[at : at + _NAME_BYTES] for at in starts]
        cuts = [0, *(n for n in range(1, count) if each[n] != each[n - 1]), count]
        return [
            Run(*_endpoint(each[first]), first, sizes[first:end], times[first:end])
            for first, end in pairwise(cuts)
        ]

    def _times(self, count: int) -> list[int]:
        """Return when each was received; note the count of what was dropped."""
        told = self._told_bytes[:count].tolist()
        kinds, seconds, rests = (of[:count].tolist() for of in self._stamps)
        if max(told, default=0) >= _BOTH_BYTES:
            slot = max(slot for slot in range(count) if told[slot] >= _BOTH_BYTES)
            *_, kind, dropped = _TOLD.unpack_from(self._told, slot * _TOLD.size)
            if kind == sockets.SO_RXQ_OVFL:
                self.dropped = dropped
        return [
            second * 1_000_000_000 + rest
            if kind == sockets.SO_TIMESTAMPNS and size >= _TIME_BYTES
            else 0
            for size, kind, second, rest in zip(told, kinds, seconds, rests, strict=True)
        ]


@lru_cache(maxsize=4096)
def _endpoint(name: bytes) -> sockets.Endpoint:
    """Return address and port of a struct sockaddr_in or sockaddr_in6."""
    (family,) = _FAMILY.unpack_from(name)
    octets = name[4:8] if family == socket.AF_INET else name[8:24]
    return socket.inet_ntop(family, octets), int.from_bytes(name[2:4], "big")


def _column(memory: memoryview[int], before: str, row: struct.Struct) -> memoryview[int]:
    """Return the values that stand behind those of the form `before` in each of many rows."""
    size = memory.itemsize
    return memory[struct.calcsize(before) // size :: row.size // size]


def _place(memory: bytearray | mmap.mmap) -> int:
    """Return where memory begins; it stays there as long as it is kept and its size is."""
    return ctypes.addressof(ctypes.c_char.from_buffer(memory))
