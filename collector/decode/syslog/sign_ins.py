"""Lines in which a device says that a person is on an address, or has gone from it.

They are a device's word, sent over a transport that anyone can forge, and name an account and not
a person of the box. So they are handed on as hints, and nothing is attributed by them here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from collector.decode.syslog import columns
from collector.decode.syslog.reading import NOTHING, Reading
from collector.decode.syslog.traffic import Lines


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """One such line. Empty texts: it does not say."""

    frame: int
    """Position in the spool of the line."""
    time_us: int
    source: str
    """Who sent the line."""
    vendor: str
    event: str
    """`start`, `update`, `stop`, `reject` (binds nothing) or `claim` (a name not proven yet)."""
    account: str
    """Empty where a device comes or goes whose name other lines tell."""
    address: str
    """In canonical text."""
    mac: str
    duration_ms: int | None = None
    """How long it lasted, told at its end."""


def hints(lines: Lines, readings: Iterable[tuple[int, Reading | None]]) -> Iterator[SignIn]:
    """Give the sign-ins among lines: those of an account on an address or a MAC, or going.

    Args:
        lines: All lines.
        readings: Those that may tell of one, each with its row.
    """
    for row, reading in readings:
        if reading is None or not reading.sign_in:
            continue
        told = reading.columns
        address = columns.canonical(reading.holds or told.get("src_ip", "")) or ""
        mac = columns.mac(told.get("mac", "")) or ""
        account = told.get("account", "")
        account = "" if account in NOTHING else account
        if _names(account, address or mac, reading.sign_in):
            yield SignIn(
                frame=int(lines.frame[row]),
                time_us=int(lines.time_us[row]),
                source=str(lines.source[row]),
                vendor=lines.vendor[row].as_py() or "",
                event=reading.sign_in,
                account=account,
                address=address,
                mac=mac,
                duration_ms=columns.milliseconds(told.get("duration", "")),
            )


def _names(account: str, place: str, event: str) -> bool:
    """Return whether a line names enough: of who leaves, one of account and place will do."""
    return bool(account or place) if event == "stop" else bool(place)
