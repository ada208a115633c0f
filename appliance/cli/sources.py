"""`prathu sources`: who sends to the box, how much, and what it could not see of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from appliance import settings as box_settings
from appliance.cli.context import Context, wall_clock
from appliance.errors import WrongUse
from appliance.search import times
from appliance.search.printable import printable
from appliance.web import source_list, source_words
from appliance.web.source_list import SourceList, Told
from appliance.web.texts import texts
from collector.control import ask
from collector.decode.sources.told import ALL

_COLUMNS = [
    *("state", "site", "kind", "name", "sends", "model", "rows/s", "rows 24h"),
    *("lost on the way", "not kept", "not read", "last heard"),
]
_ENGLISH = texts("en")


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(sources)


def sources(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="Only this address or name.")] = "",
    site: Annotated[str, typer.Option(help="Only this site.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Everything that is known.")] = False,
) -> None:
    """Show who sends, the worst first; losses are of the last 24 hours."""
    given: Context = ctx.obj
    context = replace(given, as_json=given.as_json or as_json)
    settings = box_settings.load(context.home)
    if site and site not in {each.id for each in settings.sites}:
        known = ", ".join(each.id for each in settings.sites)
        raise WrongUse(f"no site {site!r}", hint=f"known: {known}")
    found = source_list.read(
        context.home,
        _asker(context.home),
        now_us=wall_clock() // 1000,
        whole=(name or ALL) if context.as_json else "",
    )
    found = _only(found, site, name)
    if context.as_json:
        context.show(found.plain())
        return
    if found.error:
        as_of = f"; as of {times.rfc3339(found.as_of_us)}" if found.as_of_us else ""
        context.say(f"{found.error}{as_of}")
    context.show_rows([_row(one) for one in found.sources], _COLUMNS)
    _advise(found)
    if not found.sources:
        context.say("nobody has sent anything" if not name else f"nothing is known of {name}")


def _asker(home: Path) -> source_list.Ask:
    def control(
        process: str, request: Mapping[str, Any], *, timeout_s: float = 5.0
    ) -> dict[str, Any]:
        return ask(home / "run" / f"{process}.sock", request, timeout=timeout_s)

    return control


def _only(found: SourceList, site: str, name: str) -> SourceList:
    """Return the sources that were asked for."""
    wanted = [
        one for one in found.sources if site in ("", one["site"]) and name in ("", one["name"])
    ]
    kernel = [one for one in found.kernel if site in ("", one["site"])]
    return replace(found, sources=wanted, kernel=kernel)


def _row(source: Told) -> dict[str, Any]:
    day = source["day"]
    return {
        **{name: source[name] for name in ("state", "site", "kind", "name", "model")},
        "sends": ", ".join(source["protocols"]),
        "rows/s": source_words.rate_of(source["rates"]["now"]["records"], _ENGLISH),
        "rows 24h": _ENGLISH.number(day["records"]),
        "lost on the way": _ENGLISH.number(day["exporter"]),
        "not kept": _ENGLISH.number(day["own"]),
        "not read": _ENGLISH.number(day["unread"]),
        "last heard": times.rfc3339(source["last_us"]),
    }


def _advise(found: SourceList) -> None:
    """Print a line for each problem."""
    for source in found.sources:
        for one in source_words.advice(source, _ENGLISH):
            print(printable(f"{source['name']} ({source['kind']}): {one.text}"))
    for socket in found.kernel:
        if socket["day"]:
            print(printable(source_words.kernel(socket, _ENGLISH)))
