"""The lease file of ISC dhcpd: a journal of blocks, the last of an address counts.

`lease ADDRESS { starts …; ends …; binding state …; hardware ethernet …; client-hostname …; }`, and
in dhcpd6's file `ia-na DUID { iaaddr ADDRESS { … } }`. Times are UTC (dhcpd.leases(5)).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime

from collector.decode.leases import held
from collector.decode.leases.held import Held, Reading

_TOKEN = re.compile(
    r'"(?P<text>(?:[^"\\\n]++|\\[^\n])*+)"|(?P<sign>[{};])|#[^\n]*|(?P<word>[^\s{};"#]+)|"[^\n]*'
)
_ESCAPE = re.compile(r"\\([0-7]{3}|.)")
_DEPTH = 16
_MOST_WORDS = 256
"""Of a statement: its first ones are kept, whatever comes instead of its end."""

Statement = tuple[str, ...]
"""Words up to a semicolon or a brace; a quoted text keeps one quote in front."""


class _Block:
    """Statements between braces, and the words in front of them."""

    __slots__ = ("blocks", "head", "statements")

    def __init__(self, head: Statement) -> None:
        self.head = head
        self.statements: dict[str, Statement] = {}
        self.blocks: list[_Block] = []


def read(text: str) -> Reading:
    """Return the leases in a file; blocks that are none are counted."""
    leases: dict[str, Held] = {}
    faults, complete = 0, True
    for block in _blocks(text):
        if block is None:
            complete = False
            continue
        for ip, lease in _leases(block):
            if ip is None or len(leases) >= held.MOST_LEASES:
                faults += 1
            elif lease is None:
                leases.pop(ip, None)
            else:
                leases[ip] = lease
    return Reading(leases, faults, complete=complete)


def _blocks(text: str) -> Iterator[_Block | None]:
    """Give each block at the top as it closes; None at the end for one that never does."""
    reader = _Reader()
    for found in _TOKEN.finditer(text):
        if found["sign"]:
            closed = reader.sign(found["sign"])
            if closed is not None:
                yield closed
        elif len(reader.words) >= _MOST_WORDS:
            continue
        elif found["word"] is not None:
            reader.words.append(found["word"])
        elif found["text"] is not None:
            reader.words.append('"' + found["text"])
    if reader.words or reader.inside:
        yield None


class _Reader:
    """The words since the last sign, and the blocks that are open."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.inside: list[_Block] = []

    def sign(self, sign: str) -> _Block | None:
        """Take a semicolon or a brace; return the block at the top that it closes."""
        words, self.words = self.words, []
        if sign == "{" and len(self.inside) < _DEPTH:
            self.inside.append(_Block(tuple(words)))
        elif sign == ";" and self.inside and words:
            self.inside[-1].statements[words[0]] = tuple(words)
        elif sign == "}" and self.inside:
            closed = self.inside.pop()
            if not self.inside:
                return closed
            self.inside[-1].blocks.append(closed)
        return None


def _leases(block: _Block) -> Iterator[tuple[str | None, Held | None]]:
    """Give address and lease: no lease where it has ended, no address where it is none."""
    if len(block.head) == 2 and block.head[0] == "lease":
        yield _one(block, "")
    elif len(block.head) == 2 and block.head[0] in ("ia-na", "ia-ta", "ia-pd"):
        # The first four bytes are the IAID.
        duid = _bytes(block.head[1])[4:].hex(":")
        for inner in block.blocks:
            if len(inner.head) == 2 and inner.head[0] in ("iaaddr", "iaprefix"):
                yield _one(inner, duid)


def _one(block: _Block, duid: str) -> tuple[str | None, Held | None]:
    ip = held.address(block.head[1].partition("/")[0])
    if ip is None or block.statements.get("binding", ())[2:] != ("active",):
        return ip, None
    identity = duid or _bytes(_value(block, "uid")).hex(":")
    return ip, Held(
        ip=ip,
        mac=held.mac_in(duid) if duid else held.mac(_value(block, "hardware", 2)),
        hostname=held.name(_bytes(_value(block, "client-hostname")).decode(errors="replace")),
        client_id=held.identity(identity),
        start=_time(block, "starts") or _time(block, "cltt"),
        expires=_time(block, "ends"),
    )


def _value(block: _Block, key: str, place: int = 1) -> str:
    words = block.statements.get(key, ())
    return words[place] if len(words) > place else ""


def _bytes(text: str) -> bytes:
    """Return the bytes of a quoted text (octal escapes), or of hex with colons."""
    if not text.startswith('"'):
        plain = text.replace(":", "")
        return bytes.fromhex(plain) if re.fullmatch(r"(?:[0-9A-Fa-f]{2})+", plain) else b""
    plain = _ESCAPE.sub(lambda m: chr(int(m[1], 8) & 255) if len(m[1]) == 3 else m[1], text[1:])
    return plain.encode("latin-1", errors="replace")


def _time(block: _Block, key: str) -> datetime | None:
    """`ends 4 2026/11/26 08:00:00`, `ends epoch 1795680000` (db-time-format local), `never`."""
    words = block.statements.get(key, ())[1:]
    if len(words) == 2 and words[0] == "epoch" and re.fullmatch(r"[0-9]{1,12}", words[1]):
        return held.seconds(int(words[1]))
    if len(words) != 3:
        return None
    try:
        found = datetime.strptime(" ".join([*words[1:], "+0000"]), "%Y/%m/%d %H:%M:%S %z")
    except ValueError:
        return None
    return found if 1970 <= found.year < 2400 else None
