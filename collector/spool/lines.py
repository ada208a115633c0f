"""Many messages of syslog in one frame: what a sender sent at once over a connection.

A frame of its own for each line costs as much as all else that receiving it does. The payload is
how many there are (4 octets, little-endian), then the messages with a line feed between; none has
one in it. Each message has a number of its own, the first one that of the frame.
"""

from __future__ import annotations

from collections.abc import Sequence

from collector.errors import SpoolError
from collector.records import Frame, FrameKind

HEAD = 4
"""Octets of the count."""
MOST_BYTES = 1 << 18
"""Of the messages of one frame together, about."""


def pack(messages: Sequence[bytes]) -> bytes:
    """Return the payload of a frame of messages without line feeds."""
    return packed(b"\n".join(messages), len(messages))


def packed(messages: bytes, count: int) -> bytes:
    """Return the same of messages that have their line feeds between them."""
    return count.to_bytes(HEAD, "little") + messages


def span(kind: int, payload: bytes) -> int:
    """Return how many numbers a frame takes: one for each message in it."""
    return int.from_bytes(payload[:HEAD], "little") if kind == FrameKind.LINES else 1


def spans(kind: int, payloads: Sequence[bytes]) -> int:
    """Return how many numbers frames of one kind take together."""
    if kind != FrameKind.LINES:
        return len(payloads)
    return sum(span(kind, payload) for payload in payloads)


def after(frame: Frame) -> int:
    """Return the number that follows a frame and all that is in it."""
    return frame.number + span(frame.kind, frame.payload)


def each(frame: Frame) -> list[Frame]:
    """Return a frame for each message; any other frame is the only one.

    Raises:
        SpoolError: the frame does not hold what it says.
    """
    if frame.kind is not FrameKind.LINES:
        return [frame]
    messages = frame.payload[HEAD:].split(b"\n")
    if len(messages) != span(frame.kind, frame.payload):
        raise not_as_many(frame)
    return [of(frame, message, number) for number, message in enumerate(messages, frame.number)]


def of(frame: Frame, message: bytes, number: int) -> Frame:
    """Return the frame of one message of many."""
    return Frame(FrameKind.SYSLOG, *frame[1:-2], message, number)


def not_as_many(frame: Frame) -> SpoolError:
    """Return what is to be raised for a frame that holds other than it says."""
    return SpoolError(
        f"frame {frame.number} in the spool is whole, but its lines are not as many as it says",
        hint="another version wrote it: go on with that one; nothing was cut",
    )
