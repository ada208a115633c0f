"""`prathu prove`, `prathu export`: the bundle of a case, packed, and handed over."""

from __future__ import annotations

import hashlib
import os
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from appliance import settings as box_settings
from appliance.cases import case as cases
from appliance.cases.case import Words
from appliance.cli import bars, offline, outside, report
from appliance.cli.approving import check_approver
from appliance.cli.bars import Bar
from appliance.cli.case_words import Told, defining
from appliance.cli.context import Context, wall_clock
from appliance.cli.search import open_engine
from appliance.errors import BoxError, WrongUse
from appliance.search import times
from appliance.settings import BoxSettings
from collector import durable
from collector.control import ask
from collector.disclosing import Disclosing, stored_order
from collector.errors import CollectorError
from collector.seal.bundle.order import CASE, Order

ASK_S = 3600.0
LOOK_S = 0.5
_COPY = 1 << 20

CaseId = Annotated[str, typer.Option("--case", help="The case's number.")]
ShowKey = Annotated[
    str, typer.Option(help="Show the key of this segment to a sworn expert, here and now (C3).")
]


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    app.command()(prove)
    app.command()(export)


@defining
def prove(ctx: typer.Context, case: CaseId, told: Told, show_key: ShowKey = "") -> None:
    """Pack the bundle of a case and keep it in the home; nothing is handed over."""
    context: Context = ctx.obj
    settings = box_settings.load(context.home)
    if show_key:
        report.act(context.home, settings, "show-key", target=f"case {case} {show_key}")
        request_ = {"do": "case-key", "case": case, "segment": show_key}
        context.show(_asked(context.home, settings, request_))
        context.say("this key shows every row and person of the segment: let nobody copy it")
        return
    report.act(context.home, settings, "prove", target=f"case {case}")
    found = _prove(context, settings, case, told)
    context.show(_summary(found) | {"kept": found["path"]})


@defining
def export(
    ctx: typer.Context,
    case: CaseId,
    out: Annotated[Path, typer.Option(help="Write the bundle to this file.")],
    told: Told,
) -> None:
    """Hand over the bundle of a case; the first time with the words that define the case."""
    context: Context = ctx.obj
    if not out.resolve().parent.is_dir() or out.is_dir():
        raise WrongUse(f"--out {out}: not a file in a folder that is there")
    settings = box_settings.load(context.home)
    report.act(context.home, settings, "export", target=f"case {case}")
    _prove(context, settings, case, told)
    # In the ledger before a byte of it leaves: what is out cannot be unsaid.
    found = _asked(context.home, settings, {"do": "export", "case": case})
    _copy(context.home / found["path"], out, found["sha256"])
    context.show(_summary(found) | {"ledger_index": found["index"], "out": str(out)})


def _prove(context: Context, settings: BoxSettings, case: str, told: Told) -> dict[str, Any]:
    """Have the bundle packed; return what it shows."""
    if not re.fullmatch(CASE, case):
        hint = "letters, digits, point, hyphen, underscore, at most 64: 12-2570 for 12/2570"
        raise WrongUse(f"--case {case!r} is no number of a case", hint=hint)
    order = stored_order(context.home, case)
    if order is not None and told.any:
        raise WrongUse(
            f"the case {case} is defined, and never changes",
            hint=f"leave the words out: prathu export --case {case} --out FILE",
        )
    with bars.bar(context) as bar:
        if order is None:
            order = _define(context, settings, told.case(case, settings, wall_clock() // 1000), bar)
        return _pack(context.home, order, bar)


def _define(context: Context, settings: BoxSettings, words: Words, bar: Bar) -> Order:
    """Seal what was received so far, then find what the case is about."""
    check_approver(
        context.home, settings, words.site, approver=words.approver, exporter=words.exporter
    )
    if offline.running(context.home, "seal"):
        ask(context.home / "run" / "seal.sock", {"do": "seal"}, timeout=ASK_S)
    else:
        offline.seal_spool(context.home, settings)
    outside.have_it_signed(context, settings, words.site)
    names = {site.id: site.name for site in settings.sites}
    with open_engine(context) as engine:
        order = cases.define(
            engine, words, names[words.site], lambda done, of: bar("searching", done, of)
        )
        late = cases.learnt_late(engine, words, order.subject) if order.subject else []
    if late:
        context.say(
            f"{len(late)} sessions of this person became known after sealing: flows sealed before "
            "are not under this name, and not in this bundle; show them under another case "
            f"number, at C0: --question 'user:{words.person}'"
        )
    if order.from_us > words.start_us:
        begun = times.rfc3339(order.from_us)
        context.say(f"the ledger begins at {begun}: what was before, this box cannot show")
    return order


def _pack(home: Path, order: Order, bar: Bar) -> dict[str, Any]:
    request = {"do": "prove", "order": order.model_dump()}
    if offline.running(home, "seal"):
        socket = home / "run" / "seal.sock"
        look = {"do": "case-progress", "case": order.case}
        with _watched(lambda: ask(socket, look, timeout=5.0), bar):
            return ask(socket, request, timeout=ASK_S)
    disclosing = Disclosing(home, clock=wall_clock)
    with (
        durable.Lock(home / "run" / "seal.lock"),
        _watched(lambda: disclosing.progress({"case": order.case}), bar),
    ):
        return disclosing.prove(order)


def _asked(home: Path, settings: BoxSettings, request: dict[str, Any]) -> dict[str, Any]:
    """Have the sealing process do what writes into the ledger, or do it under its lock."""
    if offline.running(home, "seal"):
        return ask(home / "run" / "seal.sock", request, timeout=ASK_S)
    found: dict[str, Any] = {}
    disclosing = Disclosing(home, clock=wall_clock)
    offline.seal_spool(
        home,
        settings,
        then=lambda p: found.update(disclosing.handlers(p.worker)[request["do"]](request)),
    )
    return found


def _copy(bundle: Path, out: Path, sha256: str) -> None:
    """Write the whole file or none, and only the one that stands in the ledger."""
    beside = out.with_name(out.name + ".tmp")
    digest = hashlib.sha256()
    try:
        with bundle.open("rb") as source, beside.open("wb") as target:
            while piece := source.read(_COPY):
                digest.update(piece)
                target.write(piece)
            target.flush()
            os.fsync(target.fileno())
        if digest.hexdigest() != sha256:
            raise BoxError(f"{bundle} changed while it was copied", hint="export it again")
        beside.replace(out)
    except OSError as error:
        raise BoxError(
            f"cannot write {out}: {error.strerror}", hint="give another place to --out"
        ) from error
    finally:
        with suppress(OSError):
            beside.unlink()


def _summary(found: dict[str, Any]) -> dict[str, Any]:
    levels = Counter(found["levels"].values())
    return {
        "case": found["case"],
        "sha256": found["sha256"],
        "size": found["size"],
        "rows": sum(found["rows"].values()),
        "segments": ", ".join(f"{count} at {level}" for level, count in sorted(levels.items())),
        "destroyed": len(found["destroyed"]),
        "lost": len(found.get("lost", ())),
    }


@contextmanager
def _watched(look: Callable[[], dict[str, Any]], bar: Bar) -> Iterator[None]:
    """Move the bar while somebody else packs."""
    done = threading.Event()

    def watch() -> None:
        while not done.wait(LOOK_S):
            with suppress(CollectorError):
                told = look()
                bar("packing", int(told["done"]), int(told["of"]))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
