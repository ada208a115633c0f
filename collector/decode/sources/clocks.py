"""Whether a source's clock is right, from a sample every ten seconds."""

from __future__ import annotations

from collections import deque

from collector.decode.stream import CONNECTED
from collector.records import Frame

SAMPLE_US = 10_000_000
_KEPT = 15
_ENOUGH = 5
WRONG_US = 30_000_000
"""A clock further off than this is wrong."""
_RIGHT_US = 20_000_000
"""One that was wrong is right again within this."""


class ClockWatch:
    """The median of (time on the wire - time of sending) over the last samples of one source."""

    __slots__ = ("_samples", "bucket", "wrong")

    def __init__(self) -> None:
        self.bucket = -1
        """The ten seconds of the last sample."""
        self.wrong = False
        self._samples: deque[int] = deque(maxlen=_KEPT)

    @property
    def offset_us(self) -> int | None:
        """How far the clock is behind; None while there are too few samples."""
        if len(self._samples) < _ENOUGH:
            return None
        return sorted(self._samples)[len(self._samples) // 2]

    def learn(self, now_us: int, difference_us: int) -> bool:
        """Take the sample of these ten seconds; return whether the verdict changed."""
        self.bucket = now_us // SAMPLE_US
        self._samples.append(difference_us)
        offset = self.offset_us
        if offset is None:
            return False
        was, limit = self.wrong, _RIGHT_US if self.wrong else WRONG_US
        self.wrong = abs(offset) > limit
        return self.wrong != was

    def snapshot(self) -> list[int]:
        """Return the state as integers."""
        return [self.bucket, int(self.wrong), *self._samples]

    @classmethod
    def restore(cls, state: list[int]) -> ClockWatch:
        """Return the watch that `snapshot` described."""
        watch = cls()
        watch.bucket, watch.wrong = state[0], bool(state[1])
        watch._samples.extend(state[2:])
        return watch


def sent_us(payload: bytes) -> int | None:
    """Return when a flow datagram says that it was sent, µs; None where it does not say.

    NetFlow v5 and v9 have the seconds at byte 8, IPFIX at byte 4 (RFC 3954 section 5.1, RFC 7011
    section 3.1); sFlow has an uptime alone.
    """
    at = {b"\0\5": 8, b"\0\x09": 8, b"\0\x0a": 4}.get(payload[:2])
    if at is None or len(payload) < at + 4:
        return None
    return int.from_bytes(payload[at : at + 4], "big") * 1_000_000


def protocol(frame: Frame) -> str:
    """Return the protocol of a flow datagram or message; empty for none that is known."""
    if frame.payload.startswith(b"\0\0\0\5"):
        return "sFlow v5"
    number = int.from_bytes(frame.payload[:2], "big")
    name = {10: "IPFIX"}.get(number, f"NetFlow v{number}" if number in _NETFLOW else "")
    return f"{name} over {frame.transport.upper()}" if frame.transport in CONNECTED else name


_NETFLOW = (1, 5, 6, 7, 8, 9)
