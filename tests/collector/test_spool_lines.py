"""Many lines in one frame: each has its number, whatever is cut, lost or begun anew."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.errors import SpoolError
from collector.records import Frame, FrameKind
from collector.settings import SpoolSettings
from collector.spool import Draft, SpoolReader, SpoolWriter, lines

SETTINGS = SpoolSettings(file_bytes=1 << 16, commit_ms=5, least_free_bytes=0)
MESSAGES = st.lists(st.binary(max_size=9).filter(lambda one: b"\n" not in one), min_size=1)
SENT = [[b"one"], [b"two", b"", b"four"], [b"five", b"six"]]


def _draft(kind: FrameKind = FrameKind.LINES) -> Draft:
    return Draft(kind=kind, site="a", address="192.0.2.1", transport="tcp", received_ns=5)


def _writer(folder: Path) -> SpoolWriter:
    return SpoolWriter(folder, SETTINGS, clock=lambda: 7)


def _write(folder: Path, sent: list[list[bytes]]) -> None:
    with _writer(folder) as out:
        assert out.append_all(_draft(), [lines.pack(each) for each in sent]) == len(sent)


def _read(folder: Path, start: int = 0) -> list[Frame]:
    with SpoolReader(folder, start) as reader:
        return [frame for frames in iter(lambda: reader.read(1), []) for frame in frames]


def _each(frames: list[Frame]) -> list[tuple[int, bytes]]:
    return [(one.number, one.payload) for frame in frames for one in lines.each(frame)]


@given(MESSAGES)
def test_what_is_packed_comes_back(messages: list[bytes]) -> None:
    frame = Frame(FrameKind.LINES, "a", 1, 2, payload=lines.pack(messages), number=40)
    found = lines.each(frame)
    assert [one.payload for one in found] == messages
    assert [one.number for one in found] == list(range(40, 40 + len(messages)))
    assert lines.after(frame) == 40 + len(messages)
    assert {one[1:-2] for one in found} == {frame[1:-2]}


def test_each_line_has_a_number_and_others_go_on_behind(tmp_path: Path) -> None:
    _write(tmp_path, SENT)
    with _writer(tmp_path) as out:
        assert (out.head, out.append(_draft(FrameKind.SYSLOG))) == (6, 6)
        assert out.append_all(_draft(), [lines.pack([b"eight", b"nine"])]) == 1
        assert out.head == 9
    sent = [message for each in SENT for message in each]
    assert _each(_read(tmp_path)) == [*enumerate([*sent, b"", b"eight", b"nine"])]


def test_reading_from_within_a_frame_gives_all_of_it(tmp_path: Path) -> None:
    _write(tmp_path, SENT)
    assert [frame.number for frame in _read(tmp_path, 3)] == [1, 4]
    assert [frame.number for frame in _read(tmp_path, 4)] == [4]
    assert _read(tmp_path, 6) == []


def test_a_crash_at_any_octet_leaves_whole_frames_and_numbers_go_on(tmp_path: Path) -> None:
    _write(tmp_path / "spool", SENT)
    (file,) = (tmp_path / "spool").glob("*.spool")
    data, ends = file.read_bytes(), [0, 1, 4, 6]
    found = set()
    for size in range(32, len(data)):
        cut = tmp_path / "cut"
        shutil.rmtree(cut, ignore_errors=True)
        cut.mkdir()
        (cut / file.name).write_bytes(data[:size])
        with _writer(cut) as out:
            left = out.head
            out.append_all(_draft(), [lines.pack([b"a", b"b"])])
            assert out.head == left + 2
        found.add(left)
        told = _each(_read(cut))
        assert [number for number, _ in told] == list(range(left + 2))
    assert found == set(ends[:-1])


@pytest.mark.parametrize("payload", [b"", b"\0\0\0", bytes(4), bytes(4) + b"line"])
def test_many_lines_without_any_are_refused(tmp_path: Path, payload: bytes) -> None:
    with _writer(tmp_path) as out:
        with pytest.raises(SpoolError, match="without any"):
            out.append_all(_draft(), [payload])
        assert out.head == 0


@pytest.mark.parametrize("count", [1, 3])
def test_a_frame_that_holds_other_than_it_says_is_told(count: int) -> None:
    payload: Any = count.to_bytes(4, "little") + b"one\ntwo"
    with pytest.raises(SpoolError, match="not as many"):
        lines.each(Frame(FrameKind.LINES, "a", 1, 2, payload=payload, number=0))
