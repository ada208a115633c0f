"""The privileged process: loads the gate, answers the portal, runs dnsmasq, and looks after all.

When it stops, the rules stay: whoever is in stays in until the kernel's own timeouts, and nobody
else comes in. SIGHUP reads the settings anew.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import stat
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from appliance import settings as box_settings
from appliance.errors import BoxError
from appliance.privileged import asking, interfaces, plans, pools
from appliance.privileged.adverts import Adverts
from appliance.privileged.daemons import Daemons
from appliance.privileged.kernel import Kernel
from appliance.privileged.netlink import Netlink
from appliance.privileged.run import Failed
from appliance.privileged.server import Server
from appliance.privileged.table import Call, GateTable, Mended
from appliance.privileged.tally import Tally
from appliance.privileged.writer import Writer
from appliance.settings import BoxSettings
from captive_portal.errors import GateError, PortalError
from captive_portal.gate import resolver, wire
from captive_portal.gate.plan import Plan
from captive_portal.sessions.passes import Pass
from collector.errors import CollectorError
from collector.records import Clock, time_of

LOG = logging.getLogger(__name__)
CHECK_S = 60.0
LOOK_S = 0.5
FOLDER = "gate"
"""Under the home, root's own: dnsmasq's files, leases, counts."""
COUNTS = Path(FOLDER) / "counts.json"


def run(
    home: Path,
    settings: BoxSettings,
    stop: threading.Event,
    *,
    clock: Clock,
    ready: Callable[[], None] = lambda: None,
) -> None:
    """Run until `stop` is set.

    Raises:
        BoxError: not root, an interface is missing, nft or dnsmasq refuse.
        PortalError: the settings of zones and gateway contradict one another.
    """
    plan = plans.of(settings)
    if plan is None:
        raise BoxError("the box is nobody's router", hint="set [gateway] uplink and a zone")
    if os.geteuid() != 0:
        raise BoxError("the gate needs root", hint="start the box as root, or leave [gateway] out")
    with Netlink() as netlink:
        try:
            asyncio.run(_Helper(home, plan, netlink, clock).run(stop, ready))
        except BaseExceptionGroup as several:
            # One line for people, not a tree of what was stopped because of it.
            raise next(_known(several), several) from several


class _Helper:
    """All parts of the process."""

    def __init__(self, home: Path, plan: Plan, netlink: Netlink, clock: Clock) -> None:
        self._home = home
        self._plan = plan
        self._keeper = GateTable(
            plan,
            kernel=Kernel(netlink),
            tally=Tally(home / COUNTS),
            now=partial(time_of, clock),
        )
        self._writer = Writer(self._keeper)
        self._daemons = Daemons(home / FOLDER)
        self._adverts = Adverts(time.monotonic)
        self._clock = clock
        self._began = clock()
        users = {0, home.stat().st_uid}
        self._server = Server(home / wire.SOCKET, self._actions(), users=users)

    async def run(self, stop: threading.Event, ready: Callable[[], None]) -> None:
        """Serve until `stop`, and take down in reverse; the rules stay."""
        own_folder(self._home / FOLDER)
        self._keeper.start()
        try:
            interfaces.prepare(self._plan)
            self._daemons.become(resolver.daemons(self._plan, self._home / FOLDER))
            self._adverts.become(self._plan)
            again = asyncio.Event()
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, again.set)
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(self._writer.run()),
                    group.create_task(self._server.serve(ready)),
                    group.create_task(self._look_after()),
                    group.create_task(self._adverts.run()),
                    group.create_task(self._reload_when(again)),
                ]
                # `stop` is a thread's event, so it is looked at now and then.
                while not stop.is_set():  # noqa: ASYNC110  # as above
                    await asyncio.sleep(0.1)
                for task in tasks:
                    task.cancel()
        finally:
            self._daemons.stop()

    def _actions(self) -> Mapping[str, Callable[[Mapping[str, Any]], Any]]:
        return {
            "apply": self._apply,
            "restore": self._restore,
            "counted": self._counted,
            "let_visit": self._let_visit,
            "ask": self._ask,
            "status": self._status,
            "reload": self._reload,
        }

    async def _apply(self, request: Mapping[str, Any]) -> dict[str, Any]:
        let_in = wire.passes(request.get("let_in"))
        shut_out = wire.passes(request.get("shut_out"))
        await self._writer.apply(Call(let_in=let_in, shut_out=shut_out))
        return {}

    async def _restore(self, request: Mapping[str, Any]) -> dict[str, Any]:
        passes = await asyncio.to_thread(_many, request.get("passes"))
        mended: Mended = await self._writer.do(partial(self._keeper.restore, passes))
        if mended:
            LOG.warning("the database and the kernel differed, mended: %s", mended)
        return {"missing": mended.missing, "extra": mended.extra, "changed": mended.changed}

    async def _counted(self, request: Mapping[str, Any]) -> dict[str, Any]:
        serials = wire.serials(request.get("serials"))
        counted = await self._writer.do(partial(self._keeper.counted, serials))
        return {"counts": wire.told_counts(counted)}

    async def _let_visit(self, request: Mapping[str, Any]) -> dict[str, Any]:
        await self._writer.do(partial(self._keeper.let_visit, wire.mac_of(request.get("mac"))))
        return {}

    async def _ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        return {"asked": asking.ask(self._plan, wire.pairs(request.get("devices")))}

    async def _status(self, _request: Mapping[str, Any]) -> dict[str, Any]:
        dropped = await self._writer.do(self._keeper.dropped)
        figures = self._keeper.figures
        return {
            "began_ns": self._began,
            "passes": len(self._keeper.passes),
            "dropped": dropped,
            "daemons": self._daemons.alive(),
            "restarts": self._daemons.restarts,
            "adverts": self._adverts.standing(),
            "pools": pools.lent(self._plan, self._home / FOLDER, now_s=self._clock() / 1e9),
            "transactions": figures.transactions,
            "failed": figures.failed,
            "mended": figures.mended,
            "cuts_failed": figures.cuts_failed,
            "last_ms": round(figures.last_ms, 1),
            "refused_callers": self._server.refused,
        }

    async def _reload(self, _request: Mapping[str, Any]) -> dict[str, Any]:
        """Read the settings anew; sessions and their connections go on."""
        try:
            plan = plans.of(box_settings.load(self._home))
        except (CollectorError, PortalError) as error:
            raise BoxError(f"the settings stay as they were: {error}") from error
        if plan is None:
            raise BoxError("the settings leave no zone to be the router of; all stays as it was")
        await self._writer.do(partial(self._keeper.reload, plan))
        self._plan = plan
        interfaces.prepare(plan)
        self._daemons.become(resolver.daemons(plan, self._home / FOLDER))
        self._adverts.become(plan)
        LOG.info("the settings are read anew")
        return {}

    async def _reload_when(self, again: asyncio.Event) -> None:
        while True:
            await again.wait()
            again.clear()
            try:
                await self._reload({})
            except (BoxError, GateError) as error:
                LOG.warning("%s", error)

    async def _look_after(self) -> None:
        """Keep daemons running; mend the rules each minute, and at once when they are gone."""
        checked = time.monotonic()
        while True:
            await asyncio.sleep(LOOK_S)
            self._daemons.revive()
            try:
                due = time.monotonic() - checked >= CHECK_S
                if due or not await self._writer.do(self._keeper.stands):
                    checked = time.monotonic()
                    await self._writer.do(self._keeper.check)
            except (Failed, GateError) as error:
                LOG.warning("cannot look after the gate: %s", error)


def _many(said: object) -> list[Pass]:
    with wire.no_collecting():
        return wire.passes(said)


def own_folder(path: Path) -> None:
    """Make a folder that only root writes to: nobody else may choose what root writes where.

    Raises:
        BoxError: it cannot be made, or is somebody else's.
    """
    try:
        path.mkdir(mode=0o755, exist_ok=True)
        found = path.lstat()
    except OSError as error:
        raise BoxError(f"cannot make {path}: {error.strerror}") from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise BoxError(f"{path} is not root's alone", hint="move it away: the gate makes its own")


def _known(several: BaseExceptionGroup[BaseException]) -> Iterator[Exception]:
    """Yield the errors in a group that say by themselves what is wrong."""
    for error in several.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _known(error)
        elif isinstance(error, BoxError | PortalError):
            yield error
