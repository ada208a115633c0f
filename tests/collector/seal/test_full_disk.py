"""A disk that takes no more: nothing is signed that is not there, and room makes all good."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from collector import durable
from collector.errors import SealError, StoreError
from tests.collector.seal import checking
from tests.collector.seal.school import HOUR, School

ON_TMPFS = """
import sys, pathlib
from collector.errors import CollectorError
from tests.collector.seal import checking
from tests.collector.seal.school import School
home = pathlib.Path(sys.argv[1])
school = School(home)
school.start()
school.hour(500)
(home / "filler").write_bytes(b"")
with (home / "filler").open("ab", buffering=0) as filler:
    try:
        while filler.write(bytes(4096)):
            pass
    except OSError:
        pass
    filler.truncate(filler.tell() - int(sys.argv[2]))
try:
    school.hour(20000)
    raise SystemExit("the disk was not full")
except (CollectorError, OSError) as error:
    print(error)
school.sealer.stop()
(home / "filler").unlink()
school = School(home, seed=2)
school.now_us += 2 * 3_600_000_000
school.start(cause="disk-full")
school.hour(20000)
assert checking.verify(home).findings == []
assert school.sealer.position("demo").spool == 20500, school.sealer.position("demo")
print("whole")
"""


@pytest.mark.parametrize("first", range(0, 50, 5))
def test_a_disk_that_is_full_from_some_step_on_stops_the_sealer_and_room_mends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: int
) -> None:
    school = School(tmp_path)
    school.start()
    school.hour(5)
    steps = 0

    def full(point: str) -> None:
        nonlocal steps
        steps += 1
        if steps > first and not point.startswith(("unlink", "rename")):
            raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(durable, "fault", full)
        with pytest.raises((StoreError, SealError), match="No space left"):
            school.hour(5)
    school.start(cause="disk-full")
    while school.sealer.position("demo").spool < 10:
        school.hour(5, step_us=HOUR)
    school.sealer.stop()
    report = checking.verify(tmp_path)
    assert report.findings == []
    assert report.rows == 10
    assert not (tmp_path / "quarantine").exists()


@pytest.mark.parametrize("left", [0, 16 << 10, 64 << 10])
def test_a_small_file_system_that_is_full_loses_nothing(tmp_path: Path, left: int) -> None:
    """A real one, in a mount namespace of its own."""
    unshare = shutil.which("unshare")
    if unshare is None or os.geteuid():
        pytest.skip("needs root and unshare to mount a small file system")
    script = (
        f"mount -t tmpfs -o size=2m tmpfs {tmp_path} && "
        f'exec {sys.executable} -c "$PLAY" {tmp_path} {left}'
    )
    done = subprocess.run(
        [unshare, "--mount", "sh", "-c", script],
        env={**os.environ, "PLAY": ON_TMPFS},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if "permission denied" in done.stderr.lower() or "not permitted" in done.stderr.lower():
        pytest.skip(f"cannot mount here: {done.stderr.strip()[:100]}")
    assert done.stdout.endswith("whole\n"), done.stdout + done.stderr
    assert "No space left" in done.stdout
