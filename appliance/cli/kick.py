"""`prathu kick`: end a session everywhere."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from appliance import settings as box_settings
from appliance.cli import report
from appliance.cli.context import Context
from appliance.errors import BoxError
from appliance.settings import BoxSettings
from captive_portal.database import open_database
from captive_portal.desk import make_keeper
from captive_portal.desk.control import SOCKET
from captive_portal.desk.finding import one_named
from captive_portal.errors import GateError, PortalError
from captive_portal.gate import wire
from captive_portal.gate.client import GateClient
from captive_portal.sessions import accounting
from captive_portal.sessions.causes import Cause
from captive_portal.sessions.review import pass_of
from captive_portal.sessions.rows import Rows
from captive_portal.sessions.session import Session
from collector.control import NobodyListens, ask
from collector.errors import CollectorError

_ASK_S = 60.0
"""A NAS that does not answer is asked several times."""
_GATE_S = 5.0
NOT_REACHED, NOT_TOLD = "not reached", "not told"
GOES_ON = "the session has ended here, and its device may go on until gate and NAS are told"


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("kick")(kick)


def kick(
    ctx: typer.Context,
    session: Annotated[
        str,
        typer.Argument(help="Its id, or how that begins; prathu sessions --live shows ids."),
    ],
) -> None:
    """End a session at the gate, in the database and at the NAS, and say what came of it."""
    context: Context = ctx.obj
    settings = box_settings.load(context.home)
    report.act(context.home, settings, "kick", target=session)
    told = end(context.home, settings, session)
    context.show({name: value for name, value in told.items() if value})
    if goes_on(told):
        raise BoxError(GOES_ON, hint="prathu up tells them")


def end(home: Path, settings: BoxSettings, session: str) -> dict[str, Any]:
    """End a session, by the portal where it runs, and return what came of it.

    Raises:
        PortalError: there is none of that id, or it could not be ended.
    """
    try:
        return ask(home / SOCKET, {"do": "kick", "session": session}, timeout=_ASK_S)
    except NobodyListens:
        return _here(home, settings, session)
    except CollectorError as error:
        raise PortalError(str(error)) from error


def goes_on(told: dict[str, Any]) -> bool:
    """Say whether what holds a device on could not be told of the end of its session."""
    return any(str(told.get(of, "")).startswith((NOT_REACHED, NOT_TOLD)) for of in ("gate", "nas"))


def _here(home: Path, settings: BoxSettings, start: str) -> dict[str, Any]:
    """End a session while the portal does not run."""
    engine = open_database(home, settings.database)
    try:
        tell = partial(report.tell_sessions, home, settings)
        keeper = make_keeper(home, settings.portal, engine, tell)
        session = one_named(Rows(engine), start)
        keeper.end(session.id, Cause.ADMIN_RESET, now=report.now())
    finally:
        engine.dispose()
    on_nas = session.method in accounting.METHODS
    return {
        "session": str(session.id),
        "account": session.person.account if session.person else "",
        "gate": _shut_out(home, session),
        "nas": f"{NOT_TOLD}: the portal does not run; it ends there by itself" if on_nas else "",
    }


def _shut_out(home: Path, session: Session) -> str:
    """Take the pass of a session from the gate, which works without the portal."""
    held = pass_of(session)
    if held is None:
        return ""

    async def tell() -> None:
        gate = GateClient(home / wire.SOCKET, answer_s=_GATE_S)
        try:
            await gate.apply([], [held])
        finally:
            gate.close()

    try:
        asyncio.run(tell())
    except GateError as error:
        return f"{NOT_REACHED}; it is told when the portal starts ({error})"
    return "shut out"
