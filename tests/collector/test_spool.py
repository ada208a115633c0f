"""The spool keeps what it acknowledged, in order, once; damage is told, never skipped."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector import durable, spool
from collector.errors import Busy, SpoolError, SpoolFull, StoreError
from collector.records import Frame, FrameKind
from collector.settings import SpoolSettings
from collector.spool import Draft, SpoolReader, SpoolWriter, writer

SETTINGS = SpoolSettings(file_bytes=1 << 16, commit_ms=5, least_free_bytes=0)
NOW = 1_700_000_000_000_000_000


def _clock() -> int:
    return NOW


def _frame(n: int, size: int = 20) -> Frame:
    return Frame(
        kind=FrameKind.SYSLOG,
        site="school-a",
        received_ns=NOW + n,
        wire_ns=NOW - n,
        address="192.0.2.1",
        port=40000,
        local_port=5514,
        label="ไฟล์.pcap" if n % 3 == 0 else "",
        transport="tcp" if n % 2 else "udp",
        sender_name="fw.โรงเรียน.example" if n % 5 == 0 else "",
        payload=n.to_bytes(8, "big") + bytes(size),
    )


def _write(folder: Path, numbers: range, size: int = 20) -> SpoolWriter:
    with SpoolWriter(folder, SETTINGS, clock=_clock) as out:
        for n in numbers:
            assert out.append(_frame(n, size)) == n
    return out


def _read(folder: Path, start: int = 0, max_bytes: int = 4096) -> list[int]:
    """Return the numbers of all frames from `start`; each is checked against what was written."""
    numbers = []
    with SpoolReader(folder, start) as reader:
        while frames := reader.read(max_bytes):
            for frame in frames:
                assert int.from_bytes(frame.payload[:8], "big") == frame.number
                numbers.append(frame.number)
    return numbers


def _newest(folder: Path) -> Path:
    return max(folder.glob("*.spool"))


def test_a_frame_comes_back_as_it_went_in(tmp_path: Path) -> None:
    _write(tmp_path, range(7))
    with SpoolReader(tmp_path, 0) as reader:
        for n, frame in enumerate(reader.read(1 << 20)):
            expected = _frame(n)
            assert frame == Frame(
                **{name: getattr(expected, name) for name in expected._fields if name != "number"},
                number=n,
            )
        assert n == 6
        assert reader.position == 7


def test_frames_taken_at_once_are_those_taken_one_by_one(tmp_path: Path) -> None:
    payloads = [b"", b"one", b"two" * 300, b"\0"]
    frame = _frame(0)
    names = ("kind", "site", "received_ns", "wire_ns", "address", "port", "local_port", "transport")
    draft = Draft(**{name: getattr(frame, name) for name in names}, sender_name="fw.example")
    with SpoolWriter(tmp_path, SETTINGS, clock=_clock) as out:
        assert out.append_all(draft, payloads) == 4
        assert out.append_all(draft, []) == 0
        for payload in payloads:
            draft.payload = payload
            out.append(draft)
    with SpoolReader(tmp_path, 0) as reader:
        found = reader.read(1 << 20)
    assert [one.number for one in found] == list(range(8))
    assert [one.payload for one in found] == [*payloads, *payloads]
    assert {one._replace(number=0, payload=b"") for one in found[:4]} == {
        one._replace(number=0, payload=b"") for one in found[4:]
    }


def test_numbers_go_on_after_a_restart(tmp_path: Path) -> None:
    _write(tmp_path, range(5))
    out = _write(tmp_path, range(5, 9))
    assert out.repaired is None
    assert out.last_ns == NOW + 4
    assert _read(tmp_path) == list(range(9))
    assert _read(tmp_path, start=6) == [6, 7, 8]


def test_files_roll_over_and_are_read_through(tmp_path: Path) -> None:
    for begin in range(0, 300, 50):
        _write(tmp_path, range(begin, begin + 50), size=1000)
    assert len(list(tmp_path.glob("*.spool"))) >= 3
    assert _read(tmp_path) == list(range(300))
    assert _read(tmp_path, start=149, max_bytes=1) == list(range(149, 300))


def test_released_files_go_but_never_the_newest(tmp_path: Path) -> None:
    for begin in range(0, 300, 50):
        _write(tmp_path, range(begin, begin + 50), size=1000)
    second = sorted(int(p.stem) for p in tmp_path.glob("*.spool"))[1]
    assert spool.release(tmp_path, second - 1) == 0
    assert spool.release(tmp_path, second) == 1
    assert _read(tmp_path, start=second) == list(range(second, 300))
    with pytest.raises(SpoolError, match="frames from 0 on are not in"):
        _read(tmp_path)
    before = spool.size_bytes(tmp_path)
    spool.release(tmp_path, 300)
    assert len(list(tmp_path.glob("*.spool"))) == 1
    assert spool.size_bytes(tmp_path) < before
    assert _write(tmp_path, range(300, 301)).head == 301


def test_a_reader_follows_a_writer_in_another_process(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from tests.collector.test_spool import _write\n"
        "for begin in range(0, 400, 20): _write(Path(sys.argv[1]), range(begin, begin + 20), 1000)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)]) as child:
        numbers: list[int] = []
        end = time.monotonic() + 30
        with SpoolReader(tmp_path, 0) as reader:
            while len(numbers) < 400 and time.monotonic() < end:
                numbers += [frame.number for frame in reader.read(5000)]
        assert child.wait(30) == 0
    assert numbers == list(range(400))


def test_only_what_is_durable_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hold, held = threading.Event(), threading.Event()

    def wait_at_fsync(point: str) -> None:
        if point.startswith("fsync") and point.endswith(".spool"):
            held.set()
            hold.wait(10)

    with SpoolWriter(tmp_path, SETTINGS, clock=_clock) as out:
        monkeypatch.setattr(durable, "fault", wait_at_fsync)
        out.append(_frame(0))
        assert held.wait(5)
        assert (_newest(tmp_path).stat().st_size, _read(tmp_path)) > (40, [])
        assert out.durable == 0
        out.append(_frame(1))  # does not wait for the disk
        hold.set()
        out.wait_durable(1)
        assert _read(tmp_path) == [0, 1]


def test_a_waiter_does_not_sit_out_the_commit_time(tmp_path: Path) -> None:
    slow = SETTINGS.model_copy(update={"commit_ms": 5000})
    with SpoolWriter(tmp_path, slow, clock=_clock) as out:
        begun = time.monotonic()
        for n in range(3):
            out.wait_durable(out.append(_frame(n)))
        assert time.monotonic() - begun < 10
        with pytest.raises(SpoolError, match="frame 99 was never taken"):
            out.wait_durable(99)


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    with (
        SpoolWriter(tmp_path, SETTINGS, clock=_clock),
        pytest.raises(Busy, match=f"process {os.getpid()}"),
    ):
        SpoolWriter(tmp_path, SETTINGS, clock=_clock).open()


def test_a_failed_fsync_ends_the_spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[SpoolError] = []
    out = SpoolWriter(tmp_path, SETTINGS, clock=_clock, fatal=told.append)
    out.open()
    out.wait_durable(out.append(_frame(0)))

    def fail(point: str) -> None:
        if point.startswith("fsync"):
            raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(durable, "fault", fail)
        number = out.append(_frame(1))
        with pytest.raises(SpoolError, match="Input/output error"):
            out.wait_durable(number)
    with pytest.raises(SpoolError, match="cannot be written"):
        out.append(_frame(2))
    with pytest.raises(SpoolError, match="cannot be written"):
        out.close()
    assert len(told) == 1
    assert _read(tmp_path) == [0]


def test_a_disk_nearly_full_is_refused_and_taken_up_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "_SPACE_CHECK_S", 0.01)
    with SpoolWriter(tmp_path, SETTINGS, clock=_clock) as out:
        with monkeypatch.context() as patch:
            patch.setattr(SpoolWriter, "_short_of_space", lambda _: True)
            out.wait_durable(out.append(_frame(0)))
            deadline = time.monotonic() + 5
            while not out.full and time.monotonic() < deadline:
                time.sleep(0.01)
            with pytest.raises(SpoolFull, match="MiB free in"):
                out.append(_frame(1))
        deadline = time.monotonic() + 5
        while out.full and time.monotonic() < deadline:
            time.sleep(0.01)
        assert out.append(_frame(1)) == 1
    assert _read(tmp_path) == [0, 1]


def test_space_is_measured_on_the_disk_of_the_spool(tmp_path: Path) -> None:
    greedy = SETTINGS.model_copy(update={"least_free_bytes": 1 << 60})
    with (
        SpoolWriter(tmp_path, greedy, clock=_clock) as out,
        pytest.raises(SpoolFull, match="refused and counted"),
    ):
        out.append(_frame(0))


def test_of_many_frames_those_are_taken_that_there_is_room_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "MAX_WAITING_BYTES", 10_000)
    draft = Draft(kind=FrameKind.SYSLOG)
    go = threading.Event()
    with SpoolWriter(tmp_path, SETTINGS, clock=_clock) as out:
        monkeypatch.setattr(durable, "fault", lambda _: go.wait(10))
        taken = out.append_all(draft, [bytes(1000)] * 50)
        with pytest.raises(SpoolFull, match="too slow"):
            while True:
                taken += out.append_all(draft, [bytes(1000)] * 50)
        go.set()
    assert 10 <= taken < 50
    with SpoolReader(tmp_path, 0) as reader:
        assert len(reader.read(1 << 20)) == taken


def test_a_slow_disk_is_refused_before_memory_runs_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "MAX_WAITING_BYTES", 10_000)
    go = threading.Event()
    with SpoolWriter(tmp_path, SETTINGS, clock=_clock) as out:
        monkeypatch.setattr(durable, "fault", lambda _: go.wait(10))
        taken = 0
        with pytest.raises(SpoolFull, match="too slow"):
            for taken in range(1000):
                out.append(_frame(taken, 1000))
        go.set()
    assert 10 <= taken < 100
    assert _read(tmp_path) == list(range(taken))


@pytest.mark.parametrize(
    "change",
    [
        {"payload": bytes((1 << 20) + 1)},
        {"port": 70000},
        {"received_ns": 1 << 63},
        {"transport": "pigeon"},
        {"label": "a\0b"},
        {"sender_name": "a\0b"},
        {"site": "s" * 256},
        {"label": "\udcff"},
    ],
)
def test_what_cannot_be_a_frame_is_refused_and_costs_no_number(
    tmp_path: Path, change: dict[str, object]
) -> None:
    good = _frame(0)
    values = {name: getattr(good, name) for name in good._fields}
    with SpoolWriter(tmp_path, SETTINGS, clock=_clock) as out:
        with pytest.raises(SpoolError):
            out.append(Frame(**{**values, **change}))
        assert out.append(good) == 0


def _tear(folder: Path, keep: int) -> None:
    os.truncate(_newest(folder), keep)


def test_a_torn_write_is_cut_and_reported(tmp_path: Path) -> None:
    _write(tmp_path, range(3))
    with _newest(tmp_path).open("ab") as file:
        file.write(_newest(tmp_path).read_bytes()[-40:])  # part of a frame
    out = _write(tmp_path, range(3, 4))
    assert out.repaired is not None
    assert (out.repaired.cut_bytes, out.repaired.lost) == (40, 0)
    assert _read(tmp_path) == [0, 1, 2, 3]


def test_lost_durable_frames_are_counted_and_their_numbers_not_given_again(tmp_path: Path) -> None:
    _write(tmp_path, range(10))
    _tear(tmp_path, _newest(tmp_path).stat().st_size - 10)
    with SpoolWriter(tmp_path, SETTINGS, clock=_clock) as out:
        assert out.repaired is not None
        assert out.repaired.lost == 1
        assert "1 durable frames lost" in str(out.repaired)
        assert out.append(_frame(10)) == 10
    assert _read(tmp_path) == [*range(9), 10]
    assert _read(tmp_path, start=9) == [10]


def test_an_emptied_spool_goes_on_with_its_numbers(tmp_path: Path) -> None:
    _write(tmp_path, range(10))
    _newest(tmp_path).unlink()
    with SpoolWriter(tmp_path, SETTINGS, clock=_clock) as out:
        assert out.repaired is not None
        assert out.append(_frame(10)) == 10


def test_numbers_begun_anew_are_not_taken_for_old_ones(tmp_path: Path) -> None:
    _write(tmp_path, range(10))
    with SpoolReader(tmp_path, 10) as reader:
        assert reader.read(100) == []
        for path in tmp_path.iterdir():
            path.unlink()
        _write(tmp_path, range(3))
        with pytest.raises(SpoolError, match="ends at frame 3, but frame 9 was read"):
            reader.read(100)


def test_damage_in_the_middle_is_refused_not_cut(tmp_path: Path) -> None:
    _write(tmp_path, range(5))
    _write(tmp_path, range(5, 10))
    path = _newest(tmp_path)
    data = bytearray(path.read_bytes())
    place = data.index((2).to_bytes(8, "big") + bytes(20))
    data[place + 10] ^= 1
    path.write_bytes(data)
    with pytest.raises(SpoolError, match=rf"damage in {path} at offset \d+: frame 2 is bad"):
        SpoolWriter(tmp_path, SETTINGS, clock=_clock).open()
    assert path.read_bytes() == data
    with pytest.raises(SpoolError, match=rf"damage in {path} at offset \d+: frame 2 is bad"):
        _read(tmp_path, max_bytes=1)


def test_a_file_that_is_missing_between_others_is_told(tmp_path: Path) -> None:
    for begin in range(0, 300, 100):
        _write(tmp_path, range(begin, begin + 100), size=1000)
    files = sorted(tmp_path.glob("*.spool"))
    assert len(files) == 3
    files[1].unlink()
    with pytest.raises(SpoolError, match="frames are missing after number"):
        _read(tmp_path)


def test_a_frame_inside_a_payload_is_not_taken_for_one(tmp_path: Path) -> None:
    """A stranger who sends a copy of our file format cannot make a torn tail look like damage."""
    other = tmp_path / "other"
    _write(other, range(50))
    inner = _newest(other).read_bytes()
    here = tmp_path / "here"
    with SpoolWriter(here, SETTINGS, clock=_clock) as out:
        out.append(_frame(0))
        out.append(Frame(kind=FrameKind.FLOW, site="s", received_ns=1, wire_ns=1, payload=inner))
    (here / "durable").unlink()  # as if the crash had come before the second was durable
    _tear(here, _newest(here).stat().st_size - 1)
    with SpoolWriter(here, SETTINGS, clock=_clock) as out:
        assert out.head == 1
        assert out.repaired is not None


def _some_spool(folder: Path) -> bytes:
    _write(folder, range(6))
    _write(folder, range(6, 12))
    return _newest(folder).read_bytes()


@pytest.fixture(scope="module")
def twelve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("spool") / "twelve"
    _some_spool(folder)
    yield folder


@settings(max_examples=150)
@given(st.data())
def test_any_truncation_leaves_a_prefix(twelve: Path, data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(shutil.copytree(twelve, Path(name) / "spool"))
        whole = _newest(folder).read_bytes()
        _tear(folder, data.draw(st.integers(36, len(whole))))
        if data.draw(st.booleans()):
            (folder / "durable").unlink()
        with SpoolWriter(folder, SETTINGS, clock=_clock) as out:
            head = out.head
            lost = out.repaired.lost if out.repaired else 0
        kept = _read(folder)
        assert kept == list(range(head - lost))
        assert head in (12, len(kept))


@settings(max_examples=300)
@given(st.data())
def test_any_byte_changed_gives_a_prefix_or_is_told(twelve: Path, data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(shutil.copytree(twelve, Path(name) / "spool"))
        path = _newest(folder)
        content = bytearray(path.read_bytes())
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
        path.write_bytes(content)
        try:
            with SpoolWriter(folder, SETTINGS, clock=_clock) as out:
                lost = out.repaired.lost if out.repaired else 0
            assert lost == 1  # only the last frame can go without a later one to tell
            assert _read(folder) == list(range(12 - lost))
        except SpoolError as error:
            assert f"damage in {path} at offset" in str(error)


_KILLED = """
import sys, threading
from pathlib import Path
from collector.settings import SpoolSettings
from collector.spool import SpoolWriter
from tests.collector.test_spool import _frame, _clock
settings = SpoolSettings(file_bytes=1 << 16, commit_ms=2, least_free_bytes=0)
with SpoolWriter(Path(sys.argv[1]), settings, clock=_clock) as out:
    while True:
        number = out.append(_frame(out.head, 200))
        if number % 7 == 0:
            out.wait_durable(number)
            print(number, flush=True)
"""


def _kill_after(folder: Path, seconds: float) -> int:
    """Run a writer, kill it, and return the last number it saw acknowledged (-1: none)."""
    command = [sys.executable, "-c", _KILLED, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        lines = [child.stdout.readline()]
        time.sleep(seconds)
        child.send_signal(signal.SIGKILL)
        lines += child.stdout.read().splitlines(keepends=True)
    whole = [line for line in lines if line.endswith(b"\n")]
    return int(whole[-1]) if whole else -1


def _kill_often(folder: Path, seed: int, kills: int) -> None:
    rng = random.Random(seed)
    for _ in range(kills):
        acknowledged = _kill_after(folder, rng.uniform(0, 0.15))
        assert acknowledged >= 0
        with SpoolWriter(folder, SETTINGS, clock=_clock) as out:
            assert out.head > acknowledged
            assert out.repaired is None or out.repaired.lost == 0
        first = spool.first_position(folder)
        assert _read(folder, first, max_bytes=1 << 20) == list(range(first, out.head))
        spool.release(folder, out.head)


@pytest.mark.parametrize("seed", range(3))
def test_killed_writers_lose_nothing_acknowledged(tmp_path: Path, seed: int) -> None:
    _kill_often(tmp_path, seed, kills=4)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(100, 104))
def test_two_hundred_kills_of_writers_lose_nothing_acknowledged(tmp_path: Path, seed: int) -> None:
    _kill_often(tmp_path, seed, kills=50)


@pytest.mark.parametrize("step", range(8))
def test_a_failure_at_any_step_of_opening_is_mended_by_opening_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    _write(tmp_path, range(10))
    _tear(tmp_path, _newest(tmp_path).stat().st_size - 5)
    taken: list[str] = []

    def fail(point: str) -> None:
        taken.append(point)
        if len(taken) > step:
            raise StoreError("stop")

    with monkeypatch.context() as patch:
        patch.setattr(durable, "fault", fail)
        try:
            with SpoolWriter(tmp_path, SETTINGS, clock=_clock):
                assert len(taken) <= step
        except SpoolError as error:
            assert "stop" in str(error)
    with SpoolWriter(tmp_path, SETTINGS, clock=_clock) as out:
        assert out.append(_frame(10)) == 10
    assert _read(tmp_path) == [*range(9), 10]
