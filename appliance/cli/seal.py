"""`prathu seal --now`: close the open intervals and seal them."""

from __future__ import annotations

from typing import Annotated

import typer

from appliance import settings as box_settings
from appliance.cli import offline
from appliance.cli.context import Context
from appliance.errors import WrongUse
from collector.control import ask

SEAL_S = 600.0


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(seal)


def seal(
    ctx: typer.Context,
    now: Annotated[bool, typer.Option("--now", help="Do it now; there is no other way.")] = False,
) -> None:
    """Close open parts and seal them."""
    context: Context = ctx.obj
    if not now:
        raise WrongUse("seal does nothing without --now", hint="prathu seal --now")
    settings = box_settings.load(context.home)
    if offline.running(context.home, "seal"):
        ask(context.home / "run" / "seal.sock", {"do": "seal"}, timeout=SEAL_S)
    else:
        offline.seal_spool(context.home, settings)
    context.say("sealed")
