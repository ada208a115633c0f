"""Lines of programs on this machine: each one kept or counted, and nobody else's file taken."""

from __future__ import annotations

import socket
import subprocess
import threading
from pathlib import Path

import pytest

from collector.errors import CollectorError
from collector.receive import unix
from collector.records import FrameKind
from collector.settings import Limits, LocalSyslog
from tests.collector.receive.home import SITE, coverage, frames, payloads, receiver, until

LOCAL = LocalSyslog(path="run/log")


def _write(path: Path, *lines: bytes) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as program:
        program.connect(str(path))
        for line in lines:
            program.send(line)


def test_what_programs_write_is_kept_with_its_way(tmp_path: Path) -> None:
    with receiver(tmp_path, local_syslog=LOCAL) as running:
        path = tmp_path / "run/log"
        done = subprocess.run(
            ["logger", "-d", "-u", str(path), "-t", "gate", "one of ours"], check=False
        )
        assert done.returncode == 0
        _write(path, b"<13>two", b"<13>three")
        until(lambda: running.status()["unix"]["messages"] == 3)
        assert path.stat().st_mode & 0o777 == 0o660
        assert running.status()["senders"][0]["name"] == "127.0.0.1"
    assert not path.exists()
    found = frames(tmp_path, FrameKind.SYSLOG)
    assert b"gate: one of ours" in found[0].payload
    assert [each.payload for each in found[1:]] == [b"<13>two", b"<13>three"]
    assert {(f.address, f.transport, f.site) for f in found} == {("127.0.0.1", "local", SITE)}


def test_programs_wait_while_the_box_is_busy_and_nothing_is_lost(tmp_path: Path) -> None:
    lines = [b"<13>%05d" % n for n in range(5000)]
    with receiver(tmp_path, local_syslog=LocalSyslog(path="log", everybody=True)) as running:
        assert (tmp_path / "log").stat().st_mode & 0o777 == 0o666
        writers = [threading.Thread(target=_write, args=(tmp_path / "log", *lines))]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        until(lambda: running.status()["unix"]["messages"] == 5000)
    assert payloads(tmp_path, FrameKind.SYSLOG) == lines


def test_a_program_in_a_loop_is_bounded_and_a_long_line_is_cut(tmp_path: Path) -> None:
    with receiver(tmp_path, local_syslog=LOCAL, limits=Limits(per_second=10)) as running:
        _write(tmp_path / "run/log", b"<13>" + b"x" * 70_000, *([b"<13>again"] * 500))
        until(lambda: sum(running.status()["unix"][n] for n in ("messages", "limited")) == 501)
        limited = running.status()["unix"]["limited"]
    assert limited > 400
    assert len(payloads(tmp_path, FrameKind.SYSLOG)[0]) == unix.LONGEST
    (cut,) = coverage(tmp_path, "message-cut")
    assert (cut.lost, cut.source) == (1, "127.0.0.1")
    (bound,) = coverage(tmp_path, "exporter-limit")
    assert bound.lost == limited


def test_a_socket_that_nobody_listens_on_is_replaced_and_no_other_file_is(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.bind(str(path))
        with pytest.raises(CollectorError, match="another program does"):
            receiver(tmp_path, local_syslog=LocalSyslog(path="log")).start()
        assert path.exists(), "it is theirs"
    with receiver(tmp_path, local_syslog=LocalSyslog(path="log")):
        _write(path, b"<13>mine now")
    assert payloads(tmp_path, FrameKind.SYSLOG) == [b"<13>mine now"]

    path.write_text("a file of somebody's")
    with pytest.raises(CollectorError, match="something else is there"):
        receiver(tmp_path, local_syslog=LocalSyslog(path="log")).start()
    assert path.read_text() == "a file of somebody's"


def test_a_path_that_no_socket_can_have_is_told_in_a_line(tmp_path: Path) -> None:
    with pytest.raises(CollectorError, match="longer than 107 bytes"):
        receiver(tmp_path, local_syslog=LocalSyslog(path="x" * 120)).start()
    with pytest.raises(CollectorError, match="No such file or directory"):
        receiver(tmp_path, local_syslog=LocalSyslog(path="no/folder/log")).start()
