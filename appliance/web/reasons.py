"""Why rows of a roll are not taken, and what is doubtful in others, in the visitor's language.

The reader of rolls says it in English; what stands in a sentence is taken out of it and put into
the other one.
"""

from __future__ import annotations

import re

from appliance.web.texts import Texts

_SENTENCES = (
    "the spreadsheet has rounded the identifier (as 1.23E+12); "
    "set the column to Text and fill it in again",
    "a citizen id would be the account's name and stand in every log; use the student code",
    "the student code looks like a citizen id or a rounded number; "
    "fill in the school's own number for the pupil",
    "the account name is empty",
    "the password is shorter than {count} characters; choose another",
    "the password is shorter than {count} characters",
    "account {account} stands in the file twice, first in line {line}",
    "student code stands in the file twice, first in line {line}",
    "identifier stands in the file twice, first in line {line}",
    "no kind {word}; known: {known}",
    "no status {word}; known: {known}",
    "no group {word}; prathu groups list",
    "no school of this box has the code {word}; [[schools]] in prathu.toml has the codes",
    "the row is of the school {word}; import it there",
    "{word} is no date; wanted one such as 31/03/2570",
    "account, student code and identifier are those of different people: {word}; "
    "see which is right",
    "{word} is somebody else, by the identifier and the name; "
    "give a new pupil a student code that nobody had",
    "the last digit of the identifier does not fit",
    "the identifier is one digit repeated",
    "the identifier has an unusual form",
    "a leading zero was missing and was put back",
    "the school's code was not checked: [[schools]] in prathu.toml names none",
    "{word}: a second column of that name is not read",
)


def _pattern(sentence: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", sentence)
    text = "".join(
        f"(?P<{part}>.+)" if at % 2 else re.escape(part) for at, part in enumerate(parts)
    )
    return re.compile(text, re.DOTALL)


_PATTERNS = tuple((_pattern(sentence), sentence) for sentence in _SENTENCES)


def reason(t: Texts, text: str) -> str:
    """Return a reason in a language; one that is not known stays as it is."""
    row = re.match(r"line (\d+): ", text)
    if row:
        return f"{t('Row')} {row[1]}: {reason(t, text[row.end() :])}"
    for pattern, sentence in _PATTERNS:
        if found := pattern.fullmatch(text):
            return t(sentence, **found.groupdict())
    return text
