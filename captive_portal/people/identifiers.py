"""What a person is known by at the ministry: kinds of identifiers, and school codes.

Identifiers are text: one that begins with 0 or G is as good as any. The checksum of the citizen
id is only ever a warning, as rolls hold ids that never had a right one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from captive_portal.errors import PortalError
from captive_portal.people import names
from captive_portal.settings import School

_DIGITS_13 = re.compile(r"[0-9]{13}")
_G_CODE = re.compile(r"G[0-9]{12}")
_PASSPORT = re.compile(r"(?=.*[0-9])(?=.*[A-Z])[A-Z0-9]{6,12}")
_ROUNDED = re.compile(r"[0-9][.,]?[0-9]*E\+?[0-9]{1,2}")


class IdKind(StrEnum):
    """Which kind of identifier somebody has."""

    NATIONAL = "national"
    G = "g"
    """Given by the ministry to pupils without civil registration: G and 12 digits."""
    ZERO = "zero"
    """13 digits that begin with 0."""
    PASSPORT = "passport"
    OTHER = "other"


class Identifier(NamedTuple):
    """An identifier as read."""

    kind: IdKind
    text: str
    """In its one spelling; for hashing alone, never to be kept or shown."""
    warning: str
    """What is doubtful about it, or nothing; holds no digit of it."""


def read(text: str) -> Identifier | None:
    """Return the identifier in a cell; None when there is none.

    Raises:
        PortalError: a spreadsheet has rounded it.
    """
    plain = re.sub(r"[\s\-.'’]", "", names.digits(text)).upper()
    if not plain:
        return None
    if _ROUNDED.fullmatch(re.sub(r"[\s']", "", text).upper()):
        raise PortalError(
            "the spreadsheet has rounded the identifier (as 1.23E+12)",
            hint="set the column to Text and fill it in again",
        )
    if plain.isdecimal() and len(plain) == 12 and checksum_fits(f"0{plain}"):
        return Identifier(IdKind.ZERO, f"0{plain}", "a leading zero was missing and was put back")
    kind = kind_of(plain)
    return Identifier(kind, plain, _warning(kind, plain))


def kind_of(plain: str) -> IdKind:
    """Return the kind of an identifier without spaces and dashes."""
    if _DIGITS_13.fullmatch(plain):
        return IdKind.ZERO if plain.startswith("0") else IdKind.NATIONAL
    if _G_CODE.fullmatch(plain):
        return IdKind.G
    return IdKind.PASSPORT if _PASSPORT.fullmatch(plain) else IdKind.OTHER


def checksum_fits(digits: str) -> bool:
    """Say whether the last of 13 digits is the checksum of the others."""
    total = sum(int(digit) * (13 - at) for at, digit in enumerate(digits[:12]))
    return (11 - total % 11) % 10 == int(digits[12])


def looks_like_id(text: str) -> bool:
    """Say whether a cell looks like the 13 characters of an identifier, or one rounded."""
    plain = re.sub(r"[\s\-]", "", names.digits(text)).upper()
    return bool(
        _DIGITS_13.fullmatch(plain) or _G_CODE.fullmatch(plain) or _ROUNDED.fullmatch(plain)
    )


def _warning(kind: IdKind, plain: str) -> str:
    if kind is IdKind.OTHER:
        return "the identifier has an unusual form"
    if kind is not IdKind.NATIONAL and kind is not IdKind.ZERO:
        return ""
    if len(set(plain[:12])) == 1:
        return "the identifier is one digit repeated"
    return "" if checksum_fits(plain) else "the last digit of the identifier does not fit"


def site_of_code(schools: Sequence[School], code: str) -> str | None:
    """Return the site of a school by any of its codes; None when no school has it.

    By table: no rule leads from one of a school's codes to another.
    """
    plain = re.sub(r"\D", "", names.digits(code))
    for school in schools:
        if plain and plain in (school.ministry, school.smis, school.obec):
            return school.site
    return None
