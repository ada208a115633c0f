"""dnsmasqs run as asked, come back when they die, and none is left over of a killed helper."""

from __future__ import annotations

import os
import shutil
import signal
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
