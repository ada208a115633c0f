"""What a format says of a message, and the few helpers that formats share.

A format is one module in `formats/` with a `FORMAT`. It takes a message apart into texts by column;
`columns.py` makes addresses and numbers of them, so a format neither checks nor converts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from collector.decode.syslog.header import Header

COLUMNS = frozenset(
    (
        "event_type",
        "action",
        "account",
        "src_ip",
        "src_port",
        "dst_ip",
        "dst_port",
        "protocol",
        "nat_src_ip",
        "nat_src_port",
        "nat_dst_ip",
        "nat_dst_port",
        "mac",
        "bytes",
        "packets",
        "bytes_reverse",
        "packets_reverse",
        "duration",
    )
)
"""What a reading may tell in `columns`. `duration` is in seconds (`61`, `0.016`) or `h:mm:ss`;
`protocol` a number or a name; `mac` six octets however they are written."""

NOTHING = frozenset(("", "-", "N/A", "n/a", "(null)", "(none)", "none", "unknown"))
"""What devices write where they have nothing to tell."""


class Reading(NamedTuple):
    """One message taken apart; every value is text as it was sent."""

    columns: dict[str, str]
    """By names of `COLUMNS`; empty texts tell nothing."""
    rest: Mapping[str, str]
    """Everything else that was named, for the column `fields`."""
    flow: str = ""
    """Empty, or what it tells of a connection that was not blocked: `start` (its first packet or
    its set-up: counters are of that packet) or `end` (its sum: counters and duration hold)."""
    note: str = ""
    """What a reader of the flow should know of it; goes into its `extra`."""
    sign_in: str = ""
    """Empty, or what it tells of a person on an address: `start`, `update`, `stop`, `reject`, or
    `claim`, a name before it is proven: the line that says that its device got in is the start."""
    app: str = ""
    """The application that the device says a connection is of."""
    holds: str = ""
    """The address that the person holds, where that is not the source; `-`: it is not told."""


Reader = Callable[[Header], Reading | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """One vendor's messages."""

    name: str
    """What the column `vendor` says; also the name of the module and of its sample lines."""
    read: Reader
    """Takes a message apart, None when it is another's; raises nothing, whatever the message."""
    programs: tuple[str, ...] = ()
    """Programs (lower case, without path) whose messages these are."""
    marks: tuple[str, ...] = ()
    """Texts of which such a message has at least one in its first 512 characters: looked for before
    `read` is tried."""
    begins: re.Pattern[str] | None = None
    """What such a message begins with, its program and process id in front as they were sent
    (`nginx[9]: …`), if anything else may have such a text somewhere inside: what a stranger types
    into some program must not be read as the word of a firewall."""
    whole: bool = False
    """Whether a long message is given uncut: for what makes no sense in part."""
    named: bool = False
    """Whether the line itself names every value: then the rest is not kept a second time."""


def split(pairs: Iterable[tuple[str, str]], names: Mapping[str, str]) -> Reading:
    """Return pairs of key and value as a reading.

    Of a column told twice the first holds; of a key told more often the second is `key#2`.

    Args:
        pairs: In their order.
        names: Which column a key fills; keys named "" are left out, all others go to the rest.
    """
    columns: dict[str, str] = {}
    rest: dict[str, str] = {}
    for key, value in pairs:
        column = names.get(key)
        if column == "":
            continue
        if column is not None and value not in NOTHING and column not in columns:
            columns[column] = value
        elif value and (column is None or value not in NOTHING):
            rest[f"{key}#2" if key in rest else key] = value
    return Reading(columns, rest)


def matched(found: re.Match[str], **more: str) -> Reading:
    """Return the named groups of a match: those named as a column, and the rest."""
    columns, rest = dict(more), dict[str, str]()
    for name, value in found.groupdict().items():
        if value and value not in NOTHING:
            (columns if name in COLUMNS else rest)[name] = value
    return Reading(columns, rest)


UNTOLD = "not told whether it passed"
"""The note of a line that a rule wrote which may be followed by one that blocks."""
_PAIR = re.compile(r'(?<![\w.-])([\w.-]{1,64}+)=("[^"]*+"|[^\s",]*+)')


def pairs(text: str) -> list[tuple[str, str]]:
    """Return `key=value key="some value"` as pairs, quotes off."""
    return [(key, value[1:-1] if value[:1] == '"' else value) for key, value in _PAIR.findall(text)]
