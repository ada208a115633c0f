"""Builds and runs the collector's two processes, `receive` and `seal`.

Parts are built in the order of their dependencies, started in that order, and stopped in reverse.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import logging
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from collector import control
from collector import settings as settings_file
from collector.control import ControlServer, Handler
from collector.errors import CollectorError
from collector.gathering import READ_BYTES, Gathering
from collector.records import PULSE, Clock, CoverageEvent, SignInLine, moment
from collector.settings import CollectorSettings
from collector.spool import SpoolReader, durable_number, first_position

if TYPE_CHECKING:
    from collector.keeping import Keeper
    from collector.pipeline import Pipeline
    from collector.timekeeping import Timekeeper

SIGN_INS = 100
"""So many of them are handed to the portal at once."""
IDLE_S = 0.05
REQUEST_S = 600.0
LOOK_S = 20.0
PULSE_S = 30.0
"""While nobody sends, time passes so often for the log."""
STEP_US = 10_000
"""A clock that was set by more is told of: in the ledgers and in `coverage`."""
READINGS = 3
"""Both clocks are read again when it took long: the process may have been held up in between."""
CLOCK_STEP = "clock-step"
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

Ready = Callable[[], None]


def receive(
    home: Path, settings: CollectorSettings, stop: threading.Event, *, clock: Clock, ready: Ready
) -> None:
    """Take bytes off sockets into the spool until `stop` is set."""
    # Each process imports only its own stages: the receiver stays a fifth of the sealer's size.
    from collector.receive.receiver import Receiver

    _spare_the_collector()
    with Receiver(home, settings, clock=clock) as receiver:
        ready()
        while not stop.is_set() and not receiver.wait(IDLE_S):
            pass


def seal(
    home: Path, settings: CollectorSettings, stop: threading.Event, *, clock: Clock, ready: Ready
) -> None:
    """Turn the spool into sealed segments until `stop` is set; then seal what is left."""
    # An allocator that gives back to the system what a sealed segment no longer needs, some seconds
    # later: what is given back at once costs its page faults again. Arrow reads the variable when
    # it is loaded; what it takes for itself does not ask the pool that is set afterwards.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "jemalloc")
    # One arena for the thread that decodes and one for that which seals: in one for both, large
    # pieces are seldom found again; with more, each holds memory that the others could use.
    os.environ.setdefault("JE_ARROW_MALLOC_CONF", "narenas:2")
    import pyarrow

    from collector.disclosing import Disclosing
    from collector.keeping import Keeper
    from collector.outside.asking import Outside
    from collector.pipeline import Pipeline
    from collector.sealing import AtStart
    from collector.timekeeping import Timekeeper

    if pyarrow.default_memory_pool().backend_name == "jemalloc":
        pyarrow.jemalloc_set_decay_ms(10_000)
    _spare_the_collector()
    pipeline = Pipeline(home, settings, clock=clock, boot_id=boot_id())
    keeper = Timekeeper()
    pipeline.start(first_position(home / "spool"), AtStart(clock_state=keeper.state))
    try:
        with keeper:
            others = Outside(home, settings, clock=clock, tell=pipeline.worker.tell).handlers()
            kept = Keeper(home, settings, clock=clock)
            shown = Disclosing(home, clock=clock).handlers(pipeline.worker)
            others = {**others, **kept.handlers(pipeline.worker), **shown}
            _run(home, _Sealing(pipeline, keeper, kept, others), stop, clock=clock, ready=ready)
        pipeline.stop()
    except (CollectorError, OSError) as error:
        pipeline.failed(error)
        raise


class _Sealing(NamedTuple):
    """What runs in the sealing process."""

    pipeline: Pipeline
    keeper: Timekeeper
    kept: Keeper
    others: Mapping[str, Handler]
    """What the control socket answers to beside what the main loop does."""


def _run(
    home: Path, sealing: _Sealing, stop: threading.Event, *, clock: Clock, ready: Ready
) -> None:
    """Feed the pipeline until `stop` is set, then with what is left in the spool."""
    pipeline, keeper, kept, others = sealing
    reader = SpoolReader(home / "spool", pipeline.position)
    requests = _Requests(home / "spool")
    gathering = Gathering(patient=pipeline.patient)
    pulse = _Pulse(home / "run" / "receive.sock", clock, keeper)
    doors = {**requests.handlers(pipeline, clock), **others}
    with ControlServer(home / "run" / "seal.sock", doors):
        ready()
        while not stop.is_set():
            if requests.waiting or gathering.over(reader.unread_bytes):
                frames = reader.read(READ_BYTES)
                pipeline.feed(frames)
                requests.serve(pipeline.position)
                pipeline.tick(idle=not frames)
                if not frames:
                    pulse.beat(pipeline)
                gathering.begin(frames, pipeline.due_s)
            pulse.watch(pipeline)
            kept.tick(pipeline.worker)
            if not gathering.over(reader.unread_bytes):
                stop.wait(gathering.left_s)
        while frames := reader.read(READ_BYTES):
            pipeline.feed(frames)


def _spare_the_collector() -> None:
    """Let Python look for cycles seldom: frames and hashes make none, and a tenth of the CPU went.

    The two threads also change less often; nothing here is urgent.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 50)
    sys.setswitchinterval(0.02)


class _Pulse:
    """Lets time pass for a site where nobody sends any more.

    Silence hangs on the frames alone, so that a restart tells the same of it; when everybody is
    silent there are none. Then the box asks its own receiver for one.
    """

    def __init__(self, door: Path, clock: Clock, keeper: Timekeeper) -> None:
        self._door = door
        self._clock = clock
        self._keeper, self._held = keeper, keeper.state
        self._steps = _Steps(clock)
        self._beaten = -PULSE_S

    def beat(self, pipeline: Pipeline) -> None:
        """Send a frame that tells nothing to each site where somebody should have been heard."""
        now = time.monotonic()
        if now - self._beaten < PULSE_S:
            return
        self._beaten = now
        now_us = self._clock() // 1000
        for line in pipeline.lines():
            if line.sources.due_us <= now_us:
                self._send(CoverageEvent(time=moment(now_us), site=line.site, kind=PULSE))

    def watch(self, pipeline: Pipeline) -> None:
        """Have it written down when the clock was set, or is kept by something else."""
        if self._keeper.state is not self._held:
            self._held = self._keeper.state
            pipeline.worker.tell_clock(self._held)
        step_us = self._steps.look()
        if not step_us:
            return
        pipeline.worker.tell_step(step_us)
        now, note = moment(self._clock() // 1000), f"{step_us / 1e6:+.3f} s"
        for line in pipeline.lines():
            self._send(CoverageEvent(time=now, site=line.site, kind=CLOCK_STEP, note=note))

    def _send(self, event: CoverageEvent) -> None:
        request = {"do": "event", "kind": "coverage", "event": json.loads(event.to_json())}
        # Without a receiver nobody is heard, and that is told when it starts.
        with contextlib.suppress(CollectorError):
            control.ask(self._door, request, timeout=5.0)


class _Steps:
    """Notices that the clock was set, by the clock that nobody can set.

    Both run equally fast, also while the time service makes them run faster or slower.
    """

    def __init__(self, clock: Clock, steady: Clock = time.monotonic_ns) -> None:
        self._clock = clock
        self._steady = steady
        self._ahead = self._now()

    def look(self) -> int:
        """Return by how many µs the clock was set since the last look; 0 for what is no step."""
        ahead = self._now()
        if ahead is None:
            return 0
        before, self._ahead = self._ahead, ahead
        step_us = 0 if before is None else (ahead - before) // 1000
        return step_us if abs(step_us) > STEP_US else 0

    def _now(self) -> int | None:
        """Return how far the clock is ahead, ns; None if the process was held up while reading."""
        for _ in range(READINGS):
            before = self._steady()
            now = self._clock()
            if self._steady() - before < STEP_US * 1000 // 10:
                return now - before
        return None


class _Requests:
    """What the control socket asks for, done by the main loop once it has caught up."""

    def __init__(self, spool: Path) -> None:
        self._spool = spool
        self._waiting: deque[tuple[int, Callable[[], None], Future[None]]] = deque()

    def handlers(
        self, pipeline: Pipeline, clock: Clock
    ) -> dict[str, Callable[[dict[str, Any]], dict[str, Any]]]:
        """Return what the socket answers to."""
        return {
            "status": lambda _: pipeline.status(),
            "seal": lambda _: self._ask(pipeline.seal_now),
            "flush": lambda _: self._ask(pipeline.flush),
            "sources": lambda asked: self._look(pipeline, clock, str(asked.get("whole", ""))),
            "sign-ins": lambda request: _sign_ins(pipeline, request),
        }

    @property
    def waiting(self) -> bool:
        """Whether anything was asked for."""
        return bool(self._waiting)

    def serve(self, position: int) -> None:
        """Do what was asked once every frame that was durable then lies below `position`."""
        while self._waiting and self._waiting[0][0] <= position:
            _, act, done = self._waiting.popleft()
            try:
                act()
            except BaseException as error:
                done.set_exception(error)
                raise
            done.set_result(None)

    def _look(self, pipeline: Pipeline, clock: Clock, whole: str) -> dict[str, Any]:
        """Return what is known of everyone who sends, as soon as the main loop comes round."""
        found: dict[str, Any] = {"sources": [], "kernel": [], "unread": []}
        done: Future[None] = Future()

        def look() -> None:
            for line in pipeline.lines():
                for kind, told in line.told(clock() // 1000, whole=whole).items():
                    found[kind] += told

        self._waiting.appendleft((0, look, done))
        try:
            done.result(timeout=LOOK_S)
        except TimeoutError as error:
            raise CollectorError("the sealing process is busy", hint="ask again later") from error
        return found

    def _ask(self, act: Callable[[], None]) -> dict[str, Any]:
        done: Future[None] = Future()
        self._waiting.append((durable_number(self._spool), act, done))
        try:
            done.result(timeout=REQUEST_S)
        except TimeoutError as error:
            raise CollectorError(
                f"not done within {REQUEST_S:g} s: sealing is behind what was received",
                hint="it will be done; see prathu status",
            ) from error
        return {}


def _sign_ins(pipeline: Pipeline, request: dict[str, Any]) -> dict[str, Any]:
    """Return what believed senders said of sign-ins, after what whoever asks has of a site."""
    told: list[SignInLine] = []
    for line in pipeline.lines():
        position, received_us = request["have"].get(line.site, (-1, 0))
        told += line.sign_ins(int(position), int(received_us), SIGN_INS)
    told = sorted(told, key=lambda one: one.position)[:SIGN_INS]
    return {"sign_ins": [json.loads(one.to_json()) for one in told]}


def boot_id() -> str:
    """Return the kernel's id of this boot, a lower-case UUID."""
    return BOOT_ID.read_text().strip()


def main() -> None:
    """Run one process in the foreground: `python -m collector receive|seal --home DIR`."""
    parser = argparse.ArgumentParser(prog="python -m collector")
    parser.add_argument("process", choices=["receive", "seal"])
    parser.add_argument("--home", type=Path, default=Path("/var/lib/prathu"))
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    process = receive if arguments.process == "receive" else seal
    try:
        settings = settings_file.load(arguments.home)
        process(arguments.home, settings, stop, clock=time.time_ns, ready=lambda: None)
    except (CollectorError, OSError) as error:
        sys.exit(f"prathu-{arguments.process}: {error}")


if __name__ == "__main__":
    main()
