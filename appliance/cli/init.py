"""`prathu init`: a new home with settings, secrets, database and the first admin."""

from __future__ import annotations

import json
import re
import secrets
from pathlib import Path
from typing import Annotated

import typer

from appliance import settings as box_settings
from appliance.cli import offline
from appliance.cli.context import Context
from appliance.errors import WrongUse
from captive_portal.people import first_admin
from collector import durable
from collector.settings import SETTINGS_FILE

FOLDERS = ("run", "spool", "open", "logs", "ledger", "keys", "state", "rollup", "database")
PRIVATE_FOLDERS = ("secrets", "nas")
SETTINGS = """\
# The settings of this box. Everything that is not here has a default (see docs/settings.md).
# After a change: prathu check

[[sites]]
id = "{site}"                      # for ever: it names the ledger
name = "{name}"

[[exporters]]                       # who may send flows and syslog
address = "127.0.0.0/8"
site = "{site}"

[[exporters]]
address = "::1"
site = "{site}"

[[radius.clients]]                  # access points and routers that report sessions
network = "127.0.0.0/8"
secret_file = "nas/loopback"
site = "{site}"
"""


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(init)


def init(
    ctx: typer.Context,
    site: Annotated[
        str, typer.Option(help="Id of the school, a DNS name; for ever, it names the ledger.")
    ] = "default",
    name: Annotated[str, typer.Option(help="What people call the school.")] = "โรงเรียนทดลองใช้",
    admin: Annotated[str, typer.Option(help="Account of the first admin.")] = "admin",
) -> None:
    """Make a home: settings, keys, database, first admin. Never touches an existing one."""
    context: Context = ctx.obj
    home = context.home
    if (home / SETTINGS_FILE).exists():
        raise WrongUse(f"{home} is a home already", hint="start it with: prathu up")
    _check(site, name)
    make_home(home, site=site, name=name)
    password = first_admin(home, site, admin)
    offline.seal_spool(home, box_settings.load(home))
    context.show(
        {
            "home": str(home),
            "site": site,
            "admin": admin,
            "one_time_password": password,
            "verifier_key": verifier_key(home, site),
        }
    )
    context.say("The password is shown only now and must be changed at the first sign-in.")
    context.say("Keep a copy of the verifier key elsewhere, for prathu verify --vkey.")


def make_home(home: Path, *, site: str, name: str) -> None:
    """Make folders, the secret of the loopback NAS, and last the settings, durably."""
    make_folders(home)
    durable.replace(home / "nas" / "loopback", secrets.token_urlsafe(24).encode(), mode=0o600)
    text = SETTINGS.format(site=site, name=name)
    durable.replace(home / SETTINGS_FILE, text.encode())


def make_folders(home: Path) -> None:
    """Make the folders of a home, with their rights."""
    durable.make_dir(home, 0o750)
    for folder in FOLDERS:
        durable.make_dir(home / folder, 0o2770 if folder == "database" else 0o750)
    for folder in PRIVATE_FOLDERS:
        durable.make_dir(home / folder, 0o700)


def verifier_key(home: Path, site: str) -> str:
    """Return the log key of a site's newest ledger, as its `genesis` names it."""
    ledger = sorted((home / "ledger" / site).iterdir())[-1]
    bundle = next(path for path in sorted((ledger / "tile/entries").rglob("*")) if path.is_file())
    data = bundle.read_bytes()
    genesis = json.loads(data[2 : 2 + int.from_bytes(data[:2], "big")])
    return str(genesis["log_vkey"])


def _check(site: str, name: str) -> None:
    if not re.fullmatch(r"(?!schema$)[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?", site):
        raise WrongUse(
            f"--site {site!r} is not a lower-case DNS name", hint="for instance school-a"
        )
    if not name.isprintable() or '"' in name or "\\" in name:
        raise WrongUse("--name has a sign that settings cannot hold", hint="leave out quotes")
