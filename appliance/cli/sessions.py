"""`prathu sessions`: who is on, and sessions taken in from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from appliance.cli import report
from appliance.cli.people_home import Home, opened
from appliance.cli.sessions_file import PastSession, read
from appliance.errors import WrongUse
from appliance.search import times
from appliance.search.printable import printable
from captive_portal.desk import doubted, in_doubt, session_ids
from captive_portal.desk import times as lasting
from captive_portal.desk.control import SOCKET as PORTAL
from captive_portal.desk.finding import person_of
from captive_portal.errors import PortalError
from captive_portal.sessions.keeper import Keeper
from captive_portal.sessions.rows import Rows
from captive_portal.sessions.session import Ids, Nas, Session
from collector.control import ask
from collector.errors import CollectorError

_COLUMNS = ["site", "account", "full_name", "addresses", "mac", "method", "nas", "start", "end"]
_LIVE = [
    *("session", "site", "zone", "account", "full_name", "group", "addresses", "mac", "method"),
    *("nas", "at_nas", "start", "until", "bytes_in", "bytes_out", "doubt"),
]
_SHOWN_FAULTS = 20
_TOGETHER = 200

sessions_app = typer.Typer(invoke_without_command=True, help="Who is on, and who was.")


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    app.add_typer(sessions_app, name="sessions")


@sessions_app.callback()
def sessions(
    ctx: typer.Context,
    live: Annotated[bool, typer.Option("--live", help="Only those that go on.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many.")] = 100,
) -> None:
    """Show the latest sessions; what was on at an earlier time, `prathu search --log sessions`."""
    if ctx.invoked_subcommand is not None:
        return
    with opened(ctx) as at:
        if live:
            _count_now(at.context.home)
        rows = Rows(at.engine)
        found = rows.open()[:limit] if live else rows.recent(limit)
        what = "live" if live else "latest"
        at.wrote(f"{what}, {len(found)} shown", act="sessions")
        told = doubted(at.context.home) if live else {}
        at.context.show_rows([_line(one, told) for one in found], _LIVE if live else _COLUMNS)
        if not found:
            at.context.say(
                "no session here; what others reported: prathu search '*' --log sessions"
            )


def _count_now(home: Path) -> None:
    """Have a running portal bring its counters up to date; else they are as of its last minute."""
    with suppress(CollectorError):
        ask(home / PORTAL, {"do": "review"}, timeout=5)


def _line(session: Session, told: Mapping[str, int]) -> dict[str, Any]:
    person = session.person
    return {
        "session": str(session.id),
        "site": session.site,
        "account": person.account if person else "",
        "full_name": person.full_name if person else "",
        "addresses": " ".join(session.addresses),
        "mac": session.mac,
        "method": session.method,
        "nas": session.nas.name,
        "start": times.to_second(session.start),
        "end": times.to_second(session.end) or None,
        "cause": session.cause,
        "zone": session.zone,
        "group": session.group,
        "until": times.to_second(session.expires) or None,
        "bytes_in": session.counters.bytes_in,
        "bytes_out": session.counters.bytes_out,
        "slow": session.slow,
        "doubt": "claimed by two devices" if in_doubt(session, told) else "",
        "at_nas": session.nas_state,
    }


@sessions_app.command("import")
def import_(
    ctx: typer.Context,
    file: Annotated[
        Path,
        typer.Argument(help="CSV with the columns site,person,address,mac,nas,method,start,stop."),
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be done.")
    ] = False,
) -> None:
    """Take sessions in; an empty stop means still on. Bad rows are reported, good ones taken.

    Unknown persons are made as shadow accounts. The same file twice changes nothing.
    """
    with opened(ctx) as at:
        sites = {site.id for site in at.settings.sites}
        lines = list(read(_text(file), sites=sites, now=at.now()))
        good = [line for line in lines if isinstance(line, PastSession)]
        faults = [line for line in lines if isinstance(line, str)]
        if not dry_run:
            at.wrote(f"{file.name}, {len(good)} rows", act="sessions import")
            _take(at, good)
        for fault in faults[:_SHOWN_FAULTS]:
            typer.echo(printable(fault), err=True)
        at.context.show({"sessions": len(good), "bad_rows": len(faults), "dry_run": dry_run})
    if faults:
        raise typer.Exit(1)


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise WrongUse(f"cannot read {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise WrongUse(f"{file} is not text", hint="save it as CSV UTF-8") from error


def _take(at: Home, lines: list[PastSession]) -> None:
    ids = session_ids(at.context.home)
    keeper = Keeper(
        Rows(at.engine),
        tell=partial(report.tell_sessions, at.context.home, at.settings),
        ids=ids,
        times=lasting(at.settings.portal),
    )
    for first in range(0, len(lines), _TOGETHER):
        some = lines[first : first + _TOGETHER]
        keeper.add([_session(at, ids, line) for line in some])


def _session(at: Home, ids: Ids, line: PastSession) -> Session:
    now = at.now()
    try:
        account = at.people.shadow(line.site, line.person, now=now)
    except PortalError as error:
        raise WrongUse(f"line {line.number}: {error}") from error
    parts = (line.site, account.id, line.addresses, line.start, line.method)
    return Session(
        id=ids.make("import", *parts),
        site=line.site,
        method=line.method,
        person=person_of(account),
        start=line.start,
        last_seen=line.stop or now,
        # What is still on elsewhere is believed for as long as a sign-in here.
        expires=None if line.stop else now + lasting(at.settings.portal).lasts,
        end=line.stop,
        addresses=line.addresses,
        mac=line.mac,
        nas=Nas(identifier=line.nas),
        stopped=line.stop is not None,
    )
