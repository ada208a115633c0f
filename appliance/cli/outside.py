"""`prathu outside`: who outside knows the ledgers, and, with --now, asking them all at once."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from appliance import settings as box_settings
from appliance.cli import offline
from appliance.cli.context import Context, wall_clock
from appliance.errors import NotFound
from appliance.hub import known
from appliance.hub.errands import AskSealer, Came, carry_all
from appliance.search import times
from appliance.search.printable import printable
from appliance.settings import BoxSettings
from collector import durable
from collector.control import ask
from collector.errors import CollectorError
from collector.outside.asking import Outside
from collector.seal import entries, ledger, outside, tiles
from collector.seal.note import parse_vkey

ASK_S = 30.0
WAIT_S = 0.2


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command(name="outside")(show)


def show(
    ctx: typer.Context,
    now: Annotated[bool, typer.Option("--now", help="Ask everybody, and wait.")] = False,
) -> None:
    """Show what is proven outside of the box, and the log keys that witnesses must be given."""
    context: Context = ctx.obj
    settings = box_settings.load(context.home)
    if now:
        ask_all(context, settings)
    found = known.read(context.home, settings, wall_clock() // 1000)
    keys = {site.id: log_keys(context.home, site.id) for site in settings.sites}
    if context.as_json:
        context.show({"sites": [{**one.plain(), "log_keys": keys[one.site]} for one in found]})
    else:
        for one in found:
            for line in _lines(one, keys[one.site]):
                print(printable(line))
    wrong = [line for one in found for line in one.faults]
    if now and wrong:
        raise NotFound(
            f"{len(wrong)} did not do what was asked: {wrong[0].name}: "
            f"{wrong[0].fault or wrong[0].alarm}"
        )


def _lines(one: known.Proven, keys: list[str]) -> Iterator[str]:
    if one.known is None:
        yield f"{one.site}: not proven outside yet"
    else:
        when, by = times.rfc3339(one.known.since_us), ", ".join(one.known.by)
        late = "; THAT IS TOO LONG AGO" if one.late else ""
        yield f"{one.site}: proven outside since {when}, up to size {one.known.size}, by {by}{late}"
    if not one.asked:
        yield "  nobody is asked: set [[timestamp_authorities]] or [[witnesses]] in prathu.toml"
    for line in one.faults:
        mark = "ALARM: " if line.alarm else ""
        yield f"  {line.name}: {mark}{line.fault or line.alarm}"
    for key in keys:
        yield f"  for witnesses: log {key}"


def log_keys(home: Path, site: str) -> list[str]:
    """Return the log keys of the newest two ledgers of a site, which witnesses are to serve."""
    found = []
    for folder in ledger.folders(home, site)[-2:]:
        checkpoint = outside.published(folder)
        if checkpoint is not None and checkpoint.size:
            first = tiles.Tiles(folder, checkpoint.size).entries(0)[0]
            found.append(str(entries.parse(first, index=0, site=site)["log_vkey"]))
    return found


def ask_all(context: Context, settings: BoxSettings) -> None:
    """Ask everybody, and wait for what the box itself has asked meanwhile."""

    def came(one: Came) -> None:
        context.say(f"{one.site}: {one.whom}: {one.told}")

    with _sealer(context.home, settings) as sealer:
        lines = sealer({"do": "outside", "now": True})["lines"]
        for name in _unknown(settings, {line["name"] for line in lines}):
            context.say(f"{name}: the box runs with older settings: stop it and start it again")
        carry_all(sealer, lambda: False, came)
        for _ in range(int(settings.outside.timeout_s / WAIT_S)):
            if not sealer({"do": "outside"})["asked"]:
                break
            time.sleep(WAIT_S)


def _unknown(settings: BoxSettings, names: set[str]) -> list[str]:
    """Return who is in the settings, and not known to who seals: they were read at its start."""
    wanted = [one.name for one in settings.timestamp_authorities]
    wanted += [parse_vkey(one.key).name for one in settings.witnesses]
    return [name for name in wanted if name not in names]


def have_it_signed(context: Context, settings: BoxSettings, site: str) -> None:
    """Ask everybody before a bundle is packed: what is signed later is not in it.

    That nobody answers stops nothing; it is said.
    """
    if not settings.witnesses and not settings.timestamp_authorities:
        return
    folder = ledger.folders(context.home, site)[-1]
    sealed = outside.published(folder)
    try:
        ask_all(context, settings)
    except CollectorError as error:
        context.say(f"nobody outside was asked: {error}")
    asked = any(not one.sites or site in one.sites for one in settings.witnesses)
    if asked and sealed is not None and _cosigned(folder) < sealed.size:
        context.say(
            "no witness has signed what was sealed just now: where a policy asks for witnesses, "
            "this bundle is not valid (E-19); why: prathu outside"
        )


def _cosigned(folder: Path) -> int:
    """Return the greatest size that some witness has cosigned."""
    kept = outside.listed(folder)
    return max((one.size for one in kept if one.kind == outside.COSIGNATURES), default=0)


@contextmanager
def _sealer(home: Path, settings: BoxSettings) -> Iterator[AskSealer]:
    """Give who seals, or do it here under the same lock; then what came is pinned at the start."""
    if offline.running(home, "seal"):
        yield lambda request: ask(home / "run" / "seal.sock", request, timeout=ASK_S)
        return
    durable.make_dir(home / "run", 0o750)
    with durable.Lock(home / "run" / "seal.lock"):
        doors = Outside(home, settings, clock=wall_clock, tell=None).handlers()

        def here(request: Mapping[str, Any]) -> dict[str, Any]:
            return doors[str(request["do"])](dict(request))

        yield here
