"""The CSV file of sessions from another system: `site,person,address,mac,nas,method,start,stop`."""

from __future__ import annotations

import csv
import io
import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from appliance.errors import BoxError, WrongUse
from appliance.search import times
from captive_portal.people import names

COLUMNS = ("site", "person", "address", "mac", "nas", "method", "start", "stop")
_NEEDED = ("person", "address", "start")
MAX_ROWS = 200_000
"""Rows of one file: it is held in memory, and taken in row by row."""
METHODS = ("import", "portal", "accounting", "802.1X")


@dataclass(frozen=True, slots=True, kw_only=True)
class PastSession:
    """One row of the file, checked."""

    number: int
    """The line in the file, as an editor counts it."""
    site: str
    person: str
    addresses: tuple[str, ...]
    mac: str
    nas: str
    method: str
    start: datetime
    stop: datetime | None
    """None: still on."""


def read(text: str, *, sites: set[str], now: datetime) -> Iterator[PastSession | str]:
    """Yield each row as a session, or what is wrong with it and where.

    Args:
        text: The file.
        sites: The ids of all sites; a row may leave its site out when there is one.
        now: For times such as `-2h`.

    Raises:
        WrongUse: a column is missing or unknown, or it is no CSV.
    """
    rows = csv.DictReader(io.StringIO(text, newline=""), strict=True, restkey="", restval="")
    try:
        headers = [(name or "").strip().casefold() for name in rows.fieldnames or []]
        _check_headers(headers)
        rows.fieldnames = headers
        for count, row in enumerate(rows, 1):
            if count > MAX_ROWS:
                raise WrongUse(f"more than {MAX_ROWS} rows", hint="split the file")
            number = rows.line_num
            cells = {name: (row.get(name) or "").strip() for name in COLUMNS}
            if any(cells.values()):
                yield _checked(number, cells, sites, now)
    except csv.Error as error:
        raise WrongUse(f"line {rows.line_num}: {error}", hint="is it a CSV file?") from error


def _check_headers(headers: list[str]) -> None:
    unknown = [name for name in headers if name not in COLUMNS]
    missing = [name for name in _NEEDED if name not in headers]
    if unknown or missing or len(set(headers)) != len(headers):
        fault = f"no column {missing[0]!r}" if missing else f"column {(unknown or headers)[0]!r}"
        raise WrongUse(f"line 1: {fault}", hint=f"the first line is: {','.join(COLUMNS)}")


def _checked(
    number: int, cells: Mapping[str, str], sites: set[str], now: datetime
) -> PastSession | str:
    try:
        return _session(number, cells, sites, now)
    except (ValueError, BoxError) as error:
        return f"line {number}: {error}"


def _session(number: int, cells: Mapping[str, str], sites: set[str], now: datetime) -> PastSession:
    site = cells["site"] or (next(iter(sites)) if len(sites) == 1 else "")
    if site not in sites:
        raise ValueError(f"no site {site!r}; known: {', '.join(sorted(sites))}")
    person = names.clean(cells["person"])
    if fault := names.fault(person):
        raise ValueError(fault)
    start = _time(cells["start"], now)
    stop = _time(cells["stop"], now) if cells["stop"] else None
    if stop is not None and stop < start:
        raise ValueError(f"it stops at {cells['stop']}, before it starts")
    if start > now:
        raise ValueError(f"it starts at {cells['start']}, which is yet to come")
    return PastSession(
        number=number,
        site=site,
        person=person,
        addresses=_addresses(cells["address"]),
        mac=_mac(cells["mac"]),
        nas=cells["nas"],
        method=_method(cells["method"]),
        start=start,
        stop=stop,
    )


def _time(text: str, now: datetime) -> datetime:
    return times.aware(times.parse(text, times.microseconds(now)).us)


def _addresses(text: str) -> tuple[str, ...]:
    """Return the addresses; several stand apart by spaces or semicolons."""
    found = [str(ipaddress.ip_address(one)) for one in text.replace(";", " ").split()]
    if not found:
        raise ValueError("no address")
    return tuple(dict.fromkeys(found))


def _mac(text: str) -> str:
    mac = names.mac(text)
    if text and not mac:
        raise ValueError(f"{text!r} is not a MAC")
    return mac


def _method(text: str) -> str:
    if text and text not in METHODS:
        raise ValueError(f"no method {text!r}; known: {', '.join(METHODS)}")
    return text or METHODS[0]
