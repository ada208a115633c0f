"""The pages' view of the sessions that go on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import Engine

from appliance.web.deps import SessionLine
from captive_portal.desk import doubted, in_doubt
from captive_portal.sessions.rows import Rows
from captive_portal.sessions.session import Session


class PortalLive:
    """Reads the portal's database; counters in it are as of the last minute."""

    def __init__(self, engine: Engine, home: Path) -> None:
        self._rows = Rows(engine)
        self._home = home

    def sessions(self, text: str) -> list[SessionLine]:
        """Return the open sessions that have `text` in some word, the latest first."""
        wanted = text.strip().casefold()
        told = doubted(self._home)
        lines = [_line(session, told) for session in self._rows.open()]
        return [line for line in lines if wanted in _words(line)]


def _line(session: Session, told: Mapping[str, int]) -> SessionLine:
    person = session.person
    return SessionLine(
        id=session.id,
        site=session.site,
        zone=session.zone,
        account=person.account if person else "",
        name=person.full_name if person else "",
        group=session.group,
        addresses=session.addresses,
        mac=session.mac,
        method=session.method,
        nas=session.nas.name,
        start=session.start,
        until=session.expires,
        bytes_in=session.counters.bytes_in,
        bytes_out=session.counters.bytes_out,
        slow=session.slow,
        doubted=in_doubt(session, told),
        nas_state=session.nas_state,
    )


def _words(line: SessionLine) -> str:
    words = (line.account, line.name, line.group, line.zone, line.mac, line.nas, *line.addresses)
    return "\n".join(words).casefold()
