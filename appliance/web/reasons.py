"""Why something about people, groups or files is not done, in the visitor's language.

What does it says so in English, for the command line and for logs; what stands in a sentence is
taken out of it and put into the other one.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable

from appliance.web import faults
from appliance.web.texts import Texts

_log = logging.getLogger(__name__)
_THAI = re.compile("[\u0e01-\u0e5b]")
UNSAID = "That was not possible. The log of the box says why."
_SENTENCES = (
    "no session has an id that begins {word}",
    "several sessions have ids like {word}",
    "session {word} is over since {when}",
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
    "no group {word}",
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
    "account {account} of site {site} exists already",
    "somebody else made that account just now",
    "no account with the id {word}",
    "no such account",
    "no such kind or right",
    "no site {word}",
    "the account name is longer than {count} characters",
    "the account name holds a control character",
    "the account name mixes letters of two scripts that look the same",
    "the password is longer than {count} characters",
    "choose another",
    "site {site} has a group named {word} already",
    "choose another name, or change that group",
    "a group has no {word}",
    "it has: {known}",
    "{word} is no span of hours",
    "wanted such as: จ-ศ 07:30-16:30",
    "{word} ends before it begins",
    "a night is two spans",
    "{word} are no days of the week",
    "{word} is no day",
    "days are: {known}",
    "{word} is no time of day",
    "wanted such as 07:30",
    "{field}: {word} is no number from {least} to {most}",
    "name: a group's name has 1 to 100 signs",
    "kind: no kind {word}",
    "{field}: no {word}",
    "known: {known}",
    "{field}: {word} is neither yes nor no",
    "ssids: a network's name has 32 octets at most",
    "{word} is no date",
    "wanted one such as 31/03/2570",
    "how many is a whole number",
    "a batch has 1 to {count} vouchers",
    "somebody must answer for the guests",
    "no such group at the site",
    "no such voucher",
    "whose voucher is it?; give first name and surname",
    "vouchers are valid for a year at most, from now on",
    "a voucher gives a minute at least",
    "a name is longer than {count} characters",
    "the name is longer than {count} characters",
    "no such sponsor at the site",
    "{account} cannot answer for guests",
    "a teacher or member of staff can",
    "the classes were moved up less than half a year ago",
    "undo that one first, within a day",
    "there is no step to undo",
    "the step is more than a day old",
    "import the roll with the right classes",
    "{word} is no grade",
    "wanted one such as ป.6 or ม.3",
    "no pupil has a grade",
    "import the roll with its classes first",
    "nobody in that class needs a slip",
    "all of them: those with a password too",
    "that would be {count} slips, more than {most} at once",
    "choose a class, or use prathu people slips",
    "the device has no name",
    "such as: printer, room 12",
    "no such owner at the site",
    "the device {word} is entered already",
    "remove it first",
    "the device is the school's",
    "ask the administrator",
    "{word} is no MAC address",
    "the name is longer than {count} characters, or holds odd signs",
    "the purpose is longer than {count} characters, or holds odd signs",
    "no such device",
    "these are too many devices",
    "forget one first",
    "the file is larger than {count} MiB",
    "split it",
    "split the file",
    "an old .xls file, or one with a password",
    "save it as .xlsx",
    "more than {count} rows",
    "is it a CSV file?",
    "the cells cannot be read",
    "the file is not text",
    "save it as CSV UTF-8",
    "cells are joined in row {line}, so that others seem empty",
    "part them (unmerge cells) and fill each in",
    "the XLSX file is broken",
    "save it again as .xlsx",
    "the XLSX file declares XML entities, as no spreadsheet does",
    "do not open it",
    "the XLSX file has too many parts",
    "copy the list to a new file",
    "the XLSX file unpacks to more than {count} MiB",
    "copy the list alone to a new file, or split it",
    "the XLSX file holds macros",
    "save it as .xlsx without them",
    "the XLSX file is linked with other files",
    "copy the list as values",
    "the XLSX file has a password",
    "save it without",
    "the XLSX file is nested too deeply",
    "the XLSX file holds too much",
    "row {line} holds a formula",
    "copy the list as values and save it",
    "row {line} has more than {count} columns",
    "delete empty columns",
    "a cell of the XLSX file is too long",
    "two columns for {field}: {first} and {second}",
    "delete the one that is not meant",
    "column {count}, {word}, may be {fields}",
    "give it a name of its own, such as รหัสนักเรียน or เลขประจำตัวประชาชน",
    "no column for the account name or the student code",
    "one line names the columns, for instance: account,full_name,kind,password",
    "the file is of {count} schools, and the settings know no codes",
    "fill in [[schools]] in prathu.toml, or import one school at a time",
    "the student code is longer than {count} characters",
    "the form cannot be read",
    "load the page again",
    "no file was chosen",
    "the sign-in page has no name to put on paper",
    "set sign_in.public_url",
    "there is no database of people here",
    "only a teacher or member of staff with a password here may help",
    "no such pupil in your classes",
    "these are more than {count} classes",
    "{word} is no class",
    "wanted such as ม.1/2",
    "the password of that pupil is not kept here",
    "the password is one of those that everybody tries first",
    "the password is the account's own name",
    "the password is the one that they have already",
    "such as {word}",
    "{word} is no address of one device",
    "look it up at the device",
    "there is no grade {word}",
    "the row has no name",
    "fill in first name and surname",
    "no pupil is in {word}",
    "all {count} pupils have a password of their own",
    "the file has no pupil, so all pupils would be closed",
    "leave out --close-left: it is for a whole school's list of pupils",
    "a voucher gives a year at most",
    "the key of {word}",
    "restore it",
)


def _pattern(sentence: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", sentence)
    text = "".join(
        f"(?P<{part}>.+)" if at % 2 else re.escape(part) for at, part in enumerate(parts)
    )
    return re.compile(text, re.DOTALL)


_BETWEEN = {"th": " ", "en": "; "}
_PATTERNS = tuple((_pattern(sentence), sentence) for sentence in _SENTENCES)
_WITH_HINT = tuple(one for one in _PATTERNS if "; " in one[1])


def reason(t: Texts, text: str) -> str:
    """Return a reason in a language; one that is not known stays as it is."""
    row = re.match(r"line (\d+): ", text)
    if row:
        return f"{t('Row')} {row[1]}: {reason(t, text[row.end() :])}"
    if said := _known(t, text, _WITH_HINT):
        return said
    what, _, hint = text.rpartition("; ")
    if what and (said := _known(t, hint, _PATTERNS)):
        return f"{reason(t, what)}{_BETWEEN[t.language]}{said}"
    return _known(t, text, _PATTERNS) or t(text)


def told(t: Texts, error: Exception) -> str:
    """Return what is wrong as pages say it: without the verbs of the command line."""
    what, hint = Exception.__str__(error), getattr(error, "hint", "")
    hint = "" if hint.startswith("prathu ") else hint
    if said := _known(t, f"{what}; {hint}", _WITH_HINT):
        return said
    said, more = faults.told(reason(t, what), t), reason(t, hint) if hint else ""
    if t.language == "th" and not _THAI.search(said):
        _log.warning("a page was not possible: %s", error)
        return t(UNSAID)
    if t.language == "th" and not _THAI.search(more):
        more = ""
    return f"{said}{_BETWEEN[t.language]}{more}" if more else said


def _known(t: Texts, text: str, patterns: Iterable[tuple[re.Pattern[str], str]]) -> str:
    """Return a text in a language, empty where no pattern is its own."""
    for pattern, sentence in patterns:
        if found := pattern.fullmatch(text):
            places = found.groupdict().items()
            return t(sentence, **{place: _word(t, place, said) for place, said in places})
    return ""


def _word(t: Texts, place: str, said: str) -> str:
    """Return what stands at a place: names of fields are those of the forms."""
    if place not in ("field", "fields"):
        return said
    return re.sub(r"[a-z_]{3,}", lambda name: t(f"field:{name[0]}"), said)
