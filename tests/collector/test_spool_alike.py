"""Frames of one sender are read together as they are read singly, each with its own time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.errors import SpoolError
from collector.records import Frame, FrameKind
from collector.spool import layout

MARK = b"mark"
RUNS = st.lists(
    st.tuples(st.sampled_from(("192.0.2.1", "2001:db8::1")), st.lists(st.binary(max_size=9))),
    min_size=1,
    max_size=4,
)
"""Senders, and what each of them sent in one go."""


def times(count: int) -> list[int]:
    """Return when so many frames were received, ns."""
    return [10**18 + 7 * n for n in range(count)]


def written(runs: list[tuple[str, list[bytes]]]) -> bytes:
    frames: list[bytes] = []
    for address, payloads in runs:
        draft = layout.Draft(kind=FrameKind.SYSLOG, transport="tcp", site="a", address=address)
        frames += layout.encode_all(draft, payloads, len(frames), 0, times(len(payloads)))
    return MARK.join((b"", *frames))


def read(data: bytes, *, together: bool) -> tuple[list[Frame], int] | None:
    """Return the frames and where they end; None where one is of another version."""
    frames: list[Frame] = []
    start = end = 0
    try:
        while (parsed := layout.parse(data, end, MARK)) and parsed[0].number == len(frames):
            frames.append(parsed[0])
            start, end = end, parsed[2]
            if together:
                alike, end = layout.parse_alike(
                    data, start, end, parsed[0], most=1000, until=len(data)
                )
                frames += alike
    except SpoolError:
        return None
    return frames, end


@given(RUNS)
def test_frames_that_are_alike_are_read_as_each_by_itself(
    runs: list[tuple[str, list[bytes]]],
) -> None:
    found = read(written(runs), together=True)
    assert found == read(written(runs), together=False)
    assert found is not None
    assert [frame.payload for frame in found[0]] == [p for _, sent in runs for p in sent]
    told = [time for _, sent in runs for time in times(len(sent))]
    assert [frame.received_ns for frame in found[0]] == told
    assert [frame.wire_ns for frame in found[0]] == told


def test_a_time_that_cannot_be_is_refused() -> None:
    draft = layout.Draft(kind=FrameKind.FLOW, site="a", address="192.0.2.1")
    with pytest.raises(SpoolError, match="cannot be"):
        layout.encode_all(draft, [b"one", b"two"], 0, 0, [1, 1 << 63])


@given(RUNS, st.integers(0), st.integers(0, 7), st.integers(0, 40))
def test_damage_ends_both_at_one_place(
    runs: list[tuple[str, list[bytes]]], place: int, bit: int, cut: int
) -> None:
    damaged = bytearray(written(runs))
    if damaged:
        damaged[place % len(damaged)] ^= 1 << bit
    data = bytes(damaged[: max(0, len(damaged) - cut)])
    assert read(data, together=True) == read(data, together=False)


def test_no_more_are_read_together_than_wanted() -> None:
    data = written([("192.0.2.1", [b"one", b"two", b"three", b"four"])])
    parsed = layout.parse(data, 0, MARK)
    assert parsed is not None
    first, _, end = parsed
    two, after = layout.parse_alike(data, 0, end, first, most=2, until=len(data))
    assert [frame.payload for frame in two] == [b"two", b"three"]
    assert layout.parse_alike(data, 0, end, first, most=9, until=end - 1) == ([], end)
    assert after > end
