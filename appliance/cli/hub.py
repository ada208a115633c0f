"""`prathu hub …`: the witness that this machine is for others' ledgers."""

from __future__ import annotations

import logging
import signal
import sys
import threading
from typing import Annotated

import typer

from appliance import settings as box_settings
from appliance.cli.context import Context, wall_clock
from appliance.errors import WrongUse
from appliance.hub import witness_state
from appliance.search import times
from appliance.settings import BoxSettings
from collector import durable
from collector.errors import SettingsError
from collector.seal import note
from collector.seal.fault import Refused
from collector.seal.witness import Cosigner

hub_app = typer.Typer(no_args_is_help=True, help="The witness that this machine is for others.")


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    app.add_typer(hub_app, name="hub")


@hub_app.command()
def witness(ctx: typer.Context) -> None:
    """Sign the checkpoints of the ledgers in hub/logs, until Ctrl-C; one process at a time."""
    from appliance.hub.service import create_app, serve  # it loads the web framework

    context: Context = ctx.obj
    settings, key = _opened(context)
    logging.basicConfig(level=logging.INFO, format="witness: %(message)s", stream=sys.stderr)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    logs = context.home / settings.hub.logs
    signer = witness_state.Witness(context.home, key, logs, clock=wall_clock)
    signer.start()
    try:
        host = settings.hub.listen.rpartition(":")[0]
        about = f"A witness of ledgers (c2sp.org/tlog-witness).\n{key.vkey.text}\n"
        served = len(signer.served())

        def tell(port: int) -> None:
            ledgers = "1 ledger" if served == 1 else f"{served} ledgers"
            context.say(f"witness {key.vkey.name} at http://{host}:{port}/, {ledgers}")

        serve(create_app(signer, about), settings.hub.listen, stop, ready=tell)
    finally:
        signer.stop()


@hub_app.command()
def key(ctx: typer.Context) -> None:
    """Show the witness's key, which other boxes put into their settings; made if there is none."""
    context: Context = ctx.obj
    settings, signer = _opened(context)
    text = signer.vkey.text
    if context.as_json:
        context.show({"name": settings.hub.name, "key": text})
    else:
        print(text)


@hub_app.command()
def allow(
    ctx: typer.Context,
    keys: Annotated[list[str], typer.Argument(help="Log keys, as `prathu outside` shows them.")],
) -> None:
    """Serve the ledgers of these log keys from now on, also while the witness runs."""
    context: Context = ctx.obj
    settings = box_settings.load(context.home)
    path = context.home / settings.hub.logs
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    for one in keys:
        try:
            added = note.parse_vkey(one)
            known = [k for found in witness_state.parse_logs(text).values() for k in found]
        except Refused as refused:
            raise WrongUse(f"{one[:80]}: {refused}") from refused
        if added not in known:
            text += ("" if text.endswith("\n") or not text else "\n") + f"log {one}\n"
    try:
        served = witness_state.parse_logs(text)
    except Refused as refused:
        raise WrongUse(str(refused)) from refused
    durable.make_dir(path.parent, 0o750)
    durable.replace(path, text.encode())
    context.say("1 ledger is served" if len(served) == 1 else f"{len(served)} ledgers are served")


@hub_app.command()
def seen(ctx: typer.Context) -> None:
    """Show what the witness signed last of each ledger."""
    context: Context = ctx.obj
    settings = box_settings.load(context.home)
    found = witness_state.read_state(context.home / witness_state.STATE)
    served = _served(context, settings)
    rows = [
        {
            "ledger": origin,
            "size": one.checkpoint.size if one else None,
            "at": times.rfc3339(one.time_s * 1_000_000) if one else None,
            "served": origin in served,
        }
        for origin in sorted(served | found.keys())
        for one in [found.get(origin)]
    ]
    context.show_rows(rows, ["ledger", "size", "at", "served"])


def _opened(context: Context) -> tuple[BoxSettings, Cosigner]:
    settings = box_settings.load(context.home)
    return settings, witness_state.key_of(context.home, settings.hub.name)


def _served(context: Context, settings: BoxSettings) -> set[str]:
    path = context.home / settings.hub.logs
    if not path.exists():
        return set()
    try:
        return set(witness_state.parse_logs(path.read_text(encoding="utf-8")))
    except (Refused, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: {error}", hint="lines such as: log KEY") from error
