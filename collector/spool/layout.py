"""How the spool lies on the disk: file header, frame, marker; and the folder as a whole.

All integers are little-endian. A frame is: mark, size of the rest, checksum of the rest, then the
rest: fixed fields, site, address, label, payload. The numbers of kinds and transports are for ever.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, count, pairwise, repeat
from pathlib import Path
from zlib import crc32

from collector import durable
from collector.errors import SpoolError, StoreError
from collector.records import Frame, FrameKind
from collector.spool import lines

MAX_PAYLOAD = 1 << 20
MARK_SIZE = 4

TRANSPORTS = ("udp", "tcp", "local", "tls")  # only ever add
_KINDS = {int(kind): kind for kind in FrameKind}
_MAGIC = b"PRSPOOL1"
_FILE = struct.Struct("<8sQQ4sI")
"""Magic, number of the first frame, number at which the file before ends, mark, checksum."""
_SIZES = struct.Struct("<II")
"""Size of the rest, checksum of the rest (begun with the size)."""
_FIXED = struct.Struct("<QQqqHHBBBBH")
"""Number, durable before, received, wire, port, local port, kind, transport, sizes of names."""
_WHOLE = struct.Struct("<4sIIQQqqHHBBBBH")
"""Mark, sizes and fixed fields together."""
_BEGUN = struct.Struct("<4sIIQQqq")
"""Mark, sizes, number, durable before and times: what differs between frames of one sender."""
_MOMENT = struct.Struct("<QQqq")
"""Number, durable before, received, wire: what the fixed fields begin with."""
_BOOT_MARKER = struct.Struct("<Q8s")
"""The file `durable`: first number not yet durable, and the boot in which that was written."""
_NEVER = bytes(8)

_made = tuple.__new__
"""Makes a Frame half as dear as by its name."""

FILE_HEADER = _FILE.size
_BODY_AT = MARK_SIZE + _SIZES.size
"""Where in a frame begins what its checksum is of."""
MAX_FRAME = MARK_SIZE + _SIZES.size + _FIXED.size + 255 + 255 + 65535 + MAX_PAYLOAD


@dataclass(slots=True, kw_only=True)
class Draft:
    """What becomes a frame, written over for each datagram.

    Making a frozen Frame for each took a fifth of the receiving process's time.
    """

    kind: FrameKind
    site: str = ""
    received_ns: int = 0
    wire_ns: int = 0
    address: str = ""
    port: int = 0
    local_port: int = 0
    label: str = ""
    transport: str = "udp"
    sender_name: str = ""
    payload: bytes = b""


def encode(frame: Frame | Draft, number: int, durable_before: int) -> bytes:
    """Return a frame as it is written, without the mark that goes before it.

    Raises:
        SpoolError: something in it is too long, out of range or unknown.
    """
    if len(frame.payload) > MAX_PAYLOAD:
        raise SpoolError(f"a frame of {len(frame.payload)} bytes; at most {MAX_PAYLOAD}")
    sizes, names = _names(frame.site, frame.address, frame.label, frame.sender_name)
    try:
        fixed = _FIXED.pack(
            number,
            durable_before,
            frame.received_ns,
            frame.wire_ns,
            frame.port,
            frame.local_port,
            frame.kind,
            _transport(frame.transport),
            *sizes,
        )
    except struct.error as error:
        raise SpoolError(f"a frame from {frame.address!r} that cannot be: {error}") from error
    size = len(fixed) + len(names) + len(frame.payload)
    checksum = crc32(frame.payload, crc32(names, crc32(fixed, size)))
    return b"".join((_SIZES.pack(size, checksum), fixed, names, frame.payload))


def encode_all(
    draft: Draft,
    payloads: Sequence[bytes],
    number: int,
    durable_before: int,
    times: Sequence[int] = (),
) -> list[bytes]:
    """Return frames of one sender, as `encode` does.

    Args:
        draft: All but number and payload, and the times if there are no others.
        payloads: One for each frame.
        number: Of the first; each other one has that which follows the one before it.
        durable_before: As `encode` is told.
        times: When each was received and on the wire, ns.

    Raises:
        SpoolError: something in one of them is too long, out of range or unknown.
    """
    if not payloads:
        return []
    if max(map(len, payloads)) > MAX_PAYLOAD:
        raise SpoolError(f"a frame of over {MAX_PAYLOAD} bytes")
    draft.payload = b""
    begin = _SIZES.size + _MOMENT.size
    rest = encode(draft, number, durable_before)[begin:]
    found, sizes, moment = [], _SIZES.pack, _MOMENT.pack
    few = _MOMENT.size + len(rest)
    wire = times or [draft.wire_ns] * len(payloads)
    received = times or [draft.received_ns] * len(payloads)
    numbers = _numbers(draft.kind, payloads, number)
    try:
        for its, came_ns, wire_ns, payload in zip(numbers, received, wire, payloads, strict=False):
            head = moment(its, durable_before, came_ns, wire_ns) + rest
            size = few + len(payload)
            found.append(sizes(size, crc32(payload, crc32(head, size))) + head + payload)
    except struct.error as error:
        raise SpoolError(f"a frame from {draft.address!r} that cannot be: {error}") from error
    return found


def _numbers(kind: FrameKind, payloads: Sequence[bytes], first: int) -> Sequence[int]:
    """Return the number of each frame."""
    if kind is not FrameKind.LINES:
        return range(first, first + len(payloads))
    spans = [lines.span(kind, payload) for payload in payloads]
    if min(spans) < 1:
        raise SpoolError("a frame of many lines without any")
    return [*accumulate(spans[:-1], initial=first)]


def parse(data: bytes, at: int, mark: bytes) -> tuple[Frame, int, int] | None:
    """Return the frame at `at`, how far the spool was durable before it, and where it ends.

    None where there is no whole, right frame.

    Raises:
        SpoolError: a whole frame that this version cannot have written.
    """
    names_at = at + _WHOLE.size
    if names_at > len(data):
        return None
    whole = _WHOLE.unpack_from(data, at)
    found, size, checksum, number, before, received, wire, port, local_port, *rest = whole
    kind, transport, a, b, c = rest
    body = at + MARK_SIZE + _SIZES.size
    end = body + size
    if found != mark or not _FIXED.size <= size <= MAX_FRAME or end > len(data):
        return None
    if crc32(memoryview(data)[body:end], size) != checksum:
        return None
    payload_at = names_at + a + b + c
    try:
        site, address, label, sender_name = _split(data[names_at:payload_at], a, b, c)
        frame = Frame(
            _KINDS[kind],
            site,
            received,
            wire,
            address,
            port,
            local_port,
            label,
            TRANSPORTS[transport],
            sender_name,
            data[payload_at:end],
            number,
        )
    except (LookupError, UnicodeDecodeError) as error:
        raise _foreign(number) from error
    if payload_at > end or lines.span(kind, frame.payload) < 1:
        raise _foreign(number)
    return frame, before, end


def parse_alike(
    data: bytes, start: int, end: int, like: Frame, *, most: int, until: int
) -> tuple[list[Frame], int]:
    """Return the frames that follow one and are of the same sender, kind and way.

    A router's datagrams come hundreds in a row, and taking each apart would cost twice as much.
    What is many lines in one frame is left to `parse`, too.

    Args:
        data: What was read.
        start: Where the frame before them begins.
        end: Where it ends.
        like: That frame.
        most: How many may be returned.
        until: None that begins behind it.

    Returns:
        Them, and where the last one ends; what is not whole and right is left to `parse`.
    """
    if like.kind is FrameKind.LINES:
        return [], end
    mark = data[start : start + MARK_SIZE]
    rest = data[start + _BEGUN.size : end - len(like.payload)]
    few, number, view, unpack = len(rest), like.number, memoryview(data), _BEGUN.unpack_from
    received, wires, payloads = list[int](), list[int](), list[bytes]()
    rest_at = end + _BEGUN.size
    while end <= until and len(payloads) < most and data.startswith(rest, rest_at):
        its, size, checksum, its_number, _, came_ns, wire_ns = unpack(data, end)
        body, payload_at = end + _BODY_AT, rest_at + few
        after = body + size
        number += 1
        if its != mark or its_number != number or not payload_at <= after <= len(data):
            break
        if crc32(view[body:after], size) != checksum:
            break
        received.append(came_ns)
        wires.append(wire_ns)
        payloads.append(data[payload_at:after])
        end, rest_at = after, after + _BEGUN.size
    # All that is the same is put beside what differs without a step of Python for each.
    same = [repeat(value) for value in like[4:-2]]
    numbers = count(like.number + 1)
    fields = zip(repeat(like.kind), repeat(like.site), received, wires, *same, payloads, numbers)
    return [*map(_made, repeat(Frame), fields)], end


def _foreign(number: int) -> SpoolError:
    return SpoolError(
        f"frame {number} in the spool is whole, but of a kind that this version does not know",
        hint="a newer version wrote it: go on with that one; nothing was cut",
    )


def pack_header(first: int, ends_before: int, mark: bytes) -> bytes:
    """Return the header of a file whose frames begin at `first`."""
    header = _FILE.pack(_MAGIC, first, ends_before, mark, 0)[:-4]
    return header + crc32(header).to_bytes(4, "little")


def read_header(data: bytes, path: Path) -> tuple[int, int, bytes]:
    """Return a file's first number, the number at which the file before ends, and its mark.

    Raises:
        SpoolError: not a header, or that of another file.
    """
    if len(data) == _FILE.size:
        magic, first, ends_before, mark, checksum = _FILE.unpack(data)
        if (magic, checksum, path) == (_MAGIC, crc32(data[:-4]), path.with_name(name(first))):
            return first, ends_before, mark
    raise SpoolError(
        f"damage in {path} at offset 0: not the header of a spool file",
        hint="keep a copy of the spool and see the disk; nothing was cut",
    )


def name(first: int) -> str:
    """Return the name of the file whose first frame is `first`."""
    return f"{first:020d}.spool"


def files(folder: Path) -> dict[int, Path]:
    """Return the spool's files by the number of their first frame."""
    return {int(p.stem): p for p in folder.glob("*.spool") if p.stem.isdecimal()}


def pack_marker(head: int) -> bytes:
    """Return what the file `durable` holds when all below `head` is durable."""
    return _BOOT_MARKER.pack(head, _boot())


def read_marker(folder: Path) -> tuple[int, bool]:
    """Return the first number not yet durable, and whether that is exact.

    The marker is not synced: from before a power cut it may be stale, from this boot it is exact.
    """
    try:
        data = (folder / "durable").read_bytes()
    except FileNotFoundError:
        return 0, False
    if len(data) != _BOOT_MARKER.size:
        return 0, False
    head, boot = _BOOT_MARKER.unpack(data)
    return head, boot == _boot() != _NEVER


def durable_number(folder: Path) -> int:
    """Return the first number that is not yet durable, as last told by the writer."""
    return read_marker(folder)[0]


def first_position(folder: Path) -> int:
    """Return the first number that the spool can still give; 0 for a folder without frames."""
    return min(files(folder), default=0)


def size_bytes(folder: Path) -> int:
    """Return how much the spool's files hold."""
    total = 0
    for path in files(folder).values():
        try:
            total += path.stat().st_size
        except FileNotFoundError:
            continue  # released meanwhile
    return total


def release(folder: Path, below: int) -> int:
    """Take away the files whose frames are all below `below`, but never the newest.

    Returns:
        How many files went.

    Raises:
        SpoolError: a file could not be taken away.
    """
    here = files(folder)
    done = [first for first, after in pairwise(sorted(here)) if after <= below]
    try:
        for first in done:  # oldest first: a crash between leaves no hole
            durable.remove(here[first])
    except StoreError as error:
        raise SpoolError(str(error)) from error
    return len(done)


@lru_cache(maxsize=4096)
def _names(
    site: str, address: str, label: str, sender_name: str
) -> tuple[tuple[int, int, int], bytes]:
    """Return the sizes of three names, and the names; that of a sender follows the label's NUL."""
    if "\0" in label or "\0" in sender_name:
        raise SpoolError("a frame with a name that has a NUL in it")
    try:
        last = f"{label}\0{sender_name}" if sender_name else label
        parts = [text.encode() for text in (site, address, last)]
    except UnicodeEncodeError as error:
        raise SpoolError(f"a frame with a name that is not text: {error}") from error
    if len(parts[0]) > 255 or len(parts[1]) > 255 or len(parts[2]) > 65535:
        raise SpoolError(f"a frame's names are too long: {site[:40]!r} {address[:40]!r}")
    return (len(parts[0]), len(parts[1]), len(parts[2])), b"".join(parts)


@lru_cache(maxsize=4096)
def _split(names: bytes, site: int, address: int, last: int) -> tuple[str, str, str, str]:
    rest = site + address
    label, _, sender_name = names[rest : rest + last].decode().partition("\0")
    return names[:site].decode(), names[site:rest].decode(), label, sender_name


def _transport(word: str) -> int:
    try:
        return TRANSPORTS.index(word)
    except ValueError:
        raise SpoolError(f"no transport {word!r}; known: {', '.join(TRANSPORTS)}") from None


@lru_cache(maxsize=1)
def _boot() -> bytes:
    """Return what tells this boot of the kernel from others."""
    try:
        text = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
    except OSError:
        return _NEVER
    return bytes.fromhex(text.strip().replace("-", ""))[:8]
