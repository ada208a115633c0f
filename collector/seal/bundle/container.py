"""The ZIP of a bundle: one way to write it, and a reader that refuses every other.

Members are stored, in a fixed order, with header fields of one value each and no gap between them
(PKWARE APPNOTE 6.3). What `zipfile` would mend or ignore is refused: two programs must never see
two different files in the same bytes.
"""

from __future__ import annotations

import hashlib
import re
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from collector.errors import SealError
from collector.seal.fault import Refused

MIMETYPE = "mimetype"
MEDIA_TYPE = b"application/vnd.etsi.asic-e+zip"
MAX_MEMBERS = 65_534
MAX_BYTES = (1 << 32) - (1 << 20)
"""Over 4 GiB a ZIP needs fields of another format: several cases then."""
NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(?:/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")
MAX_NAME = 512
CHUNK = 1 << 20

_LOCAL = struct.Struct("<IHHHHHIIIHH")
_CENTRAL = struct.Struct("<IHHHHHHIIIHHHHHII")
_END = struct.Struct("<IHHHHIIH")
_LOCAL_MARK, _CENTRAL_MARK, _END_MARK = 0x04034B50, 0x02014B50, 0x06054B50
_NEEDED, _MADE_BY, _DATE, _ATTRIBUTES = 20, 0x0314, 0x0021, 0x01800000


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One file of a bundle and where its bytes begin."""

    name: str
    offset: int
    size: int
    crc: int
    sha256: str = ""


class Heap:
    """Members one behind the other in a working file, each hashed once as it comes."""

    def __init__(self, path: Path) -> None:
        self.folder = path.parent
        self._file = path.open("w+b")
        path.unlink()  # the space is given back whatever happens
        self.members: dict[str, Member] = {}

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let go of the working file."""
        self._file.close()

    def add(self, name: str, data: bytes) -> Member:
        """Keep a member that is whole."""
        with self.begin(name) as member:
            member.write(data)
        return self.members[name]

    def begin(self, name: str) -> Growing:
        """Return a member to be written piece by piece; one at a time.

        Raises:
            SealError: no name for a member, or there already.
        """
        if not NAME.fullmatch(name) or len(name) > MAX_NAME or name in self.members:
            raise SealError(f"{name!r} cannot be a member of a bundle, or is one already")
        return Growing(self, name, self._file)

    def copy(self, member: Member, out: BinaryIO) -> None:
        """Write the bytes of a member to `out`."""
        for piece in _pieces(self._file, member.offset, member.size):
            out.write(piece)


class Growing:
    """A member that is being written."""

    def __init__(self, heap: Heap, name: str, file: BinaryIO) -> None:
        self._heap, self._name, self._file = heap, name, file
        self._offset = file.seek(0, 2)
        self._crc, self._sha256, self._size = 0, hashlib.sha256(), 0

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the member."""
        if kind is None:
            self._heap.members[self._name] = Member(
                name=self._name,
                offset=self._offset,
                size=self._size,
                crc=self._crc,
                sha256=self._sha256.hexdigest(),
            )

    def write(self, data: bytes) -> None:
        """Append bytes."""
        self._file.write(data)
        self._crc = zlib.crc32(data, self._crc)
        self._sha256.update(data)
        self._size += len(data)


def order(names: Sequence[str]) -> list[str]:
    """Return member names in the order of the file."""
    return sorted(names, key=lambda name: (name != MIMETYPE, name))


def write(heap: Heap, out: BinaryIO) -> None:
    """Write all members of `heap` as a ZIP.

    Raises:
        SealError: more than such a file can hold.
    """
    members = [heap.members[name] for name in order(list(heap.members))]
    weight = sum(member.size + 2 * len(member.name) + 80 for member in members)
    if len(members) > MAX_MEMBERS or weight > MAX_BYTES:
        raise SealError(
            f"{len(members)} files of {weight >> 20} MiB do not fit into one bundle",
            hint="make several cases, each of a shorter period",
        )
    central, at = [], 0
    for member in members:
        name = member.name.encode("ascii")
        out.write(_local(member, name))
        heap.copy(member, out)
        central.append(_central(member, name, at))
        at += _LOCAL.size + len(name) + member.size
    listed = b"".join(central)
    out.write(listed)
    out.write(_END.pack(_END_MARK, 0, 0, len(members), len(members), len(listed), at, 0))


def _local(member: Member, name: bytes) -> bytes:
    sizes = (member.crc, member.size, member.size, len(name), 0)
    return _LOCAL.pack(_LOCAL_MARK, _NEEDED, 0, 0, 0, _DATE, *sizes) + name


def _central(member: Member, name: bytes, at: int) -> bytes:
    sizes = (member.crc, member.size, member.size, len(name), 0, 0, 0, 0, _ATTRIBUTES, at)
    return _CENTRAL.pack(_CENTRAL_MARK, _MADE_BY, _NEEDED, 0, 0, 0, _DATE, *sizes) + name


class Container:
    """A bundle open for reading; its structure was checked, the bytes of its members were not.

    Raises:
        Refused: E-21, naming what is not as a bundle has it.
        OSError: the file cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        try:
            self.size = self._file.seek(0, 2)
            self.members = {member.name: member for member in self._listed()}
            self._check_mimetype()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file."""
        self._file.close()

    def pieces(self, name: str) -> Iterator[bytes]:
        """Give the bytes of a member, a megabyte at a time."""
        member = self.members[name]
        return _pieces(self._file, member.offset, member.size)

    def read(self, name: str, most: int) -> bytes:
        """Return a member that is no longer than `most`.

        Raises:
            Refused: E-21, it is missing; E-25, it is longer than any such member can be.
        """
        member = self.members.get(name)
        if member is None:
            raise Refused("E-21", f"{name} is missing")
        if member.size > most:
            raise Refused("E-25", f"{name} has {member.size} bytes, more than the {most} allowed")
        return b"".join(self.pieces(name))

    def lines(self, name: str, most: int) -> Iterator[bytes]:
        """Give the lines of a member with their newlines.

        Raises:
            Refused: E-11, a line longer than `most`, or without newline.
        """
        rest = b""
        for piece in self.pieces(name):
            whole = rest + piece
            *lines, rest = whole.split(b"\n")
            for line in lines:
                yield line + b"\n"
            if len(rest) > most:
                raise Refused("E-11", f"{name} has a line of more than {most} bytes")
        if rest:
            raise Refused("E-11", f"{name} ends without a newline")

    def hashes(self, name: str) -> tuple[str, int]:
        """Return SHA-256 and CRC-32 of a member's bytes."""
        digest, crc = hashlib.sha256(), 0
        for piece in self.pieces(name):
            digest.update(piece)
            crc = zlib.crc32(piece, crc)
        return digest.hexdigest(), crc

    def _listed(self) -> Iterator[Member]:
        count, start = self._end()
        self._file.seek(start)
        at, before = 0, ""
        directory = self._file.read(self.size - start - _END.size)
        place = 0
        for number in range(count):
            member, place = self._entry(directory, place, at)
            if number and (before != MIMETYPE and member.name <= before):
                raise Refused("E-21", f"{member.name} is there twice or not in its place")
            at = member.offset + member.size
            before = member.name
            yield member
        if place != len(directory) or at != start:
            raise Refused("E-21", "there are bytes outside of the members")

    def _end(self) -> tuple[int, int]:
        """Return the number of members and where the central directory begins."""
        if self.size < _END.size or self.size > 1 << 32:
            raise Refused("E-21", f"{self.size} bytes are not a bundle")
        self._file.seek(self.size - _END.size)
        end = _END.unpack(self._file.read(_END.size))
        mark, disk, first, here, count, size, start, comment = end
        if mark != _END_MARK or disk or first or here != count or comment:
            raise Refused("E-21", "not the end of a ZIP, or one with a comment")
        if start + size + _END.size != self.size or not 0 < count <= MAX_MEMBERS:
            raise Refused("E-21", "the central directory does not end where the file does")
        if size > count * (_CENTRAL.size + MAX_NAME):
            raise Refused("E-21", "the central directory is larger than its members")
        return count, start

    def _entry(self, directory: bytes, place: int, at: int) -> tuple[Member, int]:
        """Return the member at a place of the directory, which must begin at `at` in the file."""
        head = directory[place : place + _CENTRAL.size]
        if len(head) < _CENTRAL.size:
            raise Refused("E-21", "the central directory is cut off")
        fields = _CENTRAL.unpack(head)
        crc, size, length, offset = fields[7], fields[8], fields[10], fields[16]
        raw = directory[place + _CENTRAL.size : place + _CENTRAL.size + length]
        name = _name(raw, length)
        member = Member(name=name, offset=at + _LOCAL.size + length, size=size, crc=crc)
        if head + raw != _central(member, raw, offset) or offset != at:
            raise Refused("E-21", f"{name}: a header that a bundle does not have")
        self._file.seek(at)
        local = self._file.read(_LOCAL.size + length)
        if local != _local(member, raw):
            raise Refused("E-21", f"{name}: the header before it is not that of the directory")
        return member, place + _CENTRAL.size + length

    def _check_mimetype(self) -> None:
        first = next(iter(self.members))
        if first != MIMETYPE or self.read(MIMETYPE, 100) != MEDIA_TYPE:
            raise Refused("E-21", f"the first member is not {MIMETYPE}, or not that of a bundle")
        if zlib.crc32(MEDIA_TYPE) != self.members[MIMETYPE].crc:
            raise Refused("E-21", f"{MIMETYPE} has another checksum than its header says")


def _name(raw: bytes, length: int) -> str:
    """Return a member's name; `..`, an absolute path and everything odd is refused."""
    try:
        name = raw.decode("ascii")
    except UnicodeDecodeError as error:
        raise Refused("E-21", "a member's name is not ASCII") from error
    if not 0 < length <= MAX_NAME or len(raw) != length or not NAME.fullmatch(name):
        raise Refused("E-21", f"a member cannot be called {name[:80]!r}")
    return name


def _pieces(file: BinaryIO, offset: int, size: int) -> Iterator[bytes]:
    while size:
        file.seek(offset)
        piece = file.read(min(size, CHUNK))
        if not piece:
            raise Refused("E-21", "the file is shorter than its members")
        yield piece
        offset, size = offset + len(piece), size - len(piece)
