"""The time-stamp tokens of a bundle, each over the text of one of its notes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from collector.seal import timestamp
from collector.seal.bundle.chapters import Chapter
from collector.seal.bundle.container import Container
from collector.seal.bundle.documents import ASIC_MANIFEST, origin_hash
from collector.seal.fault import Refused
from collector.seal.timestamp import Certificate, Stamp

Stamps = Mapping[str, Sequence[tuple[int, Stamp]]]
"""By origin: the size of the note and what its token says."""
_NAME = re.compile(r"tst/([0-9a-f]{64})\.([0-9]+)\.[a-z0-9-]+\.tsr")
_MAX_CHAIN = 1 << 20
_MAX_ASIC = 32 << 20


def check_tokens(
    bundle: Container,
    chapters: Sequence[Chapter],
    names: Sequence[str],
    roots: Sequence[Certificate],
) -> Stamps:
    """Return what the tokens of a bundle say.

    Raises:
        Refused: E-18.
    """
    by_hash = {origin_hash(chapter.origin): chapter for chapter in chapters}
    found: dict[str, list[tuple[int, Stamp]]] = {}
    for name in names:
        try:
            response = bundle.read(name, timestamp.MAX_BYTES)
            if (match := _NAME.fullmatch(name)) is None:
                asic = bundle.read(ASIC_MANIFEST, _MAX_ASIC)
                timestamp.check(response, asic, trusted=roots)
                continue
            chapter, size = by_hash[match[1]], int(match[2])
            stamp = timestamp.check(
                response,
                chapter.notes[size].text,
                trusted=roots,
                chain=_chain(bundle, name),
                covers_us=_covers_us(chapter, size),
            )
            found.setdefault(chapter.origin, []).append((size, stamp))
        except Refused as refused:
            raise Refused("E-18", f"{name}: {refused}") from None
    return found


def _chain(bundle: Container, name: str) -> tuple[Certificate, ...]:
    """Return the certificates kept with a token; they are believed for nothing but the way."""
    beside = name.removesuffix("tsr") + "pem"
    if beside not in bundle.members:
        return ()
    return timestamp.read_pem(bundle.read(beside, _MAX_CHAIN))


def _covers_us(chapter: Chapter, size: int) -> int:
    """Return the earliest time that a token over a size can bear: that of the last entry shown.

    Entries before a step back of the clock bear times that were wrong, and are not asked.
    """
    latest, offset = 0, 0
    for index, entry in chapter.told.items():
        if index < size:
            offset = abs(entry["offset_us"]) if entry["type"] == "clock" else offset
            latest = entry["time"]
    return latest - offset - timestamp.SLACK_US
