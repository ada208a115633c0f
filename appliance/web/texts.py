"""Words, numbers and times of the pages, in Thai and English.

Messages in code and templates are English; `locale/th.po` has the Thai. Times are shown in
Asia/Bangkok; in Thai with the Buddhist year, which Babel does not know.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

from babel.messages.pofile import read_po

from captive_portal.people import dates

Language = Literal["th", "en"]
LANGUAGES: tuple[Language, ...] = ("th", "en")
LOCALE = Path(__file__).parent / "locale"
BANGKOK = ZoneInfo("Asia/Bangkok")

_MONTHS: dict[Language, tuple[str, ...]] = {
    "th": dates.SHORT,
    "en": (
        *("Jan", "Feb", "Mar", "Apr", "May", "Jun"),
        *("Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
    ),
}


_KEY = re.compile(
    r"^(?:act|because|certainty|col|day|device|event|failed|field|gap|kind|last|limit|log|method|named|nas|cause|refusal|overdue|process|proofing|quota|range|role|sign-in|source|state|voucher|zone):(?=\S)"
)


class Texts:
    """Translates into one language; call it with the English message."""

    def __init__(self, language: Language) -> None:
        self.language: Language = language
        self._messages = _catalogue(language)

    def __call__(self, message: str, /, **values: object) -> str:
        """Return the message in this language, `{name}` places filled.

        A message `group:word` names a word that the program uses (a log, a column, a kind of gap);
        one without a translation is shown as it is.
        """
        text = self._messages.get(message) or _KEY.sub("", message)
        return text.format(**values) if values else text

    def moment(self, when: datetime | int | None, *, seconds: bool = True) -> str:
        """Return a time (aware, or µs since the epoch) as people here write it."""
        if when is None:
            return "–"
        local = at(when).astimezone(BANGKOK)
        year = local.year + (dates.BUDDHIST_ERA if self.language == "th" else 0)
        clock = f"{local:%H:%M:%S}" if seconds else f"{local:%H:%M}"
        return f"{local.day} {_MONTHS[self.language][local.month - 1]} {year} {clock}"

    def number(self, value: float | None) -> str:
        """Return a number with separators, `–` for none."""
        if value is None:
            return "–"
        return f"{value:,.0f}" if float(value).is_integer() or value >= 100 else f"{value:,.1f}"

    def size(self, size_bytes: float | None) -> str:
        """Return a size in the largest decimal unit that keeps it above one."""
        if size_bytes is None:
            return "–"
        value = float(size_bytes)
        for unit in ("B", "kB", "MB", "GB"):
            if abs(value) < 1000:
                return f"{value:,.0f} {unit}" if unit == "B" else f"{value:,.1f} {unit}"
            value /= 1000
        return f"{value:,.1f} TB"


def at(when: datetime | int) -> datetime:
    """Return a time given as aware datetime or as µs since the epoch, aware."""
    return datetime.fromtimestamp(when / 1_000_000, UTC) if isinstance(when, int) else when


def language_of(*wishes: str | None) -> Language:
    """Return the first wish that is a language of ours; Thai when none is."""
    for wish in wishes:
        if wish in LANGUAGES:
            return wish
    return "th"


@cache
def texts(language: Language) -> Texts:
    """Return the one `Texts` of a language."""
    return Texts(language)


@cache
def _catalogue(language: Language) -> dict[str, str]:
    with (LOCALE / f"{language}.po").open("rb") as file:
        catalogue = read_po(file, locale=language, abort_invalid=True)
    return {str(m.id): str(m.string) for m in catalogue if m.id and m.string}
