"""dnsmasqs run as asked, come back when they die, and none is left over of a killed helper."""

from __future__ import annotations

import io
import logging
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.privileged import daemons
from appliance.privileged.daemons import Daemons
from appliance.privileged.run import Failed
from captive_portal.gate.resolver import Daemon
from tests.integration.machine import PATH, wait_for

CONFIG = "pid-file=\nport=0\nno-daemon\nno-resolv\nno-hosts\nuser=root\n"


def daemon(name: str, config: str = CONFIG) -> Daemon:
    return Daemon(name=name, config=config)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Daemons]:
    if not shutil.which("dnsmasq", path=PATH):
        pytest.skip("dnsmasq is not installed")
    (tmp_path / "gate").mkdir()
    made = Daemons(tmp_path / "gate")
    yield made
    made.stop()


def pids(tmp_path: Path, name: str) -> list[int]:
    return daemons._leftovers(tmp_path / "gate" / f"{name}.conf")


def test_a_changed_file_starts_its_daemon_anew_and_no_other(run: Daemons, tmp_path: Path) -> None:
    run.become([daemon("one"), daemon("two")])
    wait_for("both", lambda: pids(tmp_path, "one") and pids(tmp_path, "two"))
    before = pids(tmp_path, "one") + pids(tmp_path, "two")
    run.become([daemon("one"), daemon("two", CONFIG + "cache-size=1\n")])
    wait_for("both", lambda: pids(tmp_path, "one") and pids(tmp_path, "two"))
    after = pids(tmp_path, "one") + pids(tmp_path, "two")
    assert before[0] == after[0]
    assert before[1] != after[1]
    run.become([daemon("one")])
    assert not pids(tmp_path, "two")
    assert run.alive() == {"one": True}


def test_a_file_that_dnsmasq_does_not_take_changes_nothing(run: Daemons, tmp_path: Path) -> None:
    run.become([daemon("one")])
    wait_for("one", lambda: pids(tmp_path, "one"))
    before = pids(tmp_path, "one")
    with pytest.raises(Failed, match="dnsmasq ended with"):
        run.become([daemon("one", "no-such-option\n"), daemon("two")])
    assert pids(tmp_path, "one") == before
    assert run.alive() == {"one": True}


def test_the_dead_are_started_again_and_leftovers_ended(run: Daemons, tmp_path: Path) -> None:
    run.become([daemon("one")])
    wait_for("one", lambda: pids(tmp_path, "one"))
    (number,) = pids(tmp_path, "one")
    os.kill(number, signal.SIGKILL)

    def back() -> bool:
        run.revive()
        return bool(pids(tmp_path, "one")) and pids(tmp_path, "one") != [number]

    wait_for("its return", back)
    assert run.restarts >= 1
    left = pids(tmp_path, "one")
    other = Daemons(tmp_path / "gate")  # of a helper that was killed and is started again
    other.become([daemon("one")])

    def alone() -> bool:
        found = pids(tmp_path, "one")
        return len(found) == 1 and found != left

    wait_for("another, alone", alone)
    other.stop()


def test_what_a_daemon_says_is_in_the_log_and_what_is_wrong_stands_out(
    run: Daemons, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="dnsmasq")
    run.become([daemon("one", f"{CONFIG}interface=nowhere0\nbind-dynamic\n")])
    wait_for("its words", lambda: len(caplog.records) > 1)
    run.stop()
    said = {record.getMessage(): record.levelno for record in caplog.records}
    assert all(text.startswith("one: ") for text in said)
    (started,) = [level for text, level in said.items() if text.startswith("one: started, version")]
    assert started == logging.INFO
    assert not any("dnsmasq[" in text for text in said)


@pytest.mark.parametrize(
    ("line", "level"),
    [
        (b"dnsmasq[7]: warning: interface lan0 does not currently exist\n", logging.WARNING),
        (b"dnsmasq-dhcp[7]: not giving name a to the DHCP lease of b\n", logging.WARNING),
        (b"Nov 23 03:22:01 dnsmasq-dhcp[7]: DHCP, IP range 10.20.1.50 -- 10.20.1.250\n", 20),
        (b"dnsmasq: failed to create listening socket for port 53\n", logging.WARNING),
        (b"\xff\xfe no line of dnsmasq's\n", logging.INFO),
        (b"x" * 10_000, logging.INFO),
    ],
)
def test_a_line_is_of_the_level_that_its_words_say(
    line: bytes, level: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="dnsmasq")
    daemons._hear("one", io.BytesIO(line))
    assert {record.levelno for record in caplog.records} == {level}
    assert all(len(record.getMessage()) < 5000 for record in caplog.records)


def test_before_a_terminal_only_what_is_wrong_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(daemons, "SAYS", logging.getLogger("dnsmasq before a terminal"))
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stderr", terminal)
    caplog.set_level(logging.INFO)
    Daemons(tmp_path)
    daemons._hear("one", io.BytesIO(b"dnsmasq: started, version 2.90\ndnsmasq: bad address\n"))
    assert [record.getMessage() for record in caplog.records] == ["one: bad address"]
