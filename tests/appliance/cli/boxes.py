"""A home with two sites, the command line on it, and what its spool holds afterwards."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from appliance.cli import main
from captive_portal.database import open_database
from captive_portal.people.accounts import Kind, NewAccount, People, Role
from collector.records import AuditEvent, FrameKind, SessionEvent
from collector.spool import SpoolReader

SETTINGS = """
[[sites]]
id = "school-a"
networks = ["10.0.0.0/8"]
{more}
[spool]
least_free_bytes = 0
"""


PASSWORD = "correct horse"


def staff(home: Path, *accounts: str, role: Role = Role.ADMIN, password: str = "") -> None:
    """Add people of the staff of school-a, without a word in the audit log."""
    engine = open_database(home)
    for account in accounts:
        new = NewAccount(
            site="school-a", account=account, kind=Kind.STAFF, role=role, password=password or None
        )
        People(engine).add(new, now=datetime.now(UTC))
    engine.dispose()


@dataclass
class Said:
    """What one run of the command line left."""

    status: int
    out: str
    err: str

    def lines(self) -> list[dict[str, Any]]:
        """Return the answer's JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]


@dataclass
class Box:
    """A home whose processes do not run."""

    home: Path
    capsys: pytest.CaptureFixture[str]
    patch: pytest.MonkeyPatch
    sites: tuple[str, ...] = ("school-b",)
    _more: str = field(default="", init=False)

    def __post_init__(self) -> None:
        more = "".join(f'[[sites]]\nid = "{site}"\n' for site in self.sites)
        (self.home / "prathu.toml").write_text(SETTINGS.format(more=more))

    def prathu(self, *words: str, typed: str = "") -> Said:
        """Run the command line."""
        self.patch.setattr("sys.stdin", io.StringIO(typed))
        status = 0
        try:
            main.run(["--home", str(self.home), *words])
        except SystemExit as end:
            status = int(end.code or 0)
        said = self.capsys.readouterr()
        return Said(status, said.out, said.err)

    def audits(self) -> list[AuditEvent]:
        """Return the acts in the spool."""
        return [AuditEvent.from_json(p) for p in self._payloads(FrameKind.AUDIT)]

    def sessions(self) -> list[SessionEvent]:
        """Return the session events in the spool."""
        return [SessionEvent.from_json(p) for p in self._payloads(FrameKind.SESSION)]

    def _payloads(self, kind: FrameKind) -> list[bytes]:
        if not (self.home / "spool").exists():
            return []
        reader, found = SpoolReader(self.home / "spool", 0), list[bytes]()
        while frames := reader.read(1 << 20):
            found += [frame.payload for frame in frames if frame.kind is kind]
        return found
