"""What a verb does itself when the box does not run: the same code under the same locks."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from appliance.cli.context import wall_clock
from appliance.settings import BoxSettings
from collector import timekeeping
from collector.__main__ import boot_id
from collector.control import ask
from collector.errors import Busy
from collector.gathering import READ_BYTES
from collector.keeping import Keeper
from collector.losing import Entries
from collector.pipeline import Pipeline
from collector.sealing import AtStart
from collector.spool import SpoolReader, first_position

Fed = Callable[[int], None]
Then = Callable[[Pipeline], None]
ASK_S = 900.0
_TRIES, _PAUSE_S = 30, 0.5
"""A sealing process that cannot start is started again and again: between two of its tries."""


def seal_spool(
    home: Path,
    settings: BoxSettings,
    fed: Fed = lambda _: None,
    *,
    then: Then = lambda _: None,
    approvals: tuple[str, ...] = (),
    lost: Entries | None = None,
) -> None:
    """Take everything durable in the spool through the pipeline and seal it.

    Args:
        home: A home whose sealing process does not run.
        settings: Its settings.
        fed: Told after each step how many frames went through.
        then: Given the pipeline once all is sealed.
        approvals: Two ids of people, to go on where a key is lost.
        lost: Entries by which two people say that segments are lost, by site.

    Raises:
        Busy: the sealing process runs after all.
    """
    pipeline = Pipeline(home, settings, clock=wall_clock, boot_id=boot_id())
    told = AtStart(clock_state=timekeeping.read(), approvals=approvals, lost=lost or {})
    pipeline.start(first_position(home / "spool"), told)
    reader = SpoolReader(home / "spool", pipeline.position)
    while frames := reader.read(READ_BYTES):
        pipeline.feed(frames)
        pipeline.tick(idle=False)
        fed(len(frames))
    pipeline.seal_now()
    try:
        then(pipeline)
    finally:
        pipeline.stop()


def between_tries(act: Callable[[], None]) -> None:
    """Do what needs the locks of a sealing process that does not run, or only tries to.

    Raises:
        Busy: it does run.
    """
    for _ in range(_TRIES):
        try:
            act()
        except Busy:
            time.sleep(_PAUSE_S)
        else:
            return
    act()


def ask_sealer(home: Path, settings: BoxSettings, request: dict[str, Any]) -> dict[str, Any]:
    """Have the keeper of holds and retention do something, once all that was received is sealed.

    The sealing process does it when it runs; else it is done here, under its lock.

    Raises:
        CollectorError: it was refused, or could not be done.
    """
    socket = home / "run" / "seal.sock"
    if running(home, "seal"):
        ask(socket, {"do": "seal"}, timeout=ASK_S)
        return ask(socket, request, timeout=ASK_S)
    told: dict[str, Any] = {}
    keeper = Keeper(home, settings, clock=wall_clock)

    def act(pipeline: Pipeline) -> None:
        told.update(keeper.handlers(pipeline.worker)[request["do"]](request))

    seal_spool(home, settings, then=act)
    return told


def running(home: Path, name: str) -> bool:
    """Return whether the process `name` of this home says that it is ready."""
    try:
        pid = int((home / "run" / f"{name}.pid").read_text())
    except (OSError, ValueError):
        return False
    return Path(f"/proc/{pid}").exists()
