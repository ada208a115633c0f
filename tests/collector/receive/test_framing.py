"""Messages out of a stream: whatever its pieces, whatever its framing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.receive.framing import LONGEST, Splitter

VECTORS = Path(__file__).resolve().parents[4] / "shared" / "data" / "syslog" / "go-syslog"


def _split(data: bytes, *, piece: int = 1 << 20) -> list[bytes]:
    splitter = Splitter()
    messages = []
    for at in range(0, len(data), piece):
        messages += splitter.feed(data[at : at + piece])
    return messages + splitter.finish()


@pytest.mark.parametrize("piece", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize(
    ("stream", "messages"),
    [
        (b"<13>one\n<13>two\n", [b"<13>one", b"<13>two"]),
        (b"<13>one\0<13>two\0", [b"<13>one", b"<13>two"]),
        (b"<13>a\nb\0<13>c", [b"<13>a", b"b\0<13>c"]),
        (b"<13>a\r\n<13>b\r\n", [b"<13>a\r", b"<13>b\r"]),
        (b"7 <13>one7 <13>two", [b"<13>one", b"<13>two"]),
        (b"7 <13>one\n7 <13>two\n", [b"<13>one", b"<13>two"]),
        (b"9 <13>a\nb\nc7 <13>two", [b"<13>a\nb\nc", b"<13>two"]),
        (b"7 <13>one<13>line\n7 <13>two", [b"<13>one", b"<13>line", b"<13>two"]),
        (b"<13>line\n7 <13>one", [b"<13>line", b"<13>one"]),
        (b"2026 begins with digits\n", [b"2026 begins with digits"]),
        (b"12345678 <13>too many digits\n", [b"12345678 <13>too many digits"]),
        (b"\n\n\0\n", []),
        (b"<13>no trailer", [b"<13>no trailer"]),
        (b"100 <13>short", [b"<13>short"]),
        (b"42", [b"42"]),
    ],
)
def test_frames_are_found_however_the_stream_is_cut(
    stream: bytes, messages: list[bytes], piece: int
) -> None:
    assert _split(stream, piece=piece) == messages


@pytest.mark.parametrize("piece", [1, 5, 1000])
def test_after_a_wrong_length_the_next_right_one_is_found(piece: int) -> None:
    splitter = Splitter()
    stream = b"5 <13>longer than said" + b"8 <14>next" + b"7 <13>two"
    messages = []
    for at in range(0, len(stream), piece):
        messages += splitter.feed(stream[at : at + piece])
    messages += splitter.finish()
    assert messages == [b"<13>l", b"onger than said", b"<14>next", b"<13>two"]
    assert splitter.bad_lengths == 1


def test_after_a_wrong_length_the_next_trailer_ends_the_fragment() -> None:
    assert _split(b"5 <13>longer\n7 <13>two") == [b"<13>l", b"onger", b"<13>two"]


@pytest.mark.parametrize("piece", [1000, 65536, 1 << 20])
def test_a_line_too_long_keeps_its_beginning(piece: int) -> None:
    splitter = Splitter()
    stream = b"<13>" + b"x" * (3 * LONGEST) + b"\n<13>next\n"
    messages = []
    for at in range(0, len(stream), piece):
        messages += splitter.feed(stream[at : at + piece])
    assert messages == [stream[:LONGEST], b"<13>next"]
    assert (splitter.cut, splitter.skipped_bytes) == (1, 2 * LONGEST + 4)


@pytest.mark.parametrize("piece", [1000, 65536, 1 << 20])
def test_a_counted_message_too_long_keeps_its_beginning(piece: int) -> None:
    splitter = Splitter()
    long = b"<13>" + b"x" * (2 * LONGEST)
    stream = b"%d %s7 <13>two" % (len(long), long)
    messages = []
    for at in range(0, len(stream), piece):
        messages += splitter.feed(stream[at : at + piece])
    assert messages == [long[:LONGEST], b"<13>two"]
    assert (splitter.cut, splitter.skipped_bytes) == (1, len(long) - LONGEST)


def test_a_message_of_exactly_the_bound_is_whole() -> None:
    message = b"<13>" + b"x" * (LONGEST - 4)
    splitter = Splitter()
    assert splitter.feed(message + b"\n%d %s" % (LONGEST, message)) == [message, message]
    assert splitter.cut == 0


_MESSAGE = st.binary(min_size=1, max_size=40).map(lambda tail: b"<13>" + tail)
_LINE = _MESSAGE.filter(lambda message: b"\n" not in message and b"\0" not in message)


@given(st.lists(_MESSAGE), st.integers(1, 50))
def test_counted_messages_of_any_bytes_come_out_as_they_are(
    messages: list[bytes], piece: int
) -> None:
    stream = b"".join(b"%d %s" % (len(message), message) for message in messages)
    assert _split(stream, piece=piece) == messages


@given(st.lists(_LINE), st.sampled_from([b"\n", b"\0"]), st.integers(1, 50))
def test_lines_come_out_as_they_are(messages: list[bytes], trailer: bytes, piece: int) -> None:
    stream = b"".join(message + trailer for message in messages)
    assert _split(stream, piece=piece) == messages


_TOKENS = st.sampled_from([b"7 ", b"70", b"<1", b">", b"\n", b"\0", b"x", b"999999 <", b" "])


@given(st.lists(st.one_of(_TOKENS, st.binary(max_size=9))).map(b"".join), st.integers(1, 9))
def test_any_stream_gives_the_same_messages_however_it_is_cut(stream: bytes, piece: int) -> None:
    whole = _split(stream)
    assert _split(stream, piece=piece) == whole
    kept = b"".join(whole)
    rest = iter(stream)
    assert all(byte in rest for byte in kept)  # nothing invented, nothing out of order
    framing = len(stream) - len(kept)
    assert framing <= stream.count(b"\n") + stream.count(b"\0") + 9 * (stream.count(b" <"))


_LINES = st.lists(
    st.one_of(
        st.sampled_from(
            [b"<1>a\n", b"<13>line\n", b"<2>x\0\n", b"\n", b"7 <1>abcd\n", b"x\n", b"12"]
        ),
        st.binary(max_size=6),
    ),
    max_size=12,
)


@given(_LINES.map(b"".join), st.integers(1, 40))
def test_lines_taken_at_once_are_those_taken_one_by_one(stream: bytes, piece: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Splitter, "_take_lines", lambda _: (b"", 0))
        singly = _split(stream, piece=piece)
    assert _split(stream, piece=piece) == singly


@given(_LINES.map(b"".join), st.integers(1, 40))
def test_lines_are_given_together_in_order_and_counted(stream: bytes, piece: int) -> None:
    whole, apart = Splitter(), Splitter()
    for at in range(0, len(stream), piece):
        lines, count, others = apart.together(stream[at : at + piece])
        assert count == (lines.count(b"\n") + 1 if lines else 0)
        found = [*(lines.split(b"\n") if lines else ()), *others]
        assert found == whole.feed(stream[at : at + piece])


def _vectors(name: str) -> list[dict[str, Any]]:
    path = VECTORS / name
    if not path.is_file():
        pytest.skip(f"no {name} in ../shared/data")
    cases: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    assert cases
    return cases


def test_octet_counting_vectors() -> None:
    for case in _vectors("octet_counting_vectors.json"):
        messages = _split(case["input"].encode())
        frames = [frame.encode() for frame in case["frames"]]
        assert messages[: len(frames)] == frames, case
        assert (len(messages) > len(frames)) == (case["error"] is not None), case


@pytest.mark.parametrize("trailer", ["\n", "\0"])
def test_non_transparent_vectors(trailer: str) -> None:
    for case in _vectors("non_transparent_vectors.json"):
        stream = case["input"].replace("{TRAILER}", trailer).encode()
        assert _split(stream) == [frame.encode() for frame in case["frames"]], case
