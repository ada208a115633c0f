"""`prathu certificate`: how long the sign-in page's is good, and, with --now, a new one."""

from __future__ import annotations

from typing import Annotated

import typer

from appliance import settings as box_settings
from appliance.cli.context import Context, wall_clock
from appliance.errors import WrongUse
from appliance.health import acme
from appliance.settings import BoxSettings
from captive_portal.web.certificate import Certificate
from captive_portal.web.serving import SELF_MADE
from collector.records import time_of


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command(name="certificate")(show)


def show(
    ctx: typer.Context,
    now: Annotated[bool, typer.Option("--now", help="Ask the authority for a new one.")] = False,
) -> None:
    """Show how long the sign-in page's certificate is good, and who says so."""
    context: Context = ctx.obj
    settings = box_settings.load(context.home)
    if now:
        if not settings.acme.directory:
            raise WrongUse("no authority is set; see [acme] in docs/certificate.md")
        acme.renew(context.home, settings)
    told = _standing(context, settings)
    if context.as_json:
        context.show(told)
        return
    if not told:
        print("the sign-in page is reached by http alone: set sign_in.tls_port")
        return
    print(f"{told['file']}: good until {told['ends']}, {told['days']} days")
    if told["self_made"]:
        print("the box made it itself: phones warn of it, and do not use the captive portal API")


def _standing(context: Context, settings: BoxSettings) -> dict[str, object]:
    page = settings.sign_in
    if page.tls_port is None:
        return {}
    path = context.home / (page.certificate or SELF_MADE)
    found = Certificate(path, context.home / page.certificate_key)
    ends, now = found.ends(), time_of(wall_clock)
    return {
        "file": str(path),
        "ends": ends.date().isoformat(),
        "days": (ends - now).days,
        "self_made": found.self_made(),
    }
