"""`prathu keys`: the key on paper, and what two people decide when a key of the box is lost."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from appliance import settings as box_settings
from appliance.cli import offline, report
from appliance.cli.approving import two_people
from appliance.cli.context import Context
from appliance.cli.secret import typed
from appliance.errors import BoxError, NotFound, WrongUse
from appliance.settings import BoxSettings
from collector import durable
from collector.pipeline import Pipeline
from collector.seal import ledger, recovery
from collector.seal.fault import Refused
from collector.seal.tiles import Tiles
from collector.seal.vault import KEK, SECRETS, Secrets, credential, wrapped

DROP_IN = "prathu.d/recovery.toml"
_TEXT = """\
# The public half of the key on paper that the ring key is sealed to: made by prathu keys recovery.
[keys]
recovery = "{public}"
"""

keys_app = typer.Typer(no_args_is_help=True, help="The keys of the box, and the one on paper.")


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    app.add_typer(keys_app, name="keys")


@keys_app.command("recovery")
def make_recovery(
    ctx: typer.Context,
    again: Annotated[
        bool, typer.Option("--again", help="Another one, in place of one that is lost or was seen.")
    ] = False,
) -> None:
    """Make a recovery key; its private half is printed once, for the director's paper."""
    context: Context = ctx.obj
    settings = box_settings.load(context.home)
    path = context.home / DROP_IN
    if settings.keys.recovery and not path.exists():
        hint = "take it out of prathu.toml first"
        raise WrongUse("keys.recovery is set in prathu.toml", hint=hint)
    if settings.keys.recovery and not again:
        raise WrongUse(
            f"there is a key on paper already: {settings.keys.recovery}",
            hint="where it is lost or was seen: prathu keys recovery --again makes another",
        )
    public, private = recovery.pair()
    report.act(context.home, settings, "keys", target=f"recovery {public}")
    durable.make_dir(path.parent, 0o750)
    durable.replace(path, _TEXT.format(public=public).encode())
    sealed = _keep(context.home, public)
    context.show({"public": public, "private": private, "settings": str(path), "sealed": sealed})
    context.say("Write the private half on paper, twice, and lock it away: it is shown only now.")
    context.say("เขียนกุญแจส่วนตัวลงกระดาษสองฉบับ เก็บในตู้ที่ล็อก: แสดงเพียงครั้งนี้ครั้งเดียว")
    if settings.keys.recovery:
        context.say("Keep the old paper too: older backups and holds of one person need it.")
        context.say("เก็บกระดาษเดิมไว้ด้วย: ข้อมูลสำรองและคำสั่งให้เก็บรายบุคคลที่ทำไว้ก่อนต้องใช้")
        context.say("Make a backup now; from then on the new paper opens the newest one.")
    if not sealed:
        context.say("The ring key is sealed to it when the sealing process starts the next time.")


def _keep(home: Path, public: str) -> bool:
    """Seal the ring key now, where it can be read: an installed box does at its next start."""
    if wrapped(home) is not False:
        return False
    kek = Secrets(home, random=os.urandom).read(KEK)
    return kek is not None and recovery.keep(home, kek, public)


@keys_app.command()
def policy(
    ctx: typer.Context,
    ml_dsa: Annotated[
        bool, typer.Option("--ml-dsa", help="Ask for the ML-DSA lines too, where there are any.")
    ] = False,
) -> None:
    """Print the log keys of all ledgers as a policy: keep it elsewhere, for verifiers."""
    context: Context = ctx.obj
    settings = box_settings.load(context.home)
    for site in settings.sites:
        for folder in ledger.folders(context.home, site.id):
            genesis = _genesis(folder)
            print(f"log {genesis['log_vkey']}")
            if ml_dsa and genesis["mldsa_vkey"] is not None:
                print(f"log {genesis['mldsa_vkey']}")
    print("quorum none")


def _genesis(folder: Path) -> dict[str, Any]:
    """Return the first entry of a ledger.

    Raises:
        BoxError: its state or tiles are not readable.
    """
    try:
        state = ledger.parse_state((folder / "state").read_bytes())
        genesis: dict[str, Any] = json.loads(Tiles(folder, state.size).entries(0)[0])
    except (Refused, FileNotFoundError, IndexError) as error:
        raise BoxError(f"{folder}: {error}", hint="prathu verify says more") from error
    return genesis


@keys_app.command()
def restore(
    ctx: typer.Context,
    file: Annotated[
        Path | None, typer.Argument(help="The sealed ring key; that of the home when not given.")
    ] = None,
) -> None:
    """Bring a lost ring key back with what stands on the paper, typed or from standard input."""
    context: Context = ctx.obj
    settings = box_settings.load(context.home)
    if wrapped(context.home) is not None:
        raise WrongUse(f"{SECRETS}/{KEK} is there", hint="move it away if it does not open")
    sealed = file or context.home / SECRETS / recovery.SEALED
    data = sealed.read_bytes()
    kek = recovery.restored(data, typed("Private half (AGE-SECRET-KEY-1…)"))
    report.act(context.home, settings, "keys", target="restore")
    Secrets(context.home, random=os.urandom, wrap=credential(os.environ)).write(KEK, kek)
    context.say("The ring key is back; prathu verify --deep shows whether it opens every segment.")


@keys_app.command()
def replace(
    ctx: typer.Context,
    approve: Annotated[
        list[str] | None, typer.Option(help="An account of the staff; twice, two people.")
    ] = None,
    site: Annotated[str, typer.Option(help="The site of these accounts.")] = "",
) -> None:
    """Go on without a lost key: two people of the staff approve, each with the password."""
    context: Context = ctx.obj
    settings = box_settings.load(context.home)
    if offline.running(context.home, "seal"):
        raise WrongUse("no key is lost: the sealing process runs", hint="prathu status")
    ids = two_people(context.home, settings, site, approve or [])
    report.act(context.home, settings, "keys", target=f"replace, approved by {' and '.join(ids)}")
    told = _replaced(context.home, settings, ids)
    if not told:
        raise NotFound("no key was lost: nothing was replaced")
    for line in told:
        context.say(line)


def _replaced(home: Path, settings: BoxSettings, approvals: tuple[str, ...]) -> list[str]:
    """Start the sealers with the approvals, seal what waits, and return their alarms."""
    alarms: list[str] = []
    lost = wrapped(home) is None

    def keep(pipeline: Pipeline) -> None:
        alarms.extend(pipeline.status()["alarms"])

    offline.between_tries(
        lambda: offline.seal_spool(home, settings, then=keep, approvals=approvals)
    )
    return [*(["the ring key was lost: a new one wraps what comes"] if lost else []), *alarms]
