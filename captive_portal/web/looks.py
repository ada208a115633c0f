"""How the pages of a zone look: its names, logo, colour and a text of the school's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from captive_portal.errors import PortalError
from captive_portal.settings import Zone
from captive_portal.web.sites import Place

LARGEST_LOGO = 20_000
"""Bytes; the whole page stays below 60 kB."""
LONGEST_TEXT = 4_000
"""Characters of a zone's own text."""
_TYPES = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"<svg": "image/svg+xml",
    b"<?xml": "image/svg+xml",
}
_DARK, _LIGHT = "#14202b", "#ffffff"


@dataclass(frozen=True, slots=True, kw_only=True)
class Logo:
    """A picture and what it is."""

    picture: bytes
    media_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What the pages of one zone have of their own; empty where they have nothing."""

    zone: str = ""
    names: tuple[str, str] = ("", "")
    """Thai and English."""
    style: str = ""
    """A style sheet."""
    logo: Logo | None = None
    texts: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
    """Paragraphs, Thai and English."""

    def name(self, lang: str) -> str:
        """Return the zone's name in a language, in Thai where it has no other."""
        return (self.names[1] if lang == "en" else "") or self.names[0]

    def text(self, lang: str) -> tuple[str, ...]:
        """Return the paragraphs in a language, in Thai where there are no others."""
        return (self.texts[1] if lang == "en" else ()) or self.texts[0]


class Looks:
    """The looks of all zones, read once."""

    def __init__(self, home: Path, zones: Sequence[Zone]) -> None:
        """Read pictures and texts.

        Raises:
            PortalError: a file is missing, too large or not what it should be.
        """
        self._looks = {zone.id: _look(home, zone) for zone in zones}

    def of(self, place: Place | None) -> Look:
        """Return the look of a place."""
        return self.named(place.zone.id) if place and place.zone else Look()

    def named(self, zone: str) -> Look:
        """Return the look of a zone by its id."""
        return self._looks.get(zone, Look())


def _look(home: Path, zone: Zone) -> Look:
    return Look(
        zone=zone.id,
        names=(zone.name, zone.name_en),
        style=_style(zone.colour),
        logo=_logo(zone, home / zone.logo) if zone.logo else None,
        texts=(_text(zone, home, zone.notice), _text(zone, home, zone.notice, english=True)),
    )


def _style(colour: str) -> str:
    if not colour:
        return ""
    ink = ink_on(colour)
    return f".head {{ background: {colour}; color: {ink}; }} .head a {{ color: inherit; }}\n"


def ink_on(colour: str) -> str:
    """Return the colour of text that is read best on another (WCAG 2 contrast ratio).

    Args:
        colour: `#rrggbb`.
    """
    ground = _luminance(colour)
    return max((_LIGHT, _DARK), key=lambda ink: _contrast(ground, _luminance(ink)))


def _contrast(one: float, other: float) -> float:
    return (max(one, other) + 0.05) / (min(one, other) + 0.05)


def _luminance(colour: str) -> float:
    levels = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    parts = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in levels)
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), parts, strict=True))


def _logo(zone: Zone, path: Path) -> Logo:
    try:
        with path.open("rb") as file:
            picture = file.read(LARGEST_LOGO + 1)
    except OSError as error:
        raise _wrong(zone, "logo", f"{path}: {error.strerror}") from error
    if len(picture) > LARGEST_LOGO:
        raise _wrong(zone, "logo", f"{path} has more than {LARGEST_LOGO // 1000} kB")
    for begin, media_type in _TYPES.items():
        if picture.lstrip().startswith(begin) or picture.startswith(begin):
            return Logo(picture=picture, media_type=media_type)
    raise _wrong(zone, "logo", f"{path} is no PNG, JPEG or SVG picture")


def _text(zone: Zone, home: Path, name: str, *, english: bool = False) -> tuple[str, ...]:
    if not name:
        return ()
    path = home / (f"{name}.en" if english else name)
    if english and not path.exists():
        return ()
    try:
        with path.open(encoding="utf-8-sig") as file:
            text = file.read(LONGEST_TEXT + 1)
    except OSError as error:
        raise _wrong(zone, "notice", f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise _wrong(zone, "notice", f"{path} is not text in UTF-8") from error
    if len(text) > LONGEST_TEXT:
        raise _wrong(zone, "notice", f"{path} has more than {LONGEST_TEXT} characters")
    return tuple(" ".join(part.split()) for part in text.split("\n\n") if part.strip())


def _wrong(zone: Zone, key: str, why: str) -> PortalError:
    return PortalError(f"settings: zones: {zone.id}: {key}: {why}")
